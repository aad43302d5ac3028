"""What each kind of route is: one table from its configuration to its settings, its run, its plan and its examination.

Nobody else asks of which kind a route is; what differs between kinds is a column here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from xnatsync.app.settings import drop_route, mirror_route, push_route, pushed_tree, transfer_route
from xnatsync.config.model import DropConfig, MirrorConfig, PushConfig, TransferConfig
from xnatsync.core.manifest import Level
from xnatsync.engine.progress import Progress
from xnatsync.routes.tree import mirror_plan, push_plan
from xnatsync.routes.tree.mirror_settings import MirrorRoute
from xnatsync.routes.tree.push_settings import PushRoute
from xnatsync.routes.tree.run import TreeRun, push, run
from xnatsync.routes.tree.world import TreeWorld
from xnatsync.verify.carried import Carried
from xnatsync.verify.drops import Drops
from xnatsync.verify.examiner import Examiner, Looking
from xnatsync.verify.transfers import Examination
from xnatsync.verify.trees import Trees

if TYPE_CHECKING:
    from xnatsync.app.app import App


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteKind:
    """What is known of every kind."""

    config: type  # of its part of the configuration
    settings: Callable[[str, Any, date], Any]
    examiner: Callable[[App, Looking, Level | None, bool, str], Examiner]  # at that level; True: it repairs


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeKind(RouteKind):
    """What is known of a kind that keeps a tree, and is run by itself."""

    writes: Literal["tree", "server"]
    as_asked: Callable[[Any, float | None, bool], Any]  # by another settle time; True: everything is looked at
    run: Callable[..., TreeRun]
    plan: Callable[[TreeWorld, Any], Any]


def _drops(app: App, looking: Looking, level: Level | None, repairing: bool, name: str) -> Examiner:
    return Drops(looking, drop_route(name, app.config.drop_routes[name]), level, repairing=repairing)


def _mirror(app: App, looking: Looking, level: Level | None, repairing: bool, name: str) -> Examiner:
    route = mirror_route(name, app.config.mirror_routes[name], looking.clock.now().date())
    return _tree(app, looking, route, level, repairing=repairing, pushes=False)


def _push(app: App, looking: Looking, level: Level | None, repairing: bool, name: str) -> Examiner:
    route = pushed_tree(name, app.config.push_routes[name], looking.clock.now().date())
    return _tree(app, looking, route, level, repairing=repairing, pushes=True)


def _transfer(app: App, looking: Looking, level: Level | None, repairing: bool, name: str) -> Examiner:
    from xnatsync.app.transfer import Transfers

    transfers = Transfers(app, name)
    route, ends = transfers.settled, transfers.ends
    examination = Examination(
        ledger=looking.ledger, route=route, source=ends.source.server(), there=ends.destination.server(),
        stopping=looking.stopping,
    )  # fmt: skip
    return Carried(looking, route, examination, level, repairing=repairing)


def _tree(
    app: App, looking: Looking, route: MirrorRoute, level: Level | None, *, repairing: bool, pushes: bool
) -> Examiner:
    world = TreeWorld(
        ledger=looking.ledger, disk=looking.trees, clock=looking.clock, ids=looking.ids, archive=app.archive,
        routes={route.name: route}, run_id=looking.run_id, progress=Progress(), stopping=looking.stopping,
    )  # fmt: skip
    trees = app.config.tree_routes
    sharing = [name for name, other in trees.items() if other.folder == trees[route.name].folder]
    return Trees(looking, world, route, level, repairing=repairing, sharing=sharing, pushes=pushes)


def _mirror_as_asked(route: MirrorRoute, settle_s: float | None, recheck: bool) -> MirrorRoute:
    return replace(route, recheck_s=0.0) if recheck else route


def _push_as_asked(route: PushRoute, settle_s: float | None, recheck: bool) -> PushRoute:
    return replace(route, settle_s=route.settle_s if settle_s is None else settle_s, recheck=recheck)


TREES: dict[str, TreeKind] = {  # in the order in which they run: what is pushed, a mirror then finds on both sides
    "push": TreeKind(
        config=PushConfig, settings=push_route, examiner=_push, writes="server", as_asked=_push_as_asked, run=push,
        plan=push_plan.plan,
    ),
    "mirror": TreeKind(
        config=MirrorConfig, settings=mirror_route, examiner=_mirror, writes="tree", as_asked=_mirror_as_asked, run=run,
        plan=mirror_plan.plan,
    ),
}  # fmt: skip

KINDS: dict[str, RouteKind] = {
    "drop": RouteKind(
        config=DropConfig, settings=lambda name, config, today: drop_route(name, config), examiner=_drops
    ),
    **TREES,
    "transfer": RouteKind(
        config=TransferConfig, settings=lambda name, config, today: transfer_route(name, config), examiner=_transfer
    ),
}
