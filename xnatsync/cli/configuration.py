"""`config check`, `config show` and `config init`; `profiles` has the commands that change servers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from xnatsync.cli import profiles
from xnatsync.cli.options import OutputOption, ProfileOption
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit
from xnatsync.core.wording import counted
from xnatsync.views.blocks import Block, Command, Line, Tone

if TYPE_CHECKING:
    from xnatsync.config.load import Problem


def register(program: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(help="Check, show or extend the configuration.", rich_markup_mode=None, no_args_is_help=True)
    group.command()(check)
    group.command()(show)
    group.command()(init)
    profiles.add_to(group)
    program.add_typer(group, name="config")


def check(ctx: typer.Context, output: OutputOption = None) -> int:
    """Check the configuration; every problem is named at once, with its line."""
    shell = ctx.ensure_object(Shell)
    shell.begin("config-check", output)
    from xnatsync.config.load import ConfigInvalid
    from xnatsync.config.load import check as examine

    path = shell.place_of_config
    try:
        config, warnings = examine(path)
    except ConfigInvalid as error:
        if not shell.is_json:
            raise
        shell.show([], {"valid": False, "servers": [], "routes": [], "problems": _problems(error.problems)})
        return error.exit_code
    summary = f"{path} is valid: {counted(len(config.servers), 'server')}, {counted(len(config.routes), 'route')}"
    unwise = [Line(f"{path}:{found.line}: {found.key}: {found.text}", Tone.WARN) for found in warnings]
    shell.show(
        [*unwise, Line(summary, Tone.GOOD)],
        {
            "valid": True,
            "servers": sorted(config.servers),
            "routes": sorted(config.routes),
            "problems": _problems(warnings),
        },
    )
    return Exit.OK


def _problems(found: Sequence[Problem]) -> list[dict[str, object]]:
    return [
        {"line": problem.line, "key": problem.key, "text": problem.text, "warning": problem.warning}
        for problem in found
    ]


def show(ctx: typer.Context, profile: ProfileOption = None, output: OutputOption = None) -> int:
    """Show the whole configuration with every default, or one server of it; no secret is ever in it."""
    shell = ctx.ensure_object(Shell)
    shell.begin("config-show", output)
    from xnatsync.config.show import as_dict, as_toml, of_server

    config = shell.config() if profile is None else of_server(shell.config(), profile)
    shell.show([Line(text, hang=0) for text in as_toml(config).splitlines()], {"config": as_dict(config)})
    return Exit.OK


def init(
    ctx: typer.Context,
    url: Annotated[str | None, typer.Option(metavar="URL", help="The address of the XNAT.")] = None,
    user: Annotated[str | None, typer.Option(metavar="NAME", help="The account.")] = None,
    project: Annotated[str | None, typer.Option("--project", "-P", metavar="ID", help="The project.")] = None,
    folder: Annotated[str | None, typer.Option(metavar="FOLDER", help="Where files are dropped, or kept.")] = None,
    kind: Annotated[str, typer.Option(metavar="KIND", help="drop, mirror or push.")] = "drop",
    name: Annotated[str, typer.Option(metavar="NAME", help="What the server is called here.")] = "default",
    login: Annotated[
        bool | None,
        typer.Option("--login/--no-login", help="Keep the session, as `auth login` does; on a terminal it is kept."),
    ] = None,
    output: OutputOption = None,
) -> int:
    """Write a first configuration, and try it: one server, and with a folder one route.

    Asks on a terminal for what was not given.  A file that is there is never overwritten.
    """
    shell = ctx.ensure_object(Shell)
    shell.begin("config-init", output)
    from xnatsync.app.first_configuration import Wishes, begin
    from xnatsync.core.errors import Usage

    if kind not in {"drop", "mirror", "push"}:
        raise Usage(f"--kind {kind}: write drop, mirror or push")
    given = {"url": url, "user": user, "project": project, "folder": folder}
    wishes = Wishes(name=name, kind=kind, **{key: _answer(shell, key, text) for key, text in given.items()})  # type: ignore[arg-type]
    begun = begin(shell.place_of_config, wishes, shell.calling, login=login)
    lines: list[Block] = [Line(f"{begun.file} was written", Tone.GOOD)]
    if begun.problem is None:
        lines.append(Line(f"{wishes.url} knows this account as {begun.known_as}", Tone.GOOD))
    else:
        lines.append(
            Line(f"the server was not reached with it yet: {begun.problem}  [{begun.problem.code}]", Tone.WARN)
        )
        lines.append(Line(f"what to do: {begun.problem.remedy}", indent=2, hang=12))
    if begun.is_kept:
        lines.append(Line("the session is kept for every command; `xnatsync auth logout` ends it"))
    lines.append(Command("check everything: ", ("doctor",)))
    if wishes.folder:
        lines.append(Command("see what a run would do: ", ("plan",)))
    problem = begun.problem.code if begun.problem is not None else None
    shell.show(
        lines, {"file": str(begun.file), "username": begun.known_as, "problem": problem, "session_kept": begun.is_kept}
    )
    return Exit.OK


_QUESTIONS = {
    "url": "The address of the XNAT (https://...)",
    "user": "The account",
    "project": "The project (its ID; nothing: none)",
    "folder": "The folder where files are dropped, or kept (nothing: no route)",
}


def _answer(shell: Shell, key: str, given: str | None) -> str:
    """Return what was given, or ask; "" for what may be left out; Usage where there is no address."""
    from xnatsync.core.errors import Usage

    if given is None and shell.screen.can_ask:
        given = shell.screen.ask_for(_QUESTIONS[key])
    if not given and key == "url":
        raise Usage("--url was not given", advice="Give --url, or run it on a terminal.")
    return given or ""
