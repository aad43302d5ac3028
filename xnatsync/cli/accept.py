"""`accept`: what holds an item is let be, as a person decided."""

from __future__ import annotations

from typing import Annotated

import typer

from xnatsync.cli.options import OutputOption, QuietOption, YesOption
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit


def register(program: typer.Typer) -> None:
    """Add the command of this module."""
    program.command()(accept)


def accept(
    ctx: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Items: 12, a path, a session.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Look, show what would be done, and change nothing.")
    ] = False,
    yes: YesOption = False,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Accept the files that hold an item: odd objects are delivered as they are, the others are not delivered."""
    shell = ctx.ensure_object(Shell)
    shell.begin("accept", output, quiet)
    from xnatsync.app.accept import accept as let_be
    from xnatsync.app.accept import proposed
    from xnatsync.core.errors import Declined
    from xnatsync.views.accept import accept_blocks, accept_fields

    config = shell.known()
    found = proposed(config, names)
    if dry_run:
        shell.show(accept_blocks(found, done=False), accept_fields(found, done=False))
        return Exit.OK
    if not yes:
        numbers = ", ".join(str(part.item.id) for part in found)
        if not shell.screen.can_ask:
            raise Declined(f"what holds item {numbers} would be accepted, and there is no terminal to ask on")
        shell.screen.say(*accept_blocks(found, done=False))
        if not shell.screen.ask(f"Accept what holds item {numbers}?"):
            raise Declined(f"item {numbers} stays held")
    done = let_be(config, names)
    shell.show(accept_blocks(done, done=True), accept_fields(done, done=True))
    return Exit.OK
