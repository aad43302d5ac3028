"""Where things lie: is there room, and can a rename get there."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Final

from xnatsync.disk.failures import our_disk
from xnatsync.disk.spelling import real

RESERVE_BYTES: Final = 64 << 20
RESERVE_PART: Final = 100  # on a small disk, this part of it


def nearest(path: Path) -> Path:
    """Find the nearest parent that exists, or the path itself."""
    found = real(path)
    while not found.exists() and found != found.parent:
        found = found.parent
    return found


def same_device(one: Path, other: Path) -> bool:
    """Return whether both lie on one file system, as far as the system says; a bind mount can still refuse a rename."""
    try:
        return nearest(one).stat().st_dev == nearest(other).stat().st_dev
    except OSError as error:
        raise our_disk(error, f"looking at {one} and {other}") from error


def free_bytes(path: Path) -> int:
    """Say how many bytes may still be written where the path is, or will be: what is free without the reserve."""
    try:
        usage = shutil.disk_usage(nearest(path))
    except OSError as error:
        raise our_disk(error, f"asking for the free space at {path}") from error
    return max(usage.free - reserve(usage.total), 0)


def reserve(total: int) -> int:
    """Return how many bytes of a disk of this size are left free: a ledger, a log or somebody else may need them."""
    return min(RESERVE_BYTES, total // RESERVE_PART)


def check_room(handle: int) -> None:
    """Raise ENOSPC when a file's disk has no more than the reserve; asked for each piece of a file that is fetched."""
    if not hasattr(os, "fstatvfs"):
        return  # Windows: the disk itself says when it is full
    seen = os.fstatvfs(handle)
    free, total = seen.f_bavail * seen.f_frsize, seen.f_blocks * seen.f_frsize
    if free < reserve(total):
        raise OSError(errno.ENOSPC, f"only {free} bytes are free, and they are left free")
