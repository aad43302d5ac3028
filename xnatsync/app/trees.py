"""Runs and plans of mirrors and pushes: from the configuration to a report.

What trees need is imported when there is one: a run of drops alone starts without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xnatsync.config.show import route_digest
from xnatsync.core.errors import Disposition, Exit, NotThere, XnatsyncError
from xnatsync.core.mirror_decision import Trouble
from xnatsync.engine.progress import Progress
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.tree_rows import MirrorCounts, OwnerRow, TroubleRow

if TYPE_CHECKING:
    from xnatsync.app.app import App
    from xnatsync.routes.tree.mirror_plan import MirrorPlan
    from xnatsync.routes.tree.push_plan import PushPlan
    from xnatsync.routes.tree.run import TreeRun
    from xnatsync.routes.tree.world import TreeWorld


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
    """Run the mirrors and pushes among the named routes, one after the other, on a ledger open for this run.

    Pushes go first: what they send, a mirror of the same tree then finds on both sides.  `settle_s` stands in for the
    settle time of the pushes; `recheck`: everything is looked at file by file.
    """
    if not any(name in app.config.tree_routes for name in names or app.config.routes):
        return []
    from xnatsync.app.kinds import TREES

    world = tree_world(app, ledger, run_id, names, progress)
    world.routes = {name: TREES[route.kind].as_asked(route, settle_s, recheck) for name, route in world.routes.items()}
    reports = []
    for route in sorted(world.routes.values(), key=lambda route: list(TREES).index(route.kind)):
        with ledger.write():
            ledger.remember_route(route.name, route.kind, route_digest(app.config.routes[route.name]), world.now())
        done = TREES[route.kind].run(world, route, workers=workers, patience_s=patience_s, on_bug=on_bug)
        reports.append(_report(ledger, done))
        if world.stopping():
            break
    return reports


def plan_mirrors(app: App, ledger: Ledger, run_id: int, names: Sequence[str], progress: Progress) -> list[MirrorPlan]:
    """Plan the mirrors among the named routes; `ledger` is a copy that is forgotten."""
    return list(_plans(app, ledger, run_id, names, progress, "mirror"))


def plan_pushes(app: App, ledger: Ledger, run_id: int, names: Sequence[str], progress: Progress) -> list[PushPlan]:
    """Plan the pushes among the named routes."""
    return list(_plans(app, ledger, run_id, names, progress, "push"))


def _plans(app: App, ledger: Ledger, run_id: int, names: Sequence[str], progress: Progress, kind: str) -> Iterator[Any]:
    if not any(name in app.config.tree_routes for name in names or app.config.routes):
        return
    from xnatsync.app.kinds import TREES

    world = tree_world(app, ledger, run_id, names, progress)
    for route in world.routes.values():
        if route.kind == kind:
            with ledger.write():
                ledger.remember_route(route.name, kind, route_digest(app.config.routes[route.name]), world.now())
            yield TREES[kind].plan(world, route)


def tree_world(app: App, ledger: Ledger, run_id: int, names: Sequence[str], progress: Progress) -> TreeWorld:
    """The world of the mirrors among the named routes; of all, if none is named."""
    from xnatsync.app.kinds import TREES
    from xnatsync.routes.tree.world import TreeWorld

    clock = app.make_clock()
    today = clock.now().date()
    chosen = names or list(app.config.routes)
    trees = app.config.tree_routes
    routes = {name: TREES[trees[name].kind].settings(name, trees[name], today) for name in chosen if name in trees}
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
        folders={name: Path(config.folder) for name, config in trees.items()},
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
        kind=done.route.kind,
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
