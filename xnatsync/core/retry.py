"""When is something tried again?  The wait grows, and is tied to the content: a change makes it due at once."""

from __future__ import annotations

import hashlib

from xnatsync.core.errors import Disposition, XnatsyncError
from xnatsync.core.moment import seconds_between
from xnatsync.core.wording import span

WAITS_S = (5.0, 25.0, 120.0, 600.0, 3600.0, 21600.0, 86400.0)
# A write that failed is not repeated at once: after the n-th failure of one kind in a row, so many seconds.
EFFECT_WAITS_S = (2.0, 10.0, 60.0, 300.0, 1800.0, 7200.0, 21600.0, 86400.0)
LONGEST_S = 86400.0 * 1.1  # no wait of ours is longer
PAUSES_S = (2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
TRIES_MAX = XnatsyncError.tries_max


def backoff_s(tries: int, key: str) -> float:
    """Return the wait after the n-th failure (n from 1), spread by up to a fifth so that units do not march in step."""
    wait = WAITS_S[min(max(tries, 1), len(WAITS_S)) - 1]
    spread = int.from_bytes(hashlib.sha256(f"{key}/{tries}".encode()).digest()[:2], "big") / 65535
    return wait * (0.9 + 0.2 * spread)


def effect_wait_s(failures: int, retry_after_s: float | None = None) -> float:
    """Return the wait after so many failures in a row of one effect on one thing; only its success begins anew."""
    wait = EFFECT_WAITS_S[min(max(failures, 1), len(EFFECT_WAITS_S)) - 1]
    return min(max(wait, retry_after_s or 0.0), LONGEST_S)


def left_s(until: str, now: str, longest_s: float = LONGEST_S) -> float:
    """Say how many seconds are left of a wait; 0 for one that is longer than any can be.

    It was written down by a clock that was ahead: believed, it would last until the clocks agree.
    """
    left = seconds_between(now, until)
    return left if 0.0 < left <= longest_s else 0.0


def asked_words(retry_after_s: float | None) -> str:
    """Say how long a server asks to be left alone, and how long that is done at most; "" for what nobody notices."""
    if retry_after_s is None or retry_after_s < 60:
        return ""
    asked = f"; it asks to be left alone for {span(retry_after_s)}"
    return f"{asked}, and is asked again after {span(LONGEST_S)} at the latest" if retry_after_s > LONGEST_S else asked


def pause_s(failures: int, retry_after_s: float | None) -> float:
    """Return how long a server or disk is left alone; the server's own word counts, up to an hour."""
    wait = PAUSES_S[min(max(failures, 1), len(PAUSES_S)) - 1]
    return min(max(wait, retry_after_s or 0.0), 3600.0)


def asks_person(error: XnatsyncError, tries: int) -> bool:
    """Return whether this failure waits for a person rather than for time."""
    return error.disposition in {Disposition.PERSON, Disposition.REFUSED, Disposition.BUG} or tries > error.tries_max
