"""What a step answers: due again, at rest, or the whole server or disk is left alone."""

from __future__ import annotations

from dataclasses import dataclass

from xnatsync.core.errors import XnatsyncError


@dataclass(frozen=True, slots=True)
class Due:
    """Step this key again after so many seconds."""

    seconds: float = 0.0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Rest:
    """This key needs no further step until something else happens: it is finished, or waits for a person."""

    wakes: tuple[tuple[str, int], ...] = ()  # keys that are due because of it


@dataclass(frozen=True, slots=True)
class Paused:
    """A whole server or disk is unwell: leave everything aimed at it alone for a while."""

    what: str
    error: XnatsyncError


Result = Due | Rest | Paused
