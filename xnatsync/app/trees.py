"""Runs and plans of mirrors and pushes: from the configuration to a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from xnatsync.config.model import MirrorConfig, PushConfig
from xnatsync.config.show import route_digest
from xnatsync.core.errors import Disposition, Exit, NotThere, XnatsyncError
from xnatsync.core.inventory import Owner, OwnerKind
from xnatsync.core.mirror_decision import Trouble
from xnatsync.engine.progress import Progress
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.tree_rows import MirrorCounts, OwnerRow, TroubleRow
from xnatsync.routes.tree.holds import gone_whole
from xnatsync.routes.tree.mirror_plan import MirrorPlan, plan
from xnatsync.routes.tree.mirror_settings import MirrorRoute
from xnatsync.routes.tree.push_settings import PushRoute
from xnatsync.routes.tree.push_step import Foreseen, PushStep
from xnatsync.routes.tree.push_survey import push_survey, troubles_of
from xnatsync.routes.tree.run import TreeRun, push, run
from xnatsync.routes.tree.world import TreeWorld

if TYPE_CHECKING:
    from xnatsync.app.app import App


@dataclass(frozen=True, slots=True)
class MirrorReport:
    """What a run of one mirror or push did, and how its tree stands now."""

    route: str
    folder: str
    counts: Mapping[str, int]  # what the run did
    due: int  # owners that were looked at file by file
    owners: int  # that the route has on the server
    standing: MirrorCounts
    troubles: tuple[TroubleRow, ...]
    errors: tuple[XnatsyncError, ...] = ()
    unfinished: int = 0
    interrupted: bool = False
    kind: str = "mirror"
    unplaced: tuple[tuple[str, str], ...] = ()  # files of a push that belong to nothing on the server, and why
    astray: tuple[Trouble, ...] = ()  # what else of it is not sent: it lies astray, or cannot be looked at or followed
    held: tuple[OwnerRow, ...] = ()  # owners that wait for a person, or are tried again later
    owner_kinds: Mapping[str, int] = field(default_factory=dict)  # sessions, subjects and projects of the route
    due_kinds: Mapping[str, int] = field(default_factory=dict)  # those that were looked at
    waiting: tuple[tuple[OwnerRow, str], ...] = ()  # owners that are not finished, and what they wait for

    @property
    def exit_code(self) -> int:
        """0 only when tree and server agree, as far as the policy goes."""
        if self.errors:
            return exit_code_of(self.errors)
        asked = [trouble.person for trouble in self.troubles] + [trouble.person for trouble in self.astray]
        if any(asked) or self.standing.held or self.unplaced:
            return Exit.HELD
        waits = self.unfinished or self.interrupted or self.counts.get("incomplete", 0)
        return Exit.TEMPORARY if waits else Exit.OK


def exit_code_of(errors: Sequence[XnatsyncError]) -> int:
    """The exit code of the gravest of some errors."""
    gravest = gravest_of(errors)
    return gravest.exit_code if gravest is not None else Exit.OK


def gravest_of(errors: Sequence[XnatsyncError]) -> XnatsyncError | None:
    """The gravest of some errors; None when there is none."""
    return max(errors, key=lambda error: (error.disposition is Disposition.PERSON, error.exit_code), default=None)


def run_mirrors(
    app: App,
    ledger: Ledger,
    run_id: int,
    names: Sequence[str],
    *,
    progress: Progress,
    workers: int,
    patience_s: float,
    on_bug: Callable[[str], None],
    settle_s: float | None = None,
    recheck: bool = False,
) -> list[MirrorReport]:
    """Runs the mirrors and pushes among the named routes, one after the other, on a ledger open for this run.

    Pushes go first: what they send, a mirror of the same tree then finds on both sides.  `settle_s` stands in for the
    settle time of the pushes; `recheck`: everything is looked at file by file.
    """
    world = tree_world(app, ledger, run_id, names, progress)
    world.routes = {name: _as_asked(route, settle_s, recheck) for name, route in world.routes.items()}
    reports = []
    for route in sorted(world.routes.values(), key=lambda route: isinstance(route, MirrorRoute)):
        kind = "mirror" if isinstance(route, MirrorRoute) else "push"
        with ledger.write():
            ledger.remember_route(route.name, kind, route_digest(app.config.routes[route.name]), world.now())
        if isinstance(route, MirrorRoute):
            done = run(world, route, workers=workers, patience_s=patience_s, on_bug=on_bug)
        else:
            done = push(world, route, workers=workers, patience_s=patience_s, on_bug=on_bug)
        reports.append(_report(ledger, done))
        if world.stopping():
            break
    return reports


def _as_asked(route: MirrorRoute | PushRoute, settle_s: float | None, recheck: bool) -> MirrorRoute | PushRoute:
    if isinstance(route, MirrorRoute):
        return replace(route, recheck_s=0.0) if recheck else route
    return replace(route, settle_s=route.settle_s if settle_s is None else settle_s, recheck=recheck)


def plan_mirrors(app: App, ledger: Ledger, run_id: int, names: Sequence[str], progress: Progress) -> list[MirrorPlan]:
    """Plans the mirrors among the named routes; `ledger` is a copy that is forgotten."""
    world = tree_world(app, ledger, run_id, names, progress)
    plans = []
    for route in world.routes.values():
        if not isinstance(route, MirrorRoute):
            continue
        with ledger.write():
            ledger.remember_route(route.name, "mirror", route_digest(app.config.routes[route.name]), world.now())
        plans.append(plan(world, route))
    return plans


@dataclass(slots=True)
class PushPlan:
    """What a push would do with everything that is new or another, here or on the server.  Nothing was changed."""

    route: PushRoute
    steps: list[tuple[Owner, Foreseen]] = field(default_factory=list)
    unplaced: tuple[tuple[str, str], ...] = ()
    astray: tuple[Trouble, ...] = ()  # what else is not sent
    errors: list[XnatsyncError] = field(default_factory=list)


def plan_pushes(app: App, ledger: Ledger, run_id: int, names: Sequence[str], progress: Progress) -> list[PushPlan]:
    """Plan the pushes among the named routes: the same looks and decisions as a run, and no effect."""
    world = tree_world(app, ledger, run_id, names, progress)
    plans = []
    for route in world.routes.values():
        if not isinstance(route, PushRoute):
            continue
        planned = PushPlan(route)
        plans.append(planned)
        with ledger.write():
            ledger.remember_route(route.name, "push", route_digest(app.config.routes[route.name]), world.now())
        try:
            found = push_survey(world, route, dry=True)
            step = PushStep(world, found)
            planned.steps = [(owner, step.foresee(number)) for number, owner in found.owners.items()]
        except XnatsyncError as error:
            planned.errors.append(error)
            continue
        for row in found.lost:
            owner = Owner(OwnerKind(row.kind), row.project, row.server_id, subject=row.subject, session=row.session)
            planned.steps.append((owner, Foreseen(troubles=(gone_whole(world, row),))))
        planned.unplaced = tuple(found.unplaced)
        planned.astray = tuple(trouble for trouble in troubles_of(found) if trouble.code != NotThere.code)
    return plans


def tree_world(app: App, ledger: Ledger, run_id: int, names: Sequence[str], progress: Progress) -> TreeWorld:
    """The world of the mirrors among the named routes; of all, if none is named."""
    clock = app.make_clock()
    today = clock.now().date()
    chosen = names or list(app.config.routes)
    routes: dict[str, MirrorRoute | PushRoute] = {}
    for name in chosen:
        config = app.config.routes[name]
        if isinstance(config, MirrorConfig):
            routes[name] = mirror_route(name, config, today)
        elif isinstance(config, PushConfig):
            routes[name] = push_route(name, config, today)
    return TreeWorld(
        ledger=ledger,
        disk=app.make_tree_disk(),
        clock=clock,
        ids=app.make_ids(),
        archive=app.archive,
        routes=routes,
        run_id=run_id,
        progress=progress,
        stopping=app.stop.is_set,
        threads=True,
        folders={
            name: Path(config.folder)
            for name, config in app.config.routes.items()
            if isinstance(config, MirrorConfig | PushConfig)
        },
    )


def mirror_route(name: str, config: MirrorConfig, today: date) -> MirrorRoute:
    """Turns the configuration of a mirror into the engine's settings."""
    return MirrorRoute(
        name=name,
        server=config.server,
        projects=config.all_projects,
        folder=Path(config.folder),
        layout=config.tree_layout,
        selection=config.selection(today),
        policy=config.policy,
        max_delete=config.max_delete,
        recheck_s=config.recheck,
        trash_keep_s=config.trash_keep,
        metadata=config.metadata,
        big_file=config.big_file,
    )


