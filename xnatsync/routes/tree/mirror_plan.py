"""What a run of a mirror would do: the same looks and the same decisions, and no effect."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from xnatsync.core.errors import DiskFull, NameHostile, XnatsyncError
from xnatsync.core.inventory import Owner, OwnerKind
from xnatsync.core.mirror_decision import Agreement, agree
from xnatsync.core.removal_limit import max_delete
from xnatsync.core.wording import size_words
from xnatsync.fetch.listings import Listings
from xnatsync.fetch.store import Staging
from xnatsync.ledger.tree_rows import OwnerRow
from xnatsync.ports.tree import TreeDisk
from xnatsync.routes.tree.landing import obstacles
from xnatsync.routes.tree.mirror_settings import MirrorRoute
from xnatsync.routes.tree.mirror_sides import look
from xnatsync.routes.tree.mirror_step import listing_of, staging
from xnatsync.routes.tree.mirror_survey import Survey, survey
from xnatsync.routes.tree.rehearsal import rehearsed
from xnatsync.routes.tree.remembered import known_again
from xnatsync.routes.tree.renames import follow
from xnatsync.routes.tree.sidecar import foresee_metadata
from xnatsync.routes.tree.world import TreeWorld


@dataclass(frozen=True, slots=True)
class OwnerPlan:
    """What would happen to one owner."""

    owner: Owner
    why: str
    answer: Agreement
    renamed: bool = False
    metadata: bool = False  # they would be brought
    begun: int = 0  # bytes of files that an interrupted run left in staging: they are not fetched again

    @property
    def bytes(self) -> int:
        """How much would be fetched."""
        return max(0, sum(step.file.size or 0 for step in self.answer.fetch) - self.begun)


@dataclass(slots=True)
class MirrorPlan:
    """What would happen to a route.  Nothing was changed."""

    route: MirrorRoute
    owners: int = 0
    owner_kinds: Counter[str] = field(default_factory=Counter)  # sessions, subjects, projects
    steps: list[OwnerPlan] = field(default_factory=list)
    errors: list[XnatsyncError] = field(default_factory=list)
    over_the_rail: bool = False


def plan(world: TreeWorld, route: MirrorRoute) -> MirrorPlan:
    """Plan one route, on a ledger that forgets what is written into it."""
    planned = MirrorPlan(route)
    disk = world.disk
    world = replace(world, disk=rehearsed(world.disk))
    try:
        found = survey(world, route, dry=True)
        planned.owners = len(found.owners)
        planned.owner_kinds = Counter(owner.kind.value for owner in found.owners.values())
        labels = {row.id: (row.subject, row.session) for row in world.ledger.owners(route.name)}
        follow(world, found)
        weights = {found.owners[number]: 1 for number in found.due}
        listings = Listings(world.archive(route.server), weights)
        for number, why in found.due.items():
            row = world.ledger.owner(number)
            step = _owner(world, found, listings, row, why)
            step = replace(step, begun=_begun(staging(disk, route, row), step.answer))
            planned.steps.append(replace(step, renamed=(row.subject, row.session) != labels[number]))
        for row in found.gone:
            planned.steps.append(_gone(world, found, row))
        planned.errors += [
            NameHostile(f"{number or 'an entry without a name'}: {why}") for number, why in found.refused
        ]
        removals = sum(len(step.answer.trash) for step in planned.steps)
        planned.over_the_rail = not max_delete(removals, found.tree_files, route.max_delete)
        _foresee_room(disk, planned)
    except XnatsyncError as error:
        planned.errors.append(error)
    return planned


def _begun(place: Staging, answer: Agreement) -> int:
    """Count what a run would go on with; what is there whole is fetched anew, because nobody compared it."""
    sizes = [(place.begun(step.file), step.file.size or 0) for step in answer.fetch]
    return sum(begun for begun, size in sizes if begun < size)


def _foresee_room(disk: TreeDisk, planned: MirrorPlan) -> None:
    """Say beforehand what a run would say when it had fetched what fits."""
    size, free = sum(step.bytes for step in planned.steps), disk.free_bytes(planned.route.folder)
    if size > free:
        planned.errors.append(DiskFull(f"{size_words(size)} to fetch, {size_words(free)} free"))


def _owner(world: TreeWorld, found: Survey, listings: Listings, row: OwnerRow, why: str) -> OwnerPlan:
    owner = found.owners[row.id]
    if (barred := found.barred.get(row.id)) is not None:
        return OwnerPlan(owner, why, Agreement(troubles=(barred,)))
    placed = found.placed.get(row.id, owner)
    stuck = [found.stuck[row.id]] if row.id in found.stuck else []
    parts = look(world, found, row.id, placed, listing_of(world, found, listings, row, owner))
    answer = agree(known_again(world, found.route, parts.sides), policy=found.route.policy)
    metadata = foresee_metadata(world, found.route, row, owner, placed, parts)
    blocked = obstacles(world, found.route, answer.fetch, parts.tree)
    fetch = tuple(step for step in answer.fetch if step.file.path not in blocked)
    troubles = (*stuck, *parts.troubles, *answer.troubles, *metadata.troubles, *blocked.values())
    return OwnerPlan(owner, why, replace(answer, fetch=fetch, troubles=troubles), metadata=bool(metadata.fetch))


def _gone(world: TreeWorld, found: Survey, row: OwnerRow) -> OwnerPlan:
    owner = Owner(OwnerKind(row.kind), row.project, row.server_id, subject=row.subject, session=row.session)
    parts = look(world, found, row.id, owner, None)
    return OwnerPlan(owner, "gone from the server", agree(parts.together, policy=found.route.policy))
