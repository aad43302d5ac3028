"""Receipts: the only thing that allows a source to be filed or removed, and only this module can make one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import InitVar, dataclass
from types import MappingProxyType
from typing import Literal

from xnatsync.core.compare import Same, compare, strongest
from xnatsync.core.errors import Bug
from xnatsync.core.manifest import Compared, Level
from xnatsync.core.tree import Problem, Tree

Place = Literal["archive", "prearchive"]

_SEAL = object()


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof that a target held every key expected of it, at a level.  Has no public constructor: see `examine`."""

    level: Level
    place: Place
    expected: int
    held: int
    targets: Mapping[str, tuple[int | None, str]]  # key -> size and digest as the target showed them
    extra: tuple[str, ...]
    compared: Mapping[str, Compared]  # key -> what of it was compared
    seal: InitVar[object]  # not kept: `dataclasses.replace` cannot carry it over to a receipt that says more

    def __post_init__(self, seal: object) -> None:
        if seal is not _SEAL:
            raise Bug("a receipt was made outside the verifier")
        if not self.held == self.expected == len(self.targets) > 0:
            raise Bug("a receipt that does not vouch for everything")
        if self.compared.keys() != self.targets.keys():
            raise Bug("a receipt that does not say what was compared")


@dataclass(frozen=True, slots=True)
class Findings:
    """What an examination found: either everything is proven and there is a receipt, or there is none and a reason."""

    receipt: Receipt | None
    missing: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()
    unproven: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()


def examine(source: Tree, target: Tree, level: Level, place: Place) -> Findings:
    """Compare every key of the source with the target at a level, and issues a receipt when nothing is wanting.

    `counts` never makes a receipt; neither does an incomplete or empty source, nor a key whose level cannot be told.
    """
    missing, differs, unproven = list[str](), list[str](), list[str]()
    held: dict[str, tuple[int | None, str]] = {}
    compared: dict[str, Compared] = {}
    for key, ours in source.items():
        theirs = target.get(key)
        if isinstance(ours, Problem) or isinstance(theirs, Problem) or (theirs is None and not target.complete):
            unproven.append(key)
        elif theirs is None:
            missing.append(key)
        else:
            verdict, by = compare(ours, theirs, strongest(level, ours.level))
            if verdict is Same.YES:
                held[key] = (theirs.size, theirs.digests.get("md5", ""))
                compared[key] = by
            else:
                (differs if verdict is Same.NO else unproven).append(key)
    extra = tuple(key for key in target if key not in source)
    whole = len(held) == len(source) > 0 and source.complete and level is not Level.COUNTS
    receipt = None
    if whole:
        vouched, by_what = MappingProxyType(held), MappingProxyType(compared)
        receipt = Receipt(level, place, len(source), len(held), vouched, extra, by_what, _SEAL)
    return Findings(receipt, tuple(missing), tuple(differs), tuple(unproven), extra)


def compared_counts(compared: Mapping[str, Compared]) -> dict[Compared, int]:
    """Count the objects by what of them was compared."""
    counts = Counter(compared.values())
    return {by: counts[by] for by in reversed(Compared) if counts[by]}


def compared_words(counts: Mapping[Compared, int]) -> str:
    """Say what was compared: `pixels` where that is so for all, else `598 by pixels, 2 by content`."""
    if len(counts) == 1:
        return next(iter(counts)).value
    return ", ".join(f"{many} by {by.value}" for by, many in sorted(counts.items(), key=lambda pair: -pair[1]))
