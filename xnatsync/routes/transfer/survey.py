"""What a run of a transfer begins with: a few listings of both sides tell which entities must be looked at."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from xnatsync.core.errors import NameHostile, NotCarried, NotThere, Usage
from xnatsync.core.inventory import Inventory, Owner, OwnerKind, ResourceSeen
from xnatsync.core.mirror_decision import Trouble
from xnatsync.ledger.counterparts import CounterpartRow
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.tree_rows import OwnerRow
from xnatsync.routes.transfer.settings import FOLDER, TransferRoute
from xnatsync.routes.transfer.world import TransferWorld

ALL = frozenset(OwnerKind)


@dataclass(slots=True)
class TransferSurvey:
    """Both sides as their listings show them.  Entities of the source are known by their number in the ledger."""

    route: TransferRoute
    projects: Mapping[str, str] = field(default_factory=dict)  # transferred ones, and what each is called there
    owners: dict[int, Owner] = field(default_factory=dict)  # of the source, that go
    due: list[int] = field(default_factory=list)  # the project, then subject after subject with its sessions
    looks: dict[int, tuple[str, str]] = field(default_factory=dict)  # what the listings show of each
    gone: list[OwnerRow] = field(default_factory=list)  # that the source no longer has
    shared_in: list[Owner] = field(default_factory=list)  # sessions of other projects that this one shows
    there: dict[tuple[OwnerKind, str], Owner] = field(default_factory=dict)  # at the destination, by ID
    labels: dict[tuple[OwnerKind, str], Owner] = field(default_factory=dict)  # the same by label
    there_whole: bool = True  # else absence at the destination proves nothing
    subjects: dict[str, int] = field(default_factory=dict)  # of the source, by accession ID: their numbers
    known: dict[int, CounterpartRow] = field(default_factory=dict)
    unselected: int = 0  # sessions that the filters leave out
    refused: tuple[tuple[str, str], ...] = ()  # of the source: (accession ID or "", why)

    def group_of(self, number: int) -> str:
        """Return the subject that an entity belongs to, by accession ID; "" for the project itself."""
        owner = self.owners[number]
        return owner.subject_id if owner.kind is OwnerKind.SESSION else owner.id if owner.subject else ""

    def troubles(self) -> list[Trouble]:
        """Return what of the listings cannot travel: told with the project."""
        found = [
            Trouble(label_of(owner), NotCarried.code, f"it belongs to {owner.home}, which shares it", person=False)
            for owner in self.shared_in
            if owner.home not in self.projects
        ]
        return found + [Trouble(number, NameHostile.code, why, person=True) for number, why in self.refused]

    def stand_in(self, number: int) -> Owner | None:
        """Return what the destination's listings show for an entity: by its ID where it is known, else by its label."""
        owner, row = self.owners[number], self.known.get(number)
        if owner.kind is OwnerKind.PROJECT:
            return self.there.get((OwnerKind.PROJECT, self.route.to_project))
        if row is not None and row.there_id and (found := self.there.get((owner.kind, row.there_id))) is not None:
            return found
        return self.labels.get((owner.kind, label_of(owner)))


class AsTheyAre(Mapping[str, str]):
    """Projects in a folder: each is called as at the source, whether it is on its way or not."""

    def __getitem__(self, project: str) -> str:
        """Return the same name."""
        return project

    def __iter__(self) -> Iterator[str]:
        """Yield none: nobody knows which there are."""
        return iter(())

    def __len__(self) -> int:
        """Return 0."""
        return 0


def projects_of(ledger: Ledger, route: TransferRoute) -> Mapping[str, str]:
    """Return what each transferred project is called at the destination."""
    if route.to_folder:
        return AsTheyAre()
    return {**ledger.transferred_projects(route.server, route.to_server), route.project: route.to_project}


def label_of(owner: Owner) -> str:
    """Return what an entity is called."""
    return owner.session or owner.subject or owner.id


