"""Which objects go over which association: a context is one class in one transfer syntax, and there is room for 128."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

CONTEXTS_MAX: Final = 128  # of an association: their numbers are odd, from 1 to 255 (PS3.8 9.3.2.2)


@dataclass(frozen=True, slots=True, order=True)
class Pair:
    """A class of objects in a transfer syntax."""

    sop_class: str
    syntax: str


@dataclass(frozen=True, slots=True)
class Sendable:
    """An object that can be sent: what the receiver is told of it, and where its data set begins in the file."""

    path: str  # relative to what was named
    pair: Pair
    sop_uid: str
    study_uid: str
    size: int
    sha256: bytes  # of the whole file
    starts_at: int


def groups_of(pairs: Iterable[Pair], at_most: int = CONTEXTS_MAX) -> list[tuple[Pair, ...]]:
    """Part the pairs into groups that an association has room for: those of most objects first, each in one group."""
    count = Counter(pairs)
    ordered = sorted(count, key=lambda pair: (-count[pair], pair))
    return [tuple(ordered[at : at + at_most]) for at in range(0, len(ordered), at_most)]
