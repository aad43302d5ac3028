"""`sync` and `plan`: bring all routes as far as can be done now, or say what that would do."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from xnatsync.cli.options import BandwidthOption, OutputOption, QuietOption, RoutesArgument
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import LedgerHeld

if TYPE_CHECKING:
    from xnatsync.app.app import App
    from xnatsync.app.sync import SyncReport
    from xnatsync.engine.progress import Progress
    from xnatsync.report.log import Log

_WORKERS = 2
_WORKERS_MAX = 16


def register(program: typer.Typer) -> None:
    """Add the commands of this module."""
    program.command()(sync)
    program.command()(plan)


def sync(
    ctx: typer.Context,
    routes: RoutesArgument = None,
    settle: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="How long an item or a file must have been quiet; else the route's `settle`."
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, max=_WORKERS_MAX, help="How many items and sessions are worked on at once.")
    ] = _WORKERS,
    patience: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="How long to wait in all for settling, a server or a retry; else 2m, or twice the longest `settle`.",
        ),
    ] = None,
    recheck: Annotated[
        bool, typer.Option("--recheck", help="Compare every file of mirrors and pushes now, also what looks unchanged.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan instead, and change nothing.")] = False,
    bandwidth: BandwidthOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Send drop folders to their server, and update mirrors and pushes.

    What was dropped is proven there, and then filed.
    """
    shell = ctx.ensure_object(Shell)
    if dry_run:
        return _plan(shell, routes or (), output, quiet)
    shell.begin("sync", output, quiet)
    shell.limit(bandwidth)
    settle_s, patience_s = _given("--settle", settle), _given("--patience", patience)
    from xnatsync.app.clock import stop_on_signals
    from xnatsync.app.mailbox import agent_of
    from xnatsync.app.sync import sync as bring
    from xnatsync.cli.exits import by_signal
    from xnatsync.views.sync import sync_blocks, sync_fields

    stop = threading.Event()
    app = _app(shell, stop)
    with stop_on_signals(stop) as received, watched(shell) as (progress, log):
        try:
            report = bring(
                app, routes or (),
                progress=progress, settle_s=settle_s, recheck=recheck, workers=workers, patience_s=patience_s,
                on_bug=log.bug,
            )  # fmt: skip
        except LedgerHeld:
            if (settle_s, bandwidth, recheck) == (None, None, False) and agent_of(app.config) is not None:
                return by_signal(received, _by_agent(shell, app, routes or [], patience_s))
            raise
        _log_failures(log, report)
    code = by_signal(received, report.exit_code)
    shell.show(sync_blocks(report), {**sync_fields(report), "exit_code": code})
    return code


def _app(shell: Shell, stop: threading.Event) -> App:
    from xnatsync.app.app import App
    from xnatsync.views.certificate_page import signed

    return App(shell.config(), stop, sign=signed)


def _given(option: str, text: str | None) -> float | None:
    return None if text is None else _seconds(option, text)


def _log_failures(log: Log, report: SyncReport) -> None:
    for error in report.all_errors:
        log.failed(error.code, "run")


def _by_agent(shell: Shell, app: App, routes: list[str], patience_s: float | None) -> int:
    """Let the running agent do it, and show how the routes stand when they have come to rest."""
    from xnatsync.app.mailbox import ask
    from xnatsync.app.status import overview_of
    from xnatsync.app.sync import PATIENCE_S
    from xnatsync.views.status import status_blocks, status_fields

    app.config.refuse_unknown(routes)
    shell.begin("status", shell.output, shell.quiet)
    ask(
        app.config, "sync", {"names": routes},
        patience_s=PATIENCE_S if patience_s is None else patience_s, stopping=app.stop.is_set,
    )  # fmt: skip
    seen = overview_of(app.config, routes)
    shell.show(status_blocks(seen), status_fields(seen))
    return seen.exit_code


def plan(
    ctx: typer.Context, routes: RoutesArgument = None, output: OutputOption = None, quiet: QuietOption = False
) -> int:
    """Show what `sync` would do, and change nothing."""
    return _plan(ctx.ensure_object(Shell), routes or (), output, quiet)


def _plan(shell: Shell, routes: list[str] | tuple[str, ...], output: OutputOption, quiet: bool) -> int:
    shell.begin("plan", output, quiet)
    from xnatsync.app import plan as planning
    from xnatsync.app.app import App
    from xnatsync.app.clock import stop_on_signals
    from xnatsync.cli.exits import by_signal
    from xnatsync.views.plan import plan_blocks, plan_fields

    stop = threading.Event()
    app = App(shell.config(), stop)
    with stop_on_signals(stop) as received, watched(shell) as (progress, _):
        report = planning.plan(app, routes, progress=progress)
    code = by_signal(received, max((error.exit_code for error in report.all_errors), default=0))
    shell.show(plan_blocks(report), plan_fields(report, code))
    return code


@contextmanager
def watched(shell: Shell) -> Iterator[tuple[Progress, Log]]:
    """Show progress, and keep a log where one is wanted: on stderr with `-v`, in a file with `--log-file`."""
    from xnatsync.cli.live import watching
    from xnatsync.engine.progress import Progress
    from xnatsync.report.log import Log, open_log

    if not shell.verbose and shell.log_file is None:
        with watching(shell.screen) as progress:
            yield progress, Log(_nowhere())
        return
    with open_log(shell.log_file, shell.no_log) as log:
        if shell.log_file is None:
            yield Progress(log.hear), log  # lines that move and lines of a log would tear each other apart
            return
        with watching(shell.screen, log.hear) as progress:
            yield progress, log


def _nowhere() -> io.StringIO:
    return io.StringIO()


def _seconds(option: str, text: str) -> float:
    from xnatsync.config.words import seconds
    from xnatsync.core.errors import Usage

    try:
        return seconds(text)
    except ValueError as error:
        raise Usage(f"{option}: {error}") from error
