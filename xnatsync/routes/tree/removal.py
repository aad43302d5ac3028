"""What the server no longer has goes to the trash, at the very end of a run and under the rail."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from xnatsync.core.errors import DiskRefused, MaxDelete
from xnatsync.core.mirror_decision import Trouble
from xnatsync.core.removal_limit import max_delete
from xnatsync.core.sides import BaseFile
from xnatsync.core.wording import counted
from xnatsync.routes.tree.holds import hold_by
from xnatsync.routes.tree.mirror_settings import MirrorRoute
from xnatsync.routes.tree.mirror_survey import Survey
from xnatsync.routes.tree.trash import into_trash
from xnatsync.routes.tree.world import TreeWorld


def remove(
    world: TreeWorld,
    survey: Survey,
    removals: Mapping[int, Sequence[BaseFile]],
    ends: Mapping[int, Callable[[], None]],
) -> None:
    """Move to the trash what all steps of a run found gone; MaxDelete, and nothing moved, when it is too much."""
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
    versions = {base.version_id: base.path for base in files}
    bring = into_trash(world.ledger, route.folder, world.now(), versions)
    removed = []
    refused: list[Trouble] = []
    for base in files:
        if world.disk.stat(route.folder, base.path) == (base.size, base.mtime_ns):
            try:
                bring(base.version_id, world.disk.discard)
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
