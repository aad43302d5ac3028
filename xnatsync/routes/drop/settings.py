"""The route `drop`: a watched folder on one side, an XNAT project on the other, one imaging session per unit."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from xnatsync.core.accounting import Index, Odd, Other
from xnatsync.core.announced import KEYWORDS as ANNOUNCED
from xnatsync.core.compare import NO_PIXELS
from xnatsync.core.completeness import Patience, is_marker
from xnatsync.core.drop_selection import EVERY_DROP, Wanted
from xnatsync.core.given import Given
from xnatsync.core.group import Collision, Routing
from xnatsync.core.labels import member_name, stored_name, unpacked_name
from xnatsync.core.lookup_table import TableUse
from xnatsync.core.manifest import Kind, Level, ManifestFile
from xnatsync.core.otherwise import OTHERWISE
from xnatsync.core.patient import KEYWORDS as PATIENT
from xnatsync.core.phases import ItemPhase
from xnatsync.core.remote import FileListing, RemoteFile
from xnatsync.core.tree import Node, Tree
from xnatsync.core.usual_series import DESCRIPTION
from xnatsync.ledger.rows import FileRow, ItemRow, UnitRow

OWN_FOLDER = ".xnatsync"  # inside every drop folder: custody, and marks that say whose boxes are there
FLAT = "flat"  # how items without a folder are called: flat/<Study Instance UID>
_UID_NAME = re.compile(r"([0-9]+(?:\.[0-9]+)+)\.dcm")


@dataclass(frozen=True, slots=True)
class Also:
    """Another place for every study of a route."""

    server: str
    project: str | None = None  # None: a project of the same ID


@dataclass(frozen=True, slots=True)
class DropRoute:
    """The settings of one route, as the engine needs them; see docs/configuration.md for each."""

    name: str
    folder: Path
    done: Path
    server: str
    routing: Routing
    settle_s: float = 60.0
    destination: Literal["archive", "prearchive"] = "archive"
    after: Literal["move", "keep", "delete"] = "move"
    level: Level = Level.NAMES
    collision: Collision = "hold"
    other: Other = "keep"
    odd: Odd = "hold"
    dicomdir: Index = "hold"
    attach_to: str = "ATTACHED"
    member_names: Literal["uid", "original"] = "uid"
    streams: int = 2
    quiet_s: float = 60.0
    ignore: tuple[str, ...] = ()
    wanted: Wanted = EVERY_DROP
    settle_min_s: float | None = None
    missing_s: float = 0.0
    marker: bool = False
    receipt_page: bool = False
    max_wait_s: float = 12 * 3600.0
    wait_for: tuple[str, ...] = ()
    wait_while: tuple[str, ...] = ()
    same_patient: Literal["ignore", "hold"] = "ignore"
    also: tuple[Also, ...] = ()
    heeds_markers: bool = True  # False: a plan, which takes every wait as over
    given: Given | None = None  # a command named source and destination: it is a route for that alone

    @property
    def keywords(self) -> frozenset[str]:
        """List the header fields that are read: those that decide, and those that may say otherwise."""
        counting = ANNOUNCED | {DESCRIPTION} if self.patience.counts else frozenset()
        guarding = PATIENT if self.same_patient == "hold" else frozenset()
        return self.routing.keywords | counting | guarding | (OTHERWISE if self.given is not None else frozenset())

    @property
    def patience(self) -> Patience:
        """Return how long is waited, and for what."""
        return Patience(
            self.settle_s, self.settle_min_s, self.missing_s, self.max_wait_s, self.wait_for, self.wait_while
        )

    @property
    def tables(self) -> tuple[TableUse, ...]:
        """List the lookup tables that the rules ask, each with what is wanted of it."""
        keys: dict[str, set[tuple[str, ...]]] = {}
        columns: dict[str, set[str]] = {}
        for rule in self.routing.rules:
            if rule.table is not None:
                keys.setdefault(rule.table.file, set()).add(tuple(sorted(rule.table.match)))
                columns.setdefault(rule.table.file, set()).update(rule.columns)
        return tuple(TableUse(file, frozenset(keys[file]), frozenset(columns[file])) for file in sorted(keys))

    def destination_of(self, unit: UnitRow) -> Literal["archive", "prearchive"]:
        """Return where a session ends: a rule may have said it."""
        return unit.destination if unit.destination is not None else self.destination

    def collision_of(self, unit: UnitRow) -> Collision:
        """Return what becomes of a session whose label is taken: a rule may have said it."""
        return unit.collision if unit.collision is not None else self.collision

    @property
    def custody(self) -> Path:
        """The folder in which items lie between their receipt and their place in done."""
        return self.folder / OWN_FOLDER / "custody"

    @property
    def wants_pixels(self) -> bool:
        """Return whether the manifest must know the pixel data."""
        return self.level.rank >= Level.PIXELS.rank

    @staticmethod
    def target(server: str, project: str, session: str) -> str:
        """Name what only one unit at a time may write to."""
        return f"{server}/{project}/{session}"

    @property
    def claims(self) -> Path:
        """The folder in which ledgers that have boxes in custody say where they are."""
        return self.folder / OWN_FOLDER / "ledgers"

    @property
    def done_list(self) -> Path:
        """The list of the done folders that ever were in the drop folder."""
        return self.folder / OWN_FOLDER / "done-folders"

    def source_path(self, place: str, path: str) -> Path:
        """Say where an item lies."""
        return (self.folder if place == "drop" else self.custody) / path

    def source(self, item: ItemRow) -> Path:
        """Say where an item lies: one without a folder, in the drop folder itself."""
        return self.folder if item.flat else self.source_path(item.place, item.path)

    def filed(self, item: ItemRow) -> Path | None:
        """Say where an item was filed, in the done folder of that time; None when it was not."""
        return None if item.filed_as is None else Path(item.filed_in or self.done) / item.filed_as

    def ignores(self, name: str) -> bool:
        """Return whether an entry of the drop folder is none of ours, by its name."""
        return any(fnmatchcase(name, pattern) for pattern in self.ignore) or is_marker(self.patience, name)

    def lets_stay(self, item: ItemRow) -> bool:
        """Return whether what looks like an item that has ended is to stay: kept when done, or given up by a person."""
        return item.phase is ItemPhase.DISMISSED or (item.phase is ItemPhase.DONE and self.after == "keep")


def member_names(
    files: Sequence[ManifestFile], style: Literal["uid", "original"], taken: Mapping[str, str]
) -> dict[str, str]:
    """Name the objects of one session as zip members: path → name.  `taken`: names in it, and the objects they are of.

    XNAT keeps the sender's base name, so a name that is the SOP Instance UID lets a plain listing show what arrived.
    An original name is kept only where it is unique in the session, because XNAT renames what clashes (import.md §4.6).
    """
    wanted = {file.path: stored_name(file.path if file.packed is None else unpacked_name(file.path)) for file in files}
    clashes = {name for name, count in Counter(name.casefold() for name in wanted.values()).items() if count > 1}
    folded = {name.casefold(): key for name, key in taken.items()}
    return {
        file.path: wanted[file.path]
        if style == "original"
        and wanted[file.path].casefold() not in clashes
        and folded.get(wanted[file.path].casefold(), file.key) == file.key
        else member_name(file.key)
        for file in files
    }


def attached_names(paths: Iterable[str]) -> dict[str, str]:
    """Name other files as they are stored in a session resource: path → name, in XNAT's safe alphabet, never twice."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for path in sorted(paths):
        safe = re.sub(r"[^A-Za-z0-9._/-]", "_", path)
        safe = re.sub(r"_catalog\.xml$", "_catalog.xml.txt", safe)  # XNAT would take it for its own (hierarchy.md §6.1)
        name, number = safe, 1
        while name.casefold() in taken:
            number += 1
            name = f"{safe}.{number}"
        taken.add(name.casefold())
        names[path] = name
    return names