def push_route(name: str, config: PushConfig, today: date) -> PushRoute:
    """Turns the configuration of a push into the engine's settings."""
    return PushRoute(
        name=name,
        server=config.server,
        project=config.project,
        folder=Path(config.folder),
        layout=config.tree_layout,
        selection=config.selection(today),
        create_resources=config.create_resources,
        settle_s=config.settle,
        quiet_s=config.quiet,
    )


def _report(ledger: Ledger, done: TreeRun) -> MirrorReport:
    name = done.route.name
    return MirrorReport(
        route=name,
        folder=str(done.route.folder),
        counts=done.counts,
        due=done.due,
        owners=done.owners,
        standing=ledger.mirror_counts(name).get(name, MirrorCounts()),
        troubles=tuple(ledger.troubles(name)),
        errors=tuple(done.errors),
        unfinished=done.unfinished,
        interrupted=done.interrupted,
        kind="mirror" if isinstance(done.route, MirrorRoute) else "push",
        unplaced=done.unplaced,
        astray=tuple(
            Trouble(row.path, row.code, row.detail, row.person, row.many)
            for row in ledger.unplaced(name)
            if row.code != NotThere.code
        ),
        held=tuple(row for row in ledger.owners(name) if row.hold is not None),
        owner_kinds=done.owner_kinds,
        due_kinds=done.due_kinds,
        waiting=tuple((ledger.owner(number), why) for number, why in done.waiting.items()),
    )
