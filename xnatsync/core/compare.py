"""Are two nodes the same thing, as far as a level asks?  Three answers: yes, no, and cannot tell."""

from __future__ import annotations

from enum import Enum
from typing import Final

from xnatsync.core.manifest import Compared, Level
from xnatsync.core.tree import Node

NO_PIXELS: Final = "none"  # instead of a digest: the object has no pixel data, which is known and proves nothing
FETCHED: Final = "sha256"  # the digest that no listing states: who has it has read the whole file


class Same(Enum):
    """The answer of a comparison."""

    YES = "the same"
    NO = "different"
    CANNOT_TELL = "not enough is known"


def strongest(level: Level, own: Level | None) -> Level:
    """Return the level at which a node must be proven: the route's, or its own where that asks for more."""
    return level if own is None or own.rank < level.rank else own


def same(ours: Node, theirs: Node, level: Level) -> Same:
    """Compare our node with a target's at a level and those it includes; never says YES for want of evidence."""
    return compare(ours, theirs, level)[0]


def compare(ours: Node, theirs: Node, level: Level) -> tuple[Same, Compared]:
    """Compare our node with a target's, and say what was compared where the answer is YES.

    A missing digest is "cannot tell", never "the same": XNAT computes digests only when its `checksums` setting is on.
    So is a missing size: XNAT lists what its catalogue names, and a size is all it says about a file that is there.
    What both sides lack (pixel data, say) is no evidence either.
    """
    if ours.key != theirs.key or _impossible(ours, theirs):
        return Same.NO, Compared.NAMES
    if level is Level.BYTES:
        return _by_bytes(ours, theirs)
    if level is Level.PIXELS or ours.unacknowledged:
        return _by_what_it_holds(ours, theirs)
    return Same.CANNOT_TELL if theirs.size is None else Same.YES, Compared.NAMES


def _impossible(ours: Node, theirs: Node) -> bool:
    """Judge the size: XNAT may rewrite the head (anonymisation), but it never shortens the pixel data.

    A head can shrink to almost nothing when a script removes private groups, and it can grow; so only the floor counts.
    """
    return theirs.size is not None and theirs.size < max(ours.floor, 1 if ours.size else 0)


def _by_bytes(ours: Node, theirs: Node) -> tuple[Same, Compared]:
    if ours.size is not None and theirs.size is not None and ours.size != theirs.size:
        return Same.NO, Compared.NAMES
    verdict = _by_digest(ours, theirs, FETCHED)
    if verdict is not Same.CANNOT_TELL:
        return verdict, Compared.BYTES
    return _by_digest(ours, theirs, "md5"), Compared.LISTED


def _by_what_it_holds(ours: Node, theirs: Node) -> tuple[Same, Compared]:
    """Compare what was fetched back: all bytes, else the pixel data, else all that servers do not rewrite.

    Where no server acknowledged it from here, the pixel data alone are not enough: a head that somebody corrected
    makes it another version of the object.
    """
    if _by_digest(ours, theirs, FETCHED) is Same.YES:
        return Same.YES, Compared.BYTES
    pixels = _by_digest(ours, theirs, "pixels")
    if pixels is Same.YES and not ours.unacknowledged:  # the head says more, where it was read on both sides
        return pixels, Compared.CONTENT if _by_digest(ours, theirs, "content") is Same.YES else Compared.PIXELS
    if pixels is Same.NO:
        return pixels, Compared.PIXELS
    if pixels is Same.CANNOT_TELL and not ours.digests.get("pixels") == theirs.digests.get("pixels") == NO_PIXELS:
        return Same.CANNOT_TELL, Compared.NAMES
    return _by_digest(ours, theirs, "content"), Compared.CONTENT


def _by_digest(ours: Node, theirs: Node, name: str) -> Same:
    one, other = ours.digests.get(name, ""), theirs.digests.get(name, "")
    if not one or not other or one == other == NO_PIXELS:
        return Same.CANNOT_TELL
    return Same.YES if one == other else Same.NO
