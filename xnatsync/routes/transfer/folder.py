"""A folder on disk as one side of a transfer: what a server is asked for, answered from a disk, and what is written.

It reads as the server did that it was filled from, under the same IDs.  Every file is compared with its SHA-256 while
it is read: one that is not what the folder's lists say is lost, never delivered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from xnatsync.core.described import Described, Part, Share, Stored, ThingKind
from xnatsync.core.errors import (
    ContentDiffers,
    ForeignContent,
    NotThere,
    PlaceTaken,
    ReadFailed,
    SourceChanged,
    SourceError,
    XnatsyncError,
)
from xnatsync.core.folder_documents import HeldFile, with_fields, with_part
from xnatsync.core.folder_places import names_of
from xnatsync.core.inventory import Inventory, Owner, OwnerKind, ResourceKey, ResourceSeen
from xnatsync.core.remote import FileListing, PrearchiveSeen, ProjectSeen, RemoteFile, SessionSeen
from xnatsync.ports.transfer import ProjectRules
from xnatsync.ports.tree import Content, SmallFile
from xnatsync.routes.transfer.folder_state import Entity, FolderState

_EVERYTHING: Final = ProjectRules(may_read=True, may_create=True, may_edit=True)
Changed = Callable[[Described], Described]


@dataclass(frozen=True, slots=True)
class TransferFolder:
    """A folder.  `is_source`: what it names and does not hold is listed even so, and is lost when it is asked for."""

    state: FolderState
    is_source: bool

    # --- reading -------------------------------------------------------------------------------------------------

    def project(self, project: str) -> ProjectSeen | None:
        """Return the project that the folder is of; None for another one."""
        return ProjectSeen(project) if project == self.state.manifest.origin.project else None

    def inventory(self, project: str, kinds: frozenset[OwnerKind]) -> Inventory:
        """List everything in the folder."""
        self._refuse_other(project)
        owners = {}
        for one in list(self.state.held.values()):
            if one.owner.kind in kinds:
                seen = tuple(ResourceSeen(key, "folder", files, size) for key, files, size in one.resources)
                owners[replace(one.owner, project=project, stamp=one.stamp)] = seen
        if not any(owner.kind is OwnerKind.PROJECT for owner in owners) and OwnerKind.PROJECT in kinds:
            raise NotThere("the folder holds no project yet")
        return Inventory(project, owners)

    def describe(self, owner: Owner) -> Described:
        """Describe an entity as its server did."""
        return self.state.entity(owner).thing

    def all_files(self, owners: Sequence[Owner]) -> Mapping[Owner, FileListing]:
        """List the files of some entities; of a destination, those that lie there as they were written."""
        found = {}
        for owner in owners:
            try:
                entity = self.state.entity(owner)
            except NotThere:
                continue
            self.state.write(entity)
            there = None if self.is_source else self.state.disk.look_tree(self.state.root, [entity.place]).files
            found[owner] = FileListing(
                tuple(
                    RemoteFile(file.scan, file.resource, file.name, file.size, file.md5)
                    for file in entity.files.values()
                    if there is None or there.get(file.path, (-1, 0))[0] == file.size
                )
            )
        return found

    def object_uids(self, owner: Owner, resource: ResourceKey) -> Mapping[str, str]:
        """Return none: a folder has no catalogue, so the bytes tell."""
        return {}

    def part_stamps(self, project: str) -> Mapping[str, str]:
        """Say nothing more: the stamp of an entity changes with everything in it."""
        return {}

    def fetch_resources(
        self,
        owner: Owner,
        resources: Sequence[ResourceKey],
        *,
        sizes: Mapping[tuple[ResourceKey, str], int | None] | None = None,
    ) -> Iterator[tuple[ResourceKey, str, Iterator[bytes]]]:
        """Read every file of some resources; one that is not there is missing in what comes."""
        keys = frozenset(resources)
        for file in list(self.state.entity(owner).files.values()):
            if file.key in keys and self._lies_there(file):
                yield file.key, file.name, self._content(file)

    def fetch_file(self, owner: Owner, resource: ResourceKey, name: str, *, offset: int = 0) -> Iterator[bytes]:
        """Read one file from an offset on; it is compared whole all the same."""
        file = self.state.entity(owner).files.get((resource, name))
        if file is None or not self._lies_there(file):
            raise NotThere("a file of the folder is not there")
        return self._behind(file, offset)

    def metadata(self, owner: Owner) -> bytes:
        """Return nothing: what the server said of an entity is in its description."""
        raise NotThere("a folder keeps descriptions, and no XML")

    def sessions(
        self, project: str, *, label: str | None = None, study_uid: str | None = None
    ) -> tuple[SessionSeen, ...]:
        """Return none: nobody but the transfer puts anything into the folder."""
        return ()

    def prearchive(self, project: str) -> tuple[PrearchiveSeen, ...]:
        """Return none: a folder has no prearchive."""
        return ()

    def rules(self, project: str) -> ProjectRules:
        """Say that everything may be written, as far as there is room."""
        return replace(_EVERYTHING, free_bytes=self.state.disk.free_bytes(self.state.root))

    # --- writing -------------------------------------------------------------------------------------------------

    def create_project(self, described: Described, project: str) -> None:
        """Begin the folder with its project."""
        self._refuse_other(project)
        self._make(Owner(OwnerKind.PROJECT, "", project), described)

    def create_subject(self, project: str, described: Described) -> str:
        """Put a subject into the folder, under the ID that it has at its server."""
        label = described.label
        return self._make(Owner(OwnerKind.SUBJECT, "", described.id, label, described.id), described)

    def create_experiment(self, project: str, subject_id: str, described: Described) -> str:
        """Put a session into the folder, or a record into its subject."""
        subject = self.state.entity(Owner(OwnerKind.SUBJECT, "", subject_id))
        if described.kind is ThingKind.RECORD:
            return self._add(subject, described)
        owner = Owner(
            OwnerKind.SESSION, "", described.id, subject.thing.label, subject_id, described.label, described.xsi_type
        )
        return self._make(owner, described)

    def create_part(self, session_id: str, described: Described) -> str:
        """Put a scan, a reconstruction or an assessor into its session."""
        return self._add(self.state.entity(Owner(OwnerKind.SESSION, "", session_id)), described)

    def overlay(self, owner: Owner, part: Part, described: Described, paths: frozenset[str]) -> None:
        """Set the fields at these paths."""
        self._change(owner, part, lambda thing: with_fields(thing, described, paths))

    def set_custom(self, owner: Owner, part: Part, values: Mapping[str, str]) -> None:
        """Set values of custom forms."""
        self._change(owner, part, lambda thing: replace(thing, custom=tuple({**dict(thing.custom), **values}.items())))

    def share(self, owner: Owner, part: Part, project: str, label: str) -> None:
        """Note that it is shown in another project."""
        self._change(
            owner, part,
            lambda thing: replace(
                thing, shares=(*(one for one in thing.shares if one.project != project), Share(project, label))
            ),
        )  # fmt: skip

    def create_resource(self, owner: Owner, part: Part, label: str, *, format_: str, content: str) -> None:
        """Note a resource with what its server says of it."""
        made = Stored(label, part.side, format_, content)
        self._change(owner, part, lambda thing: _with_resource(thing, made))

    def catalogue(self, owner: Owner, part: Part, label: str) -> None:
        """Do nothing: what came was counted and digested when it was written."""

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
        """Write one file; PlaceTaken when the folder has it and `overwrite` is not asked for."""
        entity = self._to_fill(owner, resource)
        if (resource, name) in entity.files and not overwrite:
            raise PlaceTaken("the folder has a file of this name")
        self._written(entity, resource, [(name, size, content)], request_id)

    def put_resource_files(
        self, owner: Owner, resource: ResourceKey, files: Sequence[SmallFile], *, overwrite: bool, request_id: str
    ) -> frozenset[str]:
        """Write small files; return those that were there and stayed."""
        entity = self._to_fill(owner, resource)
        left = frozenset(file.name for file in files if (resource, file.name) in entity.files and not overwrite)
        due = [(file.name, file.size, _read(file)) for file in files if file.name not in left]
        self._written(entity, resource, due, request_id)
        return left

    # --- inner parts ---------------------------------------------------------------------------------------------

    def _refuse_other(self, project: str) -> None:
        if project != self.state.manifest.origin.project:
            raise NotThere(f"the folder holds nothing of project {project}")

    def _make(self, owner: Owner, described: Described) -> str:
        self.state.begin_writing()
        if owner.key in self.state.held:
            raise PlaceTaken(f"{owner.kind.value} {owner.id} is in the folder")
        self.state.make(owner, _bare(described))
        return owner.id

    def _add(self, entity: Entity, described: Described) -> str:
        self.state.begin_writing()
        if any((one.kind, one.name) == (described.kind, described.name) for one in entity.thing.parts):
            raise PlaceTaken(f"{described.kind.value} {described.id} is in the folder")
        entity.thing = with_part(entity.thing, described.kind, described.name, _bare(described))
        self._write(entity)
        return described.id

    def _change(self, owner: Owner, part: Part, changed: Changed) -> None:
        self.state.begin_writing()
        entity = self.state.entity(owner)
        old = _part_of(entity.thing, part)
        entity.thing = with_part(entity.thing, part.kind, part.name, changed(old))
        self._write(entity)

    def _write(self, entity: Entity) -> None:
        """Write down what changed of a thing before it is said to be done; of files, the next look does it."""
        self.state.note(entity)
        self.state.write(entity)

    def _to_fill(self, owner: Owner, key: ResourceKey) -> Entity:
        """Return the entity of a resource that is written to; a resource is made where there is none."""
        part = Part.parse(key.scan)
        entity = self.state.entity(owner)
        there = _part_of(entity.thing, part)
        if (part.side, key.label) not in {(one.side, one.label) for one in there.resources}:
            self.create_resource(owner, part, key.label, format_="", content="")
        self.state.begin_writing()
        return entity

    def _written(
        self, entity: Entity, key: ResourceKey, due: Sequence[tuple[str, int, Iterator[bytes]]], request_id: str
    ) -> None:
        """Stage files, bring them to the disk and to their places, and note them."""
        state, staged = self.state, list[tuple[str, str, Content]]()
        for number, (name, size, pieces) in enumerate(due):
            spot = f"{request_id}-{number}"
            content = state.disk.stage(state.root, spot, pieces)
            if content.size != size:
                raise ForeignContent(f"{content.size} bytes came of a file of {size}")
            staged.append((name, spot, content))
        state.disk.flush(state.root, [spot for _, spot, _ in staged])
        landed = [
            HeldFile(
                key.scan, key.label, name, self._landed(entity, key, name, spot, content), content.size,
                content.sha256.hex(), content.md5,
            )
            for name, spot, content in staged
        ]  # fmt: skip
        state.disk.settle_folders(state.root, sorted({file.path.rpartition("/")[0] for file in landed}))
        for file in landed:
            entity.files[key, file.name] = file
        state.note(entity)

    def _landed(self, entity: Entity, key: ResourceKey, name: str, spot: str, content: Content) -> str:
        """Put a staged file in its place; what lies there and is none of the folder's is never overwritten."""
        disk, root = self.state.disk, self.state.root
        known = entity.files.get((key, name))
        if known is not None:
            disk.land(root, spot, known.path, replace=True)
            return known.path
        while True:
            path = entity.path_of(names_of(key, name))
            there = disk.stat(root, path)
            if there is not None and disk.read(root, path).sha256 != content.sha256:
                continue
            disk.land(root, spot, path, replace=there is not None, seen=there)
            return path

    def _lies_there(self, file: HeldFile) -> bool:
        return self.state.disk.stat(self.state.root, file.path) is not None

    def _behind(self, file: HeldFile, offset: int) -> Iterator[bytes]:
        skip = offset
        for piece in self._content(file):
            yield piece[skip:] if skip else piece
            skip = max(skip - len(piece), 0)

    def _content(self, file: HeldFile) -> Iterator[bytes]:
        """Stream a file; its end is not reached unless it is what the list says."""
        digest = hashlib.sha256()
        try:
            for piece in self.state.disk.open(self.state.root, file.path, file.size):
                digest.update(piece)
                yield piece
        except SourceError as error:
            raise _told(error) from error
        if digest.hexdigest() != file.sha256:
            raise ContentDiffers("a file of the folder is not what was put into it")


def _read(file: SmallFile) -> Iterator[bytes]:
    yield file.read()


def _bare(thing: Described) -> Described:
    """Return what a server would make of a thing that is created: its fields; the rest is set by itself."""
    return replace(thing, custom=(), shares=(), resources=(), parts=(), stamp="")


def _part_of(thing: Described, part: Part) -> Described:
    if part.kind is None:
        return thing
    found = [one for one in thing.parts if (one.kind, one.name) == (part.kind, part.name)]
    if not found:
        raise NotThere(f"the folder holds no {part.kind.value} {part.name}")
    return found[0]


def _with_resource(thing: Described, made: Stored) -> Described:
    others = tuple(one for one in thing.resources if (one.side, one.label) != (made.side, made.label))
    return replace(thing, resources=(*others, made))


def _told(error: SourceError) -> XnatsyncError:
    """Say it as a server would: another length is another content, anything else a read that failed."""
    if isinstance(error, SourceChanged):
        return ContentDiffers("a file of the folder has another length than was put into it")
    return ReadFailed(f"a file of the folder cannot be read: {error}")
