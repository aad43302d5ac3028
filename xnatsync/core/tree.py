"""The three trees: base, source and target, each a mapping from a key to what lies there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from xnatsync.core.manifest import Level


@dataclass(frozen=True, slots=True)
class Node:
    """One thing on one side, as that side described it.  What a side did not say is absent, never guessed."""

    key: str
    size: int | None = None
    floor: int = 0  # no faithful copy can be smaller: the pixel data alone are that long
    digests: Mapping[str, str] = field(default_factory=dict)  # "md5", "sha256", "pixels", "content": lower-case hex
    where: str = ""  # for people: a path, or scan/resource/name
    level: Level | None = None  # this one must be proven at its own level, whatever the route's
    # No server acknowledged it from here: what lies there may be another version, so all of it has to be the same.
    unacknowledged: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    """Something is there and could not be read.  Never means absent."""

    key: str
    reason: str


class Tree(Mapping[str, "Node | Problem"]):
    """One side.  An incomplete tree may prove presence, never absence.

    A key that a side names twice is a problem, unless both say the same: which of the two would be proven?
    """

    __slots__ = ("_nodes", "complete")

    def __init__(self, nodes: Iterable[Node | Problem] = (), *, complete: bool) -> None:
        self._nodes: dict[str, Node | Problem] = {}
        for node in nodes:
            first = self._nodes.setdefault(node.key, node)
            if first is not node:
                self._nodes[node.key] = _agreed(first, node)
        self.complete = complete

    def __getitem__(self, key: str) -> Node | Problem:
        return self._nodes[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._nodes)

    def __len__(self) -> int:
        return len(self._nodes)


def _agreed(first: Node | Problem, second: Node | Problem) -> Node | Problem:
    if isinstance(first, Problem):
        return first
    if isinstance(second, Problem):
        return second
    if (first.size, dict(first.digests)) == (second.size, dict(second.digests)):
        return first
    return Problem(first.key, f"there twice, and not the same: {first.where} and {second.where}")


EMPTY = Tree(complete=True)