def survey(world: TransferWorld, route: TransferRoute) -> TransferSurvey:
    """List both sides and say what is due; nothing is changed on a server."""
    found = TransferSurvey(route)
    source, destination = world.server(route.server), world.server(route.to_server)
    listing = source.inventory(route.project, ALL)
    found.refused = listing.refused
    here_parts = source.part_stamps(route.project)
    there, there_parts = None, dict[str, str]()
    try:
        there = destination.inventory(route.to_project, ALL)
        there_parts = dict(destination.part_stamps(route.to_project))
    except NotThere:
        pass  # it is created
    if there is not None and not route.to_folder and not route.server.startswith(FOLDER):
        refuse_itself(listing, there)
    found.projects = projects_of(world.ledger, route)
    _index(found, there)
    wanted = _wanted(found, listing)
    rows = world.ledger.ensure_owners(route.name, wanted, world.now())
    found.owners = {row.id: owner for row, owner in zip(rows, wanted, strict=True)}
    found.subjects = {owner.id: row for row, owner in found.owners.items() if owner.kind is OwnerKind.SUBJECT}
    found.known = world.ledger.counterparts_of(route.name)
    agreed = world.ledger.agreed_looks(route.name)
    there_resources = dict(there.owners) if there is not None else {}
    salt = repr(sorted(found.projects.items())) + repr(sorted(owner.id for owner in found.shared_in))
    for number, owner in found.owners.items():
        here = seen(owner, listing.owners[owner], here_parts.get(owner.id, ""), salt)
        over = found.stand_in(number)
        shown = seen(over, there_resources[over], there_parts.get(over.id, "")) if over is not None else ""
        found.looks[number] = here, shown
        if not route.sync_new_only or "" in (here, shown) or agreed.get(number) != (here, shown):
            found.due.append(number)
    if route.only is not None:
        found.due = [number for number in found.due if found.owners[number].key in route.only]
    found.due.sort(key=lambda number: _order(found, number))
    if listing.complete:
        listed = {owner.key for owner in listing.owners}
        found.gone = [row for row in world.ledger.owners(route.name, ("known", "agreed")) if row.key not in listed]
    return found


def refuse_itself(here: Inventory, there: Inventory) -> None:
    """Raise Usage where both ends are one project of one server, which is reached by two addresses.

    A server gives accession IDs and times of insertion itself, so a copy never has those of its source.
    """
    mine, theirs = _own_marks(here), _own_marks(there)
    if here.project == there.project and mine and mine == theirs:
        raise Usage(
            f"source and destination are the same project: both addresses list the same entities of {here.project},"
            " with the same IDs and times of insertion",
            advice="Name the address of the other server. Nothing was copied.",
        )


def _own_marks(listed: Inventory) -> set[tuple[OwnerKind, str, str, str]]:
    return {
        (owner.kind, owner.id, label_of(owner), owner.stamp)
        for owner in listed.owners
        if owner.kind is not OwnerKind.PROJECT and not owner.home
    }


def seen(owner: Owner, resources: Iterable[ResourceSeen], parts: str, salt: str = "") -> str:
    """Return a text that changes with what the listings show of an entity; "" when they show too little to tell."""
    told = [(one.key, one.stamp, one.scan_type, one.quality) for one in resources]
    if not all(stamp for _, stamp, _, _ in told):
        return ""
    whole = (owner.stamp, owner.subject, owner.session, owner.subject_id, parts, sorted(told), salt)
    return hashlib.sha256(repr(whole).encode()).hexdigest()[:24]


def _index(found: TransferSurvey, there: Inventory | None) -> None:
    if there is None:
        return
    found.there_whole = there.complete
    for owner in there.owners:
        found.there[owner.kind, owner.id] = owner
        if not owner.home:
            found.labels[owner.kind, label_of(owner)] = owner


def _wanted(found: TransferSurvey, listing: Inventory) -> list[Owner]:
    """Return what goes, and note what does not."""
    wanted = list[Owner]()
    for owner in listing.owners:
        if owner.home:
            found.shared_in.append(owner)
        elif owner.kind is OwnerKind.SESSION and not found.route.filters.takes_session(owner.xsi_type, owner.session):
            found.unselected += 1
        else:
            wanted.append(owner)
    return wanted


def _order(found: TransferSurvey, number: int) -> tuple[int, str, int, str]:
    owner = found.owners[number]
    kinds = {OwnerKind.PROJECT: 0, OwnerKind.SUBJECT: 1, OwnerKind.SESSION: 1}
    return kinds[owner.kind], owner.subject, int(owner.kind is OwnerKind.SESSION), owner.session
