"""`prune`: filed copies that their server is just seen to hold are removed when their time is over."""

from __future__ import annotations

import threading
from typing import Annotated

import typer

from xnatsync.cli.options import OutputOption, QuietOption, RoutesArgument, YesOption
from xnatsync.cli.shell import Shell


def register(program: typer.Typer) -> None:
    """Add the command of this module."""
    program.command()(prune)


def prune(
    ctx: typer.Context,
    routes: RoutesArgument = None,
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="DURATION", help="Filed so long ago: 30d; else `keep_done`.")
    ] = None,
    free: Annotated[
        str | None, typer.Option("--free", metavar="SIZE", help="Until so much is free: 50GB; else `keep_free`.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Look at the server, and only say what would go.")] = False,
    yes: YesOption = False,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Remove filed copies whose time is over, the oldest first, if the server is seen to hold them now.

    Each session is verified at the level of its route right before its files go. What was never sent stays.
    """
    shell = ctx.ensure_object(Shell)
    shell.begin("prune", output, quiet)
    from xnatsync.app import prune as service
    from xnatsync.app.app import App
    from xnatsync.app.clock import stop_on_signals
    from xnatsync.cli.asking import sure
    from xnatsync.cli.exits import by_signal
    from xnatsync.cli.sync import watched
    from xnatsync.config.words import seconds, size_bytes
    from xnatsync.core.errors import Usage
    from xnatsync.views.prune import prune_blocks, prune_fields

    try:
        keep_s = seconds(older_than) if older_than is not None else None
        free_bytes = size_bytes(free) if free is not None else None
    except ValueError as error:
        raise Usage(str(error), advice="Write --older-than 30d, or --free 50GB.") from None
    stop = threading.Event()
    config = shell.known()
    with stop_on_signals(stop) as received, watched(shell) as (progress, _):

        def look(*, rehearse: bool) -> service.PruneReport:
            return service.prune(
                App(config, stop), routes or (), keep_s=keep_s, free_bytes=free_bytes, rehearse=rehearse,
                progress=progress,
            )  # fmt: skip

        report = look(rehearse=True) if dry_run or not yes else None
        if report is None or (report.gone and not dry_run):
            if report is not None:
                question = f"Remove {len(report.gone)} filed copies?"
                sure(
                    shell, yes=False, question=question, would=f"{len(report.gone)} filed copies would be removed",
                    plan=prune_blocks(report),
                )  # fmt: skip
            report = look(rehearse=False)
    shell.show(prune_blocks(report), prune_fields(report))
    return by_signal(received, report.exit_code)
