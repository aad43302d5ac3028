"""`project list` and `project show`; `project_changes` has what changes one."""

from __future__ import annotations

from typing import Annotated

import typer

from xnatsync.cli import project_changes, transfer
from xnatsync.cli.options import OutputOption, ProfileOption, QuietOption
from xnatsync.cli.serving import serving
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit


def register(program: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(help="The projects of a server.", rich_markup_mode=None, no_args_is_help=True)
    group.command(name="list")(list_projects)
    group.command()(show)
    project_changes.register(group)
    transfer.register(group)
    program.add_typer(group, name="project")


def list_projects(
    ctx: typer.Context, profile: ProfileOption = None, output: OutputOption = None, quiet: QuietOption = False
) -> int:
    """List the projects that this account can read."""
    shell = ctx.ensure_object(Shell)
    shell.begin("project-list", output, quiet, lists=True)
    from xnatsync.services.projects import ProjectService
    from xnatsync.views.nouns import project_row

    with serving(shell, profile) as client:
        rows = [project_row(found) for found in ProjectService(client).list()]
    shell.show_rows(rows, {"id": "id", "name": "name", "pi": "investigator", "description": "description"})
    return Exit.OK


def show(
    ctx: typer.Context,
    project: Annotated[str, typer.Argument(metavar="PROJECT", show_default=False, help="The ID of the project.")],
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Show a project and how much is in it."""
    shell = ctx.ensure_object(Shell)
    shell.begin("project-show", output, quiet)
    from xnatsync.services.projects import ProjectService
    from xnatsync.views.nouns import project_blocks, project_fields

    with serving(shell, profile) as client:
        found = ProjectService(client).get(project)
    shell.show(project_blocks(found), project_fields(found))
    return Exit.OK
