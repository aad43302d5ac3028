"""What a former life left behind: looked at, never replayed."""

from __future__ import annotations

from xnatsync.routes.drop.done_folders import remember_done
from xnatsync.routes.drop.world import World


def recover(world: World) -> None:
    """Closes what a killed run left open; its attempts become unknown, so that the server is looked at first.

    Their quiet time begins now: when the process died, the server may still have been reading.
    """
    world.ledger.disbelieve_the_future(world.now())
    for one in world.routes.values():
        remember_done(world, one)
    ended = [run.id for run in world.ledger.open_runs() if run.id != world.run_id]
    if ended:
        world.ledger.interrupt_runs(ended, world.now())
    world.ledger.end_cut_deeds(world.now())
    for attempt in world.ledger.open_attempts():
        unit = world.ledger.unit(attempt.unit_id)
        route = world.routes.get(unit.route)
        quiet_at = world.in_seconds(route.quiet_s) if route is not None else attempt.quiet_at
        world.ledger.close_attempt(
            attempt.id,
            outcome="unknown",
            now=world.now(),
            detail="the process ended before the answer",
            quiet_at=quiet_at,
            counts=False,  # it was us
        )
        world.note(
            unit,
            "attempt.unknown",
            f"unit {unit.id}: {attempt.effect} was cut short; the server is looked at first",
            level="warning",
        )
