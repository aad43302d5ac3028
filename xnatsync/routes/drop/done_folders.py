"""The folders in which a route files, now and in former times: what lies there was delivered, and is never an item.

They are noted in the ledger, and in our own folder of the drop folder, which survives a ledger that is lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from xnatsync.core.errors import FolderMissing
from xnatsync.ports.drop import Disk
from xnatsync.routes.drop.settings import DropRoute
from xnatsync.routes.drop.world import World

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def remember_done(world: World, route: DropRoute) -> None:
    """Note in the ledger where a route files from now on."""
    world.ledger.remember_done(route.name, str(route.done), world.now())


def mark_done(world: World, route: DropRoute) -> None:
    """Note the same beside custody; once in each run, before the first item is filed."""
    if route.name in world.marked:
        return
    if route.done.is_relative_to(route.folder):
        noted = _noted(world.disk, route)
        place = route.done.relative_to(route.folder).as_posix()
        if place not in noted:
            world.disk.write_mark(route.done_list, "".join(f"{one}\n" for one in (*noted, place)))
    world.marked.add(route.name)


def former_done(disk: Disk, route: DropRoute, known: Iterable[str]) -> list[Path]:
    """List the done folders in the drop folder, other than today's, that are there and still look like it."""
    places = {Path(folder) for folder in known} | {route.folder / place for place in _noted(disk, route)}
    return sorted(
        place
        for place in places
        if place != route.done and place.is_relative_to(route.folder) and _looks_done(disk, place)
    )


def _noted(disk: Disk, route: DropRoute) -> list[str]:
    """Read the list beside custody; anybody may write there, so a place outside the drop folder is none."""
    said = (disk.read_mark(route.done_list) or "").splitlines()
    return [place for place in said if place and not Path(place).is_absolute() and ".." not in Path(place).parts]


def _looks_done(disk: Disk, folder: Path) -> bool:
    """Tell whether days lie in a folder, or nothing: else somebody has dropped an exam of that name since."""
    try:
        found = disk.entries(folder)
    except FolderMissing:
        return False
    return not found or any(entry.kind == "folder" and _DAY.fullmatch(entry.name) for entry in found)
