"""What a failure means for the item or unit it happened to: wait, hold, or pause a whole server or disk."""

from __future__ import annotations

from xnatsync.core.errors import (
    CredentialsMissing,
    CredentialsRefused,
    DiskError,
    Disposition,
    SourceError,
    Stopped,
    TlsRefused,
    XnatsyncError,
)
from xnatsync.core.moment import later, parse
from xnatsync.core.retry import asks_person, backoff_s
from xnatsync.engine.world import Due, Paused, Rest, Result, World
from xnatsync.ledger.rows import ItemRow, UnitRow

LOOK_AGAIN_S = 0.5
# About the server as a whole: asking again for every unit would lock the account.
OF_THE_SERVER = (CredentialsRefused, CredentialsMissing, TlsRefused)


def still_held(row: ItemRow | UnitRow, now: str) -> Result | None:
    """Tells how long a row is still held; None when it may be stepped."""
    if row.hold == "person":
        return Rest()
    if row.hold == "retry" and row.retry_at is not None and (wait_s := _seconds(row.retry_at, now)) > 0:
        return Due(wait_s, f"tried again after {row.code}")
    return None


def fail_item(world: World, item: ItemRow, error: XnatsyncError) -> Result:
    """Holds an item, or pauses its route."""
    if isinstance(error, Stopped):
        return Due()
    if error.disposition is Disposition.PAUSE:
        return Paused(f"route {item.route}", error)
    return _hold(world, item, error, item.tries + 1)


def fail_unit(world: World, unit: UnitRow, error: XnatsyncError) -> Result:
    """Holds a unit, looks again soon, or pauses its server, or its route where our own disk is the matter."""
    if error.disposition is Disposition.PAUSE or isinstance(error, OF_THE_SERVER):
        ours = isinstance(error, DiskError | SourceError)
        what = f"route {unit.route}" if ours else f"server {unit.server}"
        world.note(unit, error.code, f"{what} is left alone", level="warning")
        return Paused(what, error)
    if isinstance(error, Stopped):
        return Due(LOOK_AGAIN_S, str(error))
    tries = unit.tries + 1
    if error.disposition is Disposition.LOOK and not asks_person(error, tries):
        world.ledger.count_try(unit.id)  # a link that cuts every upload must end with a person some day
        return Due(LOOK_AGAIN_S, str(error))
    return _hold(world, unit, error, tries)


def _hold(world: World, row: ItemRow | UnitRow, error: XnatsyncError, tries: int) -> Result:
    """Holds a row for a person, or until it is tried again; what it waits for is written down with the event."""
    kind, hold = ("unit", world.ledger.hold_unit) if isinstance(row, UnitRow) else ("item", world.ledger.hold_item)
    person = asks_person(error, tries)
    wait_s = backoff_s(tries, f"{kind} {row.id}")
    with world.ledger.write():
        hold(
            row.id,
            hold="person" if person else "retry",
            code=error.code,
            detail=str(error),
            advice=error.remedy,
            retry_at=None if person else later(world.now(), wait_s),
            tries=tries,
        )
        world.note(row, error.code, f"{kind} {row.id} is held", level="error" if person else "warning")
    if isinstance(row, UnitRow):
        world.progress.unit(world.ledger.unit(row.id), str(error))
    else:
        world.progress.item(world.ledger.item(row.id), str(error))
    return Rest() if person else Due(wait_s, str(error))


def _seconds(until: str, now: str) -> float:
    return (parse(until) - parse(now)).total_seconds()
