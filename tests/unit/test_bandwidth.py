"""A limit of bytes a second: kept to the percent, shared by everybody, by the hour of the wall, and in nobody's way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnatsync.config.bandwidth import read_bandwidth
from xnatsync.config.model import ServerConfig
from xnatsync.core.bandwidth import always
from xnatsync.core.errors import Stopped
from xnatsync.xnat.bandwidth import BURST_S, Meter, Meters

MIB = 1 << 20
BERLIN = ZoneInfo("Europe/Berlin")


class Clock:
    """Time passes when somebody waits."""

    def __init__(self, begin: datetime = datetime(2026, 3, 2, 12, tzinfo=UTC)) -> None:
        self.begin, self.s, self.waits = begin, 0.0, list[float]()

    def now(self) -> datetime:
        return self.begin + timedelta(seconds=self.s)

    def elapsed_s(self) -> float:
        return self.s

    def wait(self, seconds: float) -> bool:
        self.s += seconds
        self.waits.append(seconds)
        return False


@given(st.integers(64 << 10, 200 * MIB), st.floats(0.002, 3.0))
def test_a_rate_is_kept_within_five_percent(rate: int, share: float) -> None:
    """Over ten seconds and more, in pieces of any share of a second; the burst at the beginning is part of it."""
    clock = Clock()
    meter, went, piece = Meter(clock, always(rate)), 0, int(rate * share)
    while clock.s < 10:
        meter.take(piece)
        went += piece
    assert went <= rate * (clock.s + BURST_S) + 1
    assert went >= rate * clock.s * 0.95
    assert max(clock.waits, default=0) <= 0.5


def test_a_line_that_rested_gives_no_more_than_a_burst() -> None:
    """An hour of silence is not caught up with."""
    clock = Clock()
    meter = Meter(clock, always(MIB))
    clock.s = 3600.0
    meter.take(2 * MIB)
    assert clock.s == pytest.approx(3602.0 - BURST_S, abs=0.01)


def test_whoever_asks_waits_for_those_before_and_no_longer() -> None:
    """Four streams that send all they can, and a small one: it waits for a few steps, not for all they have to send."""
    clock = Clock()
    meter = Meter(clock, always(MIB))
    for _ in range(4):
        for step in list(meter.steps(bytes(8 * MIB)))[:1]:
            meter.take(len(step))
    before = clock.s
    meter.take(1000)
    assert clock.s - before <= BURST_S + 0.01


@pytest.mark.parametrize(("minute", "rate"), [(7 * 60 + 59, None), (8 * 60, MIB), (18 * 60, None), (22 * 60, 2 * MIB),
                                              (5 * 60 + 59, 2 * MIB), (6 * 60, None)])  # fmt: skip
def test_the_time_of_day_decides(minute: int, rate: int | None) -> None:
    """The end is not included; a table may go over midnight; at any other time there is no limit."""
    found = read_bandwidth(
        [{"from": "08:00", "to": "18:00", "rate": "1MiB/s"}, {"from": "22:00", "to": "06:00", "rate": "2MiB/s"}]
    )
    assert found.at(minute) == rate


def test_a_stream_goes_on_by_the_rate_of_the_hour_that_comes() -> None:
    """A minute at 1 MiB/s, and from six o'clock on without a limit: nothing is begun again for it."""
    limit = read_bandwidth([{"from": "08:00", "to": "18:00", "rate": "1MiB/s"}])
    clock = Clock(datetime(2026, 3, 2, 16, 59, 50, tzinfo=UTC))  # ten seconds to six in the evening
    meter = Meter(clock, limit, BERLIN)
    for _ in range(100):
        meter.take(MIB)
    assert 9.5 <= clock.s <= 10.6


@pytest.mark.parametrize(
    ("utc", "rate"),
    [
        (datetime(2026, 3, 29, 0, 30, tzinfo=UTC), None),  # 01:30, and in half an hour it is three
        (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), MIB),  # 03:00
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), MIB),  # 02:30 for the first time
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), MIB),  # 02:30 again
        (datetime(2026, 10, 25, 3, 0, tzinfo=UTC), None),  # 04:00
    ],
)
def test_the_clock_on_the_wall_counts_in_the_nights_in_which_it_is_changed(utc: datetime, rate: int | None) -> None:
    limit = read_bandwidth([{"from": "02:00", "to": "04:00", "rate": "1MiB/s"}])
    assert Meter(Clock(utc), limit, BERLIN).rate == rate


