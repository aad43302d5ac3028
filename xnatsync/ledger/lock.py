"""One instance at a time works with a ledger: an operating system's lock, which even kill -9 gives back."""

from __future__ import annotations

import errno
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from xnatsync.core.errors import LedgerHeld
from xnatsync.disk.failures import our_disk


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Holds the lock beside a ledger; LedgerHeld, naming the holder, when another process has it.

    Two names for one file (a symbolic link) are one ledger, so the lock lies beside the file itself.
    """
    own = path.resolve()
    beside = own.with_name(f"{own.name}.lock")
    try:
        beside.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(beside, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise our_disk(error, f"opening {beside}") from error
    try:
        _take(handle, beside)
        yield
    finally:
        os.close(handle)


def _take(handle: int, beside: Path) -> None:
    try:
        if not _lock(handle):
            os.lseek(handle, 1, os.SEEK_SET)
            holder = os.read(handle, 200).decode("utf-8", "replace").strip() or "one that has just begun"
            raise LedgerHeld(f"another xnatsync works with this ledger: {holder}")
        text = f"process {os.getpid()} on {platform.node()} since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        os.ftruncate(handle, 0)
        os.lseek(handle, 0, os.SEEK_SET)
        os.write(handle, b"\n" + text.encode())  # the first byte is what Windows locks
    except OSError as error:
        raise our_disk(error, f"locking {beside}") from error


_HELD = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK})

if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> bool:
        """Locks the first byte; False when another process has it."""
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            if error.errno in _HELD:
                return False
            raise
        return True

else:
    import fcntl

    def _lock(handle: int) -> bool:
        """Locks the file; False when another process has it."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _HELD:
                return False
            raise
        return True