def source_tree(files: Iterable[FileRow]) -> Tree:
    """The source as the manifest froze it: objects by SOP Instance UID, attached files by their stored name."""
    nodes = []
    for file in files:
        digests = {"sha256": file.sha256.hex()} | ({"md5": file.md5.hex()} if file.md5 else {})
        if file.kind == Kind.DICOM:
            if file.pixels is not None:
                digests["pixels"] = file.pixels.hex()
            elif not file.pixel_bytes:  # otherwise there are pixels, and nobody asked for their digest: it is not known
                digests["pixels"] = NO_PIXELS
            floor = (
                file.pixel_bytes if file.pixel_bytes <= file.size else 0
            )  # a deflated object is shorter than its pixels
            nodes.append(Node(file.key, file.size, floor, digests, file.path))
        elif file.kind == Kind.OTHER and file.unit_id is not None:
            nodes.append(Node(attached_key(file.member), file.size, 0, digests, file.path, Level.BYTES))
    return Tree(nodes, complete=True)


def attached_key(name: str) -> str:
    """The key of an attached file: never a UID."""
    return f"attached/{name}"


def is_attached(key: str) -> bool:
    """Tell an attached file's key from an object's."""
    return key.startswith("attached/")


def target_tree(listing: FileListing, members: Mapping[str, str]) -> Tree:
    """The target as the server listed it, under our keys; `members` maps the names we sent to SOP Instance UIDs.

    A stored object that cannot be told from its name or catalogue keeps its place as its key: it is then extra,
    and never taken for one of ours.  Only the DICOM resources count; what a server generates beside them does not.
    """
    nodes = [
        Node(object_key(file, members), file.size, 0, {"md5": file.digest} if file.digest else {}, where(file))
        for file in listing.files
        if file.resource in {"DICOM", "secondary"}
    ]
    return Tree(nodes, complete=listing.complete)


def object_key(file: RemoteFile, members: Mapping[str, str]) -> str:
    """The SOP Instance UID of a stored object, as far as it can be told."""
    if file.sop_uid:
        return file.sop_uid
    named = _UID_NAME.fullmatch(file.name)
    return members.get(file.name) or (named.group(1) if named else where(file))


def attached_tree(listing: FileListing) -> Tree:
    """The attached files as the server listed them."""
    nodes = [
        Node(attached_key(file.name), file.size, 0, {"md5": file.digest} if file.digest else {}, where(file))
        for file in listing.files
    ]
    return Tree(nodes, complete=listing.complete)


def where(file: RemoteFile) -> str:
    """Name a stored file for people."""
    return f"{file.scan or '-'}/{file.resource}/{file.name}"
