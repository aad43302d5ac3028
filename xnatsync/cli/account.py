"""`whoami` and `auth`: as whom, where, and a session that is kept for every command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from xnatsync.cli.options import (
    OutputOption,
    PasswordOption,
    PasswordStdinOption,
    ProfileOption,
    QuietOption,
    UsernameOption,
)
from xnatsync.cli.passwords import given
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit, ReplyStrange
from xnatsync.views.blocks import Line

if TYPE_CHECKING:
    from xnatsync.app.profile import Profile


def register(program: typer.Typer) -> None:
    """Add the commands of this module."""
    program.command()(whoami)
    group = typer.Typer(help="The account on a server.", rich_markup_mode=None, no_args_is_help=True)
    group.command()(login)
    group.command()(logout)
    group.command()(status)
    group.command(name="test")(try_account)
    program.add_typer(group, name="auth")


def whoami(
    ctx: typer.Context, profile: ProfileOption = None, output: OutputOption = None, quiet: QuietOption = False
) -> int:
    """Show the server and the user you are logged in as."""
    return _known(ctx.ensure_object(Shell), "whoami", profile, output, quiet)


def try_account(
    ctx: typer.Context, profile: ProfileOption = None, output: OutputOption = None, quiet: QuietOption = False
) -> int:
    """Try the account that commands use: connection, certificate, and login or kept session."""
    return _known(ctx.ensure_object(Shell), "auth-test", profile, output, quiet)


def login(
    ctx: typer.Context,
    username: UsernameOption = None,
    password_stdin: PasswordStdinOption = False,
    password: PasswordOption = None,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """Log in, and keep the session for every command; asks on a terminal for what is not configured.

    The session is kept for this server and user alone, where only this account can read it.  The password is not kept.
    """
    shell = ctx.ensure_object(Shell)
    shell.begin("auth-login", output, quiet)
    from xnatsync.app.accounts import ASKED, GIVEN
    from xnatsync.app.profile import choose
    from xnatsync.app.sign_in import log_in

    told = given(shell, username, password, from_stdin=password_stdin)
    chosen = choose(shell.config_file, profile, given=told, by_password=True)
    with _where_it_is(chosen):
        known = log_in(chosen)
    _show(shell, chosen, known, chosen.login.source)
    shell.screen.say("The session is kept for every command; `xnatsync auth logout` ends it.")
    if chosen.user is not None and chosen.user != chosen.login.user:
        shell.screen.say(f"Commands for this server use the account {chosen.user}: the configuration names it.")
    if chosen.login.source in {ASKED, GIVEN}:
        import shlex

        kept = shlex.join(["keyring", "set", f"xnatsync:{chosen.login.url}", chosen.login.user])
        shell.screen.say(f"The password is right, and was not kept.  `{kept}` keeps it for when the session has ended.")
    return Exit.OK


def logout(
    ctx: typer.Context,
    username: UsernameOption = None,
    everywhere: Annotated[bool, typer.Option("--all", help="The sessions of every server.")] = False,
    profile: ProfileOption = None,
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> int:
    """End the kept sessions of a server, there and here."""
    shell = ctx.ensure_object(Shell)
    shell.begin("auth-logout", output, quiet)
    from xnatsync.app.profile import choose_server
    from xnatsync.app.sign_in import log_out
    from xnatsync.views.accounts import ended_blocks, ended_fields

    url = None if everywhere else choose_server(shell.config_file, profile).server.base_url
    ended = log_out(url, username, shell.config_file)
    shell.show(ended_blocks(ended), ended_fields(ended))
    return next((one.problem.exit_code for one in ended if one.problem is not None), Exit.OK)


def status(
    ctx: typer.Context, profile: ProfileOption = None, output: OutputOption = None, quiet: QuietOption = False
) -> int:
    """List the kept sessions, without asking a server: of whom, where, and how old."""
    shell = ctx.ensure_object(Shell)
    shell.begin("auth-status", output, quiet)
    from xnatsync.app.profile import choose_server
    from xnatsync.app.sign_in import kept_now
    from xnatsync.views.accounts import kept_blocks, kept_fields

    url = choose_server(shell.config_file, profile).server.base_url if profile is not None else None
    kept = kept_now(url, shell.config_file)
    shell.show(kept_blocks(kept), kept_fields(kept))
    return Exit.OK


def _known(shell: Shell, command: str, profile: str | None, output: OutputOption, quiet: bool) -> int:
    shell.begin(command, output, quiet)
    from xnatsync.app.accounts import CACHED
    from xnatsync.app.profile import choose, connected

    chosen = choose(shell.config_file, profile)
    with _where_it_is(chosen), connected(chosen) as server:
        known = server.whoami()
        is_kept = server.client.login.is_kept and chosen.login.token is None
    _show(shell, chosen, known, CACHED if is_kept else chosen.login.source)
    return Exit.OK


@contextmanager
def _where_it_is(chosen: Profile) -> Iterator[None]:
    """Say where an XNAT is, when there is none at the address."""
    try:
        yield
    except ReplyStrange as error:
        from xnatsync.app.ping import located

        raise located(error, chosen.server) from error


def _show(shell: Shell, chosen: Profile, known: str, source: str) -> None:
    fields = {
        "username": known,
        "server": chosen.login.url,
        "profile": chosen.name,
        "default_project": chosen.project,
        "auth_mode": source,
    }
    by = "session" if source in {"cached", "token"} else "password from"
    words = {**fields, "default_project": chosen.project or "none", by: source}
    del words["auth_mode"]
    lines = (
        [Line(known)] if shell.quiet else [Line(f"{word.replace('_', ' ')}: {text}") for word, text in words.items()]
    )
    shell.show(lines, fields)
