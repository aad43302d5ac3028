"""What a failure means for the item or unit it happened to: wait, hold, or pause a whole server or disk."""

from __future__ import annotations

from xnatsync.core.advice import advice_of
from xnatsync.core.errors import (
    DiskRefused,
    Disposition,
    PrearchiveOccupied,
    ServerUnreachable,
    SourceError,
    Stopped,
    XnatsyncError,
)
from xnatsync.core.hold import Hold, hold_after
from xnatsync.core.phases import ItemPhase
from xnatsync.core.retry import asks_person, left_s
from xnatsync.core.wording import counted
from xnatsync.engine.blame import LEDGER, of_one_thing, of_the_ledger
from xnatsync.engine.holds import LOOK_AGAIN_S, OF_THE_SERVER, next_step, still_waits
from xnatsync.engine.observers import tell
from xnatsync.engine.result import Due, Paused, Rest, Result
from xnatsync.engine.standing import note_pause
from xnatsync.ledger.rows import ItemRow, UnitRow
from xnatsync.routes.drop.blame import of_everything
from xnatsync.routes.drop.world import World


def still_held(row: ItemRow | UnitRow, now: str) -> Result | None:
    """Say how long a row is still held; None when it may be stepped."""
    if row.hold == "person":
        return Rest()
    return still_waits(row, now)


_LOOKED_AT = {DiskRefused.code, PrearchiveOccupied.code}


def is_tried_again(world: World, row: ItemRow | UnitRow) -> bool:
    """Return whether what waits for a person is tried all the same: once in each run, where a look costs nothing.

    Whoever gave it the rights that it needs, or archived what was in its way, has nothing more to say.
    """
    key = "unit" if isinstance(row, UnitRow) else "item", row.id
    if row.hold != "person" or row.code not in _LOOKED_AT or key in world.tried:
        return False
    world.tried.add(key)
    return True


def fail_item(world: World, item: ItemRow, error: XnatsyncError) -> Result:
    """Hold an item, or pauses its route where everything in its folder is concerned."""
    if isinstance(error, Stopped):
        return Due()
    if of_the_ledger(error):
        return Paused(LEDGER, error)
    if of_one_thing(error):
        wide = of_everything(world, world.routes[item.route], error)
        return _hold(world, item, _cannot_be_filed(item, error)) if wide is None else _pause(world, item, wide)
    if error.disposition is Disposition.PAUSE:
        return _pause(world, item, error)
    return _hold(world, item, error)


def _pause(world: World, row: ItemRow | UnitRow, error: XnatsyncError) -> Result:
    what = f"route {row.route}"
    world.note(row, error.code, f"{what} is left alone", level="warning")
    return Paused(what, error)


def _cannot_be_filed(item: ItemRow, error: XnatsyncError) -> XnatsyncError:
    """What is proven is delivered, whatever becomes of its file here."""
    if item.phase is not ItemPhase.VERIFIED:
        return error
    return type(error)(
        f"everything of it is delivered and proven, and it cannot be filed: {error}", advice=error.remedy
    )


def speaks_of_the_server(error: XnatsyncError) -> bool:
    """Tell whether a failed read leaves the whole server alone in a run, and holds nothing by itself."""
    ours = isinstance(error, SourceError) or of_the_ledger(error) or of_one_thing(error)
    return not ours and (error.disposition is Disposition.PAUSE or isinstance(error, OF_THE_SERVER))


def fail_unit(world: World, unit: UnitRow, error: XnatsyncError) -> Result:
    """Hold a unit, looks again soon, or pauses its server, or its route where our own disk is the matter."""
    if of_the_ledger(error):
        return Paused(LEDGER, error)
    if of_one_thing(error):
        wide = of_everything(world, world.routes[unit.route], error)
        return _hold(world, unit, error) if wide is None else _pause(world, unit, wide)
    if error.disposition is Disposition.PAUSE and isinstance(error, SourceError):
        return _pause(world, unit, error)
    if error.effect and error.disposition is Disposition.PAUSE and not isinstance(error, ServerUnreachable):
        many, wait_s = world.writes.failed(unit.server, error, world.clock.elapsed_s())
        tell(note_pause, world, f"writes to {unit.server}", many, error, wait_s)
        return _hold(world, unit, error)
    if error.disposition is Disposition.PAUSE or isinstance(error, OF_THE_SERVER):
        what = f"server {unit.server}"
        world.note(unit, error.code, f"{what} is left alone", level="warning")
        return Paused(what, error)
    if isinstance(error, Stopped):
        return Due(LOOK_AGAIN_S, str(error))
    if error.disposition is Disposition.LOOK and not asks_person(error, unit.tries + 1):
        world.progress.failed(error.code, f"unit {unit.id}")
        world.ledger.count_try(unit.id)  # a link that cuts every upload must end with a person some day
        return Due(LOOK_AGAIN_S, str(error))
    return _hold(world, unit, error)


def held_back(world: World, unit: UnitRow, effect: str) -> Result | None:
    """Hold a unit whose write failed before, until it may be tried again; None when it may be now.

    Whoever asks is told what the server answered, and when it is asked again.
    """
    back = world.ledger.backoff(unit.id, effect)
    wait_s = left_s(back.until, world.now()) if back is not None else 0.0
    server_s, words = world.writes.wait_s(unit.server, world.clock.elapsed_s())
    if max(wait_s, server_s) <= 0:
        return None
    if back is None or wait_s <= 0:
        return Due(server_s, words)
    words = f"{unit.server} does not do it ({effect}, {counted(back.failures, 'failure')} in a row): {back.detail}"
    world.ledger.hold_unit(
        unit.id,
        Hold(
            kind="retry",
            code=back.code,
            detail=words,
            advice=advice_of(back.code),
            retry_at=back.until,
            tries=unit.tries,
        ),
    )
    world.progress.unit(world.ledger.unit(unit.id), words)
    return Due(max(wait_s, server_s), words)


def _hold(world: World, row: ItemRow | UnitRow, error: XnatsyncError) -> Result:
    """Hold a row for a person, or until it is tried again; what it waits for is written down with the event."""
    kind, write = ("unit", world.ledger.hold_unit) if isinstance(row, UnitRow) else ("item", world.ledger.hold_item)
    back = world.ledger.backoff(row.id, error.effect) if isinstance(row, UnitRow) and error.effect else None
    now = world.now()
    with world.ledger.write():
        at_least_s = left_s(back.until, now) if back is not None else 0.0
        hold = hold_after(row, f"{kind} {row.id}", error, now, at_least_s)
        write(row.id, hold)
        level = "error" if hold.kind == "person" else "warning"
        if (row.hold, row.code) != ("person", error.code):  # it was tried again, and nothing is new
            world.note(row, error.code, f"{kind} {row.id} is held", level=level, data={"hold": kind})
    if isinstance(row, UnitRow):
        world.progress.unit(world.ledger.unit(row.id), str(error))
    else:
        world.progress.item(world.ledger.item(row.id), str(error))
    return next_step(hold, now)
