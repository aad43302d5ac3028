"""Moments as the ledger writes them: UTC, ISO-8601, milliseconds; as text they sort as they follow each other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from xnatsync.core.errors import LedgerDamaged


def stamp(moment: datetime) -> str:
    """Write an aware moment as `2026-03-01T12:00:00.000Z`."""
    if moment.tzinfo is None:
        raise ValueError("a timestamp without a time zone")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse(text: str) -> datetime:
    """Read what `stamp` wrote; LedgerDamaged when it is something else."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise LedgerDamaged("invalid timestamp in the ledger") from error
    if moment.tzinfo is None:
        raise LedgerDamaged("the ledger holds a timestamp without a time zone")
    return moment


def clock_words(text: str) -> str:
    """Return a moment for people: `2026-03-01 12:00:00 UTC`."""
    return f"{text[:19].replace('T', ' ')} UTC"


def later(text: str, seconds: float) -> str:
    """Return the moment so many seconds after another."""
    return stamp(parse(text) + timedelta(seconds=seconds))


def seconds_between(begin: str, end: str) -> float:
    """Return how many seconds `end` comes after `begin`; negative when it comes before."""
    return (parse(end) - parse(begin)).total_seconds()
