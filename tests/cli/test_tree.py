"""The parser makes a command when it is asked for, and makes the same one as if all had been made at once."""

from __future__ import annotations

import re
from typing import Any

import typer

from xnatsync.cli import helping
from xnatsync.cli.everywhere import below, spread, spreading
from xnatsync.cli.program import build
from xnatsync.cli.tree import Finish, parser


def _finishing(program: Any) -> Finish:
    give = spreading(program)

    def finish(command: Any, path: tuple[str, ...]) -> None:
        give(command, path)
        helping.explain_one(command, path)

    return finish


def _everything(program: Any) -> dict[tuple[str, ...], object]:
    """Each command with its help page and all that its options and arguments are."""
    found: dict[tuple[str, ...], object] = {}
    for path, command in below(program):
        context = command.context_class(command, info_name=" ".join(path), parent=None)
        parts = [{name: _shown(value) for name, value in vars(part).items()} for part in command.params]
        found[path] = (command.get_help(context), _shown(command.callback), command.no_args_is_help, parts)
    return found


def _shown(value: object) -> str:
    return getattr(value, "__qualname__", "") or re.sub(r" at 0x\w+", "", repr(value))


def test_a_command_is_the_same_as_if_all_had_been_made() -> None:
    """Names and their order, help, options, what is called: of every command and group."""
    whole: Any = typer.main.get_command(build())
    spread(whole)
    helping.explain(whole)
    expected = _everything(whole)

    found = _everything(parser(build(), _finishing))

    assert list(found) == list(expected)
    assert len(found) > 130
    assert found == expected


def test_a_command_that_was_left_unfinished_is_seen() -> None:
    """The comparison above can fail: without the options that all commands take, none is the same."""
    whole = _everything(parser(build(), _finishing))

    bare = _everything(parser(build(), lambda program: lambda command, path: None))

    assert list(bare) == list(whole)
    assert [path for path in bare if bare[path] == whole[path]] == []


def test_only_what_is_asked_for_is_made() -> None:
    """The way to one command is its groups and itself; the names of the others are known without them."""
    made: list[tuple[str, ...]] = []
    program = parser(build(), lambda program: lambda command, path: made.append(path))

    assert made == []
    assert {"sync", "admin", "status"} <= set(program.commands)
    assert program.commands.get("nothing of that name") is None
    users = program.commands["admin"].commands["user"]
    assert users.commands["list"].name == "list"
    assert program.commands["admin"].commands["user"] is users

    assert made == [("admin",), ("admin", "user"), ("admin", "user", "list")]
