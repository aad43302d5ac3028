"""`completion`, and `--install-completion`: written so that nothing of a person's own start files is ever lost.

The parser's own way writes start files anew in place: a full disk, or another encoding, would cost a person theirs.
Here a line is only ever added at the end, and a file of that name that is not ours is left as it is.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Exit

_OURS = b"_XNATSYNC_COMPLETE"  # stands in every script of ours
_SCRIPTS = {
    "bash": ".bash_completions/xnatsync.sh",
    "zsh": ".zfunc/_xnatsync",
    "fish": ".config/fish/completions/xnatsync.fish",
}


@dataclass(frozen=True, slots=True)
class _Start:
    """What a shell reads when it begins, and the line that it needs there."""

    file: str
    line: str


_STARTS = {
    "bash": _Start(".bashrc", "source ~/.bash_completions/xnatsync.sh"),
    "zsh": _Start(".zshrc", "fpath+=~/.zfunc; autoload -Uz compinit; compinit"),
}


class Kind(StrEnum):
    """A shell that completes commands."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def register(program: typer.Typer) -> None:
    """Add the command of this module."""
    program.command()(completion)


def completion(
    ctx: typer.Context,
    kind: Annotated[Kind, typer.Argument(metavar="SHELL", show_default=False, help="bash, zsh or fish.")],
) -> int:
    """Print the script with which a shell completes commands; `--install-completion` installs it."""
    shell = ctx.ensure_object(Shell)
    shell.begin("completion", None)
    shell.screen.document(_script(kind.value).removesuffix("\n"))
    return Exit.OK


def take_over(program: Any, shell: Shell) -> None:
    """Let `--install-completion` of a parsed program do it our way."""

    def asked(ctx: object, parameter: object, value: object) -> object:
        if value and not getattr(ctx, "resilient_parsing", False):
            from xnatsync.views.blocks import Line

            shell.screen.result([Line(text) for text in install(_shell_of(value), Path.home())])
            raise SystemExit(0)
        return value

    for parameter in program.params:
        if parameter.name == "install_completion":
            parameter.callback = asked


def install(name: str, home: Path) -> list[str]:
    """Put the script for a shell below a home, and let the shell read it; return what was done.

    PlaceTaken when a file that is not ours lies there, Usage for a shell that is not known: nothing is changed then.
    """
    from xnatsync.core.errors import PlaceTaken, Usage

    if name not in _SCRIPTS:
        raise Usage(
            f"completion is not installed for {name or 'an unknown shell'}",
            advice="The option `--show-completion` prints it; bash, zsh and fish can be installed.",
        )
    place = home / _SCRIPTS[name]
    content = _script(name).encode()
    try:
        if os.path.lexists(place) and (place.is_symlink() or not place.is_file() or _OURS not in place.read_bytes()):
            raise PlaceTaken(
                f"{place} is there, and is not ours: it was left as it is",
                advice="Move it away; the option `--show-completion` prints what would be written.",
            )
        done = _put(place, content)
        start = _STARTS.get(name)
        return [*done, *(_add_line(home / start.file, start.line) if start is not None else [])]
    except OSError as error:
        raise Usage(
            f"completion cannot be installed: {error.filename}: {error.strerror}",
            advice="The option `--show-completion` prints what would be written.",
        ) from error


def _put(place: Path, content: bytes) -> list[str]:
    from xnatsync.app.named_files import put_ours

    return [f"wrote {place}"] if put_ours(place, content) else [f"{place} is there already"]


def _add_line(file: Path, line: str) -> list[str]:
    """Add a line at the end of a file, in one write; nothing that stands there is touched."""
    there = file.read_bytes() if file.exists() else b""
    if line.encode() in there.splitlines():
        return [f"{file} reads it already"]
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o644)
    try:
        os.write(handle, (b"" if there.endswith(b"\n") or not there else b"\n") + line.encode() + b"\n")
    finally:
        os.close(handle)
    return [f"added a line to {file}: begin a new shell"]


def _script(name: str) -> str:
    from typer import _completion_shared

    return (
        _completion_shared.get_completion_script(prog_name="xnatsync", complete_var="_XNATSYNC_COMPLETE", shell=name)
        + "\n"
    )


def _shell_of(value: object) -> str:
    """Return the shell that was named, else that in which the program was called."""
    if isinstance(value, str):
        return value
    from typer import _completion_shared

    return _completion_shared._get_shell_name() or Path(os.environ.get("SHELL", "")).name
