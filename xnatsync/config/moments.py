"""Timestamps as people write them: `2026-03-01T12:00+01:00`, `yesterday`, `last monday`, `2 days ago`, `now`.

Without a zone they are UTC, as everything that this program writes: the same words mean the same moment everywhere.
A day alone means its end: what lay there when it was over, or now while it lasts.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from xnatsync.config.words import seconds
from xnatsync.core.moment import stamp

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d{1,6})?)?( ?(Z|[+-]\d\d:?\d\d))?")
_AGO = re.compile(r"(.+?)\s+ago")
_DAYS_AGO = re.compile(r"(\d{1,5}|a|an|one) (day|week)s? ago")
_LONG_AGO = re.compile(r"(\d{1,9}|a|an|one) (second|minute|hour)s? ago")
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_WORDS = (
    "write 2026-03-01 (its end), 2026-03-01T12:00 (UTC), 2026-03-01T12:00+01:00, yesterday, last monday, 2 days ago, "
    "2h ago, or now"
)


def moment(text: str, now: datetime) -> str:
    """Read a moment and return it as the ledger writes it; ValueError when it is none, or is still to come."""
    words = text.strip()
    try:
        found = _read(words, now)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is not a time that is understood: {_WORDS}") from None
    if found > now:
        raise ValueError(f"{text!r} is in the future: what will be there then is unknown")
    return stamp(found)


def _read(words: str, now: datetime) -> datetime:
    words = " ".join(words.split())
    plain = words.casefold()
    if plain == "now":
        return now
    if (days := _days_ago(plain, now)) is not None:
        return _end_of(now - timedelta(days=days), now)
    if (long := _LONG_AGO.fullmatch(plain)) is not None:
        many = 1 if long[1].startswith(("a", "o")) else int(long[1])
        return now - many * timedelta(**{f"{long[2]}s": 1})
    if (ago := _AGO.fullmatch(words)) is not None:
        return now - timedelta(seconds=seconds(ago.group(1)))
    if _DAY.fullmatch(words):
        return _end_of(datetime.fromisoformat(words).replace(tzinfo=UTC), now)
    if _TIME.fullmatch(words) is None:
        raise ValueError(words)
    found = datetime.fromisoformat(words.replace(",", ".").replace(" +", "+").replace(" -", "-").replace(" Z", "Z"))
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _end_of(day: datetime, now: datetime) -> datetime:
    """Return the end of a day in UTC, or now while it lasts."""
    begins = day.replace(hour=0, minute=0, second=0, microsecond=0)
    ends = begins + timedelta(days=1, milliseconds=-1)
    return min(ends, now) if begins <= now else ends


def _days_ago(words: str, now: datetime) -> int | None:
    """Return how many days before today a day was that is named in words; None for anything else."""
    if words in {"today", "yesterday"}:
        return int(words == "yesterday")
    if words.removeprefix("last ") in _WEEKDAYS:  # the last one that is over
        return (now.weekday() - _WEEKDAYS.index(words.removeprefix("last ")) - 1) % 7 + 1
    if (found := _DAYS_AGO.fullmatch(words)) is not None:
        many = 1 if found[1].startswith(("a", "o")) else int(found[1])
        return many * (7 if found[2] == "week" else 1)
    return None
