"""Bringing many files, or many folders, to the disk at once."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import chain
from pathlib import Path

from xnatsync.disk.handles import Spot

FEW = 3  # one by one costs no more than everything at once
_TELLS_ERRORS = (5, 8)  # an older Linux writes everything too, and keeps quiet about what failed
_MOUNTS = Path("/proc/self/mountinfo")


def sync_files(places: Iterable[Spot], many: int = 1) -> None:
    """Bring the content of so many files to the disk; OSError when one of them did not get there.

    On Linux one call for their whole file system takes the place of many: it waits for the disk once, and only the
    first place is asked for.
    """
    rest = iter(places)
    for first in rest:
        if many > FEW and _sync_together(first.open(os.O_RDONLY)):
            return
        for place in chain([first], rest):
            _sync_file(place)


def sync_folders(places: Sequence[Spot]) -> None:
    """Bring the names in folders of one file system to the disk; each is told by any name in it."""
    if len(places) > FEW and _syncfs() is not None and _sync_together(places[0].open_folder()):
        return
    for place in places:
        place.sync()


def _sync_file(place: Spot) -> None:
    handle = place.open(os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        sync_written(handle)
    finally:
        os.close(handle)


def sync_written(handle: int) -> None:
    """Bring what was written to an open file to the disk."""
    if not _full_sync(handle):
        os.fsync(handle)


def _full_sync(handle: int) -> bool:
    """Ask macOS to empty the drive's cache too; False where there is no such wish, or the disk does not know it."""
    if sys.platform == "darwin":
        import fcntl

        try:
            fcntl.fcntl(handle, fcntl.F_FULLFSYNC)
        except OSError:
            return False
        return True
    return False


def _sync_together(handle: int) -> bool:
    """Write everything of the file system of an open file, and close it; False where that is not to be trusted."""
    try:
        call = _syncfs()
        if call is None or _passes_on(os.fstat(handle).st_dev):
            return False
        ctypes.set_errno(0)
        if call(handle) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(handle)
    return True


@cache
def _syncfs() -> Callable[[int], int] | None:
    if not sys.platform.startswith("linux"):
        return None
    release = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2] if part.isdecimal())
    library = ctypes.CDLL(None, use_errno=True)
    return library.syncfs if release >= _TELLS_ERRORS and hasattr(library, "syncfs") else None


@cache
def _passes_on(device: int) -> bool:
    """Return whether a file system is served by another program (FUSE), which does not hear of this call."""
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return True
    return any(
        line.split(" - ")[-1].startswith("fuse") for line in mounts.split("\n") if line.split(" ")[2:3] == [number]
    )
