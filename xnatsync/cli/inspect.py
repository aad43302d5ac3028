"""`status`, `history` and `why`: what the ledger knows.  They only read, and work while another instance runs."""

from __future__ import annotations

from typing import Annotated

import typer

from xnatsync.cli.options import OutputOption
from xnatsync.cli.shell import Output, Shell
from xnatsync.core.errors import Exit, Usage

_HISTORY = 40
_HISTORY_MAX = 100_000


def register(program: typer.Typer) -> None:
    """Add the commands of this module."""
    program.command()(status)
    program.command()(history)
    program.command()(why)


def status(
    ctx: typer.Context,
    route: Annotated[str | None, typer.Argument(metavar="[ROUTE]", show_default=False, help="One route only.")] = None,
    healthy: Annotated[
        bool, typer.Option("--healthy", help="Only whether the agent is at work and goes forward, as the exit code.")
    ] = False,
    output: OutputOption = None,
) -> int:
    """Show what is in progress, and what is held and why."""
    shell = ctx.ensure_object(Shell)
    if healthy:
        return _health(shell, route, output)
    shell.begin("status", output)
    from xnatsync.app.status import overview
    from xnatsync.views.status import status_blocks, status_fields

    seen = overview(shell.known(), route)
    shell.show(status_blocks(seen), status_fields(seen))
    return Exit.OK


def _health(shell: Shell, route: str | None, output: Output | None) -> int:
    shell.begin("status-healthy", output)
    from xnatsync.app.health import health
    from xnatsync.views.agent import health_fields
    from xnatsync.views.printable import printable

    if route is not None:
        raise Usage("--healthy asks about the agent, and takes no route")
    seen = health(shell.config_file)
    if shell.is_json:
        shell.show([], health_fields(seen))
    else:  # one line, however narrow the terminal is
        shell.screen.document(printable(seen.text))
    return Exit.OK if seen.healthy else Exit.TEMPORARY


def history(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=_HISTORY_MAX, help="How many of the newest events.")] = _HISTORY,
    output: OutputOption = None,
) -> int:
    """Show the diary: what happened, when, to which item."""
    shell = ctx.ensure_object(Shell)
    shell.begin("history", output)
    from xnatsync.app.status import diary
    from xnatsync.views.status import history_blocks, history_fields

    seen = diary(shell.known(), limit)
    shell.show(history_blocks(seen), history_fields(seen))
    return Exit.OK


def why(
    ctx: typer.Context,
    what: Annotated[
        str,
        typer.Argument(metavar="NAME", help="A path, a UID, a session, or a number: 12, u7, o3."),
    ],
    output: OutputOption = None,
) -> int:
    """Show the whole history of something that was dropped, or that is in a tree."""
    shell = ctx.ensure_object(Shell)
    shell.begin("why", output)
    from xnatsync.app.story import tell
    from xnatsync.views.why import why_blocks, why_fields

    tale = tell(shell.known(), what)
    shell.show(why_blocks(tale), why_fields(tale))
    return Exit.OK
