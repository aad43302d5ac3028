"""Brings the images of a session to the destination as a DICOM import: its scripts run, and it makes the session.

One streamed zip for many small objects, one streamed tar for each big one (a tar needs no checksum in front); members
are named by UID, so that a plain listing shows what arrived (import.md §1, §4.6).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from xnatsync.core.errors import (
    NotThere,
    ObjectsBroken,
    ObjectsConflict,
    PrearchiveStuck,
    ReadFailed,
    SourceChanged,
    XnatsyncError,
)
from xnatsync.core.import_decision import Build, Commit, Discard, ImportView, ImportWish, OurRow, own_row
from xnatsync.core.labels import member_name
from xnatsync.core.landing_place import landing_place
from xnatsync.core.manifest import Kind, ManifestFile, ObjectIdentity
from xnatsync.core.remote import FileListing, ImportTarget, PrearchiveState
from xnatsync.dicom.head import read_head
from xnatsync.dicom.identity import IDENTITY_TAGS, flaw, identity_of
from xnatsync.ports.drop import Xnat
from xnatsync.routes.transfer.carry import Coming
from xnatsync.routes.transfer.limits import UNLIMITED, Line
from xnatsync.routes.transfer.load import Left
from xnatsync.routes.transfer.reading import Begin, Event, Loaded, Over, Pack
from xnatsync.xnat.tarstream import tar_size
from xnatsync.xnat.zipstream import zip_size

HEAD_BYTES: Final = 1 << 20  # of a big object: its identity is in there
_Member = tuple[str, ManifestFile, Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class SentObject:
    """An object that the destination acknowledged: what it was when it passed through."""

    uid: str
    scan: str  # at the source
    name: str
    size: int
    sha256: bytes


@dataclass(slots=True)
class Imported:
    """What became of an import."""

    uri: str = ""  # the prearchive row it came out in
    sent: list[SentObject] = field(default_factory=list)
    lost: list[Left] = field(default_factory=list)  # listed at the source, which gave it at no try
    changed: list[Left] = field(default_factory=list)
    unfit: list[Left] = field(default_factory=list)  # no object, of another study, or two of one UID
    broken: bool = False  # an upload was begun and cut off: the row must not be archived
    failure: XnatsyncError | None = None  # what ended it before its end
    requests: int = 0
    bytes: int = 0


@dataclass(slots=True)
class Importer:
    """Sends the objects of one study, one request after the other into the same row."""

    destination: Xnat
    target: ImportTarget
    study_uid: str  # "" when it is not known: then the first object tells
    request_id: str
    only: frozenset[str] | None = None  # the objects that are wanted; None: all
    line: Line = UNLIMITED
    moved: Callable[[int], None] = lambda size_bytes: None
    result: Imported = field(default_factory=Imported)
    _seen: dict[str, bytes] = field(default_factory=dict)  # what every UID holds

    def send(self, events: Iterator[Event], loads: int = 1) -> Imported:
        """Send everything that comes of so many loads; what ends it early is in the result."""
        try:
            for event in events:
                if isinstance(event, Pack):
                    self._pack(event.files)
                elif isinstance(event, Begin):
                    self._big(event, events)
                elif isinstance(event, Over):
                    self._over(event)
                    loads -= 1
            if loads:
                raise ReadFailed("what the source sent ended before its end")
        except XnatsyncError as error:
            self.result.failure = error
        return self.result

    def _over(self, over: Over) -> None:
        self.result.lost += over.lost
        self.result.changed += over.changed
        self.result.unfit += over.refused
        if over.failure is not None:
            raise over.failure

    # --- small ones --------------------------------------------------------------------------------------------------

    def _pack(self, files: Sequence[Loaded]) -> None:
        wanted: list[tuple[ObjectIdentity, Loaded]] = []
        for one in files:
            found = self._identity(one.name, [one.content], whole=True)
            if found is not None and self._is_wanted(found, one.name, one.sha256):
                wanted.append((found, one))
        if not wanted:
            return
        names = [(member_name(found.sop_uid), one.size) for found, one in wanted]
        members = (self._member(found.sop_uid, one) for found, one in wanted)
        self._post(self.destination.import_zip, members, zip_size(names))
        for found, one in wanted:
            self._note(SentObject(found.sop_uid, one.file.scan, one.name, one.size, one.sha256))

    def _member(self, uid: str, one: Loaded) -> _Member:
        self.line.take(one.size)
        self.moved(one.size)
        return member_name(uid), _facts(one.name, one.size, one.sha256, zlib.crc32(one.content)), iter([one.content])

    # --- a big one ---------------------------------------------------------------------------------------------------

    def _big(self, begin: Begin, events: Iterator[Event]) -> None:
        name, coming = begin.file.name, Coming(events)
        pieces = iter(coming)
        try:
            head, whole = _beginning(pieces)
            found = self._identity(name, head, whole=whole)
        except XnatsyncError:
            if coming.end is None:
                raise
            return  # the source did not give it to its end, and nothing was sent: its Over tells
        if found is None or not self._is_wanted(found, name, None):
            coming.rest()
            return
        member = (
            member_name(found.sop_uid),
            _facts(name, begin.size, b"", 0),
            self._paced(_joined(head, pieces)),
        )
        try:
            self._post(self.destination.import_tar, iter([member]), tar_size([(member[0], begin.size)]))
        except XnatsyncError:
            if coming.end is not None and coming.end.error is not None:
                self.result.broken = True
            raise
        coming.rest()
        arrived = coming.arrived(name, begin.size)
        self._seen[found.sop_uid] = arrived.sha256
        self._note(SentObject(found.sop_uid, begin.file.scan, name, begin.size, arrived.sha256))

    def _paced(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self.line.take(len(piece))
            self.moved(len(piece))
            yield piece

    # --- both --------------------------------------------------------------------------------------------------------

    def _identity(self, name: str, content: Sequence[bytes], *, whole: bool) -> ObjectIdentity | None:
        """Read what an object says of itself; what cannot be imported is noted."""
        head = read_head(iter(content), IDENTITY_TAGS, hash_pixels=False)
        why = "not a DICOM object" if head is None else flaw(head) or (head.problem if whole else "")
        if head is None or why:
            self.result.unfit.append(Left(name, ObjectsBroken(why)))
            return None
        return identity_of(head)

    def _is_wanted(self, found: ObjectIdentity, name: str, sha256: bytes | None) -> bool:
        """Refuse an object of another study, and a second one of the same UID that is not the same."""
        self.study_uid = self.study_uid or found.study_uid
        if found.study_uid != self.study_uid:
            self.result.unfit.append(Left(name, ObjectsConflict("it is of another study than the rest of its session")))
            return False
        if found.sop_uid in self._seen:
            if sha256 is None or self._seen[found.sop_uid] != sha256:
                self.result.unfit.append(Left(name, ObjectsConflict("another object of the session has its UID")))
            return False
        if self.only is not None and found.sop_uid not in self.only:
            return False
        self._seen[found.sop_uid] = sha256 or b""
        return True

    def _post(self, call: Callable[..., object], members: Iterator[_Member], size: int) -> None:
        """Do one upload; the row is tainted until the server has acknowledged all of it."""
        result = self.result
        result.requests += 1
        result.broken, before = True, result.broken
        reply = call(self.target, members, size=size, request_id=f"{self.request_id}.{result.requests}")
        uri = landing_place(reply, self.target.project)  # type: ignore[arg-type]
        result.broken = before
        if result.uri not in {"", uri}:
            raise SourceChanged("the upload came out in two rows")
        result.uri = uri

    def _note(self, sent: SentObject) -> None:
        self.result.sent.append(sent)
        self.result.bytes += sent.size


def _facts(path: str, size: int, sha256: bytes, crc32: int) -> ManifestFile:
    return ManifestFile(path, size, 0, sha256, crc32, b"", Kind.DICOM)


def _beginning(pieces: Iterator[bytes]) -> tuple[list[bytes], bool]:
    """Read the beginning of an object; and say whether that was all of it."""
    head: list[bytes] = []
    size = 0
    for piece in pieces:
        head.append(piece)
        size += len(piece)
        if size >= HEAD_BYTES:
            return head, False
    return head, True


def _joined(head: Sequence[bytes], rest: Iterator[bytes]) -> Iterator[bytes]:
    yield from head
    yield from rest


# --- the rest of its way -----------------------------------------------------------------------------------------


def act(destination: Xnat, step: Build | Commit | Discard, request_id: str) -> str:
    """Do what was decided about our row; return the archive's address after a commit, "" otherwise."""
    if isinstance(step, Build):
        destination.build(step.uri, request_id=request_id)
    elif isinstance(step, Discard):
        destination.delete_prearchive(step.uri, request_id=request_id)
    elif archived := destination.commit(step.uri, request_id=request_id):
        return archived
    else:
        raise PrearchiveStuck(f"the server was asked to archive {step.uri} and left it where it is")
    return ""


