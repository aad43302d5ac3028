"""`subject list`."""

from __future__ import annotations

import typer

from xnatsync.cli.options import OutputOption, ProfileOption, ProjectOption, QuietOption
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit


def register(program: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(help="The subjects of a project.", rich_markup_mode=None, no_args_is_help=True)
    group.callback()(lambda: None)
    group.command(name="list")(list_subjects)
    program.add_typer(group, name="subject")


def list_subjects(
    ctx: typer.Context,
    project: ProjectOption = None,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """List the subjects of a project, with the number of their sessions."""
    shell = ctx.ensure_object(Shell)
    shell.begin("subject-list", output, quiet, lists=True)
    from xnatsync.app import listings as holdings
    from xnatsync.app.profile import choose, connected

    chosen = choose(shell.config_file, profile)
    wanted = chosen.project_or_default(project)
    with connected(chosen) as server:
        held = holdings.subjects_of(server, wanted)
    rows = [{"id": subject.id, "label": subject.label, "sessions": count} for subject, count in held]
    shell.show_rows(rows, {"id": "id", "label": "label", "sessions": "sessions"}, key="label")
    return Exit.OK
