"""Moments as text: they survive the round trip, and sort as they follow each other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnatsync.core.moment import later, parse, stamp

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2190, 1, 1), timezones=ZONES)


@given(MOMENTS)
def test_a_moment_is_read_back_to_the_millisecond(moment: datetime) -> None:
    """Whatever zone it was in, it is the same moment, in UTC."""
    read = parse(stamp(moment))

    assert timedelta(0) <= moment - read < timedelta(milliseconds=1)
    assert read.utcoffset() == timedelta(0)
    assert stamp(read) == stamp(moment)


@given(MOMENTS, MOMENTS)
def test_text_sorts_as_time_does(one: datetime, other: datetime) -> None:
    """SQLite compares them as text."""
    if one <= other:
        assert stamp(one) <= stamp(other)


@given(MOMENTS, st.integers(0, 10**9))
def test_later_adds_seconds(moment: datetime, milliseconds: int) -> None:
    """To the millisecond."""
    assert parse(later(stamp(moment), milliseconds / 1000)) - parse(stamp(moment)) == timedelta(
        milliseconds=milliseconds
    )


def test_a_moment_without_a_zone_is_refused() -> None:
    """A local time taken for UTC would be wrong by hours, silently."""
    with pytest.raises(ValueError, match="without a time zone"):
        stamp(datetime(2026, 3, 1))


def test_it_is_written_as_the_manual_says() -> None:
    """UTC, ISO-8601, milliseconds."""
    assert stamp(datetime(2026, 3, 1, 12, tzinfo=UTC)) == "2026-03-01T12:00:00.000Z"
