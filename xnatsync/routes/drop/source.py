"""Where an item lies, and what a cheap look shows of it: a folder, a single file, or some files at the top."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from xnatsync.core.errors import SourceGone
from xnatsync.core.manifest import ManifestFile
from xnatsync.core.settle import fingerprint
from xnatsync.ledger.rows import ItemRow
from xnatsync.ports.drop import ItemLook
from xnatsync.routes.drop.loose import freshen
from xnatsync.routes.drop.settings import OWN_FOLDER, DropRoute
from xnatsync.routes.drop.world import World


def print_of(look: ItemLook) -> str:
    """Return the fingerprint of a cheap look."""
    return fingerprint(
        ((file.path, file.size, file.mtime_ns) for file in look.files),
        ((problem.path, problem.reason) for problem in look.problems),
    )


def look_at_source(world: World, route: DropRoute, item: ItemRow) -> ItemLook | None:
    """Look at an item; None only while the drop folder itself is there.  FolderMissing: nothing is concluded.

    SourceGone: an item in custody is not there, and neither is our own folder.
    """
    if item.flat:
        if route.given is None:
            freshen(world, route)
        return look_at_loose(world, route, item)
    path = route.source(item)
    look = world.disk.look(path)
    if look is None and not own_folder_is_there(world, route) and path.is_relative_to(route.custody):
        raise away(route, path)
    return look


def look_at_loose(world: World, route: DropRoute, item: ItemRow) -> ItemLook | None:
    """Look at the files of an item that has no folder; None when none of them is there, and the drop folder is."""
    look = world.disk.look_at(route.folder, [row.name for row in world.ledger.loose_of(item.id)])
    if look.files or look.problems:
        return look
    own_folder_is_there(world, route)  # FolderMissing where there is no drop folder
    return None


def read_source(
    world: World, route: DropRoute, item: ItemRow, look: ItemLook, on_progress: Callable[[int, int], None]
) -> tuple[ManifestFile, ...]:
    """Read every file of an item once, as a look has shown it."""
    only = [file.path for file in look.files] + [problem.path for problem in look.problems] if item.flat else None
    more = {} if only is None else {"only": only}
    return world.disk.read_manifest(
        route.source(item),
        tags=route.keywords,
        pixels=route.wants_pixels,
        on_progress=on_progress,
        stop=world.stopping,
        **more,
    )


def own_folder_is_there(world: World, route: DropRoute) -> bool:
    """Tell whether our own folder is in the drop folder: it is never removed, so without it the disk is another."""
    return any(entry.name == OWN_FOLDER for entry in world.disk.entries(route.folder))


def away(route: DropRoute, path: Path) -> SourceGone:
    """Return what is said of a thing that is gone together with our own folder: perhaps from an empty mount point."""
    return SourceGone(
        f"{path} is gone, and so is {OWN_FOLDER}: perhaps the disk is not mounted",
        advice=f"Mount the disk. If the item was taken away, make the folder {route.folder / OWN_FOLDER}.",
    )