# --- looking -----------------------------------------------------------------------------------------------------


def look(destination: Xnat, wish: ImportWish, row: OurRow) -> ImportView:
    """See what the destination holds of this study and of this label."""
    sessions = {one.id: one for one in destination.sessions(wish.project, label=wish.session)}
    sessions |= {one.id: one for one in destination.sessions(wish.project, study_uid=wish.study_uid)}
    holder = next((one for one in sessions.values() if one.study_uid == wish.study_uid), None)
    archived = destination.session_files(holder.id) if holder is not None else FileListing(())
    rows = tuple(
        one
        for one in destination.prearchive(wish.project)
        if one.uri == row.uri or one.study_uid == wish.study_uid or one.name == wish.session
    )
    ours = own_row(wish, row, rows)
    staged = None
    if ours is not None and ours.state not in {PrearchiveState.WORKING, PrearchiveState.RECEIVING}:
        try:
            staged = destination.prearchive_files(ours.uri)
        except NotThere:
            staged = None  # it is not built, or was archived just now: the next look tells
    stuck = ours is not None and ours.state in {PrearchiveState.CONFLICT, PrearchiveState.ERROR}
    return ImportView(
        sessions=tuple(sessions.values()),
        archived=uids_of(archived, wish.objects),
        rows=rows,
        staged=uids_of(staged, wish.objects) if staged is not None else None,
        complete=archived.complete and (staged is None or staged.complete),
        log=destination.prearchive_log(ours.uri) if ours is not None and stuck else "",
    )


def uids_of(listing: FileListing, wanted: frozenset[str]) -> frozenset[str]:
    """Return the objects of a listing: by the names that we gave them, else by their UIDs as the catalogue says."""
    names = {member_name(uid): uid for uid in wanted}
    found = ((names.get(file.name.rpartition("/")[2]), file) for file in listing.files)
    return frozenset(uid or file.sop_uid or f"{file.scan}/{file.name}" for uid, file in found)
