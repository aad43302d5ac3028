"""`prune`: filed copies go when their time is over; what their server does not show whole stays."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xnatsync import __version__
from xnatsync.app.running import boot
from xnatsync.app.settings import drop_route
from xnatsync.core.errors import Exit, NothingFound, Stopped, XnatsyncError
from xnatsync.core.verification import DIFFERENCES, Verdict
from xnatsync.verify.examiner import Looking
from xnatsync.verify.retention import Let, Retaining, Terms

if TYPE_CHECKING:
    from xnatsync.app.app import App
    from xnatsync.config.model import Config
    from xnatsync.engine.context import Context
    from xnatsync.engine.progress import Progress


@dataclass(slots=True)
class PruneReport:
    """What was let go, or would be."""

    rehearsed: bool
    routes: tuple[str, ...] = ()
    lets: list[Let] = field(default_factory=list)
    errors: list[XnatsyncError] = field(default_factory=list)
    interrupted: bool = False

    @property
    def gone(self) -> list[Let]:
        """List the copies of which something went, or would."""
        return [let for let in self.lets if let.files]

    @property
    def kept(self) -> list[Let]:
        """List the copies that stay although their time is over."""
        return [let for let in self.lets if not let.files]

    @property
    def exit_code(self) -> int:
        """4: a server has lost something.  5: not everything could be seen, or it was interrupted; else as an error."""
        if any(let.verdict in DIFFERENCES for let in self.lets):
            return Exit.DIFFERENT
        failures = [*self.errors, *(let.error for let in self.lets if let.error is not None)]
        if failures:
            return max(error.exit_code for error in failures)
        unseen = any(let.verdict is Verdict.UNVERIFIABLE for let in self.lets)
        return Exit.TEMPORARY if self.interrupted or unseen else Exit.OK


def pruned_routes(config: Config, names: Sequence[str]) -> dict[str, Terms]:
    """Return the routes whose filed copies have an end, by the configuration; RouteUnknown for a name not in it."""
    config.refuse_unknown(names)
    found: dict[str, Terms] = {}
    for name, route in config.drop_routes.items():
        if route.after == "move" and (route.keep_done is not None or route.keep_free) and (not names or name in names):
            found[name] = Terms(route.keep_done, route.keep_free or 0)
    return found


def prune(
    app: App,
    names: Sequence[str],
    *,
    keep_s: float | None,
    free_bytes: int | None,
    rehearse: bool,
    progress: Progress,
) -> PruneReport:
    """Let filed copies of the named routes go (of all that say when, if none is named).

    `keep_s` and `free_bytes` take the place of `keep_done` and `keep_free`; then every drop route that is named counts.
    LedgerHeld while somebody else works with the ledger, but for a rehearsal.
    """
    from xnatsync.app.verify import looking_at

    terms = pruned_routes(app.config, names)
    if keep_s is not None or free_bytes is not None:
        chosen = names or [name for name, route in app.config.drop_routes.items() if route.after == "move"]
        drops = {name for name, route in app.config.drop_routes.items() if route.after == "move"}
        terms = {name: Terms(keep_s, free_bytes or 0) for name in chosen if name in drops}
    if not terms:
        raise NothingFound(
            "no route says how long what is filed is kept",
            advice='Give --older-than 30d or --free 50GB, or write keep_done = "30d" in the drop route.',
        )
    report = PruneReport(rehearse, tuple(terms))
    if not app.config.ledger.path.exists():  # nothing was ever filed
        return report
    with looking_at(app, progress, alone=not rehearse) as looking:
        prune_with(looking, app.config, terms, report, at_once=True)
        _end(looking, report)
    return report


def prune_beside(app: App, context: Context, terms: dict[str, Terms]) -> PruneReport:
    """Let filed copies go in a run of its own, beside others of this process, whose ledger it is."""
    ledger = context.ledger
    looking = Looking(
        ledger=ledger, disk=app.make_disk(), trees=app.make_tree_disk(), clock=app.make_clock(), ids=context.ids,
        server=app.server, archive=app.archive, progress=context.progress, stopping=context.stopping,
        run_id=ledger.start_run("schedule", os.getpid(), boot(), __version__, context.now()),
    )  # fmt: skip
    report = PruneReport(rehearsed=False, routes=tuple(terms))
    try:
        prune_with(looking, app.config, terms, report)
    finally:
        app.close()
    _end(looking, report)
    return report


def _end(looking: Looking, report: PruneReport) -> None:
    outcome = "interrupted" if report.interrupted else "ok" if report.exit_code == Exit.OK else "partial"
    counts = {"gone": len(report.gone), "kept": len(report.kept)}
    looking.ledger.end_run(looking.run_id, outcome, counts, looking.now(), exit_code=report.exit_code)


def prune_with(
    looking: Looking, config: Config, terms: dict[str, Terms], report: PruneReport, *, at_once: bool = False
) -> None:
    """Let filed copies go, in a ledger that is ours; what one route cannot do ends no other."""
    for name, asked in terms.items():
        route = drop_route(name, config.drop_routes[name])
        own = Terms(asked.keep_s, asked.free_bytes, at_once)
        try:
            report.lets += Retaining(looking, route, own, report.rehearsed).run()
        except Stopped:
            report.interrupted = True
            return
        except XnatsyncError as error:
            report.errors.append(error)


__all__ = ["PruneReport", "Terms", "prune", "prune_beside", "prune_with", "pruned_routes"]
