"""`certificate check`, `list` and `write`: what was signed for transfers."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated

import typer

from xnatsync.cli.options import OutputOption, QuietOption
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit


def register(program: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(help="Certificates of transfers.", rich_markup_mode=None, no_args_is_help=True)
    group.command()(check)
    group.command(name="list")(list_certificates)
    group.command()(write)
    program.add_typer(group, name="certificate")


def check(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", show_default=False, help="The JSON file, or the page.")],
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Say whether a certificate is of this ledger, and unchanged."""
    shell = ctx.ensure_object(Shell)
    shell.begin("certificate-check", output, quiet)
    from xnatsync.app import certificates
    from xnatsync.app.ledger_tables import opened
    from xnatsync.views.certificate import checked_blocks, checked_fields

    with opened(shell.known()) as ledger:
        found = certificates.check(ledger, file)
    shell.show(checked_blocks(str(file), found), checked_fields(str(file), found))
    return {"unchanged": Exit.OK, "changed": Exit.DIFFERENT}.get(found.state, Exit.HELD)


def list_certificates(ctx: typer.Context, output: OutputOption = None, quiet: QuietOption = False) -> int:
    """List the certificates that were made with this ledger, the newest first."""
    shell = ctx.ensure_object(Shell)
    shell.begin("certificate-list", output, quiet, lists=True)
    from xnatsync.app.status import reading
    from xnatsync.views.certificate import row_fields

    with reading(shell.known()) as ledger:
        rows = [row_fields(row) for row in (ledger.certificates() if ledger is not None else [])]
    shell.show_rows(rows, {"made_at": "made", "outcome": "outcome", "route": "route", "run": "run", "path": "file"})
    return Exit.OK


def write(
    ctx: typer.Context,
    route: Annotated[str, typer.Argument(metavar="ROUTE", show_default=False, help="As `certificate list` shows it.")],
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Compare both sides of a transfer now, and sign for what is there."""
    shell = ctx.ensure_object(Shell)
    shell.begin("certificate-write", output, quiet)
    from xnatsync.app.app import App
    from xnatsync.app.clock import stop_on_signals
    from xnatsync.app.transfer_routes import transfer_of
    from xnatsync.cli.sync import watched
    from xnatsync.views.certificate import row_fields, written_blocks
    from xnatsync.views.certificate_page import signed

    app = App(shell.config(), threading.Event())
    with stop_on_signals(app.stop), watched(shell) as (progress, _):
        written = transfer_of(app, route).certify(progress=progress, sign=signed)
    shell.show(written_blocks(written), {"certificate": row_fields(written.row), "page": str(written.html)})
    return Exit.OK if written.row.outcome == "complete" else Exit.HELD
