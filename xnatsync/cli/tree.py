"""The parser of the program, whose commands are made when they are asked for.

To make all of them takes longer than most commands do: each option of each command is read out of a signature.  A run
needs those on the way to its own command; a help page, those that it lists.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

import typer

Finish = Callable[[Any, tuple[str, ...]], None]  # completes a command that was just made, given the words of its name


def parser(program: typer.Typer, finish: Callable[[Any], Finish]) -> Any:
    """Return the parser of a program; `finish`, given that parser, returns what completes each command below it."""
    root: Any = typer.main.get_command(_hollow(program))
    root.commands = _Below(program, program.rich_markup_mode, finish(root), ())
    return root


class _Below(MutableMapping[str, Any]):
    """The commands of a group by name, in order; each is made once, when it is first asked for."""

    def __init__(self, group: typer.Typer, markup: Any, finish: Finish, path: tuple[str, ...]) -> None:
        self._markup, self._finish, self._path = markup, finish, path
        registered: list[Any] = [*group.registered_commands, *group.registered_groups]
        self._known = {info.name or typer.main.get_command_name(info.callback.__name__): info for info in registered}
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = self._make(name, self._known[name])
        return self._made[name]

    def _make(self, name: str, info: Any) -> Any:
        path = (*self._path, name)
        holder = typer.Typer(add_completion=False, rich_markup_mode=self._markup, pretty_exceptions_enable=False)
        holder.callback()(_nothing)  # what has a callback is a group, and keeps the command as its own
        instance = getattr(info, "typer_instance", None)
        if instance is None:
            holder.registered_commands = [info]
        else:
            info = copy.copy(info)
            info.typer_instance = _hollow(instance)
            holder.registered_groups = [info]
        made: Any = typer.main.get_command(holder)
        command = made.commands[name]
        if instance is not None:
            command.commands = _Below(instance, self._markup, self._finish, path)
        self._finish(command, path)
        return command

    def __setitem__(self, name: str, command: Any) -> None:
        self._known[name] = self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._known[name]
        self._made.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, name: object) -> bool:
        return name in self._known


def _hollow(group: typer.Typer) -> typer.Typer:
    """Return a group as it is, but for its commands."""
    found = copy.copy(group)
    found.registered_commands, found.registered_groups = [], []
    return found


def _nothing() -> None:
    """Do nothing, before a command."""
