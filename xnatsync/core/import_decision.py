"""What now?  The pure answer for a session whose images go to the destination as a DICOM import.

Nothing is archived that was not listed whole a moment before.  A row of ours that took an upload which did not come to
its end is never archived: what is in it may be cut in the middle of an object, so it is deleted, and all is sent anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from xnatsync.core.errors import (
    NotOurs,
    ObjectsExtra,
    ObjectsMissing,
    PrearchiveOccupied,
    PrearchiveStuck,
    ReadFailed,
    SessionCollision,
    StudyElsewhere,
    XnatsyncError,
)
from xnatsync.core.remote import PrearchiveSeen, PrearchiveState, RemoteFile, SessionSeen
from xnatsync.core.wording import counted

SENDS_MAX: Final = 3  # so often the server may take the same objects and not hold them before a person is asked


@dataclass(frozen=True, slots=True)
class ImportWish:
    """What is to come into being: a session under this label, of this study, with these objects."""

    project: str
    subject: str
    session: str
    study_uid: str
    objects: frozenset[str]  # SOP Instance UIDs
    accession: str = ""  # of the session at the destination that is known to be this one, under whatever label


@dataclass(frozen=True, slots=True)
class OurRow:
    """What is known of our own upload into the prearchive."""

    uri: str = ""  # as the server answered; "" when nothing was sent, or no answer came
    sends: int = 0  # uploads the server acknowledged
    broken: bool = False  # an upload was begun, and nobody knows how it ended
    before: frozenset[str] = frozenset()  # rows of the project that were there before ours


@dataclass(frozen=True, slots=True)
class ImportView:
    """What one look at the destination showed."""

    sessions: tuple[SessionSeen, ...] = ()  # with our label or of our study
    archived: frozenset[str] = frozenset()  # objects of the session that holds our study
    rows: tuple[PrearchiveSeen, ...] = ()  # with our label or of our study
    staged: frozenset[str] | None = None  # objects of our built row; None: it is not built
    complete: bool = True  # everything could be listed
    log: str = ""  # of our row, when it is stuck
    there: Mapping[str, RemoteFile] = field(default_factory=dict)  # the archived objects, and where each lies


@dataclass(frozen=True, slots=True)
class Send:
    """Send these objects."""

    objects: frozenset[str]


@dataclass(frozen=True, slots=True)
class Build:
    """Let the server build our row, so that it can be listed."""

    uri: str


@dataclass(frozen=True, slots=True)
class Commit:
    """Archive our row, which was listed whole."""

    uri: str


@dataclass(frozen=True, slots=True)
class Discard:
    """Delete our row, which took an upload that did not come to its end."""

    uri: str


@dataclass(frozen=True, slots=True)
class Wait:
    """The server is at work on our row."""

    why: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Go no further with this session."""

    error: XnatsyncError


@dataclass(frozen=True, slots=True)
class There:
    """The session holds every object."""

    session_id: str


Step = Send | Build | Commit | Discard | Wait | Hold | There


def decide_import(wish: ImportWish, row: OurRow, view: ImportView) -> Step:
    """Decide the next step; never raises: what stands in the way is a Hold."""
    ours = own_row(wish, row, view.rows)
    if ours is not None and ours.state is PrearchiveState.WORKING:
        return Wait(f"the destination is at work on {ours.uri} ({ours.status})")
    if not view.complete:
        return Hold(ReadFailed(f"session {wish.session} could not be listed completely: nothing is concluded"))
    if stranger := next((one for one in view.rows if one is not ours), None):
        return Hold(
            PrearchiveOccupied(
                f"{stranger.uri} ({stranger.status}) was uploaded by another client, and has the label or the study of "
                f"session {wish.session}"
            )
        )
    holder = holder_of(wish, view.sessions)
    if (clash := _clash(wish, view, holder)) is not None:
        return Hold(clash)
    missing = wish.objects - view.archived
    if ours is not None:
        return _with_row(wish, row, ours, view, missing)
    if holder is not None and not missing:
        return There(holder.id)
    return _send(wish, row, missing)


def holder_of(wish: ImportWish, sessions: tuple[SessionSeen, ...]) -> SessionSeen | None:
    """Find the session that is ours: the one that is known, that of our study, or the one that has our label.

    A script at the destination may change the UID of the study: whether what has our label is ours, its objects tell.
    """
    known = next((one for one in sessions if wish.accession and one.id == wish.accession), None)
    study = next((one for one in sessions if wish.study_uid and one.study_uid == wish.study_uid), None)
    label = next((one for one in sessions if one.label == wish.session), None)
    return known or study or label


def own_row(wish: ImportWish, row: OurRow, rows: tuple[PrearchiveSeen, ...]) -> PrearchiveSeen | None:
    """Find our row: by its address, or, when no answer came, the one that came into being since and is as ours is."""
    if row.uri:
        return next((one for one in rows if one.uri == row.uri), None)
    if not row.broken:
        return None
    fresh = [one for one in rows if one.uri not in row.before and one.name == wish.session]
    fits = [one for one in fresh if one.study_uid in {"", wish.study_uid}]
    return fits[0] if len(fits) == 1 else None


def _clash(wish: ImportWish, view: ImportView, holder: SessionSeen | None) -> XnatsyncError | None:
    if holder is not None and holder.id != wish.accession:
        if holder.study_uid != wish.study_uid and wish.objects.isdisjoint(view.archived):
            return _taken(wish, holder)
        if holder.label != wish.session:
            return StudyElsewhere(f"the destination holds the study of session {wish.session} as {holder.label}")
    other = next((one for one in view.sessions if one.label == wish.session and one is not holder), None)
    return _taken(wish, other) if other is not None else None


def _taken(wish: ImportWish, other: SessionSeen) -> SessionCollision:
    return SessionCollision(f"the destination holds another study as session {wish.session} ({other.id})")


def _with_row(wish: ImportWish, row: OurRow, ours: PrearchiveSeen, view: ImportView, missing: frozenset[str]) -> Step:
    """Decide what becomes of our row."""
    if view.staged is None:
        if ours.state in {PrearchiveState.CONFLICT, PrearchiveState.ERROR} and not row.broken:
            said = f": {view.log}" if view.log else ""
            return Hold(PrearchiveStuck(f"{ours.uri} is in {ours.status}{said}"))
        return Build(ours.uri)
    if extra := view.staged - wish.objects:
        what = f"{ours.uri} holds {counted(len(extra), 'object')} that were not sent from here"
        return Hold(NotOurs(what) if row.broken else ObjectsExtra(what))
    if row.broken:
        return Discard(ours.uri)
    if ours.state is not PrearchiveState.READY:
        said = f": {view.log}" if view.log else ""
        return Hold(PrearchiveStuck(f"{ours.uri} is in {ours.status}{said}"))
    if absent := missing - view.staged:
        return _send(wish, row, absent)
    return Commit(ours.uri)


def _send(wish: ImportWish, row: OurRow, objects: frozenset[str]) -> Step:
    if row.sends >= SENDS_MAX:
        return Hold(
            ObjectsMissing(
                f"sent {row.sends} times, and the destination still does not hold {counted(len(objects), 'object')} "
                f"of session {wish.session}"
            )
        )
    return Send(objects)
