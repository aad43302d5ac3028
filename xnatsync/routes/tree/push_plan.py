"""What a run of a push would do: the same looks and the same decisions, and no effect."""

from __future__ import annotations

from dataclasses import dataclass, field

from xnatsync.core.errors import NotThere, XnatsyncError
from xnatsync.core.inventory import Owner, OwnerKind
from xnatsync.core.mirror_decision import Trouble
from xnatsync.routes.tree.holds import gone_whole
from xnatsync.routes.tree.push_settings import PushRoute
from xnatsync.routes.tree.push_step import Foreseen, PushStep
from xnatsync.routes.tree.push_survey import push_survey, troubles_of
from xnatsync.routes.tree.world import TreeWorld


@dataclass(slots=True)
class PushPlan:
    """What a push would do with everything that is new or another, here or on the server.  Nothing was changed."""

    route: PushRoute
    steps: list[tuple[Owner, Foreseen]] = field(default_factory=list)
    unplaced: tuple[tuple[str, str], ...] = ()
    astray: tuple[Trouble, ...] = ()  # what else is not sent
    errors: list[XnatsyncError] = field(default_factory=list)


def plan(world: TreeWorld, route: PushRoute) -> PushPlan:
    """Plan a push: the same looks and decisions as a run, and no effect."""
    planned = PushPlan(route)
    try:
        found = push_survey(world, route, dry=True)
        step = PushStep(world, found)
        planned.steps = [(owner, step.foresee(number)) for number, owner in found.owners.items()]
    except XnatsyncError as error:
        planned.errors.append(error)
        return planned
    for row in found.lost:
        owner = Owner(OwnerKind(row.kind), row.project, row.server_id, subject=row.subject, session=row.session)
        planned.steps.append((owner, Foreseen(troubles=(gone_whole(world, row),))))
    planned.unplaced = tuple(found.unplaced)
    planned.astray = tuple(trouble for trouble in troubles_of(found) if trouble.code != NotThere.code)
    return planned
