"""`doctor`: every check at once, each with its advice; and `health ping`."""

from __future__ import annotations

import typer

from xnatsync.cli.options import OutputOption, ProfileOption, QuietOption
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit
from xnatsync.views.blocks import Line, Tone


def register(program: typer.Typer) -> None:
    """Add the command of this module."""
    program.command()(doctor)
    group = typer.Typer(help="Whether a server answers.", rich_markup_mode=None, no_args_is_help=True)
    group.callback()(lambda: None)
    group.command()(ping)
    program.add_typer(group, name="health")


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


def ping(
    ctx: typer.Context, profile: ProfileOption = None, output: OutputOption = None, quiet: QuietOption = False
) -> int:
    """Ask a server for its version, without a login: whether an XNAT answers, and how soon."""
    shell = ctx.ensure_object(Shell)
    shell.begin("health-ping", output, quiet)
    from xnatsync.app.ping import ping as asked
    from xnatsync.app.profile import choose_server

    chosen = choose_server(shell.config_file, profile)
    found = asked(chosen.server)
    fields = {"server": found.url, "profile": chosen.name, "version": found.version, "took_ms": found.took_ms}
    line = Line(f"XNAT {found.version} answers at {found.url} in {found.took_ms} ms", Tone.GOOD)
    shell.show([line] if not shell.quiet else [], fields)
    return Exit.OK
