"""The archive: the sandbox's own state model in this process, and the port `Archive` on it with what can go wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from sim.server import UNWILLING, UNWILLING_MS
from xnatsync.core.errors import (
    ForeignContent,
    NotThere,
    OutcomeUnknown,
    ReadFailed,
    ReplyStrange,
    ServerUnreachable,
    XnatsyncError,
)
from xnatsync.core.inventory import Inventory, Owner, OwnerKind, ResourceKey, ResourceSeen
from xnatsync.core.modality import modality_of
from xnatsync.core.remote import FileListing, RemoteFile
from xnatsync.ports.tree import SmallFile
from xnatsync.sandbox.model import creation, files, resources
from xnatsync.sandbox.model.accounts import User
from xnatsync.sandbox.model.creation import ModelError
from xnatsync.sandbox.model.hierarchy import label_in
from xnatsync.sandbox.model.objects import Experiment, Project, Resource, Scan, Subject
from xnatsync.sandbox.model.resources import Place
from xnatsync.sandbox.model.selection import scans_named
from xnatsync.sandbox.model.site import Site
from xnatsync.sandbox.model.store import MemoryStore, UnsafePathError, safe
from xnatsync.xnat import names, resource_names, wire
from xnatsync.xnat.failures import Verb, from_status

if TYPE_CHECKING:
    from sim.faults import Chance
    from sim.tree_world import TreeHistory

PROJECT, OTHER = "P1", "P2"
SECRET = "Geheimnis"  # in every label: must never be seen in the diary (S8)
LAG_MS = 8_000
AGENT, PERSON = User("agent", admin=True), User("person", admin=True)

Held = Project | Subject | Experiment
FileKey = tuple[str, str, str, str, str]  # kind and id of the owner, scan, label, name


@dataclass(slots=True)
class Pending:
    """A store that the server has taken and not yet done."""

    due_ms: int
    act: Callable[[], None]


class LaxStore(MemoryStore):
    """Files under any name, as pipelines write them: what the store refuses is spelled otherwise."""

    def write(self, path: str, chunks: Iterable[bytes], *, digest: bool = True) -> tuple[int, str]:
        return super().write(lax(path), chunks, digest=digest)

    def size(self, path: str) -> int | None:
        return super().size(lax(path))

    def delete(self, path: str) -> None:
        super().delete(lax(path))

    def move(self, src: str, dst: str) -> None:
        super().move(lax(src), lax(dst))

    def list(self, folder: str) -> list[tuple[str, int]]:
        return super().list(lax(folder))

    def exists(self, path: str) -> bool:
        return super().exists(lax(path))

    def _get(self, path: str) -> tuple[bytes, float]:
        return super()._get(lax(path))


def lax(path: str) -> str:
    """Spells a path so that every part of it names something below the root."""
    try:
        return safe(path)
    except UnsafePathError:
        return "/".join(_lax(part) for part in path.split("/"))


def _lax(part: str) -> str:
    try:
        return safe(part)
    except UnsafePathError:
        return f"%{blake2b(part.encode(), digest_size=8).hexdigest()}"


class TreeServer:
    """The server as it is, whoever asks."""

    def __init__(self, history: TreeHistory, *, checksums: bool) -> None:
        self.history = history
        self.site = Site.in_memory(clock=history.clock.server_s)
        self.site.store = LaxStore(history.clock.server_s)
        self.site.settings.update({"checksums": checksums})
        self.password = "first"
        self.pending: list[Pending] = []
        self.changed: dict[FileKey, int] = {}  # when people last changed a file
        self.born: dict[object, int] = {}  # when an owner or a resource could first be seen
        self.sent: dict[FileKey, bytes] = {}  # what we stored last, where people changed nothing since
        self.foreign: set[bytes] = set()  # contents that people put there
        for project in (PROJECT, OTHER):
            self.site.projects[project] = Project(project, self.site.stamp(PERSON), project, project)

    # --- what is there -------------------------------------------------------------------------------------------

    def owners(self, project: str = PROJECT) -> list[tuple[Held, OwnerKind]]:
        """Everything that a project shows, sessions first, as the listings do."""
        site = self.site
        sessions = [site.experiments[key] for key in sorted(site.experiments)]
        subjects = [site.subjects[key] for key in sorted(site.subjects)]
        found: list[tuple[Held, OwnerKind]] = [
            (one, OwnerKind.SESSION) for one in sessions if label_in(one, project) is not None
        ]
        found += [(one, OwnerKind.SUBJECT) for one in subjects if label_in(one, project) is not None]
        return [*found, (site.projects[project], OwnerKind.PROJECT)]

    def held(self, kind: str, number: str) -> Held | None:
        """Finds an owner by its ID."""
        site = self.site
        found: Mapping[str, Held] = {
            "session": site.experiments, "subject": site.subjects, "project": site.projects,
        }[kind]  # type: ignore[assignment]  # fmt: skip
        return found.get(number)

    def resources_of(self, one: Held) -> Iterator[tuple[ResourceKey, Resource, Scan | None]]:
        """All resources of an owner, those of its scans too."""
        for label, resource in sorted(one.resources.items()):
            yield ResourceKey("", label), resource, None
        for scan in [one.scans[key] for key in sorted(one.scans)] if isinstance(one, Experiment) else []:
            for label, resource in sorted(scan.resources.items()):
                yield ResourceKey(scan.id, label), resource, scan

    def content(self, resource: Resource, name: str) -> bytes:
        """What a file holds."""
        found = self.site.store._files.get(lax(f"{resource.folder}/{name}"))
        return b"" if found is None else found[0]

    def truth(self) -> dict[FileKey, bytes]:
        """Every file that the project shows."""
        return {
            (kind.value, one.id, key.scan, key.label, name): self.content(resource, name)
            for one, kind in self.owners()
            for key, resource, _ in self.resources_of(one)
            for name in resource.entries
        }

    def find(self, owner: Owner, key: ResourceKey) -> Resource | None:
        """Finds a resource by its owner's ID and its key."""
        one = self.held(owner.kind.value, owner.id)
        if one is None:
            return None
        if key.scan:
            scan = one.scans.get(key.scan) if isinstance(one, Experiment) else None
            return None if scan is None else scan.resources.get(key.label)
        return one.resources.get(key.label)

    # --- changing it ---------------------------------------------------------------------------------------------

    def place(self, one: Held, scan: Scan | None = None) -> Place:
        """The parent of a resource, as the model's writes want it."""
        if isinstance(one, Project):
            return Place(one)
        project = self.site.projects[one.project]
        if isinstance(one, Subject):
            return Place(project, one)
        return Place(project, None, one, scan)

    def store(self, user: User, place: Place, label: str, name: str, data: bytes, *, overwrite: bool) -> bool:
        """Stores one file; False when it is there and may not be overwritten."""
        resource = place.resources.get(label)
        if resource is None:
            resource = resources.create_resource(self.site, place, label, {})
            self.born[resource.id] = self.history.clock.ms
        parts = name.split("/")
        above = any("/".join(parts[:n]) in resource.entries for n in range(1, len(parts)))
        if above or any(other.startswith(f"{name}/") for other in resource.entries):  # as on a disk
            raise ModelError(500, "a file lies where a folder has to be, or a folder where a file has to be")
        upload = files.Upload(self.site, place, resource, user, {}, overwrite=overwrite)
        stored = upload.store(name, [data])
        upload.finish()
        return stored

    def key_of(self, place: Place, label: str, name: str) -> FileKey:
        """What identifies a file."""
        one = place.session or place.subject or place.project
        kind = "session" if place.session else "subject" if place.subject else "project"
        return kind, one.id, place.scan.id if place.scan else "", label, name

    def people_store(self, place: Place, label: str, name: str, data: bytes) -> None:
        """A person stores a file, over the one that is there."""
        self.store(PERSON, place, label, name, data, overwrite=True)
        self.changed[self.key_of(place, label, name)] = self.history.clock.ms
        self.sent.pop(self.key_of(place, label, name), None)
        self.foreign.add(data)
        self.history.judge.known.add(data)

    def people_delete(self, place: Place, resource: Resource, name: str) -> None:
        """A person deletes a file, whatever it is called."""
        self.changed[self.key_of(place, resource.label, name)] = self.history.clock.ms
        files.delete_files(self.site, place, resource, [resource.entries[name]], remove=True)

    def subject(self, label: str, project: str = PROJECT) -> Subject:
        """Makes a subject."""
        made = creation.create_subject(self.site, project, label, PERSON)
        self.born[made.id] = self.history.clock.ms
        return made

    def session(self, subject: Subject, label: str) -> Experiment:
        """Makes a session with no scans."""
        made = creation.create_experiment(self.site, subject.project, subject, label, "xnat:mrSessionData", PERSON)
        made.fields["date"] = "2026-03-01"
        self.born[made.id] = self.history.clock.ms
        return made

    def scan(self, session: Experiment, number: str) -> Scan:
        """Makes a scan."""
        made = creation.create_scan(self.site, session, number, "xnat:mrScanData", PERSON)
        made.fields.update({"type": f"T{number}", "quality": "usable"})
        return made

    def tick(self) -> None:
        """Does what has become due."""
        for one in [one for one in self.pending if one.due_ms <= self.history.clock.ms]:
            self.pending.remove(one)
            self.history.log("server: a store takes effect late")
            one.act()


