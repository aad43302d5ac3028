"""`whoami` and `auth login`: as whom, and where."""

from __future__ import annotations

import typer

from xnatsync.cli.options import OutputOption, ProfileOption, QuietOption
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit
from xnatsync.views.blocks import Line


def register(program: typer.Typer) -> None:
    """Add the commands of this module."""
    program.command()(whoami)
    group = typer.Typer(help="The account on a server.", rich_markup_mode=None, no_args_is_help=True)
    group.callback()(lambda: None)
    group.command()(login)
    program.add_typer(group, name="auth")


def whoami(
    ctx: typer.Context, profile: ProfileOption = None, output: OutputOption = None, quiet: QuietOption = False
) -> int:
    """Show the server and the user you are logged in as."""
    return _known(ctx.ensure_object(Shell), "whoami", profile, output, quiet)


def login(
    ctx: typer.Context, profile: ProfileOption = None, output: OutputOption = None, quiet: QuietOption = False
) -> int:
    """Try user and password; asks for the password on a terminal where none is configured.

    Nothing is kept: every command logs in and out again.  The keyring keeps a password, when you put it there.
    """
    return _known(ctx.ensure_object(Shell), "auth-login", profile, output, quiet, asks=True)


def _password(url: str, user: str) -> str:
    from getpass import getpass

    return getpass(f"Password of {user} at {url}: ")


def _known(
    shell: Shell, command: str, profile: str | None, output: OutputOption, quiet: bool, *, asks: bool = False
) -> int:
    shell.begin(command, output, quiet)
    from xnatsync.app.profile import ASKED, choose, connected

    chosen = choose(shell.config_file, profile, _password if asks and shell.screen.can_ask else None)
    with connected(chosen) as server:
        known = server.whoami()
    fields = {
        "username": known,
        "server": chosen.login.url,
        "profile": chosen.name,
        "default_project": chosen.project,
        "auth_mode": chosen.login.source,
    }
    words = {**fields, "default_project": chosen.project or "none", "password from": chosen.login.source}
    del words["auth_mode"]
    lines = (
        [Line(known)] if shell.quiet else [Line(f"{word.replace('_', ' ')}: {text}") for word, text in words.items()]
    )
    shell.show(lines, fields)
    if chosen.login.source == ASKED:
        import shlex

        kept = shlex.join(["keyring", "set", f"xnatsync:{chosen.login.url}", chosen.login.user])
        shell.screen.say(f"The password is right, and was not kept.  `{kept}` keeps it for every command.")
    return Exit.OK
