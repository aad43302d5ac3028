"""The proof of an import by pixels: what came out at the destination is read, and compared with what was sent.

A server that rewrites heads leaves the pixel data alone; an object without any is compared by its content.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from xnatsync.core.errors import NotThere
from xnatsync.core.inventory import Owner, ResourceKey
from xnatsync.core.streams import closed_after
from xnatsync.dicom.identity import PixelFacts, pixel_digest
from xnatsync.ports.transfer import Readable
from xnatsync.routes.transfer.limits import UNLIMITED, Line

Place = tuple[ResourceKey, str]
SINGLE_MAX: Final = 3  # so few objects of a resource are fetched one by one


class Verdict(Enum):
    """What came of comparing one object; the value is what the ledger keeps."""

    PIXELS = "pixels"  # the pixel data are the same
    CONTENT = "content"  # it has none, and says the same but for what servers rewrite
    UID = "uid"  # it has none, and a script changed what it says: known by its UID alone
    DIFFERS = "differs"
    RECODED = "recoded"  # the server changed its transfer syntax: neither the same nor different
    MISSING = "missing"


SAME: Final = frozenset({Verdict.PIXELS, Verdict.CONTENT})


@dataclass(frozen=True, slots=True)
class Shown:
    """What came of comparing objects by what they show."""

    same: frozenset[str] = frozenset()  # SOP Instance UIDs
    differs: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()  # the source has them, the destination does not
    unproven: frozenset[str] = frozenset()  # no pixel data, and its content was rewritten; or another transfer syntax


def facts_of(
    side: Readable, owner: Owner, keys: Sequence[ResourceKey], line: Line = UNLIMITED
) -> dict[str, PixelFacts]:
    """Read every object of some resources, and return what each shows by its UID; what is none is left out."""
    found: dict[str, PixelFacts] = {}
    with line.stream(), closed_after(side.fetch_resources(owner, keys)) as came:
        for _, _, content in came:
            facts = pixel_digest(content, content=True)
            if facts.sop_uid and not facts.problem:
                found[facts.sop_uid] = facts
    return found


def facts_of_files(
    side: Readable, owner: Owner, files: Iterable[Place], line: Line = UNLIMITED
) -> dict[Place, PixelFacts]:
    """Read some objects, and return what each shows; what is not whole says so, and what is gone is left out."""
    names: dict[ResourceKey, set[str]] = {}
    for key, name in files:
        names.setdefault(key, set()).add(name)
    found: dict[Place, PixelFacts] = {}
    with line.stream():
        for key, wanted in sorted(names.items()):
            if len(wanted) <= SINGLE_MAX:
                found |= _one_by_one(side, owner, key, wanted)
                continue
            with closed_after(side.fetch_resources(owner, [key])) as came:
                for _, name, content in came:
                    if name in wanted:
                        found[key, name] = pixel_digest(content, content=True)
    return found


def _one_by_one(side: Readable, owner: Owner, key: ResourceKey, wanted: Iterable[str]) -> dict[Place, PixelFacts]:
    found: dict[Place, PixelFacts] = {}
    for name in sorted(wanted):
        try:
            with closed_after(side.fetch_file(owner, key, name)) as content:
                found[key, name] = pixel_digest(content, content=True)
        except NotThere:
            continue
    return found


def verdict(ours: PixelFacts, theirs: PixelFacts | None) -> Verdict:
    """Compare one object; their UID may be another one, as a script of the destination may change it."""
    if theirs is None:
        return Verdict.MISSING
    if ours.problem or theirs.problem:
        return Verdict.DIFFERS
    if ours.pixels is not None or theirs.pixels is not None:
        if ours.pixels == theirs.pixels:
            return Verdict.PIXELS
        recoded = ours.transfer_syntax != theirs.transfer_syntax and None not in (ours.pixels, theirs.pixels)
        return Verdict.RECODED if recoded else Verdict.DIFFERS
    return Verdict.CONTENT if ours.content is not None and ours.content == theirs.content else Verdict.UID


def compare_shown(source: dict[str, PixelFacts], there: dict[str, PixelFacts]) -> Shown:
    """Compare objects by UID."""
    found: dict[Verdict, set[str]] = {one: set() for one in Verdict}
    for uid, ours in source.items():
        found[verdict(ours, there.get(uid))].add(uid)
    return Shown(
        frozenset(found[Verdict.PIXELS] | found[Verdict.CONTENT]), frozenset(found[Verdict.DIFFERS]),
        frozenset(found[Verdict.MISSING]), frozenset(found[Verdict.UID] | found[Verdict.RECODED]),
    )  # fmt: skip
