"""Moments are text that sorts as time passes; nothing without a zone gets in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnatsync.core.moment import later, parse, seconds_between, stamp

NOON = "2026-03-01T12:00:00.000Z"


def test_a_moment_is_written_in_utc_with_milliseconds() -> None:
    """Wherever the machine stands, the ledger reads the same; microseconds are cut, not rounded up into the future."""
    berlin = timezone(timedelta(hours=1))

    assert stamp(datetime(2026, 3, 1, 13, 0, 0, 999, berlin)) == NOON


def test_what_is_written_is_read_back() -> None:
    """Nothing is lost but what was not written."""
    assert parse(NOON) == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert stamp(parse(NOON)) == NOON


def test_a_moment_without_a_zone_is_refused() -> None:
    """A naive time would be taken for local time somewhere."""
    with pytest.raises(ValueError, match="zone"):
        stamp(datetime(2026, 3, 1))


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0, NOON), (0.5, "2026-03-01T12:00:00.500Z"), (-1, "2026-03-01T11:59:59.000Z")]
)
def test_later_adds_seconds(seconds: float, expected: str) -> None:
    """Fractions and the past included."""
    assert later(NOON, seconds) == expected


def test_text_sorts_as_time_passes() -> None:
    """So that SQL may compare moments as text, over the end of a minute, a day and a year."""
    steps = [later("2025-12-31T23:59:59.000Z", seconds) for seconds in (0, 0.001, 0.999, 1, 61, 86_400)]

    assert steps == sorted(steps)
    assert len(set(steps)) == len(steps)


@given(seconds=st.integers(-(10**9), 10**9).map(lambda ms: ms / 1000))
def test_what_is_between_is_what_was_added(seconds: float) -> None:
    """Backwards too: negative when the end comes first."""
    assert seconds_between(NOON, later(NOON, seconds)) == pytest.approx(seconds, abs=0.0005)
    assert seconds_between(later(NOON, seconds), NOON) == pytest.approx(-seconds, abs=0.0005)
