"""When does silence of a route mean something?  Learned from the hours in which data usually comes, or said.

Time counts only while data is usual: a night, a weekend and a holiday that comes each week are no silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

WEEK = timedelta(days=7)
WEEKS_MIN, WEEKS_MAX = 4, 8  # so much of the past is learned from
SHARE = 0.5  # of the weeks: a day on which less often something comes is not usual
MARGIN_H = 1.0  # the usual hours of a day are so much longer on either side
TIMES = 3.0  # so many usual gaps are silence


@dataclass(frozen=True, slots=True)
class Habit:
    """In which hours of which weekdays data is usual, and how many such hours without any are silence."""

    hours: Mapping[int, tuple[float, float]]  # by weekday, Monday is 0, in local time
    limit_h: float

    @property
    def words(self) -> str:
        """Say on which days data is usual."""
        names = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
        return ", ".join(names[day] for day in sorted(self.hours))


def learn(arrivals: Sequence[datetime], now: datetime, zone: tzinfo | None) -> Habit | None:
    """Learn from when data came; None while that is too little to expect anything."""
    begin = now - WEEKS_MAX * WEEK
    found = sorted(one.astimezone(zone) for one in arrivals if begin <= one <= now)
    if not found:
        return None
    weeks = min(WEEKS_MAX, int((now - found[0]) / WEEK))
    if weeks < WEEKS_MIN:
        return None
    days: dict[int, dict[datetime, list[float]]] = {}
    for one in found:
        midnight = one.replace(hour=0, minute=0, second=0, microsecond=0)
        days.setdefault(one.weekday(), {}).setdefault(midnight, []).append(one.hour + one.minute / 60)
    hours = {
        day: (
            max(0.0, _median(min(times) for times in seen.values()) - MARGIN_H),
            min(24.0, _median(max(times) for times in seen.values()) + MARGIN_H),
        )
        for day, seen in days.items()
        if len(seen) >= SHARE * weeks
    }
    if not hours:
        return None
    gaps = [usual_h(hours, found[place - 1], found[place]) for place in range(1, len(found))]
    length = _median(end - start for start, end in hours.values())
    gap = _median([gap for gap in gaps if gap > 0] or [length])
    return Habit(hours, max(TIMES * gap, length))


def _median(values: Iterable[float]) -> float:
    found = sorted(values)
    return found[len(found) // 2]


def usual_h(hours: Mapping[int, tuple[float, float]], begin: datetime, end: datetime) -> float:
    """Return how many usual hours are between two moments, both in local time."""
    total = 0.0
    day = begin.replace(hour=0, minute=0, second=0, microsecond=0)
    while day < end and hours:
        if (window := hours.get(day.weekday())) is not None:
            first = max(begin, day + timedelta(hours=window[0]))
            last = min(end, day + timedelta(hours=window[1]))
            total += max(0.0, (last - first) / timedelta(hours=1))
        day += timedelta(days=1)
    return total


def is_silent(habit: Habit, last: datetime, now: datetime, zone: tzinfo | None) -> bool:
    """Return whether nothing has come for longer than is usual."""
    if last >= now:
        return False
    return (
        usual_h(habit.hours, max(last, now - WEEKS_MAX * WEEK).astimezone(zone), now.astimezone(zone)) > habit.limit_h
    )
