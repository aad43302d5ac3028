"""What a folder that a project travels in holds, as its own texts say it; shared by its reader and its writer.

Sealed, its manifest tells of every entity in one reading.  Open (it is being filled, or that was interrupted), the
documents of the entities are the truth, and the manifest is written anew at the end.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from xnatsync.core.described import Described
from xnatsync.core.errors import FolderUnusable, NotThere
from xnatsync.core.folder_documents import (
    FolderManifest,
    HeldEntity,
    HeldFile,
    counted_up,
    description_text,
    digest_of,
    listing_text,
    manifest_text,
    read_description,
    read_listing,
    read_manifest,
)
from xnatsync.core.folder_places import DOCUMENT, LISTING, MANIFEST, Places, above_of
from xnatsync.core.inventory import Owner, ResourceKey
from xnatsync.ports.tree import TreeDisk
from xnatsync.routes.transfer.folder_texts import Texts

MARK: Final = "xnatsync transfer folder\n"
OPEN_AT_ONCE: Final = 24  # entities whose files are kept in memory

FileKey = tuple[ResourceKey, str]


@dataclass(slots=True)
class Entity:
    """A project, subject or session of the folder, as it is now."""

    owner: Owner
    place: str
    thing: Described
    files: dict[FileKey, HeldFile]
    changed: bool = False  # since it was written down
    places: Places | None = None  # made when the first file comes

    def path_of(self, names: tuple[str, ...]) -> str:
        """Return a free path for a file."""
        if self.places is None:
            self.places = Places(file.path for file in self.files.values())
        return self.places.place(self.place, names)


@dataclass(slots=True)
class FolderState:
    """One folder.  Thread-safe, where each entity is in the hands of one thread."""

    disk: TreeDisk
    root: Path
    manifest: FolderManifest
    held: dict[tuple[str, str], HeldEntity] = field(default_factory=dict)  # by kind and ID
    _loaded: dict[tuple[str, str], Entity] = field(default_factory=dict)
    _places: Places = field(default_factory=Places)
    _begun: bool = False  # it is marked as open
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def texts(self) -> Texts:
        """The texts of the folder."""
        return Texts(self.disk, self.root)

    # --- entities ------------------------------------------------------------------------------------------------

    def entity(self, owner: Owner) -> Entity:
        """Return an entity; NotThere when the folder has none, FolderUnusable when what is said of it is damaged."""
        with self.lock:
            found = self._loaded.pop(owner.key, None)
            if found is None:
                held = self.held.get(owner.key)
                if held is None:
                    raise NotThere(f"the folder holds no {owner.kind.value} {owner.id}")
                found = self._read(held)
            self._keep(found)
            return found

    def make(self, owner: Owner, thing: Described) -> Entity:
        """Put a new entity into the folder."""
        with self.lock:
            *above, last = above_of(owner)
            place = self._places.place("/".join(above), [last]) if above else last
            made = Entity(replace(owner, project=""), place, thing, {}, changed=True)
            self._keep(made)
            self.write(made)
            return made

    def note(self, entity: Entity) -> None:
        """Note that something of an entity changed."""
        with self.lock:
            entity.changed = True
            self._loaded[entity.owner.key] = entity

    def _keep(self, entity: Entity) -> None:
        self._loaded[entity.owner.key] = entity
        for key in list(self._loaded)[: max(len(self._loaded) - OPEN_AT_ONCE, 0)]:
            if not self._loaded[key].changed:
                del self._loaded[key]

    def _read(self, held: HeldEntity) -> Entity:
        """Read what is said of an entity."""
        document, listing = self._texts_of(held)
        _, thing = read_description(document)
        return Entity(held.owner, held.place, thing, {(file.key, file.name): file for file in read_listing(listing)})

    def _texts_of(self, held: HeldEntity) -> tuple[str, str]:
        """Return what is said of an entity, after it was compared with what the manifest says of that."""
        document = self.texts.read(f"{held.place}/{DOCUMENT}")
        listing = self.texts.read(f"{held.place}/{LISTING}") or ""
        if document is None or digest_of(document) != held.document or digest_of(listing) != held.listing:
            what = f"{held.owner.kind.value} {held.owner.id}"
            raise FolderUnusable(f"what the folder says of {what} was changed or damaged")
        return document, listing

    def write(self, entity: Entity) -> None:
        """Write down what changed of an entity."""
        if not entity.changed:
            return
        files = sorted(entity.files.values(), key=lambda file: (file.key, file.name))
        document, listing = description_text(entity.owner, entity.thing), listing_text(files)
        with self.lock:
            old = self.held.get(entity.owner.key)
            if old is None or old.document != digest_of(document):
                self.texts.write(f"{entity.place}/{DOCUMENT}", document)
            if listing and (old is None or old.listing != digest_of(listing)):
                self.texts.write(f"{entity.place}/{LISTING}", listing)
            self.held[entity.owner.key] = HeldEntity(
                entity.owner, entity.place, digest_of(document), digest_of(listing), counted_up(files)
            )
            entity.changed = False

    # --- open and sealed -----------------------------------------------------------------------------------------

    def begin_writing(self) -> None:
        """Say in the folder that it is being filled, before anything of it changes."""
        with self.lock:
            if not self._begun:
                self.disk.mark(self.root, MARK)
                self._begun = True
                self._write_manifest(replace(self.manifest, sealed_at="", first_leg={}, entities=(), digest=""))

    def seal(self, first_leg: Mapping[str, Any], now: str) -> str:
        """Say that the folder is filled, and with what; return the digest of the manifest."""
        with self.lock:
            for entity in list(self._loaded.values()):
                self.write(entity)
            self.disk.clear_staging(self.root)
            entities = tuple(sorted(self.held.values(), key=lambda one: one.place))
            self._begun = False
            self._write_manifest(replace(self.manifest, sealed_at=now, first_leg=first_leg, entities=entities))
            return self.manifest.digest

    def _write_manifest(self, manifest: FolderManifest) -> None:
        text, digest = manifest_text(manifest)
        self.texts.write(MANIFEST, text)
        self.manifest = replace(manifest, digest=digest)

    # --- beginning -----------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Learn which entities there are; of an open folder, from their documents."""
        with self.lock:
            if self.manifest.is_sealed:
                self.held = {one.owner.key: one for one in self.manifest.entities}
            elif self.disk.sentinel(self.root):
                self._gather()
            self._places = Places(f"{one.place}/{DOCUMENT}" for one in self.held.values())

    def _gather(self) -> None:
        """Read every document of a folder whose filling was interrupted."""
        for path in sorted(self.disk.look_tree(self.root).files):
            place, _, name = path.rpartition("/")
            if name != DOCUMENT or place.count("/") > 1:
                continue
            document, listing = self.texts.read(path) or "", self.texts.read(f"{place}/{LISTING}") or ""
            owner, _ = read_description(document)
            files = counted_up(read_listing(listing))
            self.held[owner.key] = HeldEntity(owner, place, digest_of(document), digest_of(listing), files)

    def check_texts(self) -> None:
        """Compare all documents with the manifest; FolderUnusable when one is not as it was sealed.

        The files of the entities are compared when they are read.
        """
        for one in self.held.values():
            self._texts_of(one)

    def strangers(self) -> list[str]:
        """List the files that lie in the folder and are not named by its lists."""
        found = self.disk.look_tree(self.root)
        there = {*found.files, *(problem.path for problem in found.problems)} - {MANIFEST}
        for one in self.held.values():
            there -= {f"{one.place}/{DOCUMENT}", f"{one.place}/{LISTING}"}
            there -= {file.path for file in self.entity(one.owner).files.values()}
        return sorted(there)


def open_folder(disk: TreeDisk, root: Path) -> FolderState | None:
    """Open the folder at a place; None when nothing lies there that was filled by us, in whole or in part."""
    found = Texts(disk, root).read(MANIFEST)
    if found is None:
        return None
    state = FolderState(disk, root, read_manifest(found))
    state.load()
    return state
