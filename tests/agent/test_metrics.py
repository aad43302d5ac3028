"""Metrics, the heartbeat and silence: as Prometheus' own parser, a web server and a person see them."""

from __future__ import annotations

import math
import re
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from agent_world import AgentWorld
from draws import examples
from notices_world import NoticesWorld, web
from xnatsync.agent.heartbeat import Heartbeat, ping
from xnatsync.app.metrics import metrics, write_metrics
from xnatsync.app.silence import Silences
from xnatsync.config.load import ConfigInvalid, load
from xnatsync.core.errors import NoRule, PlaceTaken
from xnatsync.core.exposition import Family, Sample, exposition
from xnatsync.core.moment import later

LINE = re.compile(
    r"# HELP [a-z_]+ [^\n]+|# TYPE [a-z_]+ (gauge|counter)"
    r'|[a-z_]+(\{[a-z_]+="(?:[^"\\\n]|\\["\\n])*"(?:,[a-z_]+="(?:[^"\\\n]|\\["\\n])*")*\})? (NaN|[+-]Inf|-?[0-9.e+-]+)'
)


def read(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every series, read strictly: by Prometheus' own parser, and line by line by the grammar of the format."""
    assert text.endswith("\n")
    faults = [line for line in text.splitlines() if LINE.fullmatch(line) is None]
    assert faults == []
    found: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    names: list[str] = []
    for family in text_string_to_metric_families(text):
        assert family.documentation
        assert family.type in {"gauge", "counter"}
        names.append(family.name)
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in found, "a series twice"
            found[key] = sample.value
    assert len(names) == len(set(names)), "a metric in two groups"
    return found


def value(text: str, name: str, **labels: str) -> float:
    return read(text)[name, frozenset(labels.items())]


@pytest.fixture
def notices(tmp_path: Path) -> Iterator[NoticesWorld]:
    found = NoticesWorld(tmp_path)
    yield found
    found.close()


def test_metrics_are_what_the_ledger_says_with_no_more_series_than_the_configuration_makes(
    notices: NoticesWorld,
) -> None:
    before = read(metrics(notices.config, notices.ledger))
    for number in range(30):
        notices.held(NoRule, f"DOE^JANE {number}", name=f"DOE^JANE-{number}")
    text = metrics(notices.config, notices.ledger)

    assert value(text, "xnatsync_held", route="scanner") == 30
    assert value(text, "xnatsync_items", route="scanner", state="seen") == 30
    assert value(text, "xnatsync_causes", state="inbox") == 1
    assert value(text, "xnatsync_server_up", server="prod") == 1
    assert value(text, "xnatsync_agent_up") == 0
    assert value(text, "xnatsync_disk_free_bytes", place="ledger") > 0
    arrived = ("xnatsync_last_arrival_timestamp_seconds", frozenset({("route", "scanner")}))
    assert set(read(text)) - set(before) == {arrived}
    assert "DOE" not in text
    assert set(read(metrics(notices.config, None))) <= set(before)


@given(st.lists(st.tuples(st.text(max_size=8), st.floats()), unique_by=lambda pair: pair[0], max_size=5), st.text())
@examples(60)
def test_whatever_a_label_or_a_value_is_prometheus_reads_it_back(pairs: list[tuple[str, float]], words: str) -> None:
    """Also ends of lines, quotes, backslashes, and what is no number."""
    family = (
        Family(
            "x_y",
            "gauge",
            words.replace("\r", "") + "x",
            [Sample({"a": text.replace("\r", "")}, number) for text, number in pairs],
        )
        if len({text.replace("\r", "") for text, _ in pairs}) == len(pairs)
        else Family("x_y", "gauge", "x", [])
    )
    if any(sign in text for text, _ in pairs for sign in "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029") or not family.samples:
        return  # Python's own `splitlines` takes these for ends of lines, Prometheus does not

    parsed = [sample for part in text_string_to_metric_families(exposition([family])) for sample in part.samples]

    assert [sample.labels["a"] for sample in parsed] == [sample.labels["a"] for sample in family.samples]
    for sample, (_, number) in zip(parsed, pairs, strict=True):
        assert sample.value == number or (math.isnan(sample.value) and math.isnan(number))


@pytest.mark.parametrize(
    "text",
    ["xnatsync_items{route=scanner} 1\n", 'xnatsync_items{route="a\nb"} 1\n', "xnatsync_items 1,5\n", "x-y 1\n",
     "# TYPE x_y summary\n", 'x_y{route="a"} 1\nx_y{route="a"} 2\n', "xnatsync_items 1"],
)  # fmt: skip
def test_what_prometheus_would_refuse_is_seen(text: str) -> None:
    with pytest.raises((AssertionError, ValueError)):
        read(text)


@pytest.mark.parametrize(
    ("name", "kind", "twice"), [("X-y", "gauge", False), ("x", "counter", False), ("x", "gauge", True)]
)
def test_a_wrong_metric_is_a_mistake_of_ours(name: str, kind: str, twice: bool) -> None:
    with pytest.raises(AssertionError):
        Family(name, kind, "x", [Sample({}, 1)] * (1 + twice))  # type: ignore[arg-type]


def test_the_file_is_replaced_whole_and_nothing_else_is(tmp_path: Path) -> None:
    place = tmp_path / "xnatsync.prom"
    write_metrics(place, "# HELP xnatsync_x x\n")
    write_metrics(place, "# HELP xnatsync_y y\n")
    assert place.read_text() == "# HELP xnatsync_y y\n"
    assert stat.S_IMODE(place.stat().st_mode) & 0o444
    assert [path.name for path in tmp_path.iterdir()] == ["xnatsync.prom"]

    place.write_text("theirs")
    link = tmp_path / "link.prom"
    link.symlink_to(place)
    (tmp_path / "folder.prom").mkdir()
    for other in (place, link, tmp_path / "folder.prom"):
        with pytest.raises(PlaceTaken):
            write_metrics(other, "# HELP xnatsync_x x\n")
    assert place.read_text() == "theirs"


# --- silence ---------------------------------------------------------------------------------------------------------


def test_a_route_that_was_said_to_get_data_is_silent_and_then_is_not(notices: NoticesWorld) -> None:
    text = (
        (notices.root / "xnatsync.toml").read_text().replace('project = "P"\n', 'project = "P"\nquiet_for = "2d"\n', 1)
    )
    (notices.root / "xnatsync.toml").write_text(text)
    notices.config = load(notices.root / "xnatsync.toml")
    notices.ledger.new_item("scanner", "drop", "first", "f", 1, 1, notices.time)
    step = notices.teller(more=Silences(notices.config, notices.ledger).now).step
    notices.pass_time(47 * 3600, 7200, step)
    assert notices.out == []

    notices.pass_time(5 * 3600, 1800, step)
    (message,) = notices.out
    assert "no data has arrived" in message.title
    assert "the last arrived at 2026-03-02 08:00:00 UTC" in message.body

    notices.ledger.new_item("scanner", "drop", "second", "f", 1, 1, notices.time)
    notices.pass_time(3600, 600, step)
    assert [message.title for message in notices.out[1:]] == ["xnatsync: route scanner: resolved"]


def test_a_habit_is_learned_from_the_ledger_and_a_paused_route_or_one_that_never_got_data_is_not_silent(
    notices: NoticesWorld,
) -> None:
    silences = Silences(notices.config, notices.ledger)
    assert silences.now(later(notices.time, 9e6)) == []
    for day in range(56):
        if day % 7 < 5:
            at = later(notices.time, (day - 56) * 86400.0 + 7200)
            notices.ledger.new_item("scanner", "drop", f"exam{day}", "f", 1, 1, at)
    assert Silences(notices.config, notices.ledger).now(notices.time) == []

    (cause,) = Silences(notices.config, notices.ledger).now(later(notices.time, 5 * 86400.0))
    assert cause.place == "route scanner"
    assert "Mon, Tue, Wed, Thu, Fri" in cause.note

    notices.ledger.stand_by("scanner", notices.time)
    assert Silences(notices.config, notices.ledger).now(later(notices.time, 5 * 86400.0)) == []


# --- the heartbeat ---------------------------------------------------------------------------------------------------


def test_the_heartbeat_is_sent_on_progress_alone_and_a_failing_one_harms_nobody() -> None:
    well, asked = [True], threading.Event()
    with web() as hook:
        address = f"http://127.0.0.1:{hook.port}/ping/SECRET"
        beat = Heartbeat(lambda: address, lambda: well[0])
        beat.beat()
        well[0] = False
        beat.beat()
        assert [part["path"] for part in hook.got] == ["/ping/SECRET"]
        hook.status = 500
        ping(address)

    def broken() -> str:
        asked.set()
        raise RuntimeError("no address")

    failing = Heartbeat(broken, lambda: True, every_s=0.01)
    failing.begin()
    assert asked.wait(10)
    asked.clear()
    assert asked.wait(10), "it goes on after a failure"
    failing.end()


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('heartbeat = "https://me:SECRET@example.org/x"', "heartbeat_file"),
        ('heartbeat = "ftp://SECRET"', "write it as https"),
        ('heartbeat = "https://example.org"\nheartbeat_file = "/x"', "one of the two"),
    ],
)
def test_a_wrong_heartbeat_is_a_problem_that_repeats_none_of_it(lines: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(f"[agent]\n{lines}\n")

    with pytest.raises(ConfigInvalid) as refused:
        load(tmp_path / "x.toml")
    assert words in str(refused.value)
    assert "SECRET" not in str(refused.value)


def test_the_agent_writes_metrics_and_sends_heartbeats_and_messages(world: AgentWorld) -> None:
    """All three from the running agent, over real sockets and files."""
    with web() as hook:
        (world.root / "ops.url").touch(mode=0o600)
        (world.root / "ops.url").write_text(f"json://127.0.0.1:{hook.port}/message")
        world.agent_lines += (
            f'heartbeat = "http://127.0.0.1:{hook.port}/beat"\nmetrics_file = "{world.root}/x.prom"\n'
            f'[notify.ops]\nurl_file = "{world.root}/ops.url"\ngrace = "0s"\n'
        )
        world.configure()
        world.study("unnamed", patient="")
        with world.agent():
            world.until(lambda: any(part.is_held for part in world.seen.routes[0].standing))
        with world.agent():
            world.until(lambda: (world.root / "x.prom").exists())
            world.until(lambda: {"/beat", "/message"} <= {part["path"] for part in hook.got})
    assert read((world.root / "x.prom").read_text())["xnatsync_agent_up", frozenset()] == 1
