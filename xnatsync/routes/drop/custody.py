"""Custody: the boxes in which items lie while they are filed, and whose they are.

A box is called after the item and the ledger that made it.  What lies in a box that no item of ours claims becomes an
item where it is: a ledger may be lost, or restored from yesterday.  A box of another ledger is left to it as long as
that ledger is there: a mark beside the boxes says where.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from xnatsync.core.claim import Claim, box_name, ledger_of
from xnatsync.core.errors import FolderMissing
from xnatsync.core.phases import ItemPhase
from xnatsync.ledger.rows import ItemRow
from xnatsync.ports.drop import Disk, DropEntry
from xnatsync.routes.drop.settings import DropRoute
from xnatsync.routes.drop.world import World


@dataclass(frozen=True, slots=True)
class Found:
    """Something in custody: where, and the claim of another ledger that is there, if one has it."""

    path: str  # relative to the custody folder
    rival: Claim | None


def box_of(world: World, route: DropRoute, item: ItemRow) -> Path:
    """Return where in custody an item lies, or is going to: one that an older version took, in its box."""
    name = PurePosixPath(item.path).name
    former = route.custody / str(item.id) / name
    place = route.custody / box_name(item.id, world.ledger.identity()) / name
    return former if not world.disk.exists(place) and world.disk.exists(former) else place


def claim(world: World, route: DropRoute) -> None:
    """Say, beside the boxes, where the ledger is that makes them; once in each run."""
    if world.claim is None or route.name in world.claimed:
        return
    mark, text = mark_of(route, world.claim.ledger), world.claim.text()
    if world.disk.read_mark(mark) != text:
        world.disk.write_mark(mark, text)
    world.claimed.add(route.name)


def mark_of(route: DropRoute, ledger: str) -> Path:
    """Return where a ledger says that it is there."""
    return route.claims / ledger


def unclaimed(world: World, route: DropRoute) -> Iterator[Found]:
    """List what lies in custody and belongs to no living item of this ledger."""
    if not world.disk.exists(route.custody):
        return
    items = world.ledger.items(route=route.name)
    held = {item.path for item in items if item.place == "custody"}
    for item in items:
        if item.phase is ItemPhase.VERIFIED:
            held.add(box_of(world, route, item).relative_to(route.custody).as_posix())
    yield from in_custody(world.disk, route, world.ledger.identity(), held, world.lives)


def in_custody(
    disk: Disk, route: DropRoute, own: str, held: Collection[str], lives: Callable[[Claim], bool]
) -> Iterator[Found]:
    """List what lies in custody and is not `held`; FolderMissing when something of it cannot be listed."""
    rivals: dict[str, Claim | None] = {}
    for box in disk.entries(route.custody):
        paths = [box.name]
        if box.kind == "folder":
            paths = [f"{box.name}/{entry.name}" for entry in _inside(disk, route.custody / box.name)]
        for path in paths:
            if path not in held:
                yield Found(path, _rival(disk, route, box.name, own, rivals, lives))


def _inside(disk: Disk, box: Path) -> list[DropEntry]:
    try:
        return disk.entries(box)
    except FolderMissing:
        if disk.exists(box):
            raise
        return []  # another process has emptied it meanwhile


def _rival(
    disk: Disk,
    route: DropRoute,
    box: str,
    own: str,
    rivals: dict[str, Claim | None],
    lives: Callable[[Claim], bool],
) -> Claim | None:
    ledger = ledger_of(box)
    if ledger is None or ledger == own:
        return None
    if ledger not in rivals:
        said = Claim.parse(ledger, disk.read_mark(mark_of(route, ledger)))
        rivals[ledger] = said if said is not None and lives(said) else None
    return rivals[ledger]
