"""One look at both sides of a mirror, and what follows: which owners have to be looked at file by file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from xnatsync.core.errors import FolderMissing
from xnatsync.core.inventory import Inventory, Owner, OwnerKind, ResourceKey, ResourceSeen
from xnatsync.core.mirror_decision import Trouble
from xnatsync.core.moment import later
from xnatsync.ledger.tree_rows import OwnerRow
from xnatsync.ports.tree import TreeLook
from xnatsync.routes.tree.mirror_settings import SENTINEL, MirrorRoute
from xnatsync.routes.tree.push_settings import PushRoute
from xnatsync.routes.tree.world import TreeWorld

Wanted = dict[ResourceKey, ResourceSeen]


@dataclass(slots=True)
class Survey:
    """What one run of one route found."""

    route: MirrorRoute
    owners: dict[int, Owner] = field(default_factory=dict)  # the ledger's number -> as the server shows it now
    wanted: dict[int, Wanted] = field(default_factory=dict)
    listed: dict[int, frozenset[ResourceKey]] = field(default_factory=dict)  # everything it has, wanted or not
    due: dict[int, str] = field(default_factory=dict)  # owners to step, and why
    gone: list[OwnerRow] = field(default_factory=list)  # a complete inventory no longer names them
    past: list[OwnerRow] = field(default_factory=list)  # gone before, and files of theirs are still in the tree
    refused: list[tuple[str, str]] = field(default_factory=list)  # (accession ID, why): nobody may write such names
    placed: dict[int, Owner] = field(default_factory=dict)  # under labels its folders still have
    stuck: dict[int, Trouble] = field(default_factory=dict)  # why they could not be renamed
    barred: dict[int, Trouble] = field(default_factory=dict)  # not stepped, and why
    complete: bool = True
    unselected: int = 0  # sessions that are there, when the selection takes none of them
    tree_files: int = 0


def survey(world: TreeWorld, route: MirrorRoute, *, dry: bool = False) -> Survey:
    """Look at the server in a few requests and at the whole tree once; a dry one leaves the tree as it is.

    FolderMissing when the tree should hold files and is not the one we know: an unmounted disk.
    """
    if check_tree(world, route) and not dry:
        world.disk.mark(route.folder, SENTINEL)
    archive = world.archive(route.server)
    inventories = [archive.inventory(project, route.selection.kinds) for project in route.projects]
    look = world.disk.look_tree(route.folder)
    found = Survey(route, complete=all(inventory.complete for inventory in inventories), tree_files=len(look.files))
    found.refused = [refused for inventory in inventories for refused in inventory.refused]
    rows = _rows(world, route, inventories, found)
    _changed_on_the_server(world, route, rows, found)
    touched = _changed_in_the_tree(world, route, look, found)
    _gone(world, route, inventories, found, touched)
    return found


def check_tree(world: TreeWorld, route: MirrorRoute | PushRoute) -> bool:
    """Make sure that the folder is the tree we know; True when it is new and nothing of ours should be there yet.

    A tree may be shared: what another route keeps in the same folder is missed as much as one's own.
    """
    if world.disk.sentinel(route.folder) == SENTINEL:
        return False
    here = {route.name, *(name for name, folder in world.folders.items() if folder == route.folder)}
    if any(world.ledger.has_living(name) for name in sorted(here)):
        raise FolderMissing(
            f"{route.folder} does not hold what route {route.name} keeps there: its mark .xnatsync/sentinel is missing",
            advice="Mount the disk. If the tree was moved, move its folder .xnatsync along; nothing was changed.",
        )
    return True


def check_still_there(world: TreeWorld, route: MirrorRoute | PushRoute) -> None:
    """Raise FolderMissing when the tree went while it was looked at: then nothing that is missing was removed."""
    if world.disk.sentinel(route.folder) != SENTINEL:
        raise FolderMissing(
            f"{route.folder} was there just now and is no longer the tree of route {route.name}",
            advice="Mount the disk again; nothing was changed.",
        )


def _rows(
    world: TreeWorld, route: MirrorRoute, inventories: list[Inventory], found: Survey
) -> list[tuple[OwnerRow, Owner]]:
    wanted = [
        (owner, resources)
        for inventory in inventories
        for owner, resources in inventory.owners.items()
        if route.selection.wants_owner(owner)
    ]
    sessions = [owner for inventory in inventories for owner in inventory.owners if owner.kind is OwnerKind.SESSION]
    if not any(owner.kind is OwnerKind.SESSION for owner, _ in wanted):
        found.unselected = len(sessions)
    known = world.ledger.ensure_owners(route.name, [owner for owner, _ in wanted], world.now())
    pairs = []
    for row, (owner, resources) in zip(known, wanted, strict=True):
        found.owners[row.id] = owner
        found.wanted[row.id] = {seen.key: seen for seen in resources if route.selection.wants_resource(owner, seen)}
        found.listed[row.id] = frozenset(seen.key for seen in resources)
        pairs.append((row, owner))
    return pairs


def _changed_on_the_server(
    world: TreeWorld, route: MirrorRoute, rows: list[tuple[OwnerRow, Owner]], found: Survey
) -> None:
    agreed = world.ledger.resource_stamps(route.name)
    now = world.now()
    oldest = later(now, -route.recheck_s)
    for row, owner in rows:
        why = _why_due(row, owner, found.wanted[row.id], agreed.get(row.id, {}), (oldest, now), route)
        if why:
            found.due[row.id] = why


def _why_due(
    row: OwnerRow,
    owner: Owner,
    wanted: Wanted,
    agreed: Mapping[ResourceKey, str],
    lately: tuple[str, str],
    route: MirrorRoute,
) -> str:
    """Say why an owner is looked at file by file, "" when nothing asks for it."""
    if row.phase != "agreed" or row.agreed_at is None:
        return "new"
    if row.hold is not None:
        return "was held"
    if (row.subject, row.session) != (owner.subject, owner.session):
        return "renamed"
    if agreed.keys() != wanted.keys():
        return "resources were added or removed"
    if any(not seen.stamp or agreed[key] != seen.stamp for key, seen in wanted.items()):
        return "changed on the server"
    if route.metadata and row.stamp != owner.stamp:
        return "its metadata changed"
    return "" if lately[0] <= row.agreed_at <= lately[1] else "not listed for long"  # or by a clock that was ahead


def _changed_in_the_tree(world: TreeWorld, route: MirrorRoute, look: TreeLook, found: Survey) -> set[int]:
    """Compare names, sizes and times with what was agreed; what is in the tree alone belongs to others.

    Gives the numbers of owners that the server does not show and of whose files some changed.
    """
    touched: set[int] = set()
    for path, facts in world.ledger.living(route.name):
        if look.files.get(path) != facts:
            version = world.ledger.find_living(route.name, path)
            if version is not None and version.owner_id in found.owners:
                found.due.setdefault(version.owner_id, "changed in the tree")
            elif version is not None:
                touched.add(version.owner_id)
    return touched


def _gone(world: TreeWorld, route: MirrorRoute, inventories: list[Inventory], found: Survey, touched: set[int]) -> None:
    """Find the owners that a complete inventory no longer names, whatever is selected of it now.

    Those that were gone before are looked at again while something of theirs may still be removed, changed here, or
    waits for a person.
    """
    named = {
        (inventory.project, *owner.key): inventory.complete for inventory in inventories for owner in inventory.owners
    }
    whole = {inventory.project for inventory in inventories if inventory.complete}
    kinds = {kind.value for kind in route.selection.kinds}
    waiting = {trouble.owner_id for trouble in world.ledger.troubles(route.name) if trouble.person}
    for row in world.ledger.owners(route.name):
        if row.project not in whole or row.kind not in kinds or (row.project, row.kind, row.server_id) in named:
            continue
        if row.phase != "gone":
            found.gone.append(row)
        elif row.id in waiting or world.ledger.living_of(row.id):
            found.past.append(row)
            if route.policy == "replica" or row.id in touched or row.id in waiting:
                found.gone.append(row)
