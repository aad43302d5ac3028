"""What a push does about one file of the tree: three sides, one answer, and nothing of others is ever overwritten."""

from __future__ import annotations

from dataclasses import dataclass

from xnatsync.core.errors import ForeignContent, ListingShort, PushGone, TreeEdited, XnatsyncError
from xnatsync.core.sides import BaseFile, ContentLike, ServerFile


@dataclass(frozen=True, slots=True)
class LastDeed:
    """The newest announced store of this file.  `unknown`: it may have happened, or may still until `quiet_at`.

    `failed`: the server said that it did not store it; a part may lie there, in no catalogue, and nothing else of ours.
    """

    sha256: bytes
    unknown: bool
    quiet_at: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Put:
    """Store it.  `overwrite`: what lies there was put there by us, as it is, or is what an interrupted store left."""

    overwrite: bool


@dataclass(frozen=True, slots=True)
class Agreed:
    """The server holds exactly this."""


@dataclass(frozen=True, slots=True)
class Compare:
    """The server states no digest: fetch it back to tell."""


@dataclass(frozen=True, slots=True)
class Later:
    """An earlier store may still land: look again then."""

    until: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """Not sent, and why; `person`: somebody must act."""

    error: XnatsyncError
    person: bool = True


Sending = Put | Agreed | Compare | Later | Refuse


def decide_sending(
    here: ContentLike,
    base: BaseFile | None,
    there: ServerFile | None,
    last: LastDeed | None,
    *,
    ours: bool,
    complete: bool,
    now: str,
    fetched: bytes | None = None,
) -> Sending:
    """Decide about one file that lies in the tree.

    `there` is what the server lists under its name, None when nothing; with an incomplete listing nothing can be
    concluded from that.  `ours` tells whether the base was put there by us rather than pulled; `fetched` is the SHA-256
    of what the server holds, where an earlier answer asked to compare.
    """
    if last is not None and last.unknown and now < last.quiet_at and not _shows(last, here, there):
        return Later(last.quiet_at)
    if there is None:
        return _absent(base, last, complete=complete)
    if fetched is not None:
        return Agreed() if fetched == here.sha256 else _different(base, last, fetched, ours=ours)
    same = _same(here, there)
    if same is None:
        return Compare()
    if same:
        return Agreed()
    if base is not None and there.md5 and there.md5 == base.md5:
        return _different(base, last, base.sha256, ours=ours)
    return Compare() if last is not None else _different(base, last, b"", ours=ours)


def _absent(base: BaseFile | None, last: LastDeed | None, *, complete: bool) -> Sending:
    if not complete:
        return Refuse(ListingShort("the server's listing is not whole, so nothing was sent"), person=False)
    if base is not None:
        return Refuse(PushGone("it was deleted on the server: it is not sent again"))
    return Put(overwrite=last is not None)  # an interrupted store may lie there, uncatalogued (hierarchy.md §6.1)


def _different(base: BaseFile | None, last: LastDeed | None, theirs: bytes, *, ours: bool) -> Sending:
    if base is not None and theirs == base.sha256:
        if ours:
            return Put(overwrite=True)
        return Refuse(TreeEdited("it was pulled from the server and edited here; what others put there stays"))
    if last is not None and not last.failed and theirs == last.sha256:
        return Put(overwrite=True)  # an earlier store of ours that had not answered
    return Refuse(ForeignContent("the server holds something else under this name, which was not put there from here"))


def _same(here: ContentLike, there: ServerFile) -> bool | None:
    if there.size is not None and there.size != here.size:
        return False
    return there.md5 == here.md5 if there.md5 else None


def _shows(last: LastDeed, here: ContentLike, there: ServerFile | None) -> bool:
    """The store without an answer has shown itself."""
    return there is not None and last.sha256 == here.sha256 and _same(here, there) is True
