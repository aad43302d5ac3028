"""Which objects the files of a session are that go by DICOM import: the source's catalogue tells, else the bytes.

What a file is called decides nothing.  What is known stands in the ledger until the source lists the file otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from xnatsync.core.described import Part
from xnatsync.core.errors import LostAtSource, NotThere, ObjectsBroken, ReadFailed, ReplyStrange, XnatsyncError
from xnatsync.core.imported import goes_by_import
from xnatsync.core.inventory import Owner, ResourceKey
from xnatsync.core.remote import RemoteFile
from xnatsync.core.streams import closed_after
from xnatsync.core.transfer_decision import FileFact
from xnatsync.dicom.head import read_head
from xnatsync.dicom.identity import IDENTITY_TAGS, flaw, identity_of
from xnatsync.ledger.imports import ObjectRow
from xnatsync.ledger.ledger import Ledger
from xnatsync.ports.transfer import Readable
from xnatsync.routes.transfer.importing import Place
from xnatsync.routes.transfer.wanted import Look

SINGLE_MAX: Final = 3  # so few files of a resource are read one by one


@dataclass(slots=True)
class Objects:
    """What is known of the files of a session that go by import, and what became of them."""

    files: Mapping[Place, RemoteFile] = field(default_factory=dict)  # as the source lists them
    rows: dict[Place, ObjectRow] = field(default_factory=dict)
    there: Mapping[str, RemoteFile] = field(default_factory=dict)  # at the destination, by the UID at the source
    session_id: str = ""  # of the destination
    held: XnatsyncError | None = None  # why no more of it was sent
    doubts: dict[Place, XnatsyncError] = field(default_factory=dict)  # of what is at the destination
    once: frozenset[str] = frozenset()  # scans of which an object arrived, whatever the source has now
    unread: frozenset[Place] = frozenset()  # of which nobody told yet what they are: a plan reads nothing

    @property
    def uids(self) -> dict[str, Place]:
        """Return the objects that can be imported, each with one file of the source."""
        found: dict[str, Place] = {}
        for place, row in sorted(self.rows.items()):
            if row.sop_uid and place in self.files:
                found.setdefault(row.sop_uid, place)
        return found

    def scans_there(self) -> dict[str, str]:
        """Return the scan of the destination that holds most objects of each scan of the source; each scan once."""
        many: dict[tuple[str, str], int] = {}
        for (key, _), row in self.rows.items():
            if row.sop_uid in self.there:
                pair = key.scan, self.there[row.sop_uid].scan
                many[pair] = many.get(pair, 0) + 1
        found: dict[str, str] = {}
        for here, there in sorted(many, key=lambda pair: (-many[pair], pair)):
            if here not in found and there not in found.values():
                found[here] = there
        return found

    def scans_here(self) -> frozenset[str]:
        """Return the scans of the source of which an object can be imported."""
        known = {key.scan for (key, _), row in self.rows.items() if row.sop_uid}
        return self.once | known | {key.scan for key, _ in self.unread}

    def is_ours(self, scan: str | None = None) -> bool:
        """Return whether everything that was imported of the session, or of a scan, was sent from here."""
        rows = [row for row in self.rows.values() if row.sop_uid in self.there]
        sent = {row.sop_uid for row in rows if row.sha256 is not None}
        of = {row.sop_uid for row in rows if scan is None or row.scan == scan}
        return bool(of) and of <= sent


def seen(file: RemoteFile) -> bytes:
    """Return what a file is known again by in a listing."""
    return FileFact(file.size, file.digest).digest


def goes(look: Look) -> dict[Place, RemoteFile]:
    """Return the files of a session that go by import."""
    parts = {str(Part(part.kind, part.name)) for part in look.here.parts}
    return {
        (ResourceKey(file.scan, file.resource), file.name): file
        for file in look.here_files.files
        if file.scan in parts and goes_by_import(Part.parse(file.scan), file.resource)
    }


@dataclass(slots=True)
class Learning:
    """Learns what the files of one session are."""

    ledger: Ledger
    source: Readable
    owner: Owner
    owner_id: int
    left: dict[Place, XnatsyncError]  # what the source could not give in this run

    def learn(self, files: Mapping[Place, RemoteFile], *, read: bool) -> dict[Place, ObjectRow]:
        """Return what is known of each file; without `read` no content is asked for, and some may be missing."""
        known = {place: row for place, row in self.ledger.import_objects(self.owner_id).items() if place in files}
        open_ = {place: file for place, file in files.items() if place not in known or known[place].seen != seen(file)}
        found: list[ObjectRow] = []
        for key in sorted({key for key, _ in open_}):
            names = {name: file for (other, name), file in open_.items() if other == key}
            uids = self.source.object_uids(self.owner, key)
            found += [self._row(key, file, uids[name], "catalogue") for name, file in names.items() if name in uids]
            rest = {name: file for name, file in names.items() if name not in uids and (key, name) not in self.left}
            if read and rest:
                found += self._read(key, rest)
        self.ledger.note_objects(found)
        fresh = {row.place: row for row in found}
        return {place: row for place, row in known.items() if place not in open_} | fresh

    def _row(self, key: ResourceKey, file: RemoteFile, uid: str, origin: str, why: str = "") -> ObjectRow:
        return ObjectRow(
            owner_id=self.owner_id, scan=key.scan, label=key.label, name=file.name, seen=seen(file),
            sop_uid="" if why else uid, origin=origin, code=ObjectsBroken.code if why else "", detail=why,
        )  # fmt: skip

    def _read(self, key: ResourceKey, files: Mapping[str, RemoteFile]) -> Iterator[ObjectRow]:
        """Read the files that no catalogue knows; what the source cannot give is left for the next run."""
        waiting = dict(files)
        if len(files) > SINGLE_MAX:
            try:
                with closed_after(self.source.fetch_resources(self.owner, [key])) as came:
                    for _, name, content in came:
                        row = self._told(key, files[name], content) if name in waiting else None
                        for _ in content:
                            pass
                        if row is not None:
                            del waiting[name]
                            yield row
            except (ReadFailed, ReplyStrange):
                pass  # one of them may be to blame: each is asked for by itself
        for name, file in waiting.items():
            try:
                with closed_after(self.source.fetch_file(self.owner, key, name)) as content:
                    yield self._told(key, file, content)
            except (NotThere, ReplyStrange) as error:
                self.left[key, name] = LostAtSource(f"the source lists it and cannot give it: {error}")
            except ReadFailed as error:
                if error.http != 500:
                    raise
                self.left[key, name] = LostAtSource(f"the source lists it and cannot give it: {error}")

    def _told(self, key: ResourceKey, file: RemoteFile, content: Iterator[bytes]) -> ObjectRow:
        head = read_head(content, IDENTITY_TAGS, hash_pixels=False)
        why = "not a DICOM object" if head is None else flaw(head)
        return self._row(key, file, identity_of(head).sop_uid if head is not None else "", "bytes", why)
