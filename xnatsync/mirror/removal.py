"""What the server no longer has goes to the trash, at the very end of a run and under the rail; and old trash goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from xnatsync.core.agreement import Trouble
from xnatsync.core.errors import DiskRefused, MaxDelete, XnatsyncError
from xnatsync.core.moment import later
from xnatsync.core.rail import max_delete
from xnatsync.core.sides import BaseFile
from xnatsync.core.wording import counted
from xnatsync.mirror.holding import hold_by
from xnatsync.mirror.land import trash_place
from xnatsync.mirror.survey import Survey
from xnatsync.mirror.world import TreeWorld
from xnatsync.routes.mirror import MirrorRoute


def remove(
    world: TreeWorld,
    survey: Survey,
    removals: Mapping[int, Sequence[BaseFile]],
    ends: Mapping[int, Callable[[], None]],
) -> None:
    """Moves to the trash what all steps of a run found gone; MaxDelete, and nothing moved, when it is too much."""
    route = survey.route
    many = sum(map(len, removals.values()))
    if many and not max_delete(many, survey.tree_files, route.max_delete):
        raise MaxDelete(
            f"route {route.name} would remove {counted(many, 'file')} of {survey.tree_files}; "
            f"its max_delete is {route.max_delete}: none was removed"
        )
    for number, files in removals.items():
        if world.stopping():
            return
        if _remove(world, route, number, files):
            ends[number]()
        else:
            world.tally(route.name).add("incomplete")


def _remove(world: TreeWorld, route: MirrorRoute, number: int, files: Sequence[BaseFile]) -> bool:
    """Announced first: what is not written down as removed afterwards is in the trash or still in its place.

    False when something was changed since it was looked at: that stays, and is looked at again.
    """
    places = world.ledger.announce_trash(
        {base.version_id: trash_place(world.now(), base.version_id, base.path) for base in files}
    )
    removed = []
    refused: list[Trouble] = []
    for base in files:
        if world.disk.stat(route.folder, base.path) == (base.size, base.mtime_ns):
            try:
                world.disk.discard(route.folder, base.path, places[base.version_id])
            except DiskRefused as error:  # the others go
                refused.append(Trouble(base.path, error.code, str(error), person=True))
            else:
                removed.append(base.version_id)
    with world.ledger.write():
        world.ledger.change_versions([], [(number, "removed") for number in removed], world.now(), world.run_id)
    world.tally(route.name).add("removed", len(removed))
    if refused:
        told = [row for row in world.ledger.troubles(route.name) if row.owner_id == number]
        told_before = [Trouble(row.path, row.code, row.detail, row.person) for row in told]
        hold_by(world, world.ledger.owner(number), [*told_before, *refused])
    return len(removed) == len(files)


def empty_old_trash(world: TreeWorld, route: MirrorRoute) -> None:
    """Forgets what has been in the trash longer than the route keeps it."""
    old = world.ledger.trash_older_than(route.name, later(world.now(), -route.trash_keep_s))
    if not old:
        return
    try:
        world.disk.empty_trash(route.folder, sorted(old.values()))
    except XnatsyncError as error:
        world.note(route.name, error.code, "the trash could not be emptied", level="warning")
        return
    world.ledger.forget_trash(old)
    world.tally(route.name).add("forgotten", len(old))
