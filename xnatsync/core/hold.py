"""Why something does not move, until when, and what a failure makes of that: one value for items, units and owners."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from xnatsync.core.errors import XnatsyncError
from xnatsync.core.moment import later
from xnatsync.core.retry import TRIES_MAX, asks_person, backoff_s, left_s

HoldKind = Literal["retry", "person"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """What is written down of something that is held."""

    kind: HoldKind
    code: str
    detail: str
    advice: str
    retry_at: str | None = None  # of one that is tried again
    tries: int = 0

    @classmethod
    def for_person(cls, error: XnatsyncError) -> Hold:
        """Return the hold of what a person must look at, whatever was tried before."""
        return cls(kind="person", code=error.code, detail=str(error), advice=error.remedy)


class Held(Protocol):
    """What items, units and owners have in common: they may be held."""

    @property
    def hold(self) -> HoldKind | None:
        """Return what it waits for: its time, or a person."""
        ...

    @property
    def retry_at(self) -> str | None:
        """Return when it is tried again."""
        ...

    @property
    def tries(self) -> int:
        """Return how often it failed."""
        ...


def still_waits_s(row: Held, now: str) -> float:
    """Return how long a row that is tried again still waits; 0 when its time has come, or it does not wait for it."""
    if row.hold != "retry" or row.retry_at is None:
        return 0.0
    return left_s(row.retry_at, now)


_TIRED = (
    "It has failed so often that no run tries it again. Ask the administrator of the server, or check the "
    "disk, that is named in the reason."
)


def hold_after(
    row: Held, key: str, error: XnatsyncError, now: str, at_least_s: float = 0.0, *, tired: str = _TIRED
) -> Hold:
    """Return the hold of a row that met a failure: it is tried again ever later, until a person must act.

    `tired` is the advice for what has failed too often: whether later runs try it again is the kind of route's to say.
    """
    tries = row.tries + 1
    if not asks_person(error, tries):
        retry_at = later(now, max(backoff_s(tries, key), at_least_s))
        return Hold(
            kind="retry", code=error.code, detail=str(error), advice=error.remedy, retry_at=retry_at, tries=tries
        )
    too_often = not asks_person(error, 0) and error.tries_max == TRIES_MAX
    detail = f"{error} ({tries} times in a row)" if too_often else str(error)
    advice = tired if too_often else error.remedy
    return Hold(kind="person", code=error.code, detail=detail, advice=advice, tries=tries)
