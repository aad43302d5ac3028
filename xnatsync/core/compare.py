"""Are two nodes the same thing, as far as a level asks?  Three answers: yes, no, and cannot tell."""

from __future__ import annotations

from enum import Enum

from xnatsync.core.manifest import Level
from xnatsync.core.tree import Node


class Same(Enum):
    """The answer of a comparison."""

    YES = "the same"
    NO = "different"
    CANNOT_TELL = "not enough is known"


def strongest(level: Level, own: Level | None) -> Level:
    """Gives the level at which a node must be proven: the route's, or its own where that asks for more."""
    return level if own is None or own.rank < level.rank else own


def same(ours: Node, theirs: Node, level: Level) -> Same:
    """Compares our node with a target's at a level and those it includes; never says YES for want of evidence.

    A missing digest is "cannot tell", never "the same": XNAT computes digests only when its `checksums` setting is on.
    So is a missing size: XNAT lists what its catalogue names, and a size is all it says about a file that is there.
    """
    if ours.key != theirs.key or _impossible(ours, theirs):
        return Same.NO
    if level is Level.BYTES:
        return _by_bytes(ours, theirs)
    if level is Level.PIXELS:
        return _by_digest(ours, theirs, "pixels")
    return Same.CANNOT_TELL if theirs.size is None else Same.YES


def _impossible(ours: Node, theirs: Node) -> bool:
    """Judges the size: XNAT may rewrite the head (anonymisation), but it never shortens the pixel data.

    A head can shrink to almost nothing when a script removes private groups, and it can grow; so only the floor counts.
    """
    return theirs.size is not None and theirs.size < max(ours.floor, 1 if ours.size else 0)


def _by_bytes(ours: Node, theirs: Node) -> Same:
    if ours.size is not None and theirs.size is not None and ours.size != theirs.size:
        return Same.NO
    for name in ("sha256", "md5"):
        verdict = _by_digest(ours, theirs, name)
        if verdict is not Same.CANNOT_TELL:
            return verdict
    return Same.CANNOT_TELL


def _by_digest(ours: Node, theirs: Node, name: str) -> Same:
    one, other = ours.digests.get(name, ""), theirs.digests.get(name, "")
    if not one or not other:
        return Same.CANNOT_TELL
    return Same.YES if one == other else Same.NO
