"""An operating system's lock on an open file or folder: it ends with the process, also by kill -9."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from xnatsync.core.paths import OWN_FOLDER
from xnatsync.disk.handles import BY_HANDLE, Spot, reach

_TURN_S, _LOOK_S = 10.0, 0.005  # so long at most, and how often it is asked
_HELD = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK})

if sys.platform == "win32":
    import msvcrt

    def try_lock(handle: int) -> bool:
        """Lock the first byte; False when another process has it."""
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            if error.errno in _HELD:
                return False
            raise
        return True

else:
    import fcntl

    def try_lock(handle: int) -> bool:
        """Lock the file or folder; False when another process has it."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _HELD:
                return False
            raise
        return True


@contextmanager
def alone_in(root: Path, name: str) -> Iterator[bool]:
    """Hold our own folder of a root, as far as nobody else does; tell whether we have it.

    LinkOnTheWay when it is a link.  Where folders know no locks (Windows, NFS) a file of that name in it is locked.
    """
    place = reach(root, (OWN_FOLDER, f"{name}.lock"))
    with ExitStack() as held:
        if BY_HANDLE:
            handle = place.open_folder()
            held.callback(os.close, handle)
            try:
                has_it = try_lock(handle)
            except OSError:
                has_it = _lock_file(held, place)
        else:
            has_it = _lock_file(held, place)
        yield has_it


@contextmanager
def turn_in(root: Path) -> Iterator[None]:
    """Wait for our turn at what is written in a moment; where the disk knows no locks there is none to wait for."""
    with ExitStack() as held:
        if BY_HANDLE:
            handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
            held.callback(os.close, handle)
            with suppress(OSError):
                until = time.monotonic() + _TURN_S
                while not try_lock(handle) and time.monotonic() < until:
                    time.sleep(_LOOK_S)
        yield


def _lock_file(held: ExitStack, place: Spot) -> bool:
    handle = place.open(os.O_RDWR | os.O_CREAT, 0o600)
    held.callback(os.close, handle)
    return try_lock(handle)


@contextmanager
def marked(root: Path, name: str) -> Iterator[None]:
    """Show for as long as this process lives, by a locked file in our own folder, that something there is in use."""
    place = reach(root, (OWN_FOLDER, f"{name}.lock"))
    handle = place.open_new(0o600)
    try:
        try_lock(handle)
        yield
    finally:
        with suppress(OSError):
            place.unlink()
        os.close(handle)


def dead_marks(root: Path, prefix: str) -> Iterator[str]:
    """Give the names of marks whose processes are dead, and remove each after it was dealt with."""
    folder = reach(root, (OWN_FOLDER, "x"))
    for name, is_folder in folder.listing():
        if is_folder or not (name.startswith(prefix) and name.endswith(".lock")):
            continue
        with suppress(OSError):
            place = folder.beside(name)
            handle = place.open(os.O_RDWR)
            try:
                if try_lock(handle):
                    yield name.removesuffix(".lock")
                    place.unlink()
            finally:
                os.close(handle)
