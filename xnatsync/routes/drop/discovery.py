"""What is in the drop folder?  Whatever lies there, or in custody, and belongs to no item yet becomes one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from xnatsync.core.claim import number_of
from xnatsync.core.given import Given
from xnatsync.core.phases import ItemPhase
from xnatsync.core.wording import counted
from xnatsync.ledger.rows import ItemRow
from xnatsync.ports.drop import DropEntry
from xnatsync.routes.drop.beside import is_ours, show
from xnatsync.routes.drop.custody import unclaimed
from xnatsync.routes.drop.done_folders import former_done
from xnatsync.routes.drop.loose import find_listed, sort_loose
from xnatsync.routes.drop.ruled import refresh_tables
from xnatsync.routes.drop.settings import OWN_FOLDER, DropRoute
from xnatsync.routes.drop.source import print_of
from xnatsync.routes.drop.world import World


def discover(
    world: World, route: DropRoute, passes_over: Callable[[DropEntry], bool] = lambda entry: False
) -> list[ItemRow]:
    """Look at the folder's top level and at custody, write new items down, and give all living items of the route.

    `passes_over` tells of an entry whether it was looked at before, and need not be again.
    FolderMissing when the folder is not there: then nothing is concluded about the items that were in it.
    """
    if route.given is not None:
        find_given(world, route, route.given)
        return world.ledger.items(route=route.name)
    refresh_tables(world, route)
    entries = world.disk.entries(route.folder)
    if any(entry.name == OWN_FOLDER for entry in entries):
        _adopt(world, route)
    grouped = sort_loose(world, route, entries)
    for entry in _candidates(world, route, entries):
        if passes_over(entry) or entry.name in grouped:
            continue
        if world.ledger.find_item(route.name, "drop", entry.name) is not None:
            continue
        _first_seen(world, route, entry.name)
    show(world, route, entries)
    return world.ledger.items(route=route.name)


def find_given(world: World, route: DropRoute, given: Given) -> None:
    """Find what a command named, and nothing else; a source that is done and looks as it did is no new item."""
    if given.files:
        find_listed(world, route, given)
    elif world.ledger.find_item(route.name, "drop", given.source) is None:
        _first_seen(world, route, given.source)


def _candidates(world: World, route: DropRoute, entries: Sequence[DropEntry]) -> list[DropEntry]:
    """List the entries that may be items: not our own folder, and not what holds a done folder, of today or before."""
    done = [route.done, *former_done(world.disk, route, world.ledger.done_folders(route.name))]
    holding = {_top(route, place) for place in done if place.is_relative_to(route.folder)}
    return [
        entry
        for entry in entries
        if entry.name != OWN_FOLDER
        and entry.name not in holding
        and not route.ignores(entry.name)
        and not is_ours(world, route, entry)
    ]


def _top(route: DropRoute, place: Path) -> str:
    return place.relative_to(route.folder).parts[0] if place != route.folder else ""


def _adopt(world: World, route: DropRoute) -> None:
    """Make items of what lies in custody and no ledger knows of: ours was lost, or restored from yesterday.

    No item gets the number of such a box any more: it would be filed into it, and mixed with what lies there.
    """
    known = list(unclaimed(world, route))
    world.ledger.pass_over(max((number_of(found.path.partition("/")[0]) for found in known), default=0))
    for found in known:
        if found.rival is not None:
            continue
        look = world.disk.look(route.custody / found.path)
        if look is None or not (look.files or look.problems):
            continue
        seen = print_of(look)
        former = world.ledger.latest_item(route.name, "custody", found.path)
        if former is not None and former.phase is ItemPhase.DISMISSED and former.fingerprint == seen:
            continue
        size_bytes = sum(file.size for file in look.files)
        with world.ledger.write():
            item = world.ledger.new_item(
                route.name, "custody", found.path, seen, len(look.files), size_bytes, world.now()
            )
            world.note(
                item,
                "custody.found",
                f"item {item.id}: {counted(len(look.files), 'file')} in custody of which this ledger knew nothing",
                level="warning",
            )
        world.progress.item(item, "found in custody")


def _first_seen(world: World, route: DropRoute, name: str) -> None:
    look = world.disk.look(route.folder / name)
    if look is None:
        return
    seen = print_of(look)
    former = world.ledger.latest_item(route.name, "drop", name)
    if former is not None and former.fingerprint == seen and route.lets_stay(former):
        return
    size_bytes = sum(file.size for file in look.files)
    with world.ledger.write():
        item = world.ledger.new_item(route.name, "drop", name, seen, len(look.files), size_bytes, world.now())
        world.note(item, "item.seen", "a new item was dropped")
    world.progress.item(item, "seen")
