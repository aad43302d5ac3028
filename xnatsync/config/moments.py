"""Moments as people write them: `2026-03-01`, `2026-03-01T12:00`, `2026-03-01T12:00+01:00`, `2h ago`, `now`.

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
_WORDS = "write 2026-03-01 (its end), 2026-03-01T12:00 (UTC), 2026-03-01T12:00+01:00, `2h ago`, or now"


def moment(text: str, now: datetime) -> str:
    """Reads a moment and gives it as the ledger writes it; ValueError when it is none, or is still to come."""
    words = text.strip()
    try:
        found = _read(words, now)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no moment: {_WORDS}") from None
    if found > now:
        raise ValueError(f"{text!r} is still to come: nobody knows what will lie there then")
    return stamp(found)


def _read(words: str, now: datetime) -> datetime:
    if words == "now":
        return now
    if (ago := _AGO.fullmatch(words)) is not None:
        return now - timedelta(seconds=seconds(ago.group(1)))
    if _DAY.fullmatch(words):
        begins = datetime.fromisoformat(words).replace(tzinfo=UTC)
        ends = begins + timedelta(days=1, milliseconds=-1)
        return min(ends, now) if begins <= now else ends
    if _TIME.fullmatch(words) is None:
        raise ValueError(words)
    found = datetime.fromisoformat(words.replace(",", ".").replace(" +", "+").replace(" -", "-").replace(" Z", "Z"))
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
