"""`scan list` and `scan download`."""

from __future__ import annotations

import typer

from xnatsync.cli import download, scan_changes
from xnatsync.cli.options import OutputOption, ProfileOption, ProjectOption, QuietOption, SessionOption
from xnatsync.cli.serving import serving
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit


def register(program: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(help="The scans of a session.", rich_markup_mode=None, no_args_is_help=True)
    group.command(name="list")(list_scans)
    group.command(name="download")(download.scan)
    scan_changes.register(group)
    program.add_typer(group, name="scan")


def list_scans(
    ctx: typer.Context,
    experiment: SessionOption,
    project: ProjectOption = None,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """List the scans of a session."""
    shell = ctx.ensure_object(Shell)
    shell.begin("scan-list", output, quiet, lists=True)
    from xnatsync.services.scans import ScanService
    from xnatsync.views.nouns import SCAN_COLUMNS, scan_row

    with serving(shell, profile) as client:
        rows = [scan_row(found) for found in ScanService(client).list(experiment, project, counted=False)]
    shell.show_rows(rows, SCAN_COLUMNS)
    return Exit.OK
