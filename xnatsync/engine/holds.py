"""What a hold means for the next step of what is held."""

from __future__ import annotations

from typing import Protocol

from xnatsync.core.errors import CredentialsMissing, CredentialsRefused, TlsRefused
from xnatsync.core.hold import Held, Hold, still_waits_s
from xnatsync.core.moment import seconds_between
from xnatsync.engine.result import Due, Rest

LOOK_AGAIN_S = 0.5

# About the server as a whole: asking again for every unit would lock the account.
OF_THE_SERVER = (CredentialsRefused, CredentialsMissing, TlsRefused)


class Waiting(Held, Protocol):
    """A row that says what it waits for."""

    @property
    def code(self) -> str | None:
        """Return the code of what holds it."""
        ...


def still_waits(row: Waiting, now: str) -> Due | None:
    """Return when a row that is tried again is due; None when its time has come, or it does not wait for it."""
    wait_s = still_waits_s(row, now)
    return Due(wait_s, f"tried again after {row.code}") if wait_s > 0 else None


def next_step(hold: Hold, now: str) -> Due | Rest:
    """Return what a step answers that has just held something."""
    return Rest() if hold.retry_at is None else Due(seconds_between(now, hold.retry_at), hold.detail)
