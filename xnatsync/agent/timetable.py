"""When is something due that has a schedule?  Told by when it last ran, so that nothing is missed by a restart.

The triggers are APScheduler's, built from our own reading of cron: there 0 is Sunday, and a day of the month and a
weekday that are both restricted mean either.  What was missed while nobody ran is due once, at once.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Protocol

from xnatsync.config.cron import check_cron, interval_s
from xnatsync.core.moment import seconds_between, stamp

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_EVERY = tuple(frozenset(range(first, last + 1)) for first, last in ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6)))


class Timetable(Protocol):
    """A schedule."""

    def after(self, last: datetime) -> datetime | None:
        """Return when something that last ran at a moment is due next; None: never."""
        ...


class Every:
    """An interval, from begin to begin."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def after(self, last: datetime) -> datetime:
        """Return the moment one interval later."""
        return last.astimezone(UTC) + timedelta(seconds=self._seconds)


class Cron:
    """Minutes, hours and days as cron writes them, in local time."""

    def __init__(self, text: str, zone: tzinfo) -> None:
        minutes, hours, days, months, weekdays = check_cron(text)
        self._zone = zone
        self._repeats = hours == _EVERY[1]  # each hour of the clock: then also the one that comes twice
        fields = {"minute": _numbers(minutes), "hour": _numbers(hours), "month": _numbers(months)}
        by_day, by_weekday = days != _EVERY[2], weekdays != _EVERY[4]
        either: list[dict[str, str]] = []
        if by_day or not by_weekday:
            either.append({"day": _numbers(days)})
        if by_weekday:
            either.append({"day_of_week": ",".join(_DAYS[day] for day in sorted(weekdays))})
        self._triggers = [_trigger(fields | more, zone) for more in either]

    def after(self, last: datetime) -> datetime | None:
        """Return the next moment; in autumn no moment of the clock comes twice, unless it is due in every hour."""
        shown, begin = self._shown(last), last.astimezone(UTC)
        while True:
            begin += timedelta(seconds=1)
            found = [moment for trigger in self._triggers if (moment := _next(trigger, begin)) is not None]
            if not found:
                return None
            begin = min(found)
            if self._repeats or self._shown(begin) > shown:
                return begin

    def _shown(self, moment: datetime) -> datetime:
        """Return what the clock on the wall shows, to the minute."""
        return moment.astimezone(self._zone).replace(tzinfo=None, second=0, microsecond=0)


def timetable(text: str, zone: tzinfo | None = None) -> Timetable:
    """Read a schedule of the configuration; `zone` is the local one, if nothing else is said."""
    every = interval_s(text)
    if every is not None:
        return Every(every)
    if zone is None:
        import tzlocal

        zone = tzlocal.get_localzone()
    return Cron(text, zone)


def due_in_s(table: Timetable, last: datetime, now: datetime) -> float | None:
    """Return in how many seconds something is due that last ran at a moment; 0 when it is, None when it never is.

    One that ran in the future did so by a clock that was ahead: it counts as having run now.
    """
    moment = table.after(min(last, now))
    return None if moment is None else max(0.0, seconds_between(stamp(now), stamp(moment)))


def _numbers(found: frozenset[int]) -> str:
    return ",".join(map(str, sorted(found)))


def _trigger(fields: dict[str, str], zone: tzinfo) -> Any:
    from apscheduler.triggers.cron import CronTrigger

    return CronTrigger(**fields, second="0", timezone=zone)


def _next(trigger: Any, begin: datetime) -> datetime | None:
    found: datetime | None = trigger.get_next_fire_time(None, begin)
    return found.astimezone(UTC) if found is not None else None
