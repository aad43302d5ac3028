"""`doctor`: every check at once, each with its advice."""

from __future__ import annotations

import typer

from xnatsync.cli.options import OutputOption
from xnatsync.cli.shell import Shell


def register(program: typer.Typer) -> None:
    """Add the command of this module."""
    program.command()(doctor)


def doctor(ctx: typer.Context, output: OutputOption = None) -> int:
    """Check everything at once, and say what to mend.

    The configuration, the ledger, the servers and the folders.
    """
    shell = ctx.ensure_object(Shell)
    shell.begin("doctor", output)
    from xnatsync.app.doctor import examine
    from xnatsync.views.doctor import doctor_blocks, doctor_fields

    checks = examine(shell.config_file)
    shell.show(doctor_blocks(checks), doctor_fields(checks))
    return checks.exit_code
