"""Brings the images of a session to the destination as a DICOM import: its scripts run, and it makes the session.

One streamed zip for many small objects, one streamed tar for each big one (a tar needs no checksum in front); members
are named by UID, so that a plain listing shows what arrived (import.md §1, §4.6).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from xnatsync.core.errors import (
    NotThere,
    ObjectsBroken,
    ObjectsConflict,
    PrearchiveStuck,
    ReadFailed,
    RequestRefused,
    SourceChanged,
    XnatsyncError,
)
from xnatsync.core.import_decision import (
    Build,
    Commit,
    Discard,
    ImportView,
    ImportWish,
    OurRow,
    holder_of,
    own_row,
)
from xnatsync.core.inventory import ResourceKey
from xnatsync.core.labels import member_name
from xnatsync.core.landing_place import landing_place
from xnatsync.core.manifest import Kind, ManifestFile, ObjectIdentity
from xnatsync.core.remote import FileListing, ImportReply, ImportTarget, PrearchiveState, RemoteFile, SessionSeen
from xnatsync.dicom.head import Head, read_head
from xnatsync.dicom.identity import IDENTITY_TAGS, flaw, identity_of
from xnatsync.ports.drop import Xnat
from xnatsync.routes.transfer.carry import Coming
from xnatsync.routes.transfer.reading import Begin, Event, Loaded, Over, Pack
from xnatsync.xnat.tarstream import tar_size
from xnatsync.xnat.zipstream import zip_size

HEAD_BYTES: Final = 1 << 20  # of a big object: its identity is in there
REFUSED_MAX: Final = 3  # refusals when nothing was taken at all: then it is not the objects
_Member = tuple[str, ManifestFile, Iterator[bytes]]
Place = tuple[ResourceKey, str]
_NONE: Final = ResourceKey("", "")


@dataclass(frozen=True, slots=True)
class SentObject:
    """An object that the destination acknowledged: what it was when it passed through."""

    uid: str
    key: ResourceKey  # at the source
    name: str
    size: int
    sha256: bytes
    md5: str = ""
    pixels: bytes | None = None  # of a big one, which is never in memory as a whole, both are read again when asked for
    content: bytes | None = None
    syntax: str = ""

    @property
    def place(self) -> Place:
        """Return which file of the source it is."""
        return self.key, self.name


@dataclass(frozen=True, slots=True)
class LeftObject:
    """A file that was not sent, and why."""

    key: ResourceKey
    name: str
    error: XnatsyncError

    @property
    def place(self) -> Place:
        """Return which file of the source it is."""
        return self.key, self.name


@dataclass(slots=True)
class Imported:
    """What became of an import."""

    uri: str = ""  # the prearchive row it came out in
    sent: list[SentObject] = field(default_factory=list)
    lost: list[LeftObject] = field(default_factory=list)  # listed at the source, which gave it at no try
    changed: list[LeftObject] = field(default_factory=list)
    unfit: list[LeftObject] = field(default_factory=list)  # no object, of another study, or refused by the destination
    others: dict[Place, str] = field(default_factory=dict)  # another object than was expected: its UID
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
    expected: Mapping[Place, str] = field(default_factory=dict)  # the UID of each file, where it is known
    moved: Callable[[int], None] = lambda size_bytes: None
    opening: Callable[[], None] = lambda: None  # called before each upload
    taken: Callable[[Imported, Sequence[SentObject]], None] = lambda result, sent: None  # after each, with what it took
    result: Imported = field(default_factory=Imported)
    _seen: dict[str, bytes] = field(default_factory=dict)  # what every UID holds
    _key: ResourceKey = _NONE

    def send(self, parts: Iterable[tuple[ResourceKey, Iterator[Event]]]) -> Imported:
        """Send everything that comes of some resources; what ends it early is in the result."""
        try:
            for self._key, events in parts:
                if not self._sent(events):
                    raise ReadFailed("what the source sent ended before its end")
        except XnatsyncError as error:
            self.result.failure = error
        return self.result

    def _sent(self, events: Iterator[Event]) -> bool:
        """Send everything of one resource; return whether its end was seen."""
        for event in events:
            if isinstance(event, Pack):
                self._pack(event.files)
            elif isinstance(event, Begin):
                self._big(event, events)
            elif isinstance(event, Over):
                self._over(event)
                return True
        return False

    def _over(self, over: Over) -> None:
        result = self.result
        result.lost += [LeftObject(self._key, left.name, left.error) for left in over.lost]
        result.changed += [LeftObject(self._key, left.name, left.error) for left in over.changed]
        result.unfit += [LeftObject(self._key, left.name, left.error) for left in over.refused]
        if over.failure is not None:
            raise over.failure

    # --- small ones --------------------------------------------------------------------------------------------------

    def _pack(self, files: Sequence[Loaded]) -> None:
        wanted: list[tuple[SentObject, Loaded]] = []
        for one in files:
            head = self._head(one.name, [one.content], whole=True)
            if head is not None and self._is_wanted(identity_of(head), one.name, one.sha256):
                sent = SentObject(
                    identity_of(head).sop_uid, self._key, one.name, one.size, one.sha256, one.md5, head.pixels,
                    head.content, head.transfer_syntax,
                )  # fmt: skip
                wanted.append((sent, one))
        if wanted:
            self._zip(wanted)

    def _zip(self, wanted: Sequence[tuple[SentObject, Loaded]]) -> None:
        """Send objects with one request; where the server refuses it, find the one that it will not take."""
        names = [(member_name(sent.uid), sent.size) for sent, _ in wanted]
        members = (self._member(sent.uid, one) for sent, one in wanted)
        try:
            self._post(self.destination.import_zip, members, zip_size(names), [sent for sent, _ in wanted])
        except RequestRefused as error:
            if len(wanted) == 1:
                self._refused(wanted[0][0].name, error)
                return
            middle = len(wanted) // 2
            self._zip(wanted[:middle])
            self._zip(wanted[middle:])

    def _refused(self, name: str, error: RequestRefused) -> None:
        result = self.result
        result.unfit.append(LeftObject(self._key, name, error))
        refused = [one for one in result.unfit if isinstance(one.error, RequestRefused)]
        if len(refused) >= REFUSED_MAX and not result.sent:
            raise error

    def _member(self, uid: str, one: Loaded) -> _Member:
        self.moved(one.size)
        return member_name(uid), _facts(one.name, one.size, one.sha256, zlib.crc32(one.content)), iter([one.content])

    # --- a big one ---------------------------------------------------------------------------------------------------

    def _big(self, begin: Begin, events: Iterator[Event]) -> None:
        name, coming = begin.file.name, Coming(events)
        pieces = iter(coming)
        try:
            start, whole = _beginning(pieces)
            head = self._head(name, start, whole=whole)
        except XnatsyncError:
            if coming.end is None:
                raise
            return  # the source did not give it to its end, and nothing was sent: its Over tells
        if head is None or not self._is_wanted(identity_of(head), name, None):
            coming.rest()
            return
        uid = identity_of(head).sop_uid
        member = member_name(uid), _facts(name, begin.size, b"", 0), self._paced(_joined(start, pieces))
        try:
            self._post(self.destination.import_tar, iter([member]), tar_size([(member[0], begin.size)]), ())
        except XnatsyncError as error:
            if coming.end is not None and coming.end.error is not None:
                self.result.broken = True
                raise
            if not isinstance(error, RequestRefused):
                raise
            coming.rest()
            self._refused(name, error)
            return
        coming.rest()
        arrived = coming.arrived(name, begin.size)
        self._seen[uid] = arrived.sha256
        sent = SentObject(uid, self._key, name, begin.size, arrived.sha256, arrived.md5, syntax=head.transfer_syntax)
        self._note([sent])

    def _paced(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self.moved(len(piece))
            yield piece

    # --- both --------------------------------------------------------------------------------------------------------

    def _head(self, name: str, content: Sequence[bytes], *, whole: bool) -> Head | None:
        """Read what an object says of itself; what cannot be imported is noted."""
        head = read_head(iter(content), IDENTITY_TAGS, hash_pixels=whole, hash_content=whole)
        why = "not a DICOM object" if head is None else flaw(head) or (head.problem if whole else "")
        if head is None or why:
            self.result.unfit.append(LeftObject(self._key, name, ObjectsBroken(why)))
            return None
        return head

    def _is_wanted(self, found: ObjectIdentity, name: str, sha256: bytes | None) -> bool:
        """Refuse an object of another study, and a second one of the same UID that is not the same."""
        self.study_uid = self.study_uid or found.study_uid
        if found.study_uid != self.study_uid:
            self._unfit(name, "it is of another study than the rest of its session")
            return False
        if self.expected.get((self._key, name), found.sop_uid) != found.sop_uid:
            self.result.others[self._key, name] = found.sop_uid
            return False
        if found.sop_uid in self._seen:
            if sha256 is None or self._seen[found.sop_uid] != sha256:
                self._unfit(name, "another object of the session has its UID")
            return False
        self._seen[found.sop_uid] = sha256 or b""
        return True

    def _unfit(self, name: str, why: str) -> None:
        self.result.unfit.append(LeftObject(self._key, name, ObjectsConflict(why)))

    def _post(
        self, call: Callable[..., ImportReply], members: Iterator[_Member], size: int, sent: Sequence[SentObject]
    ) -> None:
        """Do one upload; the row is tainted until the server has acknowledged all of it."""
        result = self.result
        result.requests += 1
        result.broken, before = True, result.broken
        self.opening()
        reply = call(self.target, members, size=size, request_id=f"{self.request_id}.{result.requests}")
        result.broken = before
        uri = landing_place(reply, self.target.project)
        if result.uri not in {"", uri}:
            raise SourceChanged("the upload came out in two rows")
        result.uri = uri
        if sent:
            self._note(sent)

    def _note(self, sent: Sequence[SentObject]) -> None:
        self.result.sent += sent
        self.result.bytes += sum(one.size for one in sent)
        self.taken(self.result, sent)


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


def look(destination: Xnat, wish: ImportWish, row: OurRow, known: SessionSeen | None = None) -> ImportView:
    """See what the destination holds of this study and of this label; `known`: of the session that is this one."""
    sessions = {known.id: known} if known is not None else {}
    sessions |= {one.id: one for one in destination.sessions(wish.project, label=wish.session)}
    if wish.study_uid:
        sessions |= {one.id: one for one in destination.sessions(wish.project, study_uid=wish.study_uid)}
    holder = holder_of(wish, tuple(sessions.values()))
    archived = destination.session_files(holder.id) if holder is not None else FileListing(())
    there = by_uid(archived, wish.objects)
    rows = tuple(
        one
        for one in destination.prearchive(wish.project)
        if one.uri == row.uri or one.name == wish.session or (wish.study_uid and one.study_uid == wish.study_uid)
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
        archived=frozenset(there),
        there=there,
        rows=rows,
        staged=frozenset(by_uid(staged, wish.objects)) if staged is not None else None,
        complete=archived.complete and (staged is None or staged.complete),
        log=destination.prearchive_log(ours.uri) if ours is not None and stuck else "",
    )


def by_uid(listing: FileListing, wanted: frozenset[str]) -> dict[str, RemoteFile]:
    """Return the objects of a listing: by the names that we gave them, else by their UIDs as the catalogue says."""
    names = {member_name(uid): uid for uid in wanted}
    found = ((names.get(file.name.rpartition("/")[2]), file) for file in listing.files)
    return {uid or file.sop_uid or f"{file.scan}/{file.name}": file for uid, file in found}
