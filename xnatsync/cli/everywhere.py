"""The options of the program, which every command takes as well: before and after its name they mean the same."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xnatsync.cli.shell import Shell

if TYPE_CHECKING:
    from xnatsync.cli.shell import Output

_OF_THE_PROGRAM = {"version", "help", "install_completion", "show_completion"}  # these end it, so they stand alone


def take(
    shell: Shell,
    *,
    config: Path | None = None,
    output: Output | None = None,
    quiet: bool = False,
    no_color: bool = False,
    verbose: bool = False,
    log_file: Path | None = None,
) -> None:
    """Note options that were given; what was not given stays as it is."""
    shell.config_file = config if config is not None else shell.config_file
    shell.output = output or shell.output
    shell.quiet = shell.quiet or quiet
    shell.colour = shell.colour and not no_color
    shell.verbose = shell.verbose or verbose
    shell.log_file = log_file or shell.log_file
    shell.refresh()


def spread(command: Any, options: Sequence[Any] | None = None) -> None:
    """Let every command below take the program's options, but for those it has itself."""
    if options is None:
        options = [option for option in command.params if option.name not in _OF_THE_PROGRAM]
    for child in getattr(command, "commands", {}).values():
        for option in child.params:
            if option.name == "profile":
                option.callback = _note_profile
        taken = {word for option in child.params for word in option.opts}
        child.params += [_once_more(option) for option in options if not taken & set(option.opts)]
        spread(child, options)


def _once_more(option: Any) -> Any:
    """Return the option as a command has it: noted when it is met, and not handed to the command's function."""
    found = copy.copy(option)
    found.expose_value, found.envvar, found.hidden = False, None, True
    found.callback = _noting(option.name)
    return found


def _noting(name: str) -> Callable[[Any, Any, Any], Any]:
    def note(ctx: Any, parameter: Any, value: Any) -> Any:
        if value:
            take(ctx.ensure_object(Shell), **{name: value})
        return value

    return note


def _note_profile(ctx: Any, parameter: Any, value: Any) -> Any:
    """Note the server that was named: commands that are printed name it too."""
    shell = ctx.ensure_object(Shell)
    shell.profile = value or ""
    shell.refresh()
    return value
