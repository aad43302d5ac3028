"""Ways into the trash and out of it: where a version goes is announced first, and what is over its time is removed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from xnatsync.core.errors import PlaceTaken, XnatsyncError
from xnatsync.core.moment import later
from xnatsync.core.trashage import older_than
from xnatsync.ledger.ledger import Ledger
from xnatsync.routes.tree.mirror_settings import MirrorRoute
from xnatsync.routes.tree.world import TreeWorld

_OTHERS_MAX: Final = 100  # places that are tried: each ledger that was lost may have left something at one
Put = Callable[[Path, str, str], bool]


def trash_place(now: str, version_id: int, path: str) -> str:
    """Where in the trash a version goes: by day and by its own number."""
    return f"{now[:10]}/{version_id}/{path.rpartition('/')[2]}"


def into_trash(ledger: Ledger, root: Path, now: str, versions: Mapping[int, str]) -> Callable[[int, Put], None]:
    """Announce where versions (number -> path in the tree) go; what is given back brings one there.

    A place at which another file lies is left: numbers begin anew with a new ledger, and the files of the old one are
    somebody's past.  Another place is announced then, before anything is brought there.
    """
    places = ledger.announce_trash({number: trash_place(now, number, path) for number, path in versions.items()})

    def bring(number: int, put: Put) -> None:
        path, place = versions[number], places[number]
        day, _, name = place.split("/", 2)
        for other in range(2, _OTHERS_MAX):
            if put(root, path, place):
                return
            place = f"{day}/{number}.{other}/{name}"
            ledger.move_trash(number, place)
        raise PlaceTaken(f"{path}: the trash holds other files at {_OTHERS_MAX} places where it could go")

    return bring


def empty_old_trash(world: TreeWorld, route: MirrorRoute) -> None:
    """Forget what has been in the trash longer than the route keeps it, and what a ledger that was lost left there."""
    moment = _over_since(world, route)
    if moment is None:
        return
    try:
        old = world.ledger.trash_older_than(route.name, moment)
        known = world.ledger.trash_places(sorted(_here(world, route)))
        lost = [place for place in world.disk.old_trash(route.folder, moment) if place not in known]
        stay = set(world.disk.empty_trash(route.folder, sorted({*old.values(), *lost})))
    except XnatsyncError as error:
        world.note(route.name, error.code, "the trash could not be emptied", level="warning")
        return
    if stay:
        world.note(route.name, "trash.stays", f"{len(stay)} of the trash could not be removed", level="warning")
    world.ledger.forget_trash([number for number, place in old.items() if place not in stay])
    world.tally(route.name).add("forgotten", len({*old.values(), *lost} - stay))


def _over_since(world: TreeWorld, route: MirrorRoute) -> str | None:
    now = world.now()
    moment = older_than(now, world.ledger.runs_before(world.run_id), route.trash_keep_s)
    return None if moment is None else min(moment, later(now, -route.trash_keep_s))


def _here(world: TreeWorld, route: MirrorRoute) -> set[str]:
    """Name the routes that keep their trash in this tree."""
    return {route.name, *(name for name, folder in world.folders.items() if folder == route.folder)}
