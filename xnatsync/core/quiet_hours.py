"""Hours in which nothing new begins: `07:00-18:00`, or `mon-fri 07:00-18:00`, as the clock on the wall shows them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MIN = 24 * 60
_SPAN = re.compile(r"(?:([a-z]{3})(?:-([a-z]{3}))? +)?([0-9]{1,2}):([0-9]{2})-([0-9]{1,2}):([0-9]{2})")


@dataclass(frozen=True, slots=True)
class Span:
    """So many minutes from a minute of the day on, on some days of the week (0 is Monday)."""

    days: frozenset[int]
    begin: int
    minutes: int


def span(text: str) -> Span:
    """Read a span; one that ends before it begins passes midnight.  ValueError for anything else."""
    found = _SPAN.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(f"{text!r} is no span of hours: write it as 07:00-18:00, or as mon-fri 07:00-18:00")
    first, last, *clock = found.groups()
    begin, end = _minute(text, clock[0], clock[1]), _minute(text, clock[2], clock[3])
    if begin == end:
        raise ValueError(f"{text!r} has no end: begin and end are the same")
    return Span(_days(text, first, last), begin, (end - begin) % DAY_MIN or DAY_MIN)


def seconds_left(spans: Iterable[Span], local: datetime) -> float:
    """Return for how long, at a local time, nothing new begins: until the latest end of the spans it is in; 0: in none.

    Where the clock is put forward or back meanwhile it is an hour wrong: whoever waits asks again now and then.
    """
    now = local.hour * 60 + local.minute + local.second / 60 + local.microsecond / 60e6
    left = [
        one.begin + one.minutes - passed
        for one in spans
        for back in (0, 1)  # a span of today, or one of yesterday that passes midnight
        if (local.weekday() - back) % 7 in one.days
        and one.begin <= (passed := now + DAY_MIN * back) < one.begin + one.minutes
    ]
    return max(left, default=0.0) * 60


def _minute(text: str, hours: str, minutes: str) -> int:
    found = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or found > DAY_MIN:
        raise ValueError(f"{text!r}: there is no {hours}:{minutes}")
    return found


def _days(text: str, first: str | None, last: str | None) -> frozenset[int]:
    if first is None:
        return frozenset(range(7))
    for day in (first, last or first):
        if day not in DAYS:
            raise ValueError(f"{text!r}: {day} is no day: {', '.join(DAYS)}")
    begin, end = DAYS.index(first), DAYS.index(last or first)
    return frozenset((begin + number) % 7 for number in range((end - begin) % 7 + 1))
