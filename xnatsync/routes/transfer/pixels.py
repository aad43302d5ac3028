"""The proof of an import by pixels: both sides are read once more, and each object compared by what it shows.

A server that rewrites heads leaves the pixel data alone; an object without any is compared by its content.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from xnatsync.core.inventory import Owner, ResourceKey
from xnatsync.core.streams import closed_after
from xnatsync.dicom.identity import PixelFacts, pixel_digest
from xnatsync.ports.transfer import Readable
from xnatsync.routes.transfer.limits import UNLIMITED, Line

_WHOLE: Final = ""  # no problem


@dataclass(frozen=True, slots=True)
class Shown:
    """What came of comparing objects by what they show."""

    same: frozenset[str] = frozenset()  # SOP Instance UIDs
    differs: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()  # the source has them, the destination does not
    unproven: frozenset[str] = frozenset()  # no pixel data, and its content was rewritten


def facts_of(
    side: Readable, owner: Owner, keys: Sequence[ResourceKey], line: Line = UNLIMITED
) -> dict[str, PixelFacts]:
    """Read every object of some resources, and return what each shows by its UID; what is none is left out."""
    found: dict[str, PixelFacts] = {}
    with line.stream(), closed_after(side.fetch_resources(owner, keys)) as came:
        for _, _, content in came:
            facts = pixel_digest(content, content=True)
            if facts.sop_uid and facts.problem == _WHOLE:
                found[facts.sop_uid] = facts
    return found


def compare_shown(source: dict[str, PixelFacts], there: dict[str, PixelFacts]) -> Shown:
    """Compare objects by UID."""
    same, differs, missing, unproven = set[str](), set[str](), set[str](), set[str]()
    for uid, ours in source.items():
        theirs = there.get(uid)
        if theirs is None:
            missing.add(uid)
        elif ours.pixels is not None or theirs.pixels is not None:
            (same if ours.pixels == theirs.pixels else differs).add(uid)
        elif ours.content is not None and ours.content == theirs.content:
            same.add(uid)
        else:
            unproven.add(uid)
    return Shown(frozenset(same), frozenset(differs), frozenset(missing), frozenset(unproven))
