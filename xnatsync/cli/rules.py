"""`rules test` and `rules replay`: what the rules of a drop route would do.  Nothing is sent or changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xnatsync.cli.options import OutputOption, QuietOption
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit

RouteOption = Annotated[
    str | None, typer.Option("--route", metavar="NAME", help="The drop route whose rules are asked.")
]


def register(program: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(help="What the rules of drop routes would do.", rich_markup_mode=None, no_args_is_help=True)
    group.command(name="test")(rehearse_paths)
    group.command()(replay)
    program.add_typer(group, name="rules")


def rehearse_paths(
    ctx: typer.Context,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Folders, files or archives.")],
    route: RouteOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Show which rule takes each study at a path, and where it would go. Nothing is sent."""
    shell = ctx.ensure_object(Shell)
    shell.begin("rules-test", output, quiet)
    from xnatsync.app.rules_rehearsed import rehearse
    from xnatsync.views.rules import rules_blocks, rules_fields

    found = rehearse(shell.known(), paths, route)
    shell.show(rules_blocks(found), rules_fields(found))
    return Exit.HELD if any(one.error is not None for one in found) else Exit.OK


def replay(
    ctx: typer.Context,
    since: Annotated[str, typer.Option(metavar="TIME", help="How far back: 12h, 30d.")] = "30d",
    route: RouteOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Show what the rules of today would do with items of the past, as far as their files exist. Nothing is sent."""
    shell = ctx.ensure_object(Shell)
    shell.begin("rules-replay", output, quiet)
    from xnatsync.app.rules_rehearsed import replay as play
    from xnatsync.config.words import seconds
    from xnatsync.core.errors import Usage
    from xnatsync.views.rules import rules_blocks, rules_fields

    try:
        since_s = seconds(since)
    except ValueError as error:
        raise Usage(f"--since: {error}") from None
    found = play(shell.known(), since_s, route)
    shell.show(rules_blocks(found), rules_fields(found))
    return Exit.DIFFERENT if any(part.differs for one in found for part in one.outcomes) else Exit.OK
