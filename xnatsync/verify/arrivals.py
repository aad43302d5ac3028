"""What became of the objects of a session that went by import, as both sides are now.

The destination's listing is compared with the one by which each object was proven; what it lists otherwise, or without
a digest, is read and compared by what it shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xnatsync.core.described import Part
from xnatsync.core.fidelity import Arrival, Fate, FilePlace
from xnatsync.core.imported import goes_by_import
from xnatsync.core.inventory import Owner, ResourceKey
from xnatsync.core.remote import FileListing, RemoteFile
from xnatsync.ledger.imports import ObjectRow
from xnatsync.ports.transfer import Readable
from xnatsync.routes.transfer.importing import Place, by_uid
from xnatsync.routes.transfer.objects import seen
from xnatsync.routes.transfer.pixels import SAME, Verdict, facts_of_files, verdict
from xnatsync.routes.transfer.proving import facts_sent, was_read

_FATES = {
    Verdict.DIFFERS: Arrival(Fate.DIFFERS, "it does not show what was sent"),
    Verdict.MISSING: Arrival(Fate.MISSING, "it is listed, and cannot be read"),
    Verdict.RECODED: Arrival(Fate.UNVERIFIABLE, "it is kept in another transfer syntax"),
    Verdict.UID: Arrival(Fate.BY_UID, "it has no pixel data, and the destination changed what else it says"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """The objects of one session on both sides, and what the ledger knows of them."""

    rows: Mapping[Place, ObjectRow]
    proven: Mapping[FilePlace, str]  # MD5 of what the source listed when both agreed
    lost: frozenset[FilePlace]
    source: Readable
    here: Owner
    destination: Readable
    there: Owner
    reads: bool = False  # every object, whatever the destination lists

    def found(self, mine: FileListing, theirs: FileListing) -> dict[FilePlace, Arrival]:
        """Compare each object; reads those that no listing proves."""
        files = {_place(file): file for file in mine.files if _goes(file)}
        known = by_uid(theirs, frozenset(row.sop_uid for row in self.rows.values() if row.sop_uid))
        first: dict[str, Place] = {}
        found, open_ = dict[Place, Arrival](), list[Place]()
        for place, file in sorted(files.items()):
            row = self.rows.get(place)
            if row is None or not row.sop_uid:
                found[place] = self._unsent(row, place)
                continue
            stands = known.get(row.sop_uid)
            chosen = first.setdefault(row.sop_uid, place)
            if (told := self._by_listing(row, file, files[chosen], stands)) is not None:
                found[place] = told
            else:
                open_.append(place)
        found |= self._read(open_, known)
        return {
            (key.scan, key.label, name): self._with_place(arrival, self.rows.get((key, name)), known)
            for (key, name), arrival in found.items()
        }

    def _unsent(self, row: ObjectRow | None, place: Place) -> Arrival:
        if (place[0].scan, place[0].label, place[1]) in self.lost:
            return Arrival(Fate.LOST)
        if row is None:
            return Arrival(Fate.UNVERIFIABLE, "no run has read which object it is")
        return Arrival(Fate.MISSING, f"it was not imported: {row.detail}")

    def _by_listing(
        self, row: ObjectRow, file: RemoteFile, chosen: RemoteFile, stands: RemoteFile | None
    ) -> Arrival | None:
        """Say what both listings prove; None where the object has to be read."""
        where = file.scan, file.resource, file.name
        if stands is None:
            fate = Fate.LOST if where in self.lost else Fate.MISSING
            return Arrival(fate, "no object of this SOP Instance UID")
        md5 = self.proven.get(where, "")
        is_old = row.sha256 is None and bool(md5 and file.digest and md5 != file.digest)
        if is_old or row.seen != seen(file):
            return Arrival(Fate.DIFFERS, "the source has another version of it than was imported")
        if (file.size, file.digest) != (chosen.size, chosen.digest):
            return Arrival(Fate.DIFFERS, "another object of the session has its UID")
        if self.reads or row.there != seen(stands) or not stands.digest:
            return None
        return _FATES[Verdict.UID] if row.proof == Verdict.UID.value else Arrival()

    def _read(self, open_: list[Place], known: Mapping[str, RemoteFile]) -> dict[Place, Arrival]:
        at = {place: _place(known[self.rows[place].sop_uid]) for place in open_}
        theirs = facts_of_files(self.destination, self.there, at.values()) if at else {}
        unread = [place for place in open_ if not was_read(self.rows[place])]
        mine = facts_of_files(self.source, self.here, unread) if unread else {}
        found = dict[Place, Arrival]()
        for place in open_:
            row = self.rows[place]
            ours = facts_sent(row) if was_read(row) else mine.get(place)
            if ours is None:
                found[place] = Arrival(Fate.LOST, "the source lists it and cannot give it")
                continue
            answer = verdict(ours, theirs.get(at[place]))
            changed = row.there is not None and row.there != seen(known[row.sop_uid])
            if answer is Verdict.UID and changed:
                answer = Verdict.DIFFERS
            found[place] = Arrival() if answer in SAME else _FATES[answer]
        return found

    def _with_place(self, arrival: Arrival, row: ObjectRow | None, known: Mapping[str, RemoteFile]) -> Arrival:
        stands = known.get(row.sop_uid) if row is not None and row.sop_uid else None
        if stands is None:
            return arrival
        return Arrival(arrival.fate, arrival.detail, (stands.scan, stands.resource, stands.name))


def _place(file: RemoteFile) -> Place:
    return ResourceKey(file.scan, file.resource), file.name


def _goes(file: RemoteFile) -> bool:
    return goes_by_import(Part.parse(file.scan), file.resource)
