"""Quiet hours: read as they are written, and exactly as long as the clock on the wall shows."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnatsync.core.quiet_hours import DAY_MIN, DAYS, seconds_left, span

MONDAY = datetime(2026, 11, 23)


@pytest.mark.parametrize(
    ("text", "days", "at", "left_h"),
    [
        ("07:00-18:00", 0, "07:00", 11.0),
        ("07:00-18:00", 0, "17:30", 0.5),
        ("07:00-18:00", 0, "18:00", 0.0),
        ("07:00-18:00", 0, "06:59", 0.0),
        ("mon-fri 07:00-18:00", 4, "12:00", 6.0),
        ("mon-fri 07:00-18:00", 5, "12:00", 0.0),
        ("22:00-06:00", 3, "23:00", 7.0),
        ("22:00-06:00", 3, "05:00", 1.0),
        ("fri 22:00-06:00", 5, "05:00", 1.0),  # the night after Friday
        ("fri 22:00-06:00", 4, "05:00", 0.0),
        ("sun 22:00-06:00", 7, "05:00", 1.0),  # and into the next week
        ("sat-mon 00:00-24:00", 6, "12:00", 12.0),
        ("sat-mon 00:00-24:00", 2, "12:00", 0.0),
    ],
)
def test_quiet_hours_last_as_long_as_they_say(text: str, days: int, at: str, left_h: float) -> None:
    hours, minutes = map(int, at.split(":"))
    assert seconds_left([span(text)], MONDAY + timedelta(days=days, hours=hours, minutes=minutes)) == left_h * 3600


def test_the_latest_end_of_several_counts() -> None:
    spans = [span("08:00-10:00"), span("09:00-12:00"), span("13:00-14:00")]
    assert seconds_left(spans, MONDAY + timedelta(hours=9, minutes=30)) == 2.5 * 3600
    assert seconds_left([], MONDAY) == 0


@given(st.integers(0, 6), st.integers(0, DAY_MIN - 1), st.integers(1, DAY_MIN - 1), st.integers(0, 7 * DAY_MIN - 1))
def test_a_span_of_one_day_is_quiet_for_exactly_its_minutes(day: int, begin: int, length: int, at: int) -> None:
    end = (begin + length) % DAY_MIN
    text = f"{DAYS[day]} {begin // 60:02}:{begin % 60:02}-{end // 60:02}:{end % 60:02}"

    left = seconds_left([span(text)], MONDAY + timedelta(minutes=at))

    passed = (at - (day * DAY_MIN + begin)) % (7 * DAY_MIN)
    assert left == max(0, length - passed) * 60


@pytest.mark.parametrize(
    "text", ["", "7-18", "07:00", "07:60-08:00", "25:00-26:00", "07:00-07:00", "tag 07:00-08:00", "mon-fro 07:00-08:00"]
)
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"span of hours|there is no|no end|no day"):
        span(text)
