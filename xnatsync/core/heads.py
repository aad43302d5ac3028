"""What became of heads on a server: did a script take something away, or did somebody give an object another head?"""

from __future__ import annotations

from collections.abc import Iterator

from xnatsync.core.compare import FETCHED, NO_PIXELS
from xnatsync.core.tree import Node, Tree

PUBLIC, PRIVATE, RECORD = "public", "private", "record"  # digests of a node, and whether it has private elements


def stripped(source: Tree, target: Tree) -> frozenset[str]:
    """List the objects of which a script of the server removed the private elements, and nothing else.

    That is so where the pixel data and all that is not private are ours, no object of the session has a private
    element any more, and each says of how it was de-identified what ours does not say.  One odd object among others is
    nothing that a script does: somebody may have put it there.
    """
    back = [node for node in target.values() if isinstance(node, Node) and FETCHED in node.digests]
    if any(node.digests.get(PRIVATE) != "no" for node in back):
        return frozenset()
    return frozenset(_stripped(source, back))


def _stripped(source: Tree, back: list[Node]) -> Iterator[str]:
    for theirs in back:
        ours = source.get(theirs.key)
        if isinstance(ours, Node) and not ours.unacknowledged and _pixels_are_ours(ours, theirs):
            public, record = theirs.digests.get(PUBLIC, ""), theirs.digests.get(RECORD, "")
            if public and public == ours.digests.get(PUBLIC) and record not in {"", ours.digests.get(RECORD, "")}:
                yield theirs.key


def _pixels_are_ours(ours: Node, theirs: Node) -> bool:
    return ours.digests.get("pixels", NO_PIXELS) == theirs.digests.get("pixels") != NO_PIXELS
