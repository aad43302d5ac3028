"""`resource list` and `resource download`."""

from __future__ import annotations

import typer

from xnatsync.cli import download
from xnatsync.cli.options import OutputOption, ProfileOption, ProjectOption, QuietOption, ScanOption, SessionArgument
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit


def register(program: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(help="The resources of a session or a scan.", rich_markup_mode=None, no_args_is_help=True)
    group.command(name="list")(list_resources)
    group.command(name="download")(download.resource)
    program.add_typer(group, name="resource")


def list_resources(
    ctx: typer.Context,
    session: SessionArgument,
    scan: ScanOption = None,
    project: ProjectOption = None,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """List the resources of a session, or of one of its scans."""
    shell = ctx.ensure_object(Shell)
    shell.begin("resource-list", output, quiet, lists=True)
    from xnatsync.app import listings as holdings
    from xnatsync.app.profile import choose, connected
    from xnatsync.views.nouns import RESOURCE_COLUMNS, resource_row

    chosen = choose(shell.config_file, profile)
    with connected(chosen) as server:
        found = holdings.session_named(server, chosen, session, project)
        held = holdings.resources_of(server, found, scan)
    shell.show_rows([resource_row(each) for each in held], RESOURCE_COLUMNS, key="label")
    return Exit.OK
