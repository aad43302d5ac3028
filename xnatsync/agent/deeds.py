"""What the jobs of a configuration do: each is what a command does, in a run of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import tzinfo
from functools import partial

from xnatsync import __version__
from xnatsync.agent.jobs import Ended, Job
from xnatsync.agent.timetable import timetable
from xnatsync.app.app import App
from xnatsync.app.prune import Terms, prune_beside, pruned_routes
from xnatsync.app.running import boot
from xnatsync.app.sync import PATIENCE_S, SyncReport, end
from xnatsync.app.transfer_routes import run_transfers
from xnatsync.app.trees import gravest_of, run_mirrors
from xnatsync.config.agent import JobConfig
from xnatsync.core.errors import XnatsyncError
from xnatsync.core.manifest import Level
from xnatsync.engine.context import Context
from xnatsync.engine.progress import Progress

Bugs = Callable[[str], None]
RETENTION = "filed copies"  # the job of that; no route or job of the configuration can have a name with a space


def jobs_of(app: App, context: Context, progress: Progress, on_bug: Bugs, zone: tzinfo | None = None) -> list[Job]:
    """Return the trees of a configuration, pushes first, its transfers, and its `[jobs.NAME]`."""
    config = app.config
    found = [
        Job(
            name,
            "trees",
            timetable(route.schedule, zone) if route.schedule is not None else None,
            partial(_route, app, context, name, progress, on_bug),
        )
        for name, route in [
            *sorted(config.tree_routes.items(), key=lambda pair: pair[1].kind != "push"),
            *config.transfer_routes.items(),
        ]
    ]
    if ends := pruned_routes(config, ()):
        found.append(Job(RETENTION, "checks", timetable("every 1h", zone), partial(_prune, app, context, ends)))
    acts = {"verify": _verify, "audit": _audit}
    return found + [
        Job(name, "checks", timetable(job.schedule, zone), partial(acts[job.run], app, job, progress))
        for name, job in config.jobs.items()
    ]


def _route(app: App, context: Context, name: str, progress: Progress, on_bug: Bugs) -> Ended:
    """Bring a tree into agreement, or what a transfer carries, as `sync NAME` does."""
    own = Context(
        ledger=context.ledger, clock=context.clock, ids=context.ids, progress=progress, stopping=context.stopping,
        run_id=context.ledger.start_run("schedule", os.getpid(), boot(), __version__, context.now()),
    )  # fmt: skip
    settle_s = getattr(app.config.routes[name], "settle", 0.0)
    report = SyncReport()
    try:
        report.mirrors = run_mirrors(
            app, own.ledger, own.run_id, [name],
            progress=progress, workers=app.config.agent.workers, patience_s=max(PATIENCE_S, settle_s * 2),
            on_bug=on_bug,
        )  # fmt: skip
        report.transfers, errors = run_transfers(app, own.ledger, own.run_id, [name], progress=progress, on_bug=on_bug)
        report.errors += errors
    except XnatsyncError as error:
        report.errors.append(error)
    report.interrupted = own.stopping()
    end(app, own, report, [name])
    gravest = gravest_of(report.all_errors)
    return Ended(report.exit_code, gravest.code if gravest is not None else None)


def _prune(app: App, context: Context, ends: dict[str, Terms]) -> Ended:
    """Let filed copies go whose time is over, as `prune` does."""
    return Ended(prune_beside(App(app.config, app.stop), context, ends).exit_code)


def _verify(app: App, job: JobConfig, progress: Progress) -> Ended:
    """Verify, as `verify` does; it has a ledger and connections of its own."""
    from xnatsync.app.verify import Asked, verify

    asked = Asked(level=Level(job.level) if job.level is not None else None)
    report = verify(App(app.config, app.stop), job.routes, asked, progress=progress)
    return Ended(report.exit_code)


def _audit(app: App, job: JobConfig, progress: Progress) -> Ended:
    """Compare a project with a manifest, as `audit` does."""
    from xnatsync.app.audit import audit, held
    from xnatsync.app.audit_files import read_manifest
    from xnatsync.app.clock import today
    from xnatsync.app.connecting import connect, login_of

    assert job.manifest is not None
    assert job.server is not None
    assert job.project is not None
    expected = read_manifest(job.manifest)
    config = app.config.servers[job.server]
    server = connect(
        job.server, config, login_of(job.server, config), stopping=app.stop.is_set, connections=config.connections
    )
    try:
        counts = held(server, job.project)
    finally:
        server.close()
    return Ended(audit(counts, job.project, today(), manifest=expected).exit_code)
