"""One run of one mirror: survey, step what is due, remove at the very end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from xnatsync.core.errors import XnatsyncError
from xnatsync.core.inventory import Owner
from xnatsync.mirror.listings import Listings
from xnatsync.mirror.removal import empty_old_trash, remove
from xnatsync.mirror.rota import OwnerRota
from xnatsync.mirror.step import OwnerStep
from xnatsync.mirror.survey import Survey, survey
from xnatsync.mirror.world import TreeWorld
from xnatsync.routes.mirror import MirrorRoute


@dataclass(slots=True)
class MirrorRun:
    """What a run of a mirror did and what it left."""

    route: MirrorRoute
    survey: Survey | None = None
    counts: dict[str, int] = field(default_factory=dict)
    errors: list[XnatsyncError] = field(default_factory=list)
    unfinished: int = 0  # owners that are still due
    interrupted: bool = False


def run(
    world: TreeWorld,
    route: MirrorRoute,
    *,
    workers: int,
    patience_s: float,
    on_bug: Callable[[str], None],
) -> MirrorRun:
    """Brings a tree into agreement with its projects, as far as can be done now."""
    done = MirrorRun(route)
    try:
        found = done.survey = survey(world, route)
        steps = OwnerStep(world, found, Listings(world.archive(route.server), _weights(found)))
        numbers = [*found.due, *(row.id for row in found.gone)]
        rota = OwnerRota(world, workers, patience_s, on_bug, dict.fromkeys(numbers, steps.step))
        rota.run()
        done.unfinished = len(rota.due)
        done.errors += [pause.error for pause in rota.pauses.values()]
        done.interrupted = world.stopping()
        if not (rota.due or done.errors or done.interrupted):
            remove(world, found, steps.removals, steps.ends)
            world.disk.clear_staging(route.folder)
        empty_old_trash(world, route)
    except XnatsyncError as error:
        done.errors.append(error)
    done.counts = dict(world.tally(route.name).counts)
    return done


def _weights(found: Survey) -> dict[Owner, int]:
    return {
        found.owners[number]: sum(seen.files or 0 for seen in found.wanted[number].values()) for number in found.due
    }
