"""Where things lie: is there room, and can a rename get there."""

from __future__ import annotations

import shutil
from pathlib import Path

from xnatsync.disk.failures import our_disk
from xnatsync.disk.spelling import real


def nearest(path: Path) -> Path:
    """Finds the nearest parent that exists, or the path itself."""
    found = real(path)
    while not found.exists() and found != found.parent:
        found = found.parent
    return found


def same_device(one: Path, other: Path) -> bool:
    """Tells whether both lie on one file system, as far as the system says; a bind mount can still refuse a rename."""
    try:
        return nearest(one).stat().st_dev == nearest(other).stat().st_dev
    except OSError as error:
        raise our_disk(error, f"looking at {one} and {other}") from error


def free_bytes(path: Path) -> int:
    """Tells how many bytes this account may still write where the path is, or will be."""
    try:
        return shutil.disk_usage(nearest(path)).free
    except OSError as error:
        raise our_disk(error, f"asking for the free space at {path}") from error
