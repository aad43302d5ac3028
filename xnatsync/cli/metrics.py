"""`metrics`: the state of things for Prometheus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xnatsync.cli.options import OutputOption, QuietOption
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit


def register(program: typer.Typer) -> None:
    """Add the command of this module."""
    program.command()(metrics)


def metrics(
    ctx: typer.Context,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FILE", help="Write a file, for node_exporter's textfile collector."),
    ] = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Show metrics for Prometheus, in its text format."""
    shell = ctx.ensure_object(Shell)
    shell.begin("metrics", output, quiet)
    from xnatsync.app.metrics import families, write_metrics
    from xnatsync.app.status import reading
    from xnatsync.core.exposition import exposition
    from xnatsync.views.blocks import Line, Tone
    from xnatsync.views.metrics import metrics_fields

    config = shell.known()
    with reading(config) as ledger:
        found = families(config, ledger)
    if to is not None:
        write_metrics(to, exposition(found))
        shell.show([Line(f"written: {to}", Tone.GOOD)], metrics_fields(found, to))
    elif shell.is_json:
        shell.show([], metrics_fields(found, None))
    else:
        shell.screen.exact(exposition(found))
    return Exit.OK
