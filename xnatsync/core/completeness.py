"""Is a dropped item complete?  One verdict with a reason and a clock, from several signals.

It goes only when nothing of it changed for the settle time, every marker is as it must be, and no series has fewer
objects than its scanner announced, or that was waited for in vain.  Announced counts lengthen or shorten the wait; they
never decide alone.  A marker that never comes, or never goes, asks a person in the end.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from xnatsync.core.announced import Series

LOOK_S = 10.0  # so often markers are looked at
ITEM, STEM = "{item}", "{stem}"


@dataclass(frozen=True, slots=True)
class Patience:
    """What a route says of how long is waited, and for what."""

    settle_s: float
    settle_min_s: float | None = None  # enough where every series has all that was announced
    missing_s: float = 0.0  # beyond the settle time, while a series has fewer than were announced
    max_s: float = 12 * 3600.0  # beyond the last change, until a person is asked for a marker
    wait_for: tuple[str, ...] = ()  # what must be there
    wait_while: tuple[str, ...] = ()  # what must be gone

    @property
    def counts(self) -> bool:
        """Return whether the objects must be counted before it goes."""
        return self.missing_s > 0 or self.soonest_s < self.settle_s

    @property
    def marks(self) -> tuple[str, ...]:
        """List the patterns of markers."""
        return (*self.wait_for, *self.wait_while)

    @property
    def soonest_s(self) -> float:
        """Return how long nothing may change at least."""
        return self.settle_s if self.settle_min_s is None else min(self.settle_s, self.settle_min_s)


@dataclass(frozen=True, slots=True)
class Go:
    """It is complete, as far as anybody can know; `note`: what was waited for in vain."""

    note: str = ""


@dataclass(frozen=True, slots=True)
class Waits:
    """It waits.  `until_s` after its last change it goes even so, or a person is asked (`asks`); None: nobody knows."""

    seconds: float
    why: str
    until_s: float | None = None
    asks: bool = False


@dataclass(frozen=True, slots=True)
class Count:
    """Its objects must be counted first."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A person must say what becomes of it."""

    why: str


Verdict = Go | Waits | Count | Ask


def verdict(
    patience: Patience,
    steady_s: float,
    blocked: Sequence[str],
    series: Sequence[Series] | None,
    *,
    accepted: bool,
    cut_off: Sequence[str] = (),
    not_yet: str = "",
) -> Verdict:
    """Decide what becomes of an item now.

    `steady_s`: since its last change; `blocked`: markers that are not as they must be; `series`: None = not yet
    counted; `accepted`: a person said that no marker is to be waited for; `cut_off`: files that end too early, which
    may still be written.  One that stays so is not delivered, and holds the item for a person once it is read.
    `not_yet`: what usually comes and is not there; it delays, no longer than a series that is short.
    """
    if steady_s < patience.soonest_s:
        return Waits(patience.soonest_s - steady_s, "", patience.settle_s)
    if blocked and not accepted:
        if steady_s >= patience.max_s:
            return Ask(blocked[0])
        seconds = min(LOOK_S, patience.max_s - steady_s)
        return Waits(seconds, "; ".join(blocked), patience.max_s, asks=True)
    if not patience.counts:
        return Go()
    if series is None:
        return Count()
    short = "; ".join([*(one.words for one in series if one.is_short), *([not_yet] if not_yet else [])])
    if short or cut_off:
        until_s = patience.settle_s + patience.missing_s
        growing = [f"{cut_off[0]} is cut off, it may still be written"] if cut_off else []
        why = "; ".join([*growing, *([short] if short else [])])
        return Waits(until_s - steady_s, why, until_s) if steady_s < until_s else Go(short)
    if steady_s < patience.settle_s and not (series and all(one.is_reached for one in series)):
        return Waits(patience.settle_s - steady_s, "", patience.settle_s)
    return Go()


# --- markers -----------------------------------------------------------------------------------------------------


def blocked_by(patience: Patience, names: Collection[str], paths: Collection[str]) -> tuple[str, ...]:
    """Say which markers are not as they must be.

    `names`: of the item at the top of the drop folder (several files of one study have several); `paths`: what is there
    of it and beside it, relative to the drop folder.
    """
    return (*_missing(patience, names, paths), *_there(patience, names, paths))


def _missing(patience: Patience, names: Collection[str], paths: Collection[str]) -> Iterator[str]:
    for pattern in patience.wait_for:
        if not all(any(fnmatchcase(path, one) for path in paths) for one in expanded(pattern, names)):
            yield f"there is no {pattern} yet"


def _there(patience: Patience, names: Collection[str], paths: Collection[str]) -> Iterator[str]:
    for pattern in patience.wait_while:
        if any(fnmatchcase(path, one) for one in expanded(pattern, names) for path in paths):
            yield f"{pattern} is still there"


def expanded(pattern: str, names: Collection[str]) -> tuple[str, ...]:
    """Return the patterns that one means for an item of these names, whose own signs have no meaning of theirs."""
    if ITEM not in pattern and STEM not in pattern:
        return (pattern,)
    return tuple(
        pattern.replace(ITEM, _literal(name)).replace(STEM, _literal(PurePosixPath(name).stem))
        for name in sorted(names)
    )


def is_marker(patience: Patience, name: str) -> bool:
    """Return whether an entry at the top of a drop folder is a marker, and no item."""
    return any("/" not in pattern and fnmatchcase(name, _any_item(pattern)) for pattern in patience.marks)


def is_marker_within(patience: Patience, name: str, path: str) -> bool:
    """Return whether a file of an item is a marker."""
    return any(fnmatchcase(f"{name}/{path}", one) for pattern in patience.wait_for for one in expanded(pattern, [name]))


def says_something(pattern: str) -> bool:
    """Return whether a pattern of a marker is more than wildcards and the item itself."""
    return any(char.isalnum() for char in pattern.replace(ITEM, "").replace(STEM, ""))


def _any_item(pattern: str) -> str:
    return pattern.replace(ITEM, "*").replace(STEM, "*")


def _literal(name: str) -> str:
    return "".join(f"[{char}]" if char in "*?[" else char for char in name)
