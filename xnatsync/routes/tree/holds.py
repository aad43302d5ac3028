"""What a failure or trouble means for an owner: wait, hold, or pause a whole server or disk."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from typing import Final

from xnatsync.core.advice import advice_of
from xnatsync.core.errors import Disposition, PushGone, ServerUnreachable, SourceError, Stopped, XnatsyncError
from xnatsync.core.hold import Hold, hold_after, still_waits_s
from xnatsync.core.inventory import Owner
from xnatsync.core.mirror_decision import Trouble
from xnatsync.core.wording import counted
from xnatsync.engine.blame import LEDGER, of_one_thing, of_the_ledger
from xnatsync.engine.holds import LOOK_AGAIN_S, OF_THE_SERVER, next_step
from xnatsync.engine.result import Due, Paused, Result
from xnatsync.engine.troubles import told
from xnatsync.ledger.tree_rows import OwnerRow
from xnatsync.routes.tree.mirror_settings import MirrorRoute
from xnatsync.routes.tree.push_settings import PushRoute
from xnatsync.routes.tree.world import TreeWorld

_TIRED: Final = (
    "It has failed too often. Ask the administrator of the server, or check the disk, that is named in the reason. "
    "Each run tries it once more, and goes on by itself when it works."
)


def fail(world: TreeWorld, route: MirrorRoute | PushRoute, row: OwnerRow, error: XnatsyncError) -> Result:
    """Hold an owner, or pauses its server, or its route where our own disk is the matter."""
    if isinstance(error, Stopped):
        return Due(LOOK_AGAIN_S, str(error))
    if of_the_ledger(error):
        return Paused(LEDGER, error)
    if of_one_thing(error) and error.disposition is Disposition.PAUSE:
        wide = _of_everything(world, route)
        if wide is not None:
            return Paused(f"route {row.route}", wide)
    elif error.effect and error.disposition is Disposition.PAUSE and not isinstance(error, ServerUnreachable):
        pass  # it takes no files of this owner, and may list everything: the waits of the owner grow
    elif error.disposition is Disposition.PAUSE or isinstance(error, OF_THE_SERVER):
        return Paused(f"route {row.route}" if isinstance(error, SourceError) else f"server {route.server}", error)
    world.progress.failed(error.code, f"o{row.id}")
    now = world.now()
    with world.ledger.write():
        hold = hold_after(row, f"o{row.id}", error, now, tired=_TIRED)
        world.ledger.hold_owner(row.id, hold)
        level = "error" if hold.kind == "person" else "warning"
        world.note(row.route, error.code, f"o{row.id} is held", level=level, owner=row.id)
    return next_step(hold, now)


def _of_everything(world: TreeWorld, route: MirrorRoute | PushRoute) -> XnatsyncError | None:
    """Return what is wrong with all of the tree; None when one thing is the matter.  A push only reads its tree."""
    if isinstance(route, PushRoute):
        return None
    try:
        world.disk.probe(route.folder)
    except XnatsyncError as wide:
        return wide
    return None


def hold_by(world: TreeWorld, row: OwnerRow, troubles: Sequence[Trouble], *, keeps_tries: bool = False) -> None:
    """Write down what is in trouble, and hold the owner when a person must act; else lets it go.

    With `keeps_tries` what failed is not over: a look at the server that came well in between ends no growing waits.
    """
    persons = [trouble for trouble in troubles if trouble.person]
    for code in sorted({trouble.code for trouble in troubles}):
        world.progress.failed(code, f"o{row.id}")
    with world.ledger.write():
        world.ledger.set_troubles(row.id, told(troubles), world.now())
        if not persons:
            if not keeps_tries:
                world.ledger.release_owner(row.id)
            elif row.hold is not None and still_waits_s(row, world.now()) <= 0:
                world.ledger.unhold_owner(row.id)  # its time came, and what is in trouble now is told
            return
        first = persons[0]
        more = f" (and {len(persons) - 1} more)" if len(persons) > 1 else ""
        world.ledger.hold_owner(
            row.id,
            Hold(
                kind="person",
                code=first.code,
                detail=f"{first.path}: {first.detail}{more}",
                advice=advice_of(first.code),
                tries=row.tries if keeps_tries else 0,
            ),
        )
        if row.code != first.code:
            world.note(row.route, first.code, f"o{row.id} waits for a person", level="error", owner=row.id)


def gone_whole(world: TreeWorld, row: OwnerRow) -> Trouble:
    """Return what is told when the server no longer has an owner of which a push keeps files here.

    It is told of the folder that holds nothing else, or of a file where others share the folder.
    """
    paths = [version.path for version in world.ledger.living_of(row.id)]
    folder = posixpath.commonpath([posixpath.dirname(path) for path in paths])
    shared = not folder or world.ledger.others_below(row.route, folder, row.id)
    detail = f"the server no longer has this {row.kind}: {counted(len(paths), 'file')} of it were put there"
    return Trouble(paths[0] if shared else folder, PushGone.code, detail, person=True)


def name_of(owner: Owner) -> str:
    """What people call it."""
    return owner.session or owner.subject or owner.project
