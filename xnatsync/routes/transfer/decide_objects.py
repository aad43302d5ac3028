"""What follows for each file that goes by DICOM import: it is known at the destination by its object, not by its name.

Nothing here sends anything: that was done before, as far as it could be (see `images`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from xnatsync.core.described import Part
from xnatsync.core.errors import (
    ChangedAtSource,
    GoneAtSource,
    GoneThere,
    LostAtSource,
    ObjectsConflict,
    XnatsyncError,
)
from xnatsync.core.imported import goes_by_import
from xnatsync.core.inventory import ResourceKey
from xnatsync.core.remote import RemoteFile
from xnatsync.ledger.imports import ObjectRow
from xnatsync.ledger.tree_rows import NewVersion, VersionRow
from xnatsync.routes.transfer.decide import Deciding
from xnatsync.routes.transfer.importing import Place
from xnatsync.routes.transfer.objects import Objects

UNREAD: Final = bytes(32)  # of a file that was found there, and compared by the digests that both sides list
Base = Mapping[ResourceKey, Mapping[str, VersionRow]]


@dataclass(slots=True)
class DecidingObjects:
    """The objects of one look."""

    deciding: Deciding
    objects: Objects
    base: Base  # what was agreed before
    left: Mapping[Place, XnatsyncError]  # what was asked for in this run, and not to be had

    def decide(self) -> None:
        """Decide about every file that goes by import, and those that the source had once."""
        wanted, objects = self.deciding.wanted, self.objects
        if (held := objects.held) is not None:
            wanted.tell("", held.code, str(held), person=True)
        for place in sorted({*objects.files, *self._once(), *(place for place in self.left if self._goes(place[0]))}):
            self._object(place)

    def _once(self) -> set[Place]:
        return {(key, name) for key, files in self.base.items() if self._goes(key) for name in files}

    def _goes(self, key: ResourceKey) -> bool:
        return goes_by_import(Part.parse(key.scan), key.label)

    def _object(self, place: Place) -> None:
        wanted, objects = self.deciding.wanted, self.objects
        path = f"{place_of(place[0])}/{place[1]}"
        version, row = self.base.get(place[0], {}).get(place[1]), objects.rows.get(place)
        there = objects.there.get(row.sop_uid) if row is not None and row.sop_uid else None
        if (error := self.left.get(place)) is not None and there is None:
            wanted.tell(path, error.code, str(error), person=not isinstance(error, LostAtSource))
            wanted.cut = True
        elif place not in objects.files:
            self._not_here(path, version)
        elif row is None:
            wanted.cut = True
        elif row.code:
            wanted.tell(path, row.code, row.detail, person=True)
        elif (doubt := self._doubt(place, row, version)) is not None:
            wanted.tell(path, doubt.code, str(doubt), person=not isinstance(doubt, LostAtSource))
        elif there is None:
            self._not_there(path, version)
        else:
            wanted.agreed += 1
            self._agree(place, row, there, version)

    def _doubt(self, place: Place, row: ObjectRow, version: VersionRow | None) -> XnatsyncError | None:
        """Return why a file is not the object that is at the destination."""
        objects = self.objects
        file, chosen = objects.files[place], objects.uids.get(row.sop_uid)
        is_old = row.sha256 is None and version is not None and _differ(file, version.size, version.md5)
        if is_old and row.sop_uid in objects.there:
            return ChangedAtSource("it was imported, and the source has another version of it now")
        if chosen is not None and chosen != place:
            other = objects.files[chosen]
            if (file.size, file.digest) != (other.size, other.digest):
                return ObjectsConflict("another object of the session has its UID")
        return objects.doubts.get(place)

    def _not_here(self, path: str, version: VersionRow | None) -> None:
        """Tell of what the source had once; what an import made is kept, whatever is there now."""
        wanted, look = self.deciding.wanted, self.deciding.look
        if version is not None and look.here_files.complete:
            wanted.tell(path, GoneAtSource.code, "the source no longer has it", person=False)
        elif version is not None:
            wanted.cut = True

    def _not_there(self, path: str, version: VersionRow | None) -> None:
        wanted = self.deciding.wanted
        if version is None:
            wanted.cut = True  # it waits, as the whole session does
        elif self.objects.session_id:
            wanted.tell(path, GoneThere.code, "it was deleted at the destination", person=True)

    def _agree(self, place: Place, row: ObjectRow, there: RemoteFile, version: VersionRow | None) -> None:
        """Note that the destination holds the object, known again by what the source lists of it."""
        key, name = place
        file, look = self.objects.files[place], self.deciding.look
        md5 = file.digest or row.md5
        size = file.size if file.size is not None else there.size or 0
        if version is not None and version.size == size and md5 in {version.md5, ""}:
            return
        if not md5:
            return  # the source states no digest, and it was not sent from here: looked at again
        if version is not None:
            self.deciding.wanted.ended.append((version.id, "replaced"))
        self.deciding.wanted.begun.append(
            NewVersion(
                owner_id=look.row.id, scan=key.scan, label=key.label, name=name, route=look.row.route,
                path=f"{look.row.kind}s/{look.row.server_id}/{place_of(key)}/{name}", size=size,
                sha256=row.sha256 or UNREAD, md5=md5, mtime_ns=0, origin="server",
            )
        )  # fmt: skip


def place_of(key: ResourceKey) -> str:
    """Say where a resource is, in another text for each: no label holds a slash."""
    part = key.scan.replace("%", "%25").replace(":", "%3A").replace("/", ":") or "-"
    return f"{part}/{key.label}"


def _differ(file: RemoteFile, size: int, md5: str) -> bool:
    """Return whether the source lists another file than was agreed on; without a digest, its size tells."""
    if file.size is not None and file.size != size:
        return True
    return bool(file.digest and md5 and file.digest != md5)
