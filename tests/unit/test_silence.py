"""Silence means something only in hours in which data usually comes, and only once enough was seen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from draws import examples
from xnatsync.core.silence import Habit, is_silent, learn, usual_h

ZONE = ZoneInfo("Europe/Berlin")
MONDAY = datetime(2026, 3, 2, tzinfo=ZONE)


def weekdays(
    weeks: int, *, hours: tuple[int, ...] = (8, 11, 14, 17), without: tuple[int, ...] = (5, 6)
) -> list[datetime]:
    """Exams of a scanner, up to the Sunday before MONDAY."""
    return [
        (MONDAY - timedelta(days=back)).replace(hour=hour)
        for back in range(weeks * 7, 0, -1)
        for hour in hours
        if (MONDAY - timedelta(days=back)).weekday() not in without
    ]


def silent_at(arrivals: list[datetime], now: datetime) -> bool:
    habit = learn(arrivals, now, ZONE)
    return habit is not None and is_silent(habit, max(arrivals), now, ZONE)


def test_a_weekend_is_no_silence_and_a_working_day_without_data_is() -> None:
    seen = weekdays(8)

    assert not silent_at(seen, MONDAY + timedelta(hours=7))
    assert not silent_at(seen, MONDAY + timedelta(hours=12))
    assert silent_at(seen, MONDAY + timedelta(hours=19))
    habit = learn(seen, MONDAY, ZONE)
    assert habit is not None
    assert habit.words == "Mon, Tue, Wed, Thu, Fri"


def test_too_little_is_known_in_the_first_weeks() -> None:
    assert learn(weekdays(3), MONDAY, ZONE) is None
    assert learn([], MONDAY, ZONE) is None
    assert learn([MONDAY + timedelta(days=9)], MONDAY, ZONE) is None, "a clock that was ahead"


def test_a_route_that_gets_something_once_a_week_is_silent_after_weeks_alone() -> None:
    seen = weekdays(8, hours=(10,), without=(0, 1, 2, 3, 5, 6))  # on Fridays

    assert not silent_at(seen, MONDAY + timedelta(days=6))
    assert not silent_at(seen, MONDAY + timedelta(days=13))
    assert silent_at(seen, MONDAY + timedelta(days=28))


def test_what_came_here_and_there_makes_no_habit() -> None:
    seen = [MONDAY - timedelta(days=back, hours=-9) for back in (55, 41, 26, 9)]

    assert learn(seen, MONDAY, ZONE) is None


@pytest.mark.parametrize("change", [datetime(2026, 3, 29, tzinfo=ZONE), datetime(2026, 10, 25, tzinfo=ZONE)])
def test_a_change_of_the_clocks_makes_no_silence(change: datetime) -> None:
    monday = change + timedelta(days=1)
    seen = [(one - MONDAY) + monday for one in weekdays(8)]
    seen = [one.replace(hour=(8, 11, 14, 17)[place % 4]) for place, one in enumerate(seen)]

    assert not silent_at(seen, monday.replace(hour=9))


@given(st.lists(st.integers(0, 60 * 24 * 70), max_size=60), st.integers(0, 60 * 24 * 30))
@examples(80)
def test_something_that_has_just_come_is_never_silence_and_silence_stays(minutes: list[int], later: int) -> None:
    """Whatever the history is: not silent right after the last arrival, and once silent, silent until the next one."""
    seen = sorted(MONDAY - timedelta(minutes=one) for one in minutes)
    habit = learn(seen, MONDAY, ZONE)
    if habit is None:
        return
    last = seen[-1]
    assert not is_silent(habit, last, last, ZONE)
    assert not is_silent(habit, last, last + timedelta(hours=1), ZONE)
    if is_silent(habit, last, last + timedelta(minutes=later), ZONE):
        assert is_silent(habit, last, last + timedelta(minutes=later, days=3), ZONE)


def test_usual_hours_are_counted_within_the_hours_alone() -> None:
    hours = {0: (8.0, 18.0), 1: (8.0, 18.0)}

    assert usual_h(hours, MONDAY, MONDAY + timedelta(days=7)) == 20
    assert usual_h(hours, MONDAY.replace(hour=17), MONDAY + timedelta(days=1, hours=9)) == 2
    assert usual_h({}, MONDAY, MONDAY + timedelta(days=7)) == 0
    assert is_silent(Habit(hours, 20.0), datetime(1970, 1, 1, tzinfo=UTC), MONDAY - timedelta(days=49), ZONE)
