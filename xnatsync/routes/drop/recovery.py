"""What a former life left behind: looked at, never replayed."""

from __future__ import annotations

from xnatsync.engine.attempts import close_cut
from xnatsync.ledger.rows import AttemptRow
from xnatsync.routes.drop.done_folders import remember_done
from xnatsync.routes.drop.world import World


def recover(world: World) -> None:
    """Close what a killed run left open; its attempts become unknown, so that the server is looked at first.

    Their quiet time begins now: when the process died, the server may still have been reading.
    """
    world.ledger.disbelieve_the_future(world.now())
    for one in world.routes.values():
        if one.given is None:
            remember_done(world, one)
    ended = [run.id for run in world.ledger.open_runs() if run.id != world.run_id]
    if ended:
        world.ledger.interrupt_runs(ended, world.now())
    for attempt in close_cut(world.ledger, world.now(), lambda attempt: _quiet_at(world, attempt)):
        world.note(
            world.ledger.unit(attempt.unit_id),
            "attempt.unknown",
            f"unit {attempt.unit_id}: {attempt.effect} was cut short; the server is looked at first",
            level="warning",
        )


def _quiet_at(world: World, attempt: AttemptRow) -> str:
    route = world.routes.get(world.ledger.unit(attempt.unit_id).route)
    return world.in_seconds(route.quiet_s) if route is not None else attempt.quiet_at
