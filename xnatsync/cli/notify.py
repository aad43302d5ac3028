"""`notify test` and `notify list`: whether messages arrive, and the outbox."""

from __future__ import annotations

from typing import Annotated

import typer

from xnatsync.cli.options import OutputOption, QuietOption
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit


def register(program: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(help="Messages about what needs a person.", rich_markup_mode=None, no_args_is_help=True)
    group.command(name="test")(send_test)
    group.command(name="list")(list_outbox)
    program.add_typer(group, name="notify")


def send_test(
    ctx: typer.Context,
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TARGET]...", show_default=False, help="Names of [notify.NAME]; all, if none is named."
        ),
    ] = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Send a test message to each target, and show which of them took it."""
    shell = ctx.ensure_object(Shell)
    shell.begin("notify-test", output, quiet)
    from xnatsync.app.notify import try_targets
    from xnatsync.views.notify import tried_blocks, tried_fields

    found = try_targets(shell.config(), targets or [])
    shell.show(tried_blocks(found), tried_fields(found))
    return Exit.TEMPORARY if any(one.error is not None for one in found) else Exit.OK


def list_outbox(
    ctx: typer.Context,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """List the messages that wait and those that were sent, the newest first."""
    shell = ctx.ensure_object(Shell)
    shell.begin("notify-list", output, quiet, lists=True)
    from xnatsync.app.notify import outbox
    from xnatsync.views.notify import COLUMNS, outbox_rows

    shell.show_rows(outbox_rows(outbox(shell.known())), COLUMNS)
    return Exit.OK
