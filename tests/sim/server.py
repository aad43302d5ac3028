"""The server: the sandbox's own state model in this process, and the port `Xnat` on it with all that can go wrong.

No HTTP: what a status means is asked of the product's own mapping (`xnat.failures`), what a name tells of `xnat.names`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, TypeVar

from sim import content, people, places
from xnatsync.core.errors import (
    CredentialsRefused,
    ForeignContent,
    OutcomeUnknown,
    ReadFailed,
    ServerUnreachable,
    XnatsyncError,
)
from xnatsync.core.manifest import ManifestFile
from xnatsync.core.remote import (
    FileListing,
    ImportReply,
    ImportTarget,
    PrearchiveSeen,
    PrearchiveState,
    ProjectSeen,
    RemoteFile,
    ServerAbout,
    SessionSeen,
)
from xnatsync.sandbox.dicomedit.text_functions import hashed_uid
from xnatsync.sandbox.model import importing, operations
from xnatsync.sandbox.model.accounts import User
from xnatsync.sandbox.model.anonymise import DEFAULT_SITE_SCRIPT
from xnatsync.sandbox.model.archiver import Request, built_session
from xnatsync.sandbox.model.creation import ModelError
from xnatsync.sandbox.model.importer import Importer
from xnatsync.sandbox.model.merge import Rules
from xnatsync.sandbox.model.objects import Experiment, FileEntry, Project, Resource
from xnatsync.sandbox.model.prearchive import Row
from xnatsync.sandbox.model.site import Site
from xnatsync.xnat.failures import Verb, from_status
from xnatsync.xnat.names import sop_uid_of

if TYPE_CHECKING:
    from sim.world import History

Seen = TypeVar("Seen")
PROJECT = "P1"
SETTING = "preventCrossModalityMerge"
HASHING = DEFAULT_SITE_SCRIPT + "".join(
    f"({tag}) := hashUID[({tag})]\n" for tag in ("0020,000D", "0020,000E", "0008,0018")
)
LAG_MS = 8_000  # so long a listing may show the state before
AGENT, PERSON = User("agent", admin=True), User("person", admin=True)
_STATES = {
    "RECEIVING": PrearchiveState.RECEIVING,
    "RECEIVING_INTERRUPT": PrearchiveState.RECEIVING,
    "READY": PrearchiveState.READY,
    "CONFLICT": PrearchiveState.CONFLICT,
    "ERROR": PrearchiveState.ERROR,
}
STALE = places.ONLY["reads", "stale"][0]
_SLOW = "The archive of it did not complete within the configured timeout interval."

UNWILLING = (500, 502, 503, 504, 507)  # what a server answers that lists everything and takes nothing
UNWILLING_MS = (60_000, 3_600_000, 40_000_000)


@dataclass(slots=True)
class Pending:
    """An effect that the server has taken and not yet done."""

    due_ms: int
    target: tuple[str, str]
    what: str
    act: Callable[[], None]
    jumps: int


class SimServer:
    """The server as it is, whoever asks."""

    def __init__(self, history: History, *, anonymises: bool, checksums: bool) -> None:
        self.history = history
        self.site = Site.in_memory(clock=history.clock.server_s)
        self.site.settings.update({"enableSitewideAnonymizationScript": anonymises, "checksums": checksums})
        self.site.projects[PROJECT] = Project(PROJECT, self.site.stamp(AGENT))
        self.password = content.PASSWORD
        self.pending: list[Pending] = []
        self.born: dict[str, int] = {}  # when something could first be seen: rows, sessions, archived files
        self.ours: set[str] = set()  # rows that the engine sent to
        self.foreign: set[bytes] = set()  # contents that others stored
        # A script of the site gives studies other UIDs: the archive shows those, whatever was sent.
        self.scripted = Random(f"{history.seed}/script").random() < 1 / 6
        # Or it gives studies, series and objects other UIDs, in each object, as DicomEdit's `hashUID` does.
        plays = history.script is None and history.faults.only is None
        self.hashes = False
        if plays and not self.scripted and Random(f"{history.seed}/hashes").random() < 1 / 10:
            self.hash_uids()
        draws = Random(f"{history.seed}/setting")
        self.tells_settings = draws.random() < 0.5
        self.site.settings.update({SETTING: draws.random() < 0.7})
        self.latecomers = False  # uploads of ours came after the time for which we wait

    # --- what is there -------------------------------------------------------------------------------------------

    def shown_uid(self, session: Experiment) -> str:
        uid = session.fields.get("UID", "")
        return f"2.25.{zlib.crc32(uid.encode())}" if self.scripted and uid else uid

    def hash_uids(self) -> None:
        """From now on a script of the site does so."""
        self.hashes = True
        self.site.settings.update({"enableSitewideAnonymizationScript": True, "sitewideAnonymizationScript": HASHING})

    def is_of(self, session: Experiment, study_uid: str) -> bool:
        """Tells whether a session is one of a study, whatever a script made of its UID."""
        return session.fields.get("UID", "") in {study_uid, self.stored_uid(study_uid)}

    def named(self, session: Experiment) -> set[str]:
        """The objects of a session that their names tell, whatever a script made of their UIDs."""
        return {
            sop_uid_of(entry.path)
            for scan in session.scans.values()
            for resource in scan.resources.values()
            for entry in resource.entries.values()
        }

    def stored_uid(self, uid: str) -> str:
        """What becomes of a UID on its way in."""
        return hashed_uid(uid) if self.hashes else uid

    def rows(self) -> list[Row]:
        return sorted(self.site.prearchive, key=lambda row: row.uri)

    def row_of(self, uri: str) -> Row | None:
        return next((row for row in self.rows() if row.uri == uri), None)

    def sessions(self) -> list[Experiment]:
        return [self.site.experiments[key] for key in sorted(self.site.experiments)]

    def read(self, path: str) -> bytes | None:
        found = self.site.store._files.get(path)
        return None if found is None else found[0]

    def objects(self, study_uid: str, *, prearchive: bool) -> Iterator[tuple[str, bytes]]:
        """Every stored object of a study: (SOP Instance UID as catalogued, content)."""
        for session in self.sessions():
            if session.project == PROJECT and self.is_of(session, study_uid):
                for scan in session.scans.values():
                    for resource in scan.resources.values():
                        for entry in resource.entries.values():
                            if (data := self.read(f"{resource.folder}/{entry.path}")) is not None:
                                yield entry.uid, data
        for row in self.rows() if prearchive else ():
            if row.tag == study_uid and row.project == PROJECT:
                for item in self.site.prearchive.content(row).objects.values():
                    if (data := self.read(f"{row.path}/{item.path}")) is not None:
                        yield item.sop_uid, data

    # --- what happens by itself or by people ---------------------------------------------------------------------

    def tick(self) -> None:
        """Does what has become due."""
        if not self.pending:
            return
        for one in [one for one in self.pending if one.due_ms <= self.history.clock.ms]:
            self.pending.remove(one)
            self.history.log(f"server: {one.what} takes effect")
            one.act()
            self.history.touched = True

    def receive(self, user: User, target: ImportTarget, members: Sequence[tuple[str, bytes]]) -> list[Row]:
        """Stores objects; what came before a bad one stays."""
        importer = self.importer(user, target)
        try:
            for name, data in members:
                importer.receive(name, iter([data]))
        except ModelError:
            pass
        self.note(importer.rows.values(), ours=user is AGENT)
        return list(importer.rows.values())

    def importer(self, user: User, target: ImportTarget) -> Importer:
        params = {
            "PROJECT_ID": target.project, "SUBJECT_ID": target.subject, "EXPT_LABEL": target.session,
            "prevent_auto_commit": "true", "SOURCE": "uploader",
        }  # fmt: skip
        return Importer(self.site, user, params)

    def note(self, rows: Iterable[Row], *, ours: bool) -> None:
        for row in rows:
            self.born.setdefault(row.uri, self.history.clock.ms)
            if ours:
                self.ours.add(row.uri)

    def archive(self, row: Row, user: User, rules: Rules | None = None) -> Experiment:
        """Builds and archives."""
        if not operations.build(self.site, row):
            raise ModelError(409, "session document locked")
        known = set(self.site.store._files)
        session = operations.archive(self.site, row, Request(user, rules or Rules()))
        self.born.setdefault(session.id, self.history.clock.ms)
        for path in set(self.site.store._files) - known:
            self.born[path] = self.history.clock.ms
        return session


class SimXnat:
    """The server as one process of ours sees it."""

    def __init__(self, server: SimServer, password: str) -> None:
        self.server = server
        self.history = server.history
        self.password = password

    # --- reads ---------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Nothing to log out of."""

    def whoami(self) -> str:
        self._known()
        return AGENT.login

    def about(self) -> ServerAbout:
        self._known()
        return ServerAbout("1.9.0", None)

    def project(self, project: str) -> ProjectSeen | None:
        self._read("project")
        return ProjectSeen(project) if project in self.server.site.projects else None

    def may_edit(self, project: str) -> bool | None:
        self._read("may_edit")
        return True if project in self.server.site.projects else None

    def site_setting(self, name: str) -> str | None:
        self._read("site_setting")
        return str(self.server.site.settings.flag(name)).lower() if self.server.tells_settings else None

    def sessions(
        self, project: str, *, label: str | None = None, study_uid: str | None = None
    ) -> tuple[SessionSeen, ...]:
        stale = self._read("sessions")
        self._has(project)
        found = tuple(
            SessionSeen(
                one.id, one.project, one.label, self.server.site.subjects[one.subject].label,
                self.server.shown_uid(one), one.xsi_type,
            )
            for one in self.server.sessions()
            if one.project == project
            and (label is None or one.label == label)
            and (study_uid is None or self.server.shown_uid(one) == study_uid)
            and not (stale and self._young(one.id))
        )  # fmt: skip
        return self._doubled("sessions", found)

    def session_files(self, session_id: str) -> FileListing:
        stale = self._read("session_files")
        session = self._session(session_id)
        files = []
        for scan in session.scans.values():
            for resource in scan.resources.values():
                for entry in resource.entries.values():
                    if stale and self._young(f"{resource.folder}/{entry.path}"):
                        continue
                    uid = sop_uid_of(entry.path) or entry.uid
                    files.append(RemoteFile(scan.id, resource.label, entry.path, entry.size, entry.digest, uid))
        return self._short("session_files", files)

    def resource_files(self, session_id: str, resource: str) -> FileListing:
        stale = self._read("resource_files")
        found = self._session(session_id).resources.get(resource)
        files = [
            RemoteFile("", resource, entry.path, entry.size, entry.digest)
            for entry in (found.entries.values() if found is not None else ())
            if not (stale and found is not None and self._young(f"{found.folder}/{entry.path}"))
        ]
        return self._short("resource_files", files)

    def prearchive(self, project: str) -> tuple[PrearchiveSeen, ...]:
        stale = self._read("prearchive")
        if project not in self.server.site.projects:
            raise from_status(403, "", Verb.READ, f"the prearchive of project {project}")
        found = tuple(
            PrearchiveSeen(
                row.uri, row.project or "Unassigned", row.name, row.subject, row.tag,
                _STATES.get(row.status, PrearchiveState.WORKING), row.status, row.uploaded,
            )
            for row in self.server.rows()
            if row.project == project and not (stale and self._young(row.uri))
        )  # fmt: skip
        return self._doubled("prearchive", found)

    def prearchive_files(self, uri: str) -> FileListing:
        self._read("prearchive_files")
        row = self.server.row_of(uri)
        if row is None or not row.built:
            raise from_status(404, "", Verb.READ, f"listing {uri}")
        try:
            session = built_session(self.server.site, row)
        except ModelError as error:
            raise from_status(404, error.message, Verb.READ, f"listing {uri}") from error
        files = [
            RemoteFile(scan.id, resource.label, entry.path, entry.size, "", sop_uid_of(entry.path))
            for scan in session.scans.values()
            for resource in scan.resources.values()
            for entry in resource.entries.values()
        ]
        return self._short("prearchive_files", files)

    def prearchive_log(self, uri: str) -> str:
        self._read("prearchive_log")
        row = self.server.row_of(uri)
        return row.logs[-1].entry if row is not None and row.logs else ""

    def fetch_scans(self, session_id: str, scans: Sequence[str]) -> Iterator[tuple[str, str, str, Iterator[bytes]]]:
        self._read("fetch_scans")
        session = self._session(session_id)
        if scans and not session.scans.keys() & set(scans):
            raise from_status(500, "", Verb.READ, f"fetching scans of session {session_id}")
        for scan in [session.scans[name] for name in scans if name in session.scans]:
            for resource in list(scan.resources.values()):
                for entry in list(resource.entries.values()):
                    data = self.server.read(f"{resource.folder}/{entry.path}") or b""
                    yield scan.id, resource.label, entry.path, self._pieces(data)

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        yield data[: len(data) // 2]
        if self.history.faults.fires("cut", "xnat.fetch_scans"):
            raise ReadFailed("fetching: the answer was cut")
        yield data[len(data) // 2 :]

    # --- writes --------------------------------------------------------------------------------------------------

    def import_zip(
        self,
        target: ImportTarget,
        members: Iterable[tuple[str, ManifestFile, Iterator[bytes]]],
        *,
        size: int,
        request_id: str,
    ) -> ImportReply:
        with self._write("import_zip", Verb.IMPORT, (target.project, target.session)) as fate:
            received: list[tuple[str, bytes]] = []
            sent: list[ManifestFile] = []
            later = fate in {"delayed", "long delayed", "lost", "lost in limbo"}
            importer = self.server.importer(AGENT, target)
            try:
                for name, file, chunks in members:
                    data = self._body(chunks)
                    self.history.judge.before_object(file)
                    sent.append(file)
                    received += [] if data is None else [(name, data)]
                    if data is not None and not later:
                        self._receive(importer, name, data, times=2 if fate == "twice" else 1)
                    if fate == "cut" and self.history.faults.next("cut where").random() < 0.5:
                        raise _unknown("the connection was reset")
                self.history.judge.could_be_merged(sent)
            finally:
                self.server.note(importer.rows.values(), ours=True)
                if fate == "delayed" and received:
                    self._later("import", target, lambda: self._arrive(target, received))
                if fate == "long delayed" and received:
                    self._much_later(target, received)
            return self._answer(fate, target, importer, sent)

    import_tar = import_zip  # another form of the same import

    def import_object(
        self, target: ImportTarget, name: str, file: ManifestFile, content: Iterator[bytes], *, request_id: str
    ) -> ImportReply:
        where, faults = "xnat.import_object", self.history.faults
        with self._write("import_object", Verb.IMPORT, (target.project, target.session)) as fate:
            data = self._body(content, "import_object")
            self.history.judge.before_object(file)
            self.history.judge.could_be_merged([file])
            if faults.fires("turned away", where):
                raise from_status(400, f"unable to read DICOM object {name}", Verb.IMPORT, "uploading")
            place = replace(target, project="") if not fate and faults.fires("elsewhere", where) else target
            importer = self.server.importer(AGENT, place)
            try:
                if data is not None and fate not in {"delayed", "long delayed", "lost", "lost in limbo"}:
                    self._receive(importer, name, data, times=2 if fate == "twice" else 1)
            finally:
                self.server.note(importer.rows.values(), ours=True)
            if fate == "delayed" and data is not None:
                self._later("import", target, lambda: self._arrive(target, [(name, data)]))
            if fate == "long delayed" and data is not None:
                self._much_later(target, [(name, data)])
            return self._answer(fate, target, importer, [file])

    def _answer(self, fate: str, target: ImportTarget, importer: Importer, sent: Sequence[ManifestFile]) -> ImportReply:
        """What an import is answered with: where it came out, if it comes at all."""
        if fate in {"delayed", "long delayed", "lost", "cut"}:
            raise _unknown("no answer")
        if fate == "reply lost":
            raise _unknown("the answer was lost")
        uris = tuple(row.uri for row in importer.rows.values())
        if fate == "lost in limbo" and not uris:
            known = [
                row.uri for row in self.server.rows() if (row.project, row.name) == (target.project, target.session)
            ]
            uris = tuple(known or [f"/prearchive/projects/{target.project}/20260301_115959000/{target.session}"])[:1]
        self.history.judge.is_answered(target.project, uris, sent)
        return ImportReply(uris)

    def _body(self, chunks: Iterator[bytes], method: str = "import_zip") -> bytes | None:
        """One member as it comes out on the server; None: it never did."""
        where, pieces = f"xnat.{method}", []
        for piece in chunks:
            pieces.append(piece)
            self.history.boundary(f"{where}, within")
        data = b"".join(pieces)
        if self.history.faults.fires("dropped", where):
            return None
        if chance := self.history.faults.fires("truncated", where):
            return data[: int(len(data) * chance.uniform(0.45, 0.99))]
        return data

    def _receive(self, importer: Importer, name: str, data: bytes, times: int) -> None:
        for _ in range(times):
            with self._untouched():
                try:
                    importer.receive(name, iter([data]))
                except ModelError as error:
                    raise from_status(error.status, error.message, Verb.IMPORT, "uploading") from error

    def _arrive(self, target: ImportTarget, members: Sequence[tuple[str, bytes]]) -> None:
        with self._untouched():
            self.server.receive(AGENT, target, members)

    def build(self, uri: str, *, request_id: str) -> None:
        row = self._row(uri, Verb.BUILD)
        with self._write("build", Verb.BUILD, (row.project, row.name)) as fate:
            self.history.judge.acts_on(row, archives=False)
            self._do(fate, "build", row, lambda: self._built(row), Verb.BUILD)

    def _built(self, row: Row) -> None:
        if not operations.build(self.server.site, row):
            raise ModelError(409, "session document locked")

    def commit(self, uri: str, *, request_id: str) -> str:
        row = self._row(uri, Verb.COMMIT)
        with self._write("commit", Verb.COMMIT, (row.project, row.name)) as fate:
            self.history.judge.acts_on(row, archives=True)
            if fate == "conflict":
                site = self.server.site
                site.prearchive.log(row, "Session already exists with matching files.")
                site.prearchive.set_status(row, "CONFLICT")
                raise from_status(500, f"FAILED: Unable to archive {row.folder}: a conflict", Verb.COMMIT, "archiving")
            session = self._do(fate, "commit", row, lambda: self._archived(row), Verb.COMMIT)
            return importing.archived_uri(self.server.site, session) if isinstance(session, Experiment) else ""

    def _archived(self, row: Row) -> Experiment:
        """Archives; a full disk of the server may cut a file on its way."""
        before = {path for path in self.server.site.store._files if path.startswith("archive/")}
        session = self.server.archive(row, AGENT)
        if chance := self.history.faults.fires("truncated", "xnat.commit"):
            store = self.server.site.store._files
            path = chance.choice(sorted(path for path in store if path.startswith("archive/") and path not in before))
            data, when = store[path]
            store[path] = (data[: len(data) // 2], when)
            for scan in session.scans.values():
                for resource in scan.resources.values():
                    for entry in resource.entries.values():
                        if f"{resource.folder}/{entry.path}" == path:
                            entry.size = len(data) // 2
        return session

    def _do(self, fate: str, what: str, row: Row, act: Callable[[], object], verb: Verb) -> object:
        """Lets the server do something with a row, now, later or never."""

        def done() -> object:
            with self._untouched():
                if self.server.row_of(row.uri) is None:
                    raise from_status(404, f"{row.uri} not found.", verb, what)
                try:
                    return act()
                except ModelError as error:
                    said = f"FAILED: Unable to archive: {error.message}" if verb is Verb.COMMIT else error.message
                    raise from_status(500 if verb is Verb.COMMIT else error.status, said, verb, what) from error

        def quietly() -> None:
            try:
                done()
            except XnatsyncError:
                return

        if fate == "delayed":
            if verb is Verb.COMMIT and self.history.faults.next("opaque").random() < 0.5:
                self.server.site.prearchive.set_status(row, "QUEUED_ARCHIVING")
            self._later(what, ImportTarget(row.project, row.subject, row.name), quietly)
            raise from_status(500, _SLOW, verb, what)
        if fate == "lost":
            raise _unknown("the connection was reset")
        if fate == "lost in limbo":
            return None
        result = done()
        if fate == "twice":
            result = done()
        if fate in {"reply lost", "cut"}:
            raise _unknown("the answer was lost")
        return result

    def delete_prearchive(self, uri: str, *, request_id: str) -> None:
        self.history.judge.before_delete(uri)
        self._known()
        if (row := self.server.row_of(uri)) is not None:
            operations.delete(self.server.site, row)

    def put_file(
        self, session_id: str, resource: str, name: str, chunks: Iterator[bytes], *, size: int, request_id: str,
        overwrite: bool = False,
    ) -> None:  # fmt: skip
        with self._write("put_file", Verb.STORE, ("attach", session_id)) as fate:
            session = self._session(session_id)
            data = b"".join(chunks)
            self.history.judge.is_to_be_sent(data)
            found = session.resources.get(resource)
            listed = found is not None and name in found.entries
            if listed and overwrite:
                self.history.judge.broken("S3", f"{name} is listed, and was to be overwritten")
            if listed or (self._part(session, resource, name) and not overwrite):
                raise ForeignContent("a file of this name is already there")
            if fate == "delayed":
                target = ImportTarget(session.project, "", session.label)
                self._later("attachment", target, lambda: self._stored(session, resource, name, data))
            if fate in {"lost", "delayed"}:
                raise _unknown("the connection was reset")
            if fate == "lost in limbo":
                return
            if self.history.faults.fires("truncated", "xnat.put_file"):
                data = data[: len(data) // 2]
            if fate == "cut":  # a part that no catalogue lists (hierarchy.md §6.1)
                part = f"{session.folder}/RESOURCES/{resource}/{name}"
                if self.server.read(part) is None:
                    self.server.site.store.write(part, [data[: len(data) // 2]], digest=False)
                raise _unknown("no answer")
            if overwrite:
                self.server.site.store.delete(f"{session.folder}/RESOURCES/{resource}/{name}")
            with self._untouched():
                self._stored(session, resource, name, data)
            if fate == "twice":
                raise ForeignContent("a file of this name is already there")
            if fate == "reply lost":
                raise _unknown("no answer")

    def _part(self, session: Experiment, resource: str, name: str) -> bool:
        return self.server.read(f"{session.folder}/RESOURCES/{resource}/{name}") is not None

    def _stored(self, session: Experiment, resource: str, name: str, data: bytes) -> None:
        """Stores a file beside a session that is still there and has none of that name."""
        site = self.server.site
        folder = f"{session.folder}/RESOURCES/{resource}"
        if session.id not in site.experiments or self.server.read(f"{folder}/{name}") is not None:
            return
        size, digest = site.store.write(f"{folder}/{name}", [data], digest=site.settings.flag("checksums"))
        kept = session.resources.setdefault(resource, Resource(site.next_key(), resource, folder))
        kept.entries[name] = FileEntry(name, size, digest)
        self.server.born[f"{folder}/{name}"] = self.history.clock.ms

    # --- inner parts ---------------------------------------------------------------------------------------------

    def _read(self, method: str) -> bool:
        """Passes the boundary and what can go wrong; True when the answer is an old one."""
        where = f"xnat.{method}"
        self.history.boundary(where)
        self._known()
        faults = self.history.faults
        if faults.fires("503", where):
            raise from_status(503, "", Verb.READ, "reading")
        if faults.fires("500", where):
            raise from_status(500, "", Verb.READ, "reading")
        if faults.fires("401", where) or faults.fires("login page", where):
            raise from_status(401, "", Verb.READ, "reading")
        if faults.fires("refused", where):
            raise ServerUnreachable("no connection to the server")
        if faults.fires("cut", where):
            raise ReadFailed("the answer was cut")
        if chance := faults.fires("slow", where):
            self.history.clock.ms += chance.randrange(30_000)
        return method in STALE and faults.fires("stale", where) is not None

    def _known(self) -> None:
        if self.password != self.server.password:
            raise CredentialsRefused("the server refused user and password", http=401)

    @contextmanager
    def _write(self, method: str, verb: Verb, target: tuple[str, str]) -> Iterator[str]:
        """A write: the boundaries around it, what is refused before it happens, and the fate of the rest."""
        where, history = f"xnat.{method}", self.history
        history.boundary(where)
        self._known()
        history.writes += 1
        faults = history.faults
        if history.clock.ms >= history.unwilling[0] and (chance := faults.fires("unwilling", where)):
            history.judge.begins_to_refuse()
            history.unwilling = history.clock.ms + chance.choice(UNWILLING_MS), chance.choice(UNWILLING)
        if history.clock.ms < history.unwilling[0]:
            history.judge.refused_write(method, target)
            raise from_status(history.unwilling[1], "", verb, "writing")
        if faults.fires("503", where):
            raise from_status(503, "", verb, "writing")
        if faults.fires("refused", where):
            raise ServerUnreachable("no connection to the server")
        if faults.fires("401", where):
            raise from_status(401, "", verb, "writing")
        if faults.fires("busy", where):
            raise from_status(409, "Concurrent file sends of the same data is not supported.", verb, "writing")
        if faults.fires("500", where):
            raise from_status(500, "", verb, "writing")
        fates = ["login page", "cut", "reply lost", "delayed", "lost", "lost in limbo", "twice"]
        fates += ["conflict"] if verb is Verb.COMMIT else ["long delayed"] if verb is Verb.IMPORT else []
        fate = next((kind for kind in fates if faults.fires(kind, where)), "")
        if fate == "login page":  # it came instead of an answer: the write may have happened or not
            fate = faults.next("page").choice(["lost", "reply lost"])
        history.judge.writes_to(target)
        history.in_flight.append(target)
        try:
            yield fate
            if chance := faults.fires("slow", where):
                history.clock.ms += chance.randrange(40_000)
                self.server.tick()
        finally:
            history.in_flight.remove(target)
        history.boundary(f"{where}, done")

    @contextmanager
    def _untouched(self) -> Iterator[None]:
        """Whatever the engine's effect does on the server, it leaves what is there (S3)."""
        before = dict(self.server.site.store._files)
        try:
            yield
        finally:
            self.history.judge.after_effect(before)

    def _later(self, what: str, target: ImportTarget, act: Callable[[], None]) -> None:
        wait_ms = int(self.history.faults.next("delay").uniform(0.01, 0.95) * self.history.route.quiet_s * 1000)
        chance = self.history.faults.next("meanwhile")
        if self.history.faults.rates["act"] and chance.random() < 0.5:  # somebody corrects it before it has arrived
            self.history.at(chance.randrange(wait_ms + 1), self.history.acting(people.edit, chance))
        self.server.pending.append(
            Pending(self.history.clock.ms + wait_ms, (target.project, target.session), what, act, self.history.jumps)
        )

    def _much_later(self, target: ImportTarget, members: Sequence[tuple[str, bytes]]) -> None:
        """After the time for which we wait: it is met like an upload of anybody else."""

        def arrive() -> None:
            self.server.receive(AGENT, target, members)
            self.server.latecomers = True

        wait_ms = int(self.history.faults.next("long delay").uniform(1.1, 6.0) * self.history.route.quiet_s * 1000)
        self.server.pending.append(
            Pending(self.history.clock.ms + wait_ms, (target.project, target.session), "late import", arrive, -1)
        )

    def _young(self, key: str) -> bool:
        return self.history.clock.ms - self.server.born.get(key, -LAG_MS) < LAG_MS

    def _has(self, project: str) -> None:
        if project not in self.server.site.projects:
            raise from_status(404, "", Verb.READ, f"project {project}")

    def _session(self, session_id: str) -> Experiment:
        session = self.server.site.experiments.get(session_id)
        if session is None:
            raise from_status(404, "", Verb.READ, f"session {session_id}")
        return session

    def _row(self, uri: str, verb: Verb) -> Row:
        row = self.server.row_of(uri)
        if row is None:
            self.history.boundary("xnat.row is gone")
            raise from_status(404, f"{uri} not found.", verb, f"acting on {uri}")
        return row

    def _doubled(self, method: str, found: Sequence[Seen]) -> tuple[Seen, ...]:
        """What a listing names twice, as the joins of a database do."""
        if found and self.history.faults.fires("doubled", f"xnat.{method}"):
            return (*found, *found)
        return tuple(found)

    def _short(self, method: str, files: list[RemoteFile]) -> FileListing:
        files = list(self._doubled(method, files))
        chance = self.history.faults.fires("short", f"xnat.{method}") if files else None
        if chance is None:
            return FileListing(tuple(files))
        shown = [file for file in files if chance.random() < 0.5]
        hidden = {file.sop_uid for file in files} - {file.sop_uid for file in shown}
        self.history.judge.hidden |= hidden if method != "prearchive_files" else set()
        return FileListing(tuple(shown), complete=False)


def _unknown(why: str) -> OutcomeUnknown:
    return OutcomeUnknown(f"no usable answer came, so it may or may not have happened ({why})")
