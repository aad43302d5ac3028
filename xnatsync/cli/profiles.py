"""`config add-profile`, `use-context`, `current-context`, `remove-profile`, `set-password` and `import-xnatctl`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xnatsync.cli.asking import sure
from xnatsync.cli.options import (
    DryRunOption,
    OutputOption,
    PasswordStdinOption,
    ProfileOption,
    ProjectOption,
    QuietOption,
    UsernameOption,
    YesOption,
)
from xnatsync.cli.passwords import asked, given
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit
from xnatsync.views.blocks import Line, Tone

if TYPE_CHECKING:
    from xnatsync.app.from_xnatctl import Import

NameArgument = Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="A server of the configuration.")]


def add_to(group: typer.Typer) -> None:
    """Add the commands of this module to the group `config`."""
    group.command()(add_profile)
    group.command()(use_context)
    group.command()(current_context)
    group.command()(remove_profile)
    group.command()(set_password)
    group.command(name="import-xnatctl")(import_xnatctl)


def add_profile(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", show_default=False, help="What the server is called here: prod.")
    ],
    url: Annotated[str | None, typer.Option(metavar="URL", help="The address; else XNAT_URL, for a new one.")] = None,
    user: Annotated[
        str | None,
        typer.Option("--user", "--username", metavar="NAME", help="The account; else XNAT_USER, for a new one."),
    ] = None,
    project: ProjectOption = None,
    timeout: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="How long an answer may take: seconds, or 10m; else, for a new one, 60s."),
    ] = None,
    verify_ssl: Annotated[
        bool | None, typer.Option("--verify-ssl/--no-verify-ssl", help="Whether its certificate is verified.")
    ] = None,
    ca_bundle: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The authority that signed its certificate (PEM).")
    ] = None,
    output: OutputOption = None,
) -> int:
    """Write a server into the configuration, or change one.

    Everything else in the file stays as it is.  A password never comes into it.
    """
    shell = ctx.ensure_object(Shell)
    shell.begin("config-add-profile", output)
    from xnatsync.app.profiles import ServerWishes, write_profile

    path = shell.place_of_config
    is_new = write_profile(path, name, ServerWishes(url, user, project, timeout, verify_ssl, ca_bundle))
    text = f"server {name} was {'added to' if is_new else 'changed in'} {path}"
    shell.show([Line(text, Tone.GOOD)], {"name": name, "file": str(path), "added": is_new})
    return Exit.OK


def use_context(ctx: typer.Context, name: NameArgument, output: OutputOption = None) -> int:
    """Make a server the one that commands mean when `-p` names none."""
    shell = ctx.ensure_object(Shell)
    shell.begin("config-use-context", output)
    from xnatsync.app.environment import stronger
    from xnatsync.app.profiles import use

    path = shell.place_of_config
    use(path, name)
    shell.show([Line(f"commands mean server {name}", Tone.GOOD)], {"name": name, "file": str(path)})
    if winner := stronger():
        shell.screen.say(f"The environment variable {winner} is set, and wins over it.")
    return Exit.OK


def current_context(
    ctx: typer.Context, profile: ProfileOption = None, output: OutputOption = None, quiet: QuietOption = False
) -> int:
    """Show which server a command would ask, without asking it."""
    shell = ctx.ensure_object(Shell)
    shell.begin("config-current-context", output, quiet)
    from xnatsync.app.profile import choose_server

    chosen = choose_server(shell.config_file, profile)
    project = chosen.server.project or chosen.config.defaults.project
    url = chosen.server.base_url
    fields = {"name": chosen.name, "server": url, "username": chosen.user, "default_project": project}
    shell.show([Line(chosen.name if shell.quiet else f"{chosen.name} ({url})")], fields)
    return Exit.OK


def remove_profile(
    ctx: typer.Context,
    name: NameArgument,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    output: OutputOption = None,
) -> int:
    """Remove a server from the configuration; one that a route needs is not removed."""
    shell = ctx.ensure_object(Shell)
    shell.begin("config-remove-profile", output)
    from xnatsync.app.profiles import removal, remove

    path = shell.place_of_config
    planned = removal(path, name)
    lines = [Line(f"server {name} ({planned.server.base_url})")]
    if planned.is_default:
        lines.append(Line("it is the default server: then commands need `-p`", indent=2))
    if planned.users:
        users = ", ".join(planned.users)
        lines.append(Line(f"sessions of {users} are kept; `xnatsync auth logout --all` ends them", indent=2))
    if not dry_run:
        sure(
            shell, yes=yes, question=f"Remove server {name} from {path}?", would=f"server {name} would be removed",
            plan=lines,
        )  # fmt: skip
        remove(path, planned)
        lines = [Line(f"server {name} was removed from {path}", Tone.GOOD), *lines[1:]]
    fields = {
        "name": name,
        "server": planned.server.base_url,
        "file": str(path),
        "default": planned.is_default,
        "kept_sessions": list(planned.users),
        "removed": not dry_run,
    }
    shell.show(lines, fields)
    return Exit.OK


def set_password(
    ctx: typer.Context,
    name: NameArgument,
    username: UsernameOption = None,
    password_stdin: PasswordStdinOption = False,
    output: OutputOption = None,
) -> int:
    """Store the password of a server in the keyring, for its address and user."""
    shell = ctx.ensure_object(Shell)
    shell.begin("config-set-password", output)
    from xnatsync.app.profiles import keep_password, server_named

    server_named(shell.place_of_config, name)  # before a password is asked for
    told = given(shell, username, None, from_stdin=password_stdin)
    password = told.password if told.password is not None else asked(shell, name)
    user = keep_password(shell.place_of_config, name, told.user, password)
    line = f"the keyring has the password of {user} for server {name}; `xnatsync auth test -p {name}` tries it"
    shell.show([Line(line, Tone.GOOD)], {"name": name, "username": user})
    return Exit.OK


def import_xnatctl(
    ctx: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", show_default=False, help="Its config.yaml; else the usual one.")
    ] = None,
    keyring: Annotated[
        bool, typer.Option("--keyring", help="Store passwords that are in it in the keyring, without asking.")
    ] = False,
    dry_run: DryRunOption = False,
    output: OutputOption = None,
) -> int:
    """Take servers over from a configuration of xnatctl; passwords in it are not copied into the configuration."""
    shell = ctx.ensure_object(Shell)
    shell.begin("config-import-xnatctl", output)
    from xnatsync.app.from_xnatctl import USUAL, read, write
    from xnatsync.views.accounts import import_blocks, import_fields

    path = shell.place_of_config
    planned = read(file or USUAL, path)
    stored: list[str] = []
    if not dry_run:
        write(planned, path)
        stored = _store(shell, planned, path, without_asking=keyring)
    shell.show(
        import_blocks(planned, path, stored, done=not dry_run), import_fields(planned, path, stored, done=not dry_run)
    )
    return Exit.HELD if any(one.state == "refused" for one in planned.servers) else Exit.OK


def _store(shell: Shell, planned: Import, path: Path, *, without_asking: bool) -> list[str]:
    """Store the passwords that the file holds in the keyring, where that is wanted; return of which servers."""
    from xnatsync.app.profiles import keep_password

    stored = []
    for one in planned.servers:
        if one.state != "new" or not one.password or not one.user:
            continue
        question = f"Store the password of {one.user} for server {one.name} in the keyring?"
        if without_asking or (shell.screen.can_ask and shell.screen.ask(question)):
            keep_password(path, one.name, one.user, one.password)
            stored.append(one.name)
    return stored
