"""What every kind of row that may be held has in common: how long it waits, and when a person is asked."""

from __future__ import annotations

from typing import Protocol

from xnatsync.core.errors import (
    CredentialsMissing,
    CredentialsRefused,
    TlsRefused,
    XnatsyncError,
)
from xnatsync.core.moment import later
from xnatsync.core.retry import TRIES_MAX, asks_person, backoff_s, left_s
from xnatsync.ledger.rows import Hold

LOOK_AGAIN_S = 0.5


# About the server as a whole: asking again for every unit would lock the account.
OF_THE_SERVER = (CredentialsRefused, CredentialsMissing, TlsRefused)


class Held(Protocol):
    """What items, units and owners have in common: they may be held."""

    @property
    def id(self) -> int:
        """Its number."""
        ...

    @property
    def hold(self) -> Hold | None:
        """Why it does not move."""
        ...

    @property
    def retry_at(self) -> str | None:
        """When it is tried again."""
        ...

    @property
    def tries(self) -> int:
        """How often it failed."""
        ...


class HoldRow(Protocol):
    """How the ledger holds such a row."""

    def __call__(
        self, number: int, /, *, hold: Hold, code: str, detail: str, advice: str, retry_at: str | None, tries: int
    ) -> None:
        """Writes it down."""
        ...


def still_waits_s(row: Held, now: str) -> float:
    """Tells how long a row that is tried again still waits; 0 or less when its time has come, or it does not wait."""
    if row.hold != "retry" or row.retry_at is None:
        return 0.0
    return left_s(row.retry_at, now)


_TIRED = (
    "It has failed so often that no run tries it again. Ask the administrator of the server, or check the "
    "disk, that is named in the reason."
)


def hold_after(
    hold: HoldRow, row: Held, key: str, error: XnatsyncError, now: str, at_least_s: float = 0.0
) -> float | None:
    """Holds a row because of a failure: gives in how many seconds it is tried again, None when a person must act."""
    tries = row.tries + 1
    person = asks_person(error, tries)
    wait_s = max(backoff_s(tries, key), at_least_s)
    tired = person and not asks_person(error, 0) and error.tries_max == TRIES_MAX
    hold(
        row.id,
        hold="person" if person else "retry",
        code=error.code,
        detail=f"{error} ({tries} times in a row)" if tired else str(error),
        advice=_TIRED if tired else error.remedy,
        retry_at=None if person else later(now, wait_s),
        tries=tries,
    )
    return None if person else wait_s
