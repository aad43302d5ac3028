"""A user and a password that are given to one command, and the person who is asked for them.

A password among the arguments is visible to every account of the machine: it is accepted, warned of, and overwritten.
"""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from xnatsync.config.asking import Asking
from xnatsync.core.errors import Usage
from xnatsync.views.blocks import Line, Tone

if TYPE_CHECKING:
    from xnatsync.app.accounts import Given
    from xnatsync.cli.shell import Shell

_LONGEST = 4096  # bytes of a password
_ARGUMENTS_MAX = 8 << 20  # bytes; Linux takes no more


def given(
    shell: Shell,
    username: str | None,
    password: str | None,
    *,
    from_stdin: bool = False,
    option: str = "--password",
) -> Given:
    """Return what was given to a command; Usage for a password that is given twice, or is none."""
    from xnatsync.app.accounts import Given

    if password is not None:
        hidden = hide(password)
        seen = "was visible to other accounts of this machine until now" if hidden else "is visible to other accounts"
        shell.screen.complain(
            [Line(f"warning: the password {seen}, and is in the history of the shell: use {option}-stdin", Tone.WARN)]
        )
    if from_stdin:
        if password is not None:
            raise Usage(f"{option} and {option}-stdin exclude each other", advice=f"Give {option}-stdin alone.")
        password = _line()
    if password == "":
        raise Usage("the password is empty", advice="Write it in one line: `xnatsync auth login --password-stdin`.")
    return Given(username or None, password)


def asked(shell: Shell, name: str) -> str:
    """Ask for the password of a server on the terminal; Usage where there is none, or no answer."""
    if not shell.screen.can_ask:
        raise Usage("no password was given, and there is no terminal to ask on", advice="Give --password-stdin.")
    from getpass import getpass

    if not (found := getpass(f"Password for server {name}: ")):
        raise Usage("no password was given; nothing was changed")
    return found


def _line() -> str:
    """Read the one line of stdin; nothing of it is repeated in an error."""
    text = sys.stdin.readline(_LONGEST + 1)
    if len(text) > _LONGEST:
        raise Usage("the first line of stdin is too long for a password")
    return text.removesuffix("\n").removesuffix("\r")


def person() -> Asking:
    """Return the person at the terminal, who is asked for a user or a password that is not configured."""
    return Asking(_user, _password)


def _user(url: str) -> str:
    from xnatsync.report import streams

    stream = streams.stderr()
    stream.write(f"User at {url}: ")
    stream.flush()
    return sys.stdin.readline().strip()


def _password(url: str, user: str) -> str:
    from getpass import getpass

    return getpass(f"Password of {user} at {url}: ")


def hide(secret: str) -> bool:
    """Overwrite a secret among the arguments that the system shows of this process; True when none is left.

    Only Linux says where they are in memory.
    """
    raw = secret.encode("utf-8", "surrogateescape")
    if not raw or not sys.platform.startswith("linux"):
        return False
    with suppress(OSError, ValueError, IndexError):
        begin, end = _arguments()
        there = ctypes.string_at(begin, end - begin)
        at = 0
        for word in there.split(b"\0"):
            if word == raw or (word.startswith(b"--") and word.endswith(b"=" + raw)):
                ctypes.memset(begin + at + len(word) - len(raw), ord("x"), len(raw))
            at += len(word) + 1
        return raw not in ctypes.string_at(begin, end - begin).split(b"\0")
    return False


def _arguments() -> tuple[int, int]:
    """Return where the arguments of this process begin and end in memory (proc(5): fields 48 and 49)."""
    fields = Path("/proc/self/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    begin, end = int(fields[45]), int(fields[46])
    if not 0 < begin < end <= begin + _ARGUMENTS_MAX:
        raise ValueError
    return begin, end