def test_everybody_who_talks_to_an_address_shares_its_line() -> None:
    """Two routes of one process; another server has a line of its own; a configuration that is read again holds."""
    meters = Meters(Clock())
    one, other = meters.of("https://a", always(MIB)), meters.of("https://a", always(MIB))
    assert one is other
    assert meters.of("https://b", None) is not one
    assert meters.of("https://a", always(2 * MIB)) is one
    assert (one.rate, meters.rate) == (2 * MIB, 2 * MIB)
    meters.at_most(MIB)
    assert (one.rate, meters.of("https://c", None).rate) == (MIB, MIB)
    meters.at_most(4 * MIB)
    assert one.rate == 2 * MIB
    meters.at_most(None)
    assert (one.rate, meters.of("https://c", None).rate) == (2 * MIB, None)


def test_who_is_to_stop_does_not_wait_for_the_line() -> None:
    meter = Meter(Clock(), always(64 << 10))

    def stopped() -> None:
        raise Stopped("asked to stop")

    with pytest.raises(Stopped):
        meter.take(100 * MIB, stopped)


def test_what_leaves_is_cut_so_that_it_moves_steadily() -> None:
    """No step takes longer than a quarter of a second, but for the smallest ones; nothing is lost or turned around."""
    piece = bytes(range(256)) * 4096
    for rate, most in ((None, MIB), (200 * MIB, MIB), (MIB, MIB // 4), (64 << 10, 16 << 10)):
        meter = Meter(Clock(), always(rate) if rate is not None else None)
        steps = list(meter.steps(piece))
        assert (b"".join(steps), max(map(len, steps))) == (piece, most)


SLIPS = ["20MiB", "20/s", "1kB/s", "fast", "", 20, [], [{}], [{"from": "08:00", "to": "18:00"}],
         [{"from": "8:00", "to": "18:00", "rate": "1MB/s"}], [{"from": "08:00", "to": "25:00", "rate": "1MB/s"}],
         [{"from": "08:00", "to": "08:00", "rate": "1MB/s"}], [{"from": "08:00", "to": "24:30", "rate": "1MB/s"}],
         [{"from": "08:00", "to": "18:00", "rate": "1MB/s", "days": "mon"}],
         [{"from": "08:00", "to": "18:00", "rate": "1MB/s"}, {"from": "17:00", "to": "09:00", "rate": "2MB/s"}],
         [{"from": "22:00", "to": "06:00", "rate": "1MB/s"}, {"from": "05:59", "to": "07:00", "rate": "2MB/s"}],
        ]  # fmt: skip


@pytest.mark.parametrize("slip", SLIPS, ids=repr)
def test_what_cannot_be_meant_is_an_error_of_the_configuration(slip: object) -> None:
    with pytest.raises(ValueError, match="bandwidth"):
        ServerConfig.model_validate({"url": "https://a.example.org", "bandwidth": slip})


@given(st.lists(st.tuples(st.integers(0, 1439), st.integers(0, 1439)), min_size=1, max_size=3))
def test_two_tables_never_speak_of_one_minute(pairs: list[tuple[int, int]]) -> None:
    """Refused exactly when a minute of the day is named twice."""
    tables = [
        {"from": f"{a // 60:02}:{a % 60:02}", "to": f"{b // 60:02}:{b % 60:02}", "rate": "1MB/s"}
        for a, b in pairs
        if a != b
    ]
    if not tables:
        return
    named = [minute for a, b in pairs if a != b for minute in _minutes(a, b)]
    if len(named) == len(set(named)):
        found = read_bandwidth(tables)
        assert {minute for minute in range(1440) if found.at(minute)} == set(named)
    else:
        with pytest.raises(ValueError, match="same time of day"):
            read_bandwidth(tables)


def _minutes(begin: int, end: int) -> Iterator[int]:
    while begin != end:
        yield begin
        begin = (begin + 1) % 1440
