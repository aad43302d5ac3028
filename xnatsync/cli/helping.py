"""`help`, and the help that is shown where no command was named."""

from __future__ import annotations

import difflib
import re
from typing import Annotated, Any

import typer

from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit, Usage

_ALIKE = 0.75  # of 1: below, a suggestion would mislead
_ABSENT = {  # commands of xnatctl that this version does not have, and what does the same
    "admin": "the server's web interface has what it did",
    "pipeline": "start pipelines in the server's web interface",
    "prearchive": "`xnatsync why NAME` tells what of an item waits there",
    "dicom": "let a receiver write into the folder of a drop route",
    "upload": "put the files into the folder of a drop route, and run `xnatsync sync`",
    "upload-dicom": "put the files into the folder of a drop route, and run `xnatsync sync`",
    "transfer": "a mirror brings a project to a folder, a push brings files back",
}


def register(program: typer.Typer) -> None:
    """Adds the command of this module."""
    program.command(name="help")(help_)


def help_(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[COMMAND]...", show_default=False, help="As in `help session list`.")
    ] = None,
) -> int:
    """Show the help of a command, or list all commands."""
    shell = ctx.ensure_object(Shell)
    shell.begin("help", None)
    place: Any = ctx.find_root()
    for word in words or ():
        found = getattr(place.command, "commands", {}).get(word)
        if found is None:
            raise Usage(absent(word, getattr(place.command, "commands", {})), advice="`xnatsync help` lists them.")
        place = type(ctx)(found, info_name=word, parent=place, **found.context_settings)
    shell.screen.document(place.get_help())
    return Exit.OK


def absent(word: str, known: Any) -> str:
    """Say that there is no such command; name one only where it is very likely meant."""
    if near := difflib.get_close_matches(word, list(known), n=1, cutoff=_ALIKE):
        return f"there is no command `{word}`; did you mean `{near[0]}`?"
    instead = f": {_ABSENT[word]}" if word in _ABSENT else ""
    return f"there is no command `{word}` in this version{instead}"


def unknown_command(words: str) -> str | None:
    """Return the command that the parser did not know, from what it says; None when it says something else."""
    found = re.match(r"No such command '([^']*)'", words)
    return found[1] if found is not None else None
