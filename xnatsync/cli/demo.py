"""`demo`: the whole product in a minute, on this machine alone."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated

import typer

from xnatsync.cli.options import OutputOption, QuietOption
from xnatsync.cli.shell import Shell


def register(program: typer.Typer) -> None:
    """Add the command of this module."""
    program.command()(demo)


def demo(
    ctx: typer.Context,
    path: Annotated[
        Path | None,
        typer.Argument(metavar="[PATH]", show_default=False, help="A DICOM folder of yours; it is only read."),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the demonstration's folder behind.")] = False,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Show the product at work on this machine alone.

    A stand-in XNAT, a study, some awkward drops, and a damaged object that is caught.
    """
    shell = ctx.ensure_object(Shell)
    shell.begin("demo", output, quiet)
    from xnatsync.app.clock import stop_on_signals
    from xnatsync.app.demo import show
    from xnatsync.cli.exits import by_signal
    from xnatsync.cli.stage import Record, Stage

    stop = threading.Event()
    with stop_on_signals(stop) as received:
        record = Record() if shell.is_json else None
        code = by_signal(received, show(record or Stage(shell.screen), path, keep=keep, stop=stop))
    if record is not None:
        shell.show([], {"exit_code": code, **record.fields(keep=keep)})
    return code
