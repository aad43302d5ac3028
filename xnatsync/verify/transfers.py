"""Looks at both sides of a transfer, entity by entity, and has them compared by `core.fidelity`.

Nothing is written anywhere, and nothing that a run concluded is believed: both sides are described and listed anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from xnatsync.core.described import Described, Part, ThingKind
from xnatsync.core.errors import LostAtSource, NotThere, Stopped, XnatsyncError
from xnatsync.core.fidelity import Comparison, Contents, Difference, Fate, FilePlace, Terms, compare
from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey
from xnatsync.core.remote import FileListing
from xnatsync.ledger.counterparts import CounterpartRow
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.tree_rows import OwnerRow
from xnatsync.ports.transfer import TransferServer
from xnatsync.routes.transfer.decide_objects import place_of
from xnatsync.routes.transfer.settings import TransferRoute
from xnatsync.routes.transfer.survey import projects_of
from xnatsync.verify.arrivals import Arrivals

DIFFERENCES_MAX = 1000  # of one entity, that are told one by one
_AT_ONCE = 20  # entities whose files are listed together
_ORDER = (OwnerKind.PROJECT, OwnerKind.SUBJECT, OwnerKind.SESSION)


@dataclass(frozen=True, slots=True)
class Examined:
    """An entity of the source, what stands for it at the destination, and what of it is not the same."""

    source: Owner
    there_id: str = ""  # "": nothing does
    there_label: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)  # of its parts: what each is called at the destination
    comparison: Comparison = field(default_factory=Comparison)
    error: XnatsyncError | None = None  # why it could not be compared

    @property
    def is_complete(self) -> bool:
        """Return whether all of it that was to be carried is there as it was."""
        return self.error is None and bool(self.there_id) and self.comparison.is_complete


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """Both sides of one transfer, and what the ledger knows of it."""

    ledger: Ledger
    route: TransferRoute
    source: TransferServer
    there: TransferServer
    stopping: Callable[[], bool] = lambda: False
    reads: bool = False  # each object that went by import is read again, whatever the destination lists of it

    def entities(self) -> Iterator[Examined]:
        """Compare everything of the source that the filter takes, one entity after the other."""
        inventory = self.source.inventory(self.route.project, frozenset(OwnerKind))
        own = [owner for owner in inventory.owners if not owner.home and self._takes(owner)]
        own.sort(key=lambda owner: (_ORDER.index(owner.kind), owner.subject, owner.session, owner.id))
        known = {row.key: row for row in self.ledger.owners(self.route.name)}
        stands = self.ledger.counterparts_of(self.route.name)
        for first in range(0, len(own), _AT_ONCE):
            some = own[first : first + _AT_ONCE]
            rows = [known.get(owner.key) for owner in some]
            found = [stands.get(row.id) if row is not None else None for row in rows]
            yield from self._compared(some, rows, found)
        for owner in inventory.owners:
            if owner.home:  # the project that it belongs to carries it
                words = f"it is of project {owner.home} and shown here: it is carried with that project"
                told = Difference(Fate.NOT_CARRIED, "thing", "", "", words)
                yield Examined(owner, comparison=Comparison((told,)))
        if not inventory.complete:
            told = Difference(Fate.UNVERIFIABLE, "listing", "", "", "the source did not list everything of the project")
            project = Owner(OwnerKind.PROJECT, self.route.project, self.route.project)
            yield Examined(project, self.route.to_project, comparison=Comparison((told,)))

    def _takes(self, owner: Owner) -> bool:
        return owner.kind is not OwnerKind.SESSION or self.route.filters.takes_session(owner.xsi_type, owner.session)

    def _compared(
        self, some: Sequence[Owner], rows: Sequence[OwnerRow | None], found: Sequence[CounterpartRow | None]
    ) -> Iterator[Examined]:
        pairs = zip(some, found, strict=True)
        over_there = [self._there(owner, row) if row is not None else None for owner, row in pairs]
        try:
            mine = self.source.all_files(some)
            theirs = self.there.all_files([owner for owner in over_there if owner is not None])
        except XnatsyncError as error:
            yield from (Examined(owner, error=_told(error)) for owner in some)
            return
        for owner, row, there in zip(some, rows, over_there, strict=True):
            if self.stopping():
                raise Stopped("comparing was interrupted by a request to stop")
            if row is None or there is None:
                yield Examined(owner, comparison=Comparison((Difference(Fate.MISSING, "thing", "", ""),)))
                continue
            try:
                yield self._one(owner, row, there, mine.get(owner), theirs.get(there))
            except XnatsyncError as error:
                yield Examined(owner, there.id, error=_told(error))

    def _there(self, owner: Owner, row: CounterpartRow) -> Owner:
        label = row.there_label
        labels = {"subject": label} if owner.kind is OwnerKind.SUBJECT else {"session": label, "subject": owner.subject}
        if owner.kind is OwnerKind.PROJECT:
            labels = {}
        return Owner(owner.kind, self.route.to_project, row.there_id, xsi_type=owner.xsi_type, **labels)

    def _one(
        self, owner: Owner, row: OwnerRow, there: Owner, mine: FileListing | None, theirs: FileListing | None
    ) -> Examined:
        source = self.source.describe(owner)
        try:
            shown: Described | None = self.there.describe(there)
        except NotThere:
            shown = None
        counterparts = self.ledger.counterparts(row.id)
        names = {text: _name_there(text, part) for text, part in counterparts.items() if text}
        projects = projects_of(self.ledger, self.route)
        terms = Terms(
            filter=self.route.filters, dicom=self.route.dicom, projects=projects, label=_delivered_as(owner),
            parts=names, lost=self._lost(row, mine), proven=self._proven(row),
        )  # fmt: skip
        if self.route.dicom == "import" and owner.kind is OwnerKind.SESSION and mine is not None and theirs is not None:
            terms = self._with_objects(terms, owner, there, row, mine, theirs)
        if shown is not None and owner.kind is OwnerKind.PROJECT:
            shown = replace(shown, id=source.id)
        found = compare(source, shown, terms, _contents(mine), _contents(theirs))
        ids = {text: part.there_id for text, part in counterparts.items() if text}
        label = shown.label if shown is not None else ""
        return Examined(owner, there.id if shown is not None else "", label, ids, _shortened(found))

    def _with_objects(
        self, terms: Terms, owner: Owner, there: Owner, row: OwnerRow, mine: FileListing, theirs: FileListing
    ) -> Terms:
        """Compare the objects that went by import, and say which scans the import made."""
        rows = self.ledger.import_objects(row.id)
        arrivals = Arrivals(
            rows=rows, proven=terms.proven, lost=terms.lost, source=self.source, here=owner, destination=self.there,
            there=there, reads=self.reads,
        )  # fmt: skip
        found = arrivals.found(mine, theirs)
        made = {scan for (scan, _, _), arrival in found.items() if arrival.there is not None}
        return replace(terms, objects=found, made=frozenset(made | {""} if made else made))

    def _lost(self, row: OwnerRow, mine: FileListing | None) -> frozenset[FilePlace]:
        told = {trouble.path for trouble in self.ledger.troubles(owner_id=row.id) if trouble.code == LostAtSource.code}
        if not told or mine is None:
            return frozenset()
        return frozenset(
            (file.scan, file.resource, file.name)
            for file in mine.files
            if f"{place_of(ResourceKey(file.scan, file.resource))}/{file.name}" in told
        )

    def _proven(self, row: OwnerRow) -> dict[FilePlace, str]:
        return {(one.scan, one.label, one.name): one.md5 for one in self.ledger.living_of(row.id) if one.md5}


def _delivered_as(owner: Owner) -> str | None:
    return {OwnerKind.SUBJECT: owner.subject, OwnerKind.SESSION: owner.session}.get(owner.kind)


def _name_there(text: str, row: CounterpartRow) -> str:
    part = Part.parse(text)
    return str(Part(part.kind, row.there_label or (row.there_id if part.kind is ThingKind.SCAN else part.name)))


def _contents(listing: FileListing | None) -> Contents:
    if listing is None:
        return Contents(complete=False)
    return Contents(listing.files, listing.complete, listing.refused)


def _shortened(found: Comparison) -> Comparison:
    """Keep so many differences that a report can be read, the grave ones first; the others are counted."""
    if len(found.differences) <= DIFFERENCES_MAX:
        return found
    sorted_out = sorted(found.differences, key=lambda difference: not difference.is_grave)
    kept, rest = sorted_out[:DIFFERENCES_MAX], sorted_out[DIFFERENCES_MAX:]
    more = Difference(rest[0].fate, "listing", "", "", f"{len(rest)} differences more", len(rest))
    return replace(found, differences=(*kept, more))


def _told(error: XnatsyncError) -> XnatsyncError:
    """Return an error of one entity; what concerns every one of them is raised."""
    if isinstance(error, Stopped):
        raise error
    return error
