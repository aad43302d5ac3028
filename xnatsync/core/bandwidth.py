"""How many bytes a second may go to and from a server: always the same, or by the time of day.

The time is that of the clock on the wall: in the night in which an hour comes twice, what is said of it holds twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

LEAST: Final = 64 << 10  # bytes a second: with less, one piece takes so long that servers end the connection
DAY: Final = 24 * 60  # minutes


@dataclass(frozen=True, slots=True)
class Hours:
    """A part of each day, in minutes of the clock, and its rate; it may go over midnight."""

    begin: int
    end: int  # not included; the same as `begin`: the whole day
    bytes_s: int

    def holds(self, minute: int) -> bool:
        """Return whether a minute of the day is in it."""
        if self.begin < self.end:
            return self.begin <= minute < self.end
        return minute >= self.begin or minute < self.end


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """What is allowed; at a time that no part of the day names, everything is."""

    hours: tuple[Hours, ...] = ()

    def at(self, minute: int) -> int | None:
        """Return the bytes a second at a minute of the day; None: no limit."""
        return next((one.bytes_s for one in self.hours if one.holds(minute)), None)


def always(bytes_s: int) -> Bandwidth:
    """Return the same limit at every hour."""
    return Bandwidth((Hours(0, 0, bytes_s),))


def overlap(hours: Sequence[Hours]) -> tuple[int, int] | None:
    """Return two of several parts of the day that name the same minute; None when there are none."""
    for at, one in enumerate(hours):
        for other in range(at):
            if any(one.holds(minute) and hours[other].holds(minute) for minute in (one.begin, hours[other].begin)):
                return other, at
    return None
