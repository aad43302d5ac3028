"""`config check` and `config show`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from xnatsync.cli.lines import Line, Tone
from xnatsync.cli.options import OutputOption
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit
from xnatsync.core.wording import counted

if TYPE_CHECKING:
    from xnatsync.config.load import Problem


def register(program: typer.Typer) -> None:
    """Adds the commands of this module."""
    group = typer.Typer(help="Check or show the configuration.", rich_markup_mode=None, no_args_is_help=True)
    group.command()(check)
    group.command()(show)
    program.add_typer(group, name="config")


def check(ctx: typer.Context, output: OutputOption = None) -> int:
    """Check the configuration; every problem is named at once, with its line."""
    shell = ctx.ensure_object(Shell)
    shell.begin("config-check", output)
    from xnatsync.config.load import ConfigInvalid, default_path
    from xnatsync.config.load import check as examine

    path = shell.config_file if shell.config_file is not None else default_path()
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


def show(ctx: typer.Context, output: OutputOption = None) -> int:
    """Show the whole configuration with every default; no secret is ever in it."""
    shell = ctx.ensure_object(Shell)
    shell.begin("config-show", output)
    from xnatsync.config.show import as_dict, as_toml

    config = shell.config()
    shell.show([Line(text, hang=0) for text in as_toml(config).splitlines()], {"config": as_dict(config)})
    return Exit.OK