class SimArchive:
    """The archive as one process of ours sees it."""

    def __init__(self, server: TreeServer, password: str) -> None:
        self.server = server
        self.history = server.history
        self.password = password

    def shown(self, project: str) -> list[Owner]:
        """Everybody a person finds in the project, but those whose names no program could show."""
        found = []
        for one, kind in self.server.owners(project):
            with suppress(ReplyStrange):
                found.append(self._owner(one, kind, project))
        return found

    # --- listings ------------------------------------------------------------------------------------------------

    def inventory(self, project: str, kinds: frozenset[OwnerKind]) -> Inventory:
        stale = self._read("inventory")
        if project not in self.server.site.projects:
            raise NotThere(f"project {project}")
        faults = self.history.faults
        short = faults.fires("short", "archive.inventory")
        uncounted = faults.fires("uncounted", "archive.inventory")
        owners: dict[Owner, tuple[ResourceSeen, ...]] = {}
        refused: dict[tuple[str, str], None] = {}
        for one, kind in self.server.owners(project):
            if kind not in kinds or (stale and self._young(one.id)) or (short and short.random() < 0.4):
                continue
            try:
                owner = self._owner(one, kind, project)
            except ReplyStrange as error:
                refused[one.id, str(error)] = None
                continue
            found = []
            for key, resource, scan in self.server.resources_of(one):
                if (stale and self._young(resource.id)) or (short and short.random() < 0.3):
                    continue
                try:
                    seen = self._resource(key, resource, scan, uncounted)
                except ReplyStrange as error:
                    refused[one.id, str(error)] = None
                    continue
                found.append(seen)
                self.history.told[resource.id] = seen.files
                self.server.born.pop(resource.id, None)  # what was shown once stays shown
            self.server.born.pop(one.id, None)
            owners[owner] = tuple(sorted(found, key=lambda seen: seen.key))
        return Inventory(project, owners, complete=short is None and not refused, refused=tuple(refused))

    def _owner(self, one: Held, kind: OwnerKind, project: str) -> Owner:
        stamp, what = f"{one.stamps.insert_date}|{one.stamps.last_modified}", f"listing {project}"
        if isinstance(one, Project):
            return Owner(kind, project, one.id, stamp=stamp)
        label = names.segment(label_in(one, project), what)
        home = "" if one.project == project else one.project
        if isinstance(one, Subject):
            return Owner(kind, project, one.id, subject=label, subject_id=one.id, stamp=stamp, home=home)
        subject = self.server.site.subjects[one.subject]
        return Owner(
            kind, project, one.id, subject=names.segment(label_in(subject, project) or subject.label, what),
            subject_id=subject.id, session=label, xsi_type=one.xsi_type, date=one.fields.get("date", ""),
            modality=modality_of(one.xsi_type), stamp=stamp, home=home,
        )  # fmt: skip

    def _resource(
        self, key: ResourceKey, resource: Resource, scan: Scan | None, uncounted: Chance | None
    ) -> ResourceSeen:
        for name in (key.scan, key.label) if scan is not None else (key.label,):
            names.segment(name, "listing resources")
        counted = not (uncounted and uncounted.random() < 0.5)
        fields = scan.fields if scan is not None else {}
        return ResourceSeen(
            key, str(resource.id), resource.file_count if counted else None, resource.file_size if counted else None,
            scan_type=fields.get("type", ""), scan_description=fields.get("series_description", ""),
            quality=fields.get("quality", ""),
        )  # fmt: skip

    def owner_files(self, owners: Sequence[Owner]) -> Mapping[Owner, FileListing]:
        stale = self._read("owner_files")
        return {
            owner: self._listing(one, owner, stale=stale)
            for owner in owners
            if (one := self.server.held(owner.kind.value, owner.id)) is not None
        }

    def _listing(self, one: Held, owner: Owner, *, stale: bool) -> FileListing:
        faults, where = self.history.faults, "archive.owner_files"
        for at in [at for at in self.history.listed if at[:2] == (owner.kind.value, owner.id)]:
            del self.history.listed[at]
        listed: list[RemoteFile] = []
        refused: dict[tuple[str, str, str], None] = {}  # names that nobody may write
        for key, resource, _ in self.server.resources_of(one):
            found = []
            for entry in resource.entries.values():
                try:
                    name = names.relative_path(entry.path, "listing files")
                except ReplyStrange as error:
                    refused[key.scan, key.label, str(error)] = None
                    continue
                found.append(RemoteFile(key.scan, key.label, name, entry.size, self._digest(entry.digest)))
            for file in found:
                at = (owner.kind.value, owner.id, key.scan, key.label, file.name)
                self.history.listed[at] = self.server.content(resource, file.name)
                self.history.digests[at] = file.digest
            if stale and self._young(resource.id):
                continue
            counted = self.history.told.get(resource.id) == len(resource.entries)
            if found and counted and (chance := faults.fires("fewer", where)):  # and it does not say so
                found = [file for file in found if chance.random() < 0.5] if len(found) > 1 else []
            listed += found
        if listed and not refused and (chance := faults.fires("short", where)):
            return FileListing(tuple(file for file in listed if chance.random() < 0.5), complete=False)
        return FileListing(tuple(listed), not refused, tuple(refused))

    def _digest(self, digest: str) -> str:
        if digest and self.history.faults.fires("no digest", "archive.owner_files"):
            return ""
        if digest and self.history.faults.fires("wrong digest", "archive.owner_files"):
            return "0" * 31 + "1"
        return digest

    def metadata(self, owner: Owner) -> bytes:
        self._read("metadata")
        one = self.server.held(owner.kind.value, owner.id)
        if one is None:
            raise NotThere("it is gone")
        label = "" if isinstance(one, Project) else one.label
        xml = f'<item ID="{one.id}" label={quoteattr(label)} stamp="{one.stamps.last_modified}"/>'.encode()
        self.history.judge.known.add(xml)
        return xml

    # --- content -------------------------------------------------------------------------------------------------

    def fetch_resources(
        self, owner: Owner, resources: Sequence[ResourceKey], *, sizes: object = None
    ) -> Iterator[tuple[ResourceKey, str, Iterator[bytes]]]:
        self._read("fetch_resources")
        self.history.fetches += 1
        if self.server.held(owner.kind.value, owner.id) is None:
            raise NotThere("the owner is gone")
        for key in resources:
            resource = self.server.find(owner, key)
            for name in list(resource.entries) if resource is not None else []:
                if not _is_harmless(name) or self.history.faults.fires("not sent", "archive.fetch_resources"):
                    continue
                assert resource is not None
                data = self._sent(owner, key, name, self.server.content(resource, name), "archive.fetch_resources")
                yield key, name, self._pieces(data, "archive.fetch_resources")

    def fetch_file(self, owner: Owner, resource: ResourceKey, name: str, *, offset: int = 0) -> Iterator[bytes]:
        self._read("fetch_file")
        self.history.fetches += 1
        found = self.server.find(owner, resource)
        if found is None or name not in found.entries:
            raise NotThere("the file is gone")
        data = self.server.content(found, name)
        if offset and self.history.faults.fires("range ignored", "archive.fetch_file"):
            raise ReplyStrange("the server sent the whole file")
        self.history.listed[owner.kind.value, owner.id, resource.scan, resource.label, name] = data
        sent = self._sent(owner, resource, name, data, "archive.fetch_file")
        yield from self._pieces(sent[offset:], "archive.fetch_file")

    def _sent(self, owner: Owner, key: ResourceKey, name: str, data: bytes, where: str) -> bytes:
        """Wrong bytes come only where the listing stated a digest: without one, nobody could tell."""
        stated = self.history.digests.get((owner.kind.value, owner.id, key.scan, key.label, name))
        if stated and data and (chance := self.history.faults.fires("wrong bytes", where)):
            at = chance.randrange(len(data))
            return chance.choice(
                (data[:at] + bytes([data[at] ^ 0x20]) + data[at + 1 :], data[:at], b"<html>login</html>")
            )
        return data

    def _pieces(self, data: bytes, where: str) -> Iterator[bytes]:
        yield data[: len(data) // 2]
        self.history.boundary(f"{where}, within")
        if self.history.faults.fires("cut body", where):
            raise ReadFailed("the answer was cut")
        yield data[len(data) // 2 :]

    # --- writing -------------------------------------------------------------------------------------------------

    def put_resource_file(
        self,
        owner: Owner,
        resource: ResourceKey,
        name: str,
        content: Iterator[bytes],
        *,
        size: int,
        overwrite: bool,
        request_id: str,
    ) -> None:
        history, faults, where = self.history, self.history.faults, "archive.put_resource_file"
        resource_names.check_resource(resource)  # what is refused before anything is sent
        resource_names.check_name(name)
        wire.file_path(name)
        at: FileKey = (owner.kind.value, owner.id, resource.scan, resource.label, name)
        with self._writing(where, at) as fate:
            data = b"".join(content)
            if len(data) != size:
                raise OutcomeUnknown("the body was cut")

            def act(whole: bytes = data) -> None:
                history.judge.before_store(at, whole, overwrite=overwrite)
                if not self._store(owner, resource, name, whole, overwrite=overwrite):
                    raise ForeignContent("a file of this name is already there")

            def late() -> None:
                try:
                    self._store(owner, resource, name, data, overwrite=overwrite)
                except XnatsyncError:
                    return

            if fate == "delayed":
                wait_ms = int(faults.next("delay").uniform(0.01, 0.95) * history.push.quiet_s * 1000)
                self.server.pending.append(Pending(history.clock.ms + wait_ms, late))
            if fate in {"delayed", "lost"}:
                raise _unknown("the connection was reset")
            if fate == "lost in limbo":  # acknowledged: the very same bytes, from whomever, pass for ours from now on
                self.server.sent[at] = data
                return
            if fate == "cut" or faults.fires("truncated", where):
                half = data[: len(data) // 2]
                history.judge.known.add(half)
                act(half)
            else:
                act()
            if fate == "twice":
                act()
            if fate in {"cut", "reply lost"}:
                raise _unknown("no answer")

    def put_resource_files(
        self,
        owner: Owner,
        resource: ResourceKey,
        files: Sequence[SmallFile],
        *,
        overwrite: bool,
        request_id: str,
    ) -> frozenset[str]:
        """Unpacked one by one, and written into the catalogue at the end: what breaks off before is in none (§6.3)."""
        history, faults, where = self.history, self.history.faults, "archive.put_resource_files"
        resource_names.check_resource(resource)
        for file in files:
            resource_names.check_name(file.name)
        at = {file.name: self._key(owner, resource, file.name) for file in files}
        with self._writing(where, *at.values()) as fate:
            contents = {}
            for file in files:
                contents[file.name] = file.read()
                if len(contents[file.name]) != file.size:
                    raise OutcomeUnknown("the body was cut")
                history.boundary(f"{where}, within")
            left: set[str] = set()

            def act(names: Sequence[str]) -> None:
                for name in names:
                    history.judge.before_store(at[name], contents[name], overwrite=overwrite)
                    if not self._store(owner, resource, name, contents[name], overwrite=overwrite):
                        left.add(name)

            def late() -> None:
                with suppress(XnatsyncError):
                    for name, data in contents.items():
                        self._store(owner, resource, name, data, overwrite=overwrite)

            if fate == "delayed":
                wait_ms = int(faults.next("delay").uniform(0.01, 0.95) * history.push.quiet_s * 1000)
                self.server.pending.append(Pending(history.clock.ms + wait_ms, late))
            if fate in {"delayed", "lost"}:
                raise _unknown("the connection was reset")
            if fate == "lost in limbo":
                self.server.sent |= {at[name]: data for name, data in contents.items()}
                return frozenset()
            if fate == "cut":
                self._leave_parts(owner, resource, contents, overwrite=overwrite)
                raise _unknown("no answer")
            if chance := faults.fires("truncated", where):
                name = chance.choice(sorted(contents))
                contents[name] = contents[name][: len(contents[name]) // 2]
                history.judge.known.add(contents[name])
            act(list(contents))
            if fate == "twice":
                act([name for name in contents if name not in left])
            if fate == "reply lost":
                raise _unknown("no answer")
            return frozenset(left)

    def _leave_parts(self, owner: Owner, key: ResourceKey, contents: Mapping[str, bytes], *, overwrite: bool) -> None:
        """A zip was cut: some files lie there in no catalogue, the last of them in part."""
        resource = self.server.find(owner, key)
        if resource is None:
            return
        many = self.history.faults.next("parts").randrange(len(contents) + 1)
        for number, (name, data) in enumerate(list(contents.items())[:many]):
            if name in resource.entries:
                continue  # a file that is there is replaced as a whole, or not at all
            part = data if number < many - 1 else data[: len(data) // 2]
            self.history.judge.known.add(part)
            path = f"{resource.folder}/{name}"
            if overwrite or self.server.site.store.size(path) is None:
                self.server.site.store.write(path, [part])

    def _key(self, owner: Owner, resource: ResourceKey, name: str) -> FileKey:
        return owner.kind.value, owner.id, resource.scan, resource.label, name

    def _store(self, owner: Owner, key: ResourceKey, name: str, data: bytes, *, overwrite: bool) -> bool:
        one = self.server.held(owner.kind.value, owner.id)
        scans = scans_named(one, key.scan) if isinstance(one, Experiment) and key.scan else []
        if one is None or len(scans) != bool(key.scan):
            raise NotThere("the owner is gone, or no one scan is meant")
        place = self.server.place(one, *scans)
        try:
            stored = self.server.store(AGENT, place, key.label, name, data, overwrite=overwrite)
        except ModelError as error:
            raise from_status(error.status, error.message, Verb.STORE, "storing") from error
        if stored:
            self.server.sent[self.server.key_of(place, key.label, name)] = data
        return stored

    @contextmanager
    def _writing(self, where: str, *at: FileKey) -> Iterator[str]:
        history, faults = self.history, self.history.faults
        history.boundary(where)
        self._known()
        history.writes += 1
        if history.clock.ms >= history.unwilling[0] and (chance := faults.fires("unwilling", where)):
            history.judge.begins_to_refuse()
            history.unwilling = history.clock.ms + chance.choice(UNWILLING_MS), chance.choice(UNWILLING)
        if history.clock.ms < history.unwilling[0]:
            for each in at:
                history.judge.refused_store(each)
            raise from_status(history.unwilling[1], "", Verb.STORE, "storing")
        for kind, status in (("503", 503), ("401", 401), ("500", 500)):
            if faults.fires(kind, where):
                raise from_status(status, "", Verb.STORE, "storing")
        if faults.fires("refused", where):
            raise ServerUnreachable("no connection to the server")
        fates = ("login page", "cut", "reply lost", "delayed", "lost", "lost in limbo", "twice")
        fate = next((kind for kind in fates if faults.fires(kind, where)), "")
        if fate == "login page":
            fate = faults.next("page").choice(["lost", "reply lost"])
        yield fate
        if chance := faults.fires("slow", where):
            history.clock.ms += chance.randrange(40_000)
        history.boundary(f"{where}, done")

    # --- inner parts ---------------------------------------------------------------------------------------------

    def _read(self, method: str) -> bool:
        where, faults = f"archive.{method}", self.history.faults
        self.history.boundary(where)
        self._known()
        self.history.reads += 1
        for kind, status in (("503", 503), ("500", 500), ("401", 401), ("login page", 401)):
            if faults.fires(kind, where):
                raise from_status(status, "", Verb.READ, "reading")
        if faults.fires("refused", where):
            raise ServerUnreachable("no connection to the server")
        if faults.fires("cut", where):
            raise ReadFailed("the answer was cut")
        if chance := faults.fires("slow", where):
            self.history.clock.ms += chance.randrange(30_000)
        return method in {"inventory", "owner_files"} and faults.fires("stale", where) is not None

    def _known(self) -> None:
        if self.password != self.server.password:
            raise from_status(401, "", Verb.READ, "logging in")

    def _young(self, number: object) -> bool:
        return self.history.clock.ms - self.server.born.get(number, -LAG_MS) < LAG_MS


def _is_harmless(name: str) -> bool:
    try:
        names.relative_path(name, "unpacking")
    except ReplyStrange:
        return False
    return True


def _unknown(why: str) -> OutcomeUnknown:
    return OutcomeUnknown(f"no usable answer came, so it may or may not have happened ({why})")
