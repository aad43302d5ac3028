"""Every way out of the program: errors become words, a code and advice on stderr, and the exit code of their class."""

from __future__ import annotations

import errno
import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from xnatsync.cli.shell import Shell
from xnatsync.core.errors import Bug, Exit, Usage, XnatsyncError
from xnatsync.views.blocks import Line, Tone
from xnatsync.views.errors import error_blocks
from xnatsync.views.jsonout import document, error_fields


class Terminated(BaseException):
    """SIGTERM arrived where nothing had to be brought to an end."""


def leave(shell: Shell, error: XnatsyncError) -> int:
    """Tell of an error in the form that was asked for; return its exit code."""
    shell.to_log(lambda log: log.failed(error.code, "command"))
    if shell.is_json and not shell.lists:
        shell.screen.document(document(shell.command, {"error": error_fields(error)}, shell.calling))
    shell.screen.complain(error_blocks(error))
    return error.exit_code


def leave_bug(shell: Shell, error: Exception) -> int:
    """Tell of our own mistake.  An unknown exception's message may hold anything, so it is shown only under `-v`.

    A name that is longer than any disk takes is no mistake of ours: it was typed, wherever it comes to light.
    """
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return leave(shell, Usage("a name is longer than this disk takes", advice=f"Give a shorter one: {_end(error)}"))
    place = traceback.extract_tb(error.__traceback__)
    where = f" in {Path(place[-1].filename).name}, line {place[-1].lineno}" if place else ""
    trace = "".join(traceback.format_exception(error))
    if shell.verbose:
        shell.screen.complain(Line(text) for text in trace.splitlines())
    if shell.log_file is not None:
        from xnatsync.report.log import open_log

        with open_log(shell.log_file) as log:
            log.bug(trace)
    return leave(shell, Bug(f"unexpected {type(error).__name__}{where}; `-v` shows the whole trace"))


def _end(error: OSError) -> str:
    """Return the end of the name that an error is about, which is what was typed last."""
    name = str(error.filename or "")
    return f"...{name[-40:]}" if len(name) > 40 else name


@contextmanager
def terminated_by_signal() -> Iterator[None]:
    """Let SIGTERM end whatever runs, in order: files are closed, and the exit code says what happened."""

    def end(number: int, frame: FrameType | None) -> None:
        raise Terminated

    try:
        former = signal.signal(signal.SIGTERM, end)
    except ValueError:  # not in the main thread: whoever started us there handles signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


# What these did is done, whoever heard of it: their exit code tells that.  The others did nothing but tell.
_ACTS = frozenset(
    {"sync", "verify", "retry", "dismiss", "accept", "assign", "demo", "run", "pause", "resume", "mirror-restore"}
) | {f"{noun}-download" for noun in ("session", "scan", "resource")}


def by_loss(shell: Shell, code: int) -> int:
    """Return the exit code of a command whose result may not have been read to its end."""
    lost = shell.loss.error
    if lost is None:
        return code
    if getattr(lost, "errno", None) == errno.EPIPE:  # whoever read it has gone, and had enough
        return code or (Exit.OK if shell.command in _ACTS else Exit.INTERRUPTED)
    words = getattr(lost, "strerror", None) or str(lost)
    shell.screen.complain([Line(f"error: the result could not be written: {words}", Tone.BAD)])
    return code or (Exit.OK if shell.command in _ACTS else Exit.TEMPORARY)


def by_signal(received: list[int], otherwise: int) -> int:
    """Return the exit code of a run that a signal may have cut short."""
    if not received:
        return otherwise
    return Exit.TERMINATED if received[0] == signal.SIGTERM else Exit.INTERRUPTED
