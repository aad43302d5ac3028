"""The options of the program, which every command takes as well: before and after its name they mean the same.

And the options of listings, which every command takes that `views.cells` knows as one.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xnatsync.cli.options import options_of_listings, profile_option
from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Usage
from xnatsync.views.cells import TABLES, is_listing

if TYPE_CHECKING:
    from xnatsync.cli.shell import Output

_OF_THE_PROGRAM = {
    "version",
    "help",
    "install_completion",
    "show_completion",
    "server",
}  # these end it, so they stand alone


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


def spread(command: Any) -> None:
    """Let every command below take the program's options, and every listing its own, but for those it has itself."""
    finish = spreading(command)
    for path, child in below(command):
        finish(child, path)


def below(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield each group and command below one, with the words of its name."""
    for name, child in getattr(command, "commands", {}).items():
        yield (*path, name), child
        yield from below(child, (*path, name))


def spreading(program: Any) -> Callable[[Any, tuple[str, ...]], None]:
    """Return what gives one command below the program its options, as `spread` gives them to all."""
    options = [option for option in program.params if option.name not in _OF_THE_PROGRAM]

    def finish(command: Any, path: tuple[str, ...]) -> None:
        own = "-".join(path)
        for option in command.params:
            if option.name == "profile":
                option.callback = _note_profile
        if not hasattr(command, "commands") and all(option.name != "profile" for option in command.params):
            command.params += _refusing_a_profile(own, command.params)
        taken = {word for option in command.params for word in option.opts}
        command.params += [option for option in _of_listings(own) if not taken & set(option.opts)]
        command.params += [_once_more(option) for option in options if not taken & set(option.opts)]

    return finish


def _of_listings(command: str) -> list[Any]:
    """Return the options with which rows and columns of a listing are chosen; of another table, `--no-headers`."""
    if command not in TABLES and not is_listing(command):
        return []
    return [
        _for_a_listing(option) for option in options_of_listings() if is_listing(command) or option.name == "no_headers"
    ]


def _for_a_listing(option: Any) -> Any:
    def note(ctx: Any, parameter: Any, value: Any) -> Any:
        if value is not None and value is not False and value not in ([], ()):
            name, told = ("has_headings", False) if option.name == "no_headers" else (option.name, value)
            ctx.ensure_object(Shell).asked[name] = told
        return value

    option.expose_value, option.callback = False, note
    return option


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
    """Note the server that was named, here or before the command: commands that are printed name it too."""
    shell = ctx.ensure_object(Shell)
    shell.profile = value or shell.profile
    shell.refresh()
    return shell.profile or None


def _refusing_a_profile(command: str, params: Sequence[Any]) -> list[Any]:
    """Return the option of a server for a command that asks none: it is refused, and not silently without effect."""
    found = profile_option()
    if {word for option in params for word in option.opts} & set(found.opts):
        return []

    def refuse(ctx: Any, parameter: Any, value: Any) -> Any:
        if value or ctx.ensure_object(Shell).profile:
            raise Usage(
                f"`{command.replace('-', ' ', 1)}` takes no profile: it asks no server, or those that its routes name",
                advice="Leave out -p.",
            )
        return value

    found.expose_value, found.hidden, found.callback = False, True, refuse
    return [found]
