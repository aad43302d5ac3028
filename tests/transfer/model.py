"""An archive in memory behind the port of transfers: what it shows, what it keeps, and what can go wrong with it."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from xnatsync.core.described import Described, Part, Share, Side, Stored, ThingKind
from xnatsync.core.errors import ForeignContent, NotThere, PlaceTaken
from xnatsync.core.inventory import Inventory, Owner, OwnerKind, ResourceKey, ResourceSeen
from xnatsync.core.remote import FileListing, PrearchiveSeen, PrearchiveState, RemoteFile, SessionSeen
from xnatsync.ports.tree import SmallFile

KINDS = {
    OwnerKind.PROJECT: ThingKind.PROJECT,
    OwnerKind.SUBJECT: ThingKind.SUBJECT,
    OwnerKind.SESSION: ThingKind.SESSION,
}
WRITES = frozenset(
    {
        *("create_project", "create_subject", "create_experiment", "create_part", "overlay", "set_custom", "share"),
        *("create_resource", "catalogue", "put_resource_file", "put_resource_files"),
    }
)


@dataclass(slots=True)
class Res:
    """A resource."""

    number: int
    format: str = ""
    content: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)  # that are listed, and of which nothing is there
    changes: int = 0


@dataclass(slots=True)
class Thing:
    """A project, a subject, a session, or a part of one."""

    kind: ThingKind
    id: str
    label: str = ""
    xsi_type: str = ""
    project: str = ""
    subject: str = ""  # ID, of a session
    fields: dict[str, str] = field(default_factory=dict)
    custom: dict[str, str] = field(default_factory=dict)
    shares: dict[str, str] = field(default_factory=dict)
    resources: dict[tuple[Side, str], Res] = field(default_factory=dict)
    parts: list[Thing] = field(default_factory=list)
    changes: int = 0

    @property
    def name(self) -> str:
        return self.label or self.id

    def part(self, kind: ThingKind, name: str) -> Thing:
        for one in self.parts:
            if one.kind is kind and one.name == name:
                return one
        raise NotThere(f"no {kind.value} {name}")


class Archive:
    """One server."""

    def __init__(self, name: str, *, digests: bool = True) -> None:
        self.name = name
        self.digests = digests
        self.numbers = itertools.count(1)
        self.projects: dict[str, Thing] = {}
        self.things: dict[str, Thing] = {}  # subjects and sessions
        self.uploads: list[PrearchiveSeen] = []
        self.calls: list[str] = []
        self.before: Callable[[str], None] = lambda call: None
        self.after: Callable[[str], None] = lambda call: None
        self.keeps: Callable[[str, str], str] = lambda path, value: value  # how a value of a field is kept

    # --- arranging -----------------------------------------------------------------------------------------------

    def project(self, number: str, **fields: str) -> Thing:
        self.projects[number] = Thing(ThingKind.PROJECT, number, project=number, fields=fields)
        return self.projects[number]

    def subject(self, project: str, label: str, **fields: str) -> Thing:
        return self._add(Thing(ThingKind.SUBJECT, self._id("S"), label, "xnat:subjectData", project, fields=fields))

    def session(self, subject: Thing, label: str, **fields: str) -> Thing:
        kind = ThingKind.SESSION
        return self._add(
            Thing(kind, self._id("E"), label, "xnat:mrSessionData", subject.project, subject.id, fields=fields)
        )

    def part_of(self, thing: Thing, kind: ThingKind, name: str, xsi_type: str, **fields: str) -> Thing:
        has_label = kind in {ThingKind.RECORD, ThingKind.ASSESSOR}
        made = Thing(kind, self._id("A") if has_label else name, name if has_label else "", xsi_type, fields=fields)
        thing.parts.append(made)
        thing.changes += 1
        return made

    def put(self, thing: Thing, label: str, files: Mapping[str, bytes], side: Side = "") -> Res:
        resource = thing.resources.setdefault((side, label), Res(next(self.numbers)))
        resource.files |= files
        resource.changes += 1
        return resource

    def find(self, label: str) -> Thing:
        return next(one for one in self.things.values() if one.label == label)

    def state(self) -> object:
        """Everything that a reader sees, without the server's own keys."""
        return {
            number: (
                _state(project),
                {one.label: _state(one) for one in self.things.values() if one.project == number},
            )
            for number, project in self.projects.items()
        }

    def state_text(self) -> str:
        """The same, to compare with later."""
        return repr(self.state())

    @property
    def writes(self) -> list[str]:
        """The changes that were asked for."""
        return [call for call in self.calls if call in WRITES]

    # --- reading -------------------------------------------------------------------------------------------------

    def inventory(self, project: str, kinds: frozenset[OwnerKind]) -> Inventory:
        with_ = self._call("inventory")
        if project not in self.projects:
            raise NotThere(f"no project {project}")
        owners: dict[Owner, tuple[ResourceSeen, ...]] = {}
        things = [self.projects[project], *self.things.values()]
        for thing in things:
            kind = OwnerKind(thing.kind.value)
            if kind not in kinds or (thing.project != project and project not in thing.shares):
                continue
            label = thing.label if thing.project == project else thing.shares[project]
            subject = thing if kind is OwnerKind.SUBJECT else self.things.get(thing.subject)
            of, of_id = (subject.label, subject.id) if subject else ("", "")
            owner = Owner(
                kind, project, thing.id, subject=of, subject_id=of_id,
                session=label if kind is OwnerKind.SESSION else "", xsi_type=thing.xsi_type, stamp=str(thing.changes),
                home="" if thing.project == project else thing.project,
            )  # fmt: skip
            owners[owner] = tuple(
                ResourceSeen(ResourceKey(text, label), str(res.number), res.changes, sum(map(len, res.files.values())))
                for text, label, res in _resources(thing, scans_alone=True)
            )
        with_()
        return Inventory(project, owners)

    def part_stamps(self, project: str) -> Mapping[str, str]:
        self._call("part_stamps")()
        found = {}
        for thing in self.things.values():
            others = [part for part in thing.parts if part.kind is not ThingKind.SCAN]
            if others and thing.project == project:
                found[thing.id] = repr(
                    [(one.id, one.changes, [r.changes for r in one.resources.values()]) for one in others]
                )
        return found

    def describe(self, owner: Owner) -> Described:
        with_ = self._call("describe")
        thing = self._thing(owner)
        with_()
        return _described(thing)

    def all_files(self, owners: Sequence[Owner]) -> Mapping[Owner, FileListing]:
        with_ = self._call("all_files")
        found = {}
        for owner in owners:
            try:
                thing = self._thing(owner)
            except NotThere:
                continue
            found[owner] = FileListing(
                tuple(
                    RemoteFile(text, label, name, len(content), self._digest(content))
                    for text, label, res in _resources(thing)
                    for name, content in sorted(res.files.items())
                )
            )
        with_()
        return found

    def fetch_resources(
        self,
        owner: Owner,
        resources: Sequence[ResourceKey],
        *,
        sizes: Mapping[tuple[ResourceKey, str], int | None] | None = None,
    ) -> Iterator[tuple[ResourceKey, str, Iterator[bytes]]]:
        self._call("fetch_resources")()
        for key in resources:
            res = self._res(owner, key)
            for name, content in sorted(res.files.items()):
                if name not in res.lost:
                    yield key, name, iter([content] if content else [])

    def fetch_file(self, owner: Owner, resource: ResourceKey, name: str, *, offset: int = 0) -> Iterator[bytes]:
        self._call("fetch_file")()
        res = self._res(owner, resource)
        if name not in res.files or name in res.lost:
            raise NotThere(f"no file {name}")
        content = res.files[name][offset:]
        return (piece for piece in ([content] if content else []))

    def sessions(
        self, project: str, *, label: str | None = None, study_uid: str | None = None
    ) -> tuple[SessionSeen, ...]:
        self._call("sessions")()
        return tuple(
            SessionSeen(one.id, project, one.label, self.things[one.subject].label, one.fields.get("UID", ""))
            for one in self.things.values()
            if one.kind is ThingKind.SESSION and one.project == project
            if label in {None, one.label} and study_uid in {None, one.fields.get("UID", "")}
        )

    def prearchive(self, project: str) -> tuple[PrearchiveSeen, ...]:
        self._call("prearchive")()
        return tuple(one for one in self.uploads if one.project == project)

    def upload_waits(self, project: str, label: str, uid: str = "") -> None:
        """Lets somebody's upload wait in the prearchive."""
        uri = f"/prearchive/projects/{project}/1/{label}"
        self.uploads.append(PrearchiveSeen(uri, project, label, "X", uid, PrearchiveState.READY, "READY"))

    # --- writing -------------------------------------------------------------------------------------------------

    def create_project(self, described: Described, project: str) -> None:
        with_ = self._call("create_project")
        if project in self.projects:
            raise PlaceTaken(f"project {project} is there")
        self.projects[project] = Thing(ThingKind.PROJECT, project, project=project, fields=self._kept(described))
        with_()

    def create_subject(self, project: str, described: Described) -> str:
        with_ = self._call("create_subject")
        self._refuse_label(project, ThingKind.SUBJECT, described.label)
        made = self._add(
            Thing(
                ThingKind.SUBJECT,
                self._id("S"),
                described.label,
                "xnat:subjectData",
                project,
                fields=self._kept(described),
            )
        )
        with_()
        return made.id

    def create_experiment(self, project: str, subject_id: str, described: Described) -> str:
        with_ = self._call("create_experiment")
        subject = self.things[subject_id]
        if described.kind is ThingKind.RECORD:
            made = self._part(subject, described)
        else:
            self._refuse_label(project, ThingKind.SESSION, described.label)
            made = self._add(
                Thing(
                    ThingKind.SESSION,
                    self._id("E"),
                    described.label,
                    described.xsi_type,
                    project,
                    subject_id,
                    self._kept(described),
                )
            )
        with_()
        return made.id

    def create_part(self, session_id: str, described: Described) -> str:
        with_ = self._call("create_part")
        made = self._part(self.things[session_id], described)
        with_()
        return made.id

    def overlay(self, owner: Owner, part: Part, described: Described, paths: frozenset[str]) -> None:
        with_ = self._call("overlay")
        thing = self._at(owner, part)
        thing.fields |= {path: kept for path, kept in self._kept(described).items() if path in paths}
        self._touch(owner, thing)
        with_()

    def set_custom(self, owner: Owner, part: Part, values: Mapping[str, str]) -> None:
        with_ = self._call("set_custom")
        thing = self._at(owner, part)
        thing.custom |= values
        self._touch(owner, thing)
        with_()

    def share(self, owner: Owner, part: Part, project: str, label: str) -> None:
        with_ = self._call("share")
        if project not in self.projects:
            raise NotThere(f"no project {project}")
        thing = self._at(owner, part)
        thing.shares[project] = label
        self._touch(owner, thing)
        with_()

    def create_resource(self, owner: Owner, part: Part, label: str, *, format_: str, content: str) -> None:
        with_ = self._call("create_resource")
        thing = self._at(owner, part)
        if (part.side, label) in thing.resources:
            raise PlaceTaken(f"resource {label} is there")
        thing.resources[part.side, label] = Res(next(self.numbers), format_, content)
        with_()

    def catalogue(self, owner: Owner, part: Part, label: str) -> None:
        self._call("catalogue")()

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
        with_ = self._call("put_resource_file")
        res = self._res(owner, resource, make=True)
        if name in res.files and not overwrite:
            raise ForeignContent(f"{name} is there")
        body = b"".join(content)
        assert len(body) == size
        res.files[name] = body
        res.changes += 1
        with_()

    def put_resource_files(
        self, owner: Owner, resource: ResourceKey, files: Sequence[SmallFile], *, overwrite: bool, request_id: str
    ) -> frozenset[str]:
        with_ = self._call("put_resource_files")
        res = self._res(owner, resource, make=True)
        left = frozenset(file.name for file in files if file.name in res.files and not overwrite)
        res.files |= {file.name: file.read() for file in files if file.name not in left}
        res.changes += 1
        with_()
        return left

    # --- inner parts ---------------------------------------------------------------------------------------------

    def _call(self, name: str) -> Callable[[], None]:
        """Begins a call; what is given ends it, and may lose its answer."""
        self.calls.append(name)
        self.before(name)
        return lambda: self.after(name)

    def _digest(self, content: bytes) -> str:
        return _md5(content) if self.digests else ""

    def _id(self, letter: str) -> str:
        return f"{self.name}_{letter}{next(self.numbers):04}"

    def _add(self, thing: Thing) -> Thing:
        self.things[thing.id] = thing
        return thing

    def _kept(self, described: Described) -> dict[str, str]:
        return {path: kept for path, value in described.fields if (kept := self.keeps(path, value))}

    def _refuse_label(self, project: str, kind: ThingKind, label: str) -> None:
        if any(one.project == project and one.kind is kind and one.label == label for one in self.things.values()):
            raise PlaceTaken(f"{label} is there")

    def _part(self, thing: Thing, described: Described) -> Thing:
        if any(one.kind is described.kind and one.name == described.name for one in thing.parts):
            raise PlaceTaken(f"{described.name} is there")
        made = self.part_of(thing, described.kind, described.name, described.xsi_type)
        made.fields = self._kept(described)
        return made

    def _thing(self, owner: Owner) -> Thing:
        found = self.projects.get(owner.id) if owner.kind is OwnerKind.PROJECT else self.things.get(owner.id)
        if found is None:
            raise NotThere(f"no {owner.kind.value} {owner.id}")
        return found

    def _at(self, owner: Owner, part: Part) -> Thing:
        thing = self._thing(owner)
        return thing if part.kind is None else thing.part(part.kind, part.name)

    def _touch(self, owner: Owner, thing: Thing) -> None:
        thing.changes += 1
        self._thing(owner).changes += 1

    def _res(self, owner: Owner, key: ResourceKey, *, make: bool = False) -> Res:
        part = Part.parse(key.scan)
        thing = self._at(owner, part)
        if make:
            return thing.resources.setdefault((part.side, key.label), Res(next(self.numbers)))
        if (part.side, key.label) not in thing.resources:
            raise NotThere(f"no resource {key.label}")
        return thing.resources[part.side, key.label]


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _resources(thing: Thing, *, scans_alone: bool = False) -> Iterator[tuple[str, str, Res]]:
    for (_, label), res in thing.resources.items():
        yield "", label, res
    for part in thing.parts:
        if scans_alone and part.kind is not ThingKind.SCAN:
            continue
        for (side, label), res in part.resources.items():
            yield str(Part(part.kind, part.name, side)), label, res


def _described(thing: Thing) -> Described:
    return Described(
        thing.kind, thing.id, thing.label, thing.xsi_type,
        fields=tuple(thing.fields.items()), custom=tuple(thing.custom.items()),
        shares=tuple(Share(project, label) for project, label in thing.shares.items()),
        resources=tuple(Stored(label, side, res.format, res.content) for (side, label), res in thing.resources.items()),
        parts=tuple(_described(part) for part in thing.parts), stamp=str(thing.changes),
    )  # fmt: skip


def _state(thing: Thing) -> object:
    return (
        thing.xsi_type, thing.fields, thing.custom, thing.shares,
        {key: (res.format, res.content, res.files) for key, res in thing.resources.items()},
        {(part.kind.value, part.name): _state(part) for part in thing.parts},
    )  # fmt: skip
