"""What a transfer does about each fact, part and file: source, what was last agreed, destination; one answer.

The source leads.  Nothing at the destination is overwritten but what was put there from here and is as it was, and
what was deleted there is sent again only when that is asked for.  Nothing is removed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum
from typing import Final

from xnatsync.core.described import Described

SENT: Final = "?"  # begins what the ledger keeps of a fact that was sent and not seen since; what was there follows
UNSURE: Final = "~"  # begins what the destination made of a fact that was sent without an answer: or somebody else did


# --- facts: a field, a custom value, a share -------------------------------------------------------------------------


class Landing(Enum):
    """What is known of the write that sent a fact last."""

    TAKEN = "the server said yes"
    OPEN = "it had no answer"
    REFUSED = "the server said that it did not do it"


class OfFact(Enum):
    """What follows for a fact."""

    AGREED = "both sides show the same"
    SET = "the source's is sent"
    KEPT_OTHERWISE = "the destination keeps it in another form, or not at all"
    UNSURE = "the destination shows it in another form, or it was changed there at that time"
    CHANGED = "the destination shows something else, which was not put there from here"
    GONE = "it was deleted at the destination"
    STALE = "the source no longer has it; what is at the destination stays"
    NOT_OURS = "the source never had it"


@dataclass(frozen=True, slots=True)
class AgreedFact:
    """What both sides showed when they last agreed, as digests; "" for nothing."""

    here: str
    there: str  # begins with SENT: `here` was sent, and what the destination showed before that follows; or with UNSURE


def fact_digest(value: str) -> str:
    """Return what stands in the ledger for a value; "" for none."""
    return hashlib.sha256(value.encode()).hexdigest()[:24] if value else ""


def decide_fact(here: str, there: str, agreed: AgreedFact | None, *, landing: Landing, repair: bool) -> OfFact:
    """Decide about one fact by digests of its values; "" is no value.

    `landing` is asked where `agreed` says that it was sent and not seen since.
    """
    if here == there:
        return OfFact.AGREED if here else OfFact.NOT_OURS
    if not here:
        return OfFact.STALE if agreed is not None and agreed.here else OfFact.NOT_OURS
    if agreed is None:
        return OfFact.CHANGED if there else OfFact.SET
    if agreed.there.startswith(SENT):
        return _after_sending(here, there, agreed, landing)
    if there and agreed.there == UNSURE + there:
        return OfFact.UNSURE if here == agreed.here else OfFact.CHANGED
    if there == agreed.there:  # nobody touched it there
        return OfFact.KEPT_OTHERWISE if here == agreed.here else OfFact.SET
    if there:
        return OfFact.CHANGED
    return OfFact.SET if repair else OfFact.GONE


def _after_sending(here: str, there: str, agreed: AgreedFact, landing: Landing) -> OfFact:
    before = agreed.there.removeprefix(SENT)
    if here != agreed.here:  # the source changed again meanwhile
        return OfFact.SET if there in {before, agreed.here, ""} else OfFact.CHANGED
    if there in {before, ""}:
        return OfFact.KEPT_OTHERWISE if landing is Landing.TAKEN else OfFact.SET
    return _IN_ANOTHER_FORM[landing]


_IN_ANOTHER_FORM: Final = {
    Landing.TAKEN: OfFact.KEPT_OTHERWISE,
    Landing.OPEN: OfFact.UNSURE,
    Landing.REFUSED: OfFact.CHANGED,
}


# --- parts, and entities themselves ----------------------------------------------------------------------------------


class OfPart(Enum):
    """What follows for a thing."""

    CREATE = "it is created at the destination"
    PRESENT = "it stands at the destination"
    TAKEN = "another thing has its place at the destination"
    GONE = "it was deleted at the destination"
    STALE = "the source no longer has it; what is at the destination stays"
    NOT_OURS = "the source never had it"


def decide_part(here: Described | None, there: Described | None, *, known: bool, repair: bool) -> OfPart:
    """Decide about a thing; `there` is what stands for it by its ID where it is known, else by its name."""
    if here is None:
        return OfPart.STALE if known and there is not None else OfPart.NOT_OURS
    if there is None:
        return OfPart.GONE if known and not repair else OfPart.CREATE
    return OfPart.PRESENT if is_same_thing(here, there) else OfPart.TAKEN


def is_same_thing(here: Described, there: Described) -> bool:
    """Return whether two things may be one: of one type, and of no two studies."""
    if here.kind is not there.kind or (here.xsi_type and there.xsi_type and here.xsi_type != there.xsi_type):
        return False
    mine, theirs = study_uid(here), study_uid(there)
    return not (mine and theirs) or mine == theirs


def study_uid(thing: Described) -> str:
    """Return the UID of a session or a scan; "" when it states none."""
    facts = dict(thing.fields)
    return facts.get("@UID", "") or facts.get("UID", "")


# --- files -----------------------------------------------------------------------------------------------------------


class OfFile(Enum):
    """What follows for a file."""

    AGREED = "both sides hold the same"
    SEND = "it is sent"
    REPLACE = "it is sent in the place of what was put there from here"
    COMPARE = "a side states no digest: both are fetched"
    CHANGED = "the destination holds something else, which was not put there from here"
    GONE = "it was deleted at the destination"
    STALE = "the source no longer has it; what is at the destination stays"
    ENDED = "neither side has it any more"
    NOT_OURS = "the source never had it"
    CUT = "a listing is not whole, so nothing is concluded"
    LATER = "an earlier store may still land"


@dataclass(frozen=True, slots=True)
class FileFact:
    """A file as a side lists it, or as both were proven to hold it."""

    size: int | None
    md5: str  # "": not stated

    @property
    def digest(self) -> bytes:
        """Return what a store of it is known again by: nothing of a file is read before it is sent."""
        return hashlib.sha256(f"{self.size} {self.md5}".encode()).digest()


@dataclass(frozen=True, slots=True)
class LastStore:
    """The newest announced store of a file.  `unknown`: it may have happened, and may still while it is not `quiet`."""

    digest: bytes
    unknown: bool
    quiet: bool
    failed: bool = False


@dataclass(frozen=True, slots=True)
class FileSides:
    """A file of a resource on both sides, and between them what was last agreed and done."""

    here: FileFact | None
    there: FileFact | None
    agreed: FileFact | None = None
    last: LastStore | None = None
    here_whole: bool = True  # the listing of the source; else absence proves nothing
    there_whole: bool = True


def decide_file(sides: FileSides, *, repair: bool, same: bool | None = None) -> OfFile:
    """Decide about a file.  `same`: whether both hold the same bytes, where an earlier answer asked to compare them."""
    here, there, last = sides.here, sides.there, sides.last
    if here is None:
        return _not_here(sides)
    if last is not None and last.unknown and not last.quiet and not (there and equal(here, there)):
        return OfFile.LATER
    if there is None:
        return _not_there(sides, repair=repair)
    verdict = equal(here, there) if same is None else same
    if verdict is None:
        settled = sides.agreed is not None and equal(there, sides.agreed, lenient=True) and _unmoved(here, sides.agreed)
        return OfFile.AGREED if settled else OfFile.COMPARE
    return OfFile.AGREED if verdict else _different(sides, there, is_read=same is not None)


def equal(one: FileFact, other: FileFact, *, lenient: bool = False) -> bool | None:
    """Return whether two are the same; None when a digest is missing, unless equal sizes are enough."""
    if one.size is not None and other.size is not None and one.size != other.size:
        return False
    if one.md5 and other.md5:
        return one.md5 == other.md5
    return True if lenient else None


def _unmoved(here: FileFact, agreed: FileFact) -> bool:
    return equal(here, agreed, lenient=True) is True


def _not_here(sides: FileSides) -> OfFile:
    if not sides.here_whole:
        return OfFile.CUT
    if sides.agreed is None:
        return OfFile.NOT_OURS
    if sides.there is not None:
        return OfFile.STALE
    return OfFile.ENDED if sides.there_whole else OfFile.CUT


def _not_there(sides: FileSides, *, repair: bool) -> OfFile:
    if not sides.there_whole:
        return OfFile.CUT
    if sides.agreed is not None and not repair:
        return OfFile.GONE
    # An interrupted store may lie there, in no catalogue (hierarchy.md §6.1).
    return OfFile.REPLACE if sides.last is not None else OfFile.SEND


def _different(sides: FileSides, there: FileFact, *, is_read: bool) -> OfFile:
    if sides.agreed is not None:
        as_proven = equal(there, sides.agreed)
        if as_proven:
            return OfFile.REPLACE  # the source's is another by now
        if as_proven is None and not is_read:
            return OfFile.COMPARE  # no digest, and the same size: its bytes alone tell whether it is what was proven
    last = sides.last
    if last is not None and not last.failed and there.md5 and last.digest == there.digest:
        return OfFile.REPLACE  # an earlier store of ours that had not answered
    return OfFile.CHANGED
