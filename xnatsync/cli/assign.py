"""`assign`: a study that is held for its labels goes where a person says."""

from __future__ import annotations

from typing import Annotated

import typer

from xnatsync.cli.options import DryRunOption, OutputOption, QuietOption, YesOption
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit


def register(program: typer.Typer) -> None:
    """Add the command of this module."""
    program.command()(assign)


def assign(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="An item or one of its sessions: 12, u7, a path, a UID.")],
    project: Annotated[str, typer.Option("--project", "-P", metavar="ID", help="The project.")],
    subject: Annotated[
        str | None, typer.Option("--subject", "-S", metavar="LABEL", help="The subject; else by the route's template.")
    ] = None,
    session: Annotated[
        str | None, typer.Option("--session", metavar="LABEL", help="The session; else by the route's template.")
    ] = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Say where a study belongs that no rule took, or that is held for its labels: the next `sync` sends it there."""
    shell = ctx.ensure_object(Shell)
    shell.begin("assign", output, quiet)
    from xnatsync.app.assign import assign as write_down
    from xnatsync.app.assign import proposed
    from xnatsync.core.errors import Declined
    from xnatsync.core.group import Assigned
    from xnatsync.views.assign import assign_blocks, assign_fields

    config, to = shell.known(), Assigned(project, subject, session)
    found = proposed(config, name, to)
    if dry_run:
        shell.show(assign_blocks(found, done=False), assign_fields(found, done=False))
        return Exit.OK
    if not yes:
        if not shell.screen.can_ask:
            raise Declined(f"item {found.item.id} would be assigned, and there is no terminal to ask on")
        shell.screen.say(*assign_blocks(found, done=False))
        if not shell.screen.ask(f"Assign item {found.item.id}?"):
            raise Declined(f"item {found.item.id} stays held")
    done = write_down(config, name, to)
    shell.show(assign_blocks(done, done=True), assign_fields(done, done=True))
    return Exit.OK
