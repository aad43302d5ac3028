"""Waiting is seen: what is waited for, for how long still, and when it is over."""

from __future__ import annotations

import time

from cli_world import World, silent_port
from xnatsync.cli.live import bar, headline
from xnatsync.engine.progress import Progress
from xnatsync.report.progress import Meter, Note


def test_a_wait_counts_down_and_its_bar_is_not_full() -> None:
    """By the clock of whoever draws it; when it is over the bar is a bar again."""
    now = [0.0]
    meter = Meter(monotonic=lambda: now[0])
    Progress(meter.hear).waiting(10.0, "prod does not answer (502)")

    first = headline(meter.snapshot())
    drawn = bar(meter.snapshot())
    now[0] = 7.0
    second = headline(meter.snapshot())
    now[0] = 10.5

    assert first == "waiting, again in 10 s: prod does not answer (502)"
    assert second == "waiting, again in 3 s: prod does not answer (502)"
    assert "━" not in drawn
    assert headline(meter.snapshot()) == "looking"


def test_a_short_wait_is_no_line() -> None:
    """Where there is no terminal a line is for what a person would notice."""
    told: list[Note] = []
    meter = Meter(told.append)

    Progress(meter.hear).waiting(0.5, "the server is at work")
    Progress(meter.hear).waiting(9.0, "x")

    assert [note.text for note in told] == ["again in 9 s: x"]


def test_a_server_that_does_not_answer_is_named_while_it_is_waited_for(box: World) -> None:
    """`--patience 5s` is about five seconds, and each wait of them is told with its reason."""
    box.study("good")
    with silent_port() as port:
        box.configure(url=f"http://127.0.0.1:{port}")
        began = time.monotonic()
        ran = box.run("sync", "--patience", "5s")
        took_s = time.monotonic() - began

    assert ran.code == 5
    assert 2.0 < took_s < 12.0  # what a try takes on a busy machine is not ours to say
    assert "waiting: again in 2 s: " in ran.err
    assert "no connection to the server" in " ".join(ran.err.split())
