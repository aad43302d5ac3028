"""One instance at a time works with a ledger: an operating system's lock, which even kill -9 gives back.

On Linux the lock is on the ledger's own file, so that no name can be removed to get around it.  SQLite locks ranges of
that file, which are locks of another kind there.  Elsewhere both are of one kind: the lock is on the file beside it.
"""

from __future__ import annotations

import errno
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from xnatsync.core.errors import LedgerHeld, LinkInOurWay, PlaceTaken
from xnatsync.disk.failures import our_disk
from xnatsync.disk.locks import try_lock
from xnatsync.ledger.place import create, refuse_place

_OWN_FILE = sys.platform.startswith("linux")
_BEGIN = b"\nprocess "  # of every lock; the first byte is what Windows locks
_LOOKS, _LOOK_S = 10, 0.02  # at the name of a holder that has not written it yet
_TRIES = 10  # a ledger that is replaced while it is locked is locked anew


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Hold a ledger, which is made when it is not there; LedgerHeld, naming the holder, when another process has it.

    Two names for one file (a symbolic link) are one ledger, so the lock is on the file itself.
    """
    refuse_place(path)
    create(path)
    own = path.resolve()
    beside = own.with_name(f"{own.name}.lock")
    with ExitStack() as held:
        if _OWN_FILE:
            _take_own(held, own, beside)
        _take_beside(held, beside)
        yield


def _take_own(held: ExitStack, own: Path, beside: Path) -> None:
    """Lock the ledger's own file, and make sure that it still is the one of that name."""
    for _ in range(_TRIES):
        with ExitStack() as trying:
            handle = _open(trying, own, os.O_RDWR)
            if not _lock(handle, own):
                raise LedgerHeld(f"another xnatsync works with this ledger: {_holder(beside)}")
            if _is(own, handle):
                held.push(trying.pop_all())
                return
    raise LedgerHeld(f"{own} is being replaced all the time")


def _take_beside(held: ExitStack, beside: Path) -> None:
    """Lock the file beside it too, as older versions do, and write down who we are."""
    handle = _open(held, beside, os.O_CREAT | os.O_RDWR)
    if not _lock(handle, beside):
        raise LedgerHeld(f"another xnatsync works with this ledger: {_holder(beside)}")
    begin = os.read(handle, len(_BEGIN))
    if not _BEGIN.startswith(begin):  # a full disk may have cut what we wrote there
        raise PlaceTaken(
            f"{beside} is where the lock of the ledger has to be, and is no lock of ours: it was left as it is",
            advice="Move it away, or give the ledger another place: `path` in [ledger].",
        )
    text = f"{os.getpid()} on {platform.node()} since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    try:
        os.ftruncate(handle, 0)
        os.lseek(handle, 0, os.SEEK_SET)
        os.write(handle, _BEGIN + text.encode())
    except OSError as error:
        raise our_disk(error, f"locking {beside}") from error


def _open(held: ExitStack, place: Path, how: int) -> int:
    try:
        handle = os.open(place, how | getattr(os, "O_NOFOLLOW", 0), 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise LinkInOurWay(f"{place} is a link, which is never followed") from error
        raise our_disk(error, f"opening {place}") from error
    held.callback(os.close, handle)
    return handle


def _lock(handle: int, place: Path) -> bool:
    try:
        return try_lock(handle)
    except OSError as error:
        raise our_disk(error, f"locking {place}") from error


def _is(own: Path, handle: int) -> bool:
    try:
        return os.path.samestat(own.stat(), os.fstat(handle))
    except FileNotFoundError:
        create(own)
        return False


def _holder(beside: Path) -> str:
    """Say who holds it; one that has just begun is given the time to say so."""
    said = "its lock file was removed, and it goes on"
    for _ in range(_LOOKS):
        try:
            with beside.open("rb") as file:
                file.seek(1)
                if found := file.read(200).decode("utf-8", "replace").strip():
                    return found
                said = "one that has just begun"
        except OSError:
            pass
        time.sleep(_LOOK_S)
    return said
