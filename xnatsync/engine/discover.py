"""What is in the drop folder?  Every top-level entry that the ledger does not know yet becomes an item."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

from xnatsync.core.errors import SourceGone
from xnatsync.core.settle import fingerprint
from xnatsync.engine.world import World
from xnatsync.ledger.rows import ItemRow
from xnatsync.ports import ItemLook
from xnatsync.routes.drop import OWN_FOLDER, DropRoute


def discover(world: World, route: DropRoute) -> list[ItemRow]:
    """Looks at the folder's top level, writes new items down, and gives all living items of the route.

    FolderMissing when the folder is not there: then nothing is concluded about the items that were in it.
    """
    for entry in world.disk.entries(route.folder):
        if not _is_item(route, entry.name):
            continue
        if world.ledger.find_item(route.name, "drop", entry.name) is None:
            _first_seen(world, route, entry.name)
    return world.ledger.items(route=route.name)


def print_of(look: ItemLook) -> str:
    """The fingerprint of a cheap look."""
    return fingerprint(
        ((file.path, file.size, file.mtime_ns) for file in look.files),
        ((problem.path, problem.reason) for problem in look.problems),
    )


def present_look(world: World, route: DropRoute, path: Path) -> ItemLook | None:
    """Looks at an item; None only while the drop folder itself is there.  FolderMissing: nothing is concluded.

    SourceGone: an item in custody is not there, and neither is our own folder.
    """
    look = world.disk.look(path)
    if look is None and not own_folder_is_there(world, route) and path.is_relative_to(route.custody):
        raise away(route, path)
    return look


def own_folder_is_there(world: World, route: DropRoute) -> bool:
    """Tells whether our own folder is in the drop folder: it is never removed, so without it the disk is another."""
    return any(entry.name == OWN_FOLDER for entry in world.disk.entries(route.folder))


def away(route: DropRoute, path: Path) -> SourceGone:
    """What is said of a thing that is gone together with our own folder: perhaps from an empty mount point."""
    return SourceGone(
        f"{path} is gone, and so is {OWN_FOLDER}: perhaps the disk is not mounted",
        advice=f"Mount the disk. If the item was taken away, make the folder {route.folder / OWN_FOLDER}.",
    )


def _first_seen(world: World, route: DropRoute, name: str) -> None:
    look = world.disk.look(route.folder / name)
    if look is None:
        return
    seen = print_of(look)
    former = world.ledger.latest_item(route.name, "drop", name)
    if former is not None and former.fingerprint == seen and _stays(route, former):
        return
    size_bytes = sum(file.size for file in look.files)
    with world.ledger.write():
        item = world.ledger.new_item(route.name, "drop", name, seen, len(look.files), size_bytes, world.now())
        world.note(item, "item.seen", "a new item was dropped")
    world.progress.item(item, "seen")


def _stays(route: DropRoute, former: ItemRow) -> bool:
    """Tells whether an item that looks the same was meant to stay: kept when done, or given up by a person."""
    return former.phase == "dismissed" or (former.phase == "done" and route.after == "keep")


def _is_item(route: DropRoute, name: str) -> bool:
    return (
        name != OWN_FOLDER
        and not _holds_done(route, name)
        and not any(fnmatchcase(name, pattern) for pattern in route.ignore)
    )


def _holds_done(route: DropRoute, name: str) -> bool:
    entry = route.folder / name
    return route.done == entry or entry in Path(route.done).parents
