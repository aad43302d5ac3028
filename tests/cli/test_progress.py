"""Progress is counted right from many threads, and shown as fits the place."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from cli_world import World
from xnatsync.cli.live import bar, headline
from xnatsync.engine.progress import Progress
from xnatsync.ledger.rows import ItemRow, UnitRow
from xnatsync.report.progress import Meter, Note, Snapshot

ITEM = ItemRow(
    1, "r", "drop", "scan", "f", "seen", None, None, None, None, None, 0, 3, 900, "t", "t", "t", None
)  # fmt: skip
UNIT = UnitRow(
    7, 1, "r", "s", "P", "S1", "S1_MR", "1.2", "s/P/S1_MR", "planned", None, None, None, None, None, 0, 0, 3, 1000,
    None, None, "t", "t",
)  # fmt: skip


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_threads_lose_no_byte() -> None:
    """Counts from many threads at once add up exactly."""
    meter = Meter()
    told = Progress(meter.hear)

    with ThreadPoolExecutor(8) as pool:
        for number in range(8):
            pool.submit(lambda unit: [told.sent(unit, 3) or told.fetched(2) for _ in range(1000)], number)

    seen = meter.snapshot()
    assert (seen.sent_bytes, seen.fetched_bytes) == (24_000, 16_000)


def test_rate_and_time_left_follow_the_last_seconds() -> None:
    """The rate is that of the last ten seconds, and the time left follows from what is still to be sent."""
    clock = Clock()
    meter = Meter(monotonic=clock)
    Progress(meter.hear).unit(UNIT, "sending 3 objects")
    Progress(meter.hear).sent(7, 100)
    clock.now += 2.0
    Progress(meter.hear).sent(7, 300)

    seen = meter.snapshot()
    clock.now += 60.0
    later = meter.snapshot()

    assert (seen.sent_bytes, seen.goal_bytes, seen.elapsed_s) == (400, 1000, 2.0)
    assert seen.rate_bytes_s == 200.0
    assert seen.eta_s == 3.0
    assert (later.rate_bytes_s, later.eta_s) == (0.0, None)


def test_what_needs_no_sending_is_no_goal() -> None:
    """A session that the server holds already, or that was proven, is not waited for."""
    meter = Meter()
    Progress(meter.hear).unit(replace(UNIT, phase="landed"), "landed")

    assert meter.snapshot().goal_bytes == 0


def test_sending_again_never_exceeds_the_goal() -> None:
    """When objects are sent twice, the goal grows with them: the bar never runs over."""
    meter = Meter()
    Progress(meter.hear).unit(replace(UNIT, phase="sent"), "sending")
    Progress(meter.hear).sent(7, 1500)

    seen = meter.snapshot()

    assert (seen.sent_bytes, seen.goal_bytes) == (1500, 1500)


def test_each_change_is_told_once() -> None:
    """The same note again is no change; another note, phase or hold is."""
    told: list[Note] = []
    meter = Meter(told.append)

    for row in (ITEM, ITEM, replace(ITEM, phase="settled"), replace(ITEM, phase="settled", hold="person")):
        Progress(meter.hear).item(row, "note")
    Progress(meter.hear).item(replace(ITEM, phase="settled", hold="person"), "another note")

    assert [(note.phase, note.hold) for note in told] == [
        ("seen", None),
        ("settled", None),
        ("settled", "person"),
        ("settled", "person"),
    ]


def test_what_is_at_rest_is_not_shown_as_at_work() -> None:
    """Items that are done and sessions that are proven leave the list of those at work."""
    meter = Meter()
    Progress(meter.hear).item(ITEM, "seen")
    Progress(meter.hear).unit(UNIT, "sending")
    Progress(meter.hear).item(replace(ITEM, phase="done"), "done")
    Progress(meter.hear).unit(replace(UNIT, phase="verified"), "verified")

    assert meter.snapshot().notes == ()


def test_several_watch_one_run() -> None:
    """Each watcher is told everything."""
    one, other = Meter(), Meter()
    both = Progress(one.hear, other.hear)

    both.item(ITEM, "seen")
    both.unit(UNIT, "sending")
    both.read("item", 1, 2, 30)
    both.sent(7, 10)
    both.fetched(20)

    for meter in (one, other):
        seen = meter.snapshot()
        assert (
            seen.read_files, seen.read_bytes, seen.sent_bytes, seen.fetched_bytes, len(seen.notes)
        ) == (2, 30, 10, 20, 2)  # fmt: skip


@pytest.mark.parametrize(
    ("sent", "goal", "rate", "eta", "words"),
    [
        (0, 0, 0.0, None, "reading: 4 files, 50 B"),
        (1500, 3000, 0.0, None, "1.5 kB of 3.0 kB sent"),
        (1500, 3000, 500.0, 3.0, "1.5 kB of 3.0 kB sent, 500 B/s, 3 s left"),
        (1500, 1_000_000, 500.0, 7264.0, "1.5 kB of 1.0 MB sent, 500 B/s, 2 h 1 min left"),
    ],
)
def test_one_line_says_how_far_it_is(sent: int, goal: int, rate: float, eta: float | None, words: str) -> None:
    """Bytes, rate and time left, as far as they are known."""
    assert words == headline(Snapshot(1.0, 4, 50, sent, goal, 0, rate, eta, ()))


@pytest.mark.parametrize(("sent", "full"), [(0, 0), (500, 14), (1000, 28)])
def test_the_bar_shows_the_share(sent: int, full: int) -> None:
    """Empty, half, full: 28 columns."""
    drawn = bar(Snapshot(1.0, 0, 0, sent, 1000, 0, 0.0, None, ()))

    assert (28, full) == (len(drawn), drawn.count("━"))


def test_the_log_holds_codes_and_numbers_only(box: World) -> None:
    """A log file tells each change of phase; no path, label, UID or name is in it."""
    box.study("secret_folder")
    box.study("unnamed", "", seed=2)

    ran = box.run("--log-file", str(box.root / "logs" / "log"), "sync", "--workers", "1")

    lines = (box.root / "logs" / "log").read_text(encoding="utf-8").splitlines()
    codes = [line.split('"code": "')[1].split('"')[0] for line in lines]
    assert ran.code == 3
    assert {"item.seen", "item.settled", "unit.sent", "unit.landed", "unit.verified", "item.done"} <= set(codes)
    assert not [
        line for line in lines if any(word in line for word in ("secret_folder", "P1", "Secret", "2.25.", "DEMO"))
    ]
    assert ran.err.startswith("secret_folder: seen")


def test_verbose_writes_the_log_to_stderr(box: World) -> None:
    """With `-v` stderr is the log: JSON lines, and no progress between them."""
    box.study("good")

    ran = box.run("-v", "sync")

    assert ran.code == 0
    assert ran.err
    assert all(line.startswith('{"at": "') for line in ran.err.splitlines())
