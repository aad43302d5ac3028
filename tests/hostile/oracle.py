"""The one judge of what becomes of an input that somebody else wrote.

It ends in a value, or in an error of ours that says what and why: never in a bare exception, a hang, memory without
bound, or a write outside the folder that was given.  Every hostile test and every fuzz target asks here.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TypeVar

from xnatsync.core.errors import Bug, XnatsyncError

SECONDS = 10.0  # for one small input, on a busy machine
GROWTH_BYTES = 400 << 20  # that the process may grow by for one input
MESSAGE_MAX = 4000  # characters: a person is to read it

Value = TypeVar("Value")


class Caught(AssertionError):
    """An input has got the better of the program."""


def judged(
    call: Callable[[], Value],
    *,
    naming: str = "",
    secrets: tuple[str, ...] = (),
    root: Path | None = None,
    seconds: float = SECONDS,
    growth_bytes: int = GROWTH_BYTES,
    characters: int = MESSAGE_MAX,
    all_threads: bool = False,
) -> Value | XnatsyncError:
    """Runs `call` and gives its value or its error of ours; Caught when it ends otherwise.

    `naming` must occur in an error's text, `secrets` must not; below `root` may be written, elsewhere not, neither by
    this thread nor, with `all_threads`, by any other.
    """
    before = _peak_bytes()
    began = time.monotonic()
    ended: Value | XnatsyncError
    with _alarm(seconds), _watched_writes(root, all_threads) as written:
        try:
            ended = call()
        except XnatsyncError as error:
            ended = error
        except Hung:
            raise Caught(f"it hangs: no end after {seconds} s") from None
        except (Exception, RecursionError, MemoryError) as error:
            raise Caught(f"a bare {type(error).__name__}: {str(error)[:200]}") from error
    if written:
        raise Caught(f"it writes where it must not: {written[0]}")
    if (took := time.monotonic() - began) > seconds:
        raise Caught(f"it took {took:.1f} s")
    if (grew := _peak_bytes() - before) > growth_bytes:
        raise Caught(f"it took {grew >> 20} MB of memory")
    if isinstance(ended, XnatsyncError):
        sound(ended, naming=naming, secrets=secrets, characters=characters)
    return ended


def sound(
    error: XnatsyncError, *, naming: str = "", secrets: tuple[str, ...] = (), characters: int = MESSAGE_MAX
) -> None:
    """Looks whether an error tells a person what happened and what to do; Caught when it does not."""
    text = str(error)
    if isinstance(error, Bug):
        raise Caught(f"taken for a mistake of ours: {text[:200]}")
    if not error.code.startswith("XS-") or error.code == "XS-ERROR":
        raise Caught(f"{type(error).__name__} has no code of its own")
    if not text.strip() or not error.remedy:
        raise Caught(f"{error.code} does not say what happened, or what to do")
    if len(text) > characters:
        raise Caught(f"{error.code} says it in {len(text)} characters")
    if naming not in text:
        raise Caught(f"{error.code} does not name {naming!r}: {text[:200]}")
    if found := [secret for secret in secrets if secret in text or secret in error.remedy]:
        raise Caught(f"{error.code} gives {found[0]!r} away")


# --- time --------------------------------------------------------------------------------------------------------


class Hung(BaseException):
    """The time is over; no handler of the program catches it."""


@contextmanager
def watchdog(seconds: float) -> Iterator[None]:
    """Ends what hangs, wherever it does: a bug that makes a test hang is caught by it, and holds nobody up."""
    try:
        with _alarm(seconds):
            yield
    except Hung:
        raise Caught(f"it hangs: no end after {seconds} s") from None


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Interrupts a hang, where a signal can: in the main thread of a POSIX system."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(_signal: int, _frame: FrameType | None) -> None:
        raise Hung

    began = time.monotonic()
    before = signal.signal(signal.SIGALRM, ring)
    outer, _ = signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)  # again and again: what cleans up may hang as well
    try:
        yield
    finally:
        left = max(0.01, outer - (time.monotonic() - began)) if outer else 0.0
        signal.setitimer(signal.ITIMER_REAL, left, 1.0 if left else 0.0)
        signal.signal(signal.SIGALRM, before)


# --- memory ------------------------------------------------------------------------------------------------------


def _peak_bytes() -> int:
    """The most that the process ever held: what one input adds to it is what it took beyond all others."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak << 10


# --- writes ------------------------------------------------------------------------------------------------------

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = {"os.mkdir": 1, "os.rename": 2, "os.remove": 1, "os.rmdir": 1, "os.symlink": 2, "os.link": 2, "os.chmod": 1}
_CHANGES |= {"os.truncate": 1, "os.utime": 1, "os.chown": 1}
_watches: list[tuple[Path | None, int | None, list[str]]] = []
_hooked = False


@contextmanager
def _watched_writes(root: Path | None, all_threads: bool) -> Iterator[list[str]]:
    """Collects every change of the file system outside `root` that Python makes, whoever makes it."""
    global _hooked
    if not _hooked:
        sys.addaudithook(_heard)  # for the life of the process: there is no way to take it out
        _hooked = True
    found: list[str] = []
    thread = None if all_threads else threading.get_ident()
    _watches.append((root.resolve() if root is not None else None, thread, found))
    try:
        yield found
    finally:
        _watches.pop()


def _heard(event: str, arguments: tuple[object, ...]) -> None:
    if not _watches:
        return
    if event == "open":
        path, _mode, flags = arguments
        if not isinstance(flags, int) or not flags & _WRITES:
            return
        paths: tuple[object, ...] = (path,)
    elif event in _CHANGES:
        paths = arguments[: _CHANGES[event]]
    else:
        return
    for root, thread, found in _watches:
        if thread is not None and thread != threading.get_ident():
            continue
        found += [f"{event} {path!r}" for path in paths if not _allowed(path, root)]


def _allowed(path: object, root: Path | None) -> bool:
    if isinstance(path, int):  # something that is open already
        return True
    text = os.path.abspath(os.fsdecode(path))  # type: ignore[arg-type]
    if text == os.devnull or text.endswith(".pyc") or "/__pycache__" in text:
        return True
    return root is not None and (text == str(root) or text.startswith(f"{root}{os.sep}"))
