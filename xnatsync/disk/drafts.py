"""A file in the making beside its place: it has its name only when all of it is there and on the disk.

A draft is locked while somebody writes it, and carries the number of that process.  One whose process is dead and whose
lock is free was left by a kill: whoever makes a file of that name removes it.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from xnatsync.disk.handles import Spot, named
from xnatsync.disk.locks import try_lock

_LONG = 220  # bytes; a name has at most 255


@dataclass(slots=True)
class Draft:
    """A draft that is open; leaving the block removes it when it was not landed."""

    target: Spot
    spot: Spot
    file: BinaryIO

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it, and remove it if it is still there."""
        self.discard()

    def discard(self) -> None:
        """Close it and remove it: nothing of it is left."""
        with suppress(OSError, ValueError):  # a full disk does not take the last bytes
            self.file.close()
        with suppress(OSError):
            self.spot.unlink()

    def flush(self) -> None:
        """Bring what was written to the disk."""
        self.file.flush()
        os.fsync(self.file.fileno())

    def land(self, *, replace: bool) -> None:
        """Give it its name, durably; FileExistsError when something lies there and it is not to be replaced."""
        self.flush()
        if os.name == "nt":
            self.file.close()  # an open file cannot be renamed there
        if replace:
            self.spot.replace(self.target)
        else:
            self.spot.rename_exclusively(self.target)
        self.target.sync()


def begin(place: Path, mode: int = 0o600) -> Draft:
    """Begin a file beside its place; `mode` 0666 is for what is meant for others: the umask says for whom."""
    return begin_at(named(place.parent, place.name), mode)


def begin_at(target: Spot, mode: int = 0o600) -> Draft:
    """Begin a file beside a place that was reached; see `begin`."""
    _remove_dead(target)
    spot = target.beside(f".{_stem(target)}.{os.getpid()}.part")
    handle = spot.open_new(mode, os.O_RDWR | os.O_CREAT)
    with suppress(OSError):  # some network disks know no locks: there nothing is ever taken for dead
        try_lock(handle)
    return Draft(target, spot, os.fdopen(handle, "w+b"))


def write(place: Path, content: bytes, *, replace: bool, mode: int = 0o600) -> None:
    """Write a file whole or not at all; FileExistsError when something lies there and it is not to be replaced."""
    with begin(place, mode) as draft:
        draft.file.write(content)
        draft.land(replace=replace)


def _remove_dead(target: Spot) -> None:
    ours = re.compile(rf"\.{re.escape(_stem(target))}\.([0-9]{{1,10}})\.part")
    for name, is_folder in target.listing():
        found = ours.fullmatch(name)
        if found is not None and not is_folder and not _lives(int(found[1])):
            with suppress(OSError):  # somebody else's stays, and is in nobody's way
                _remove_unlocked(target.beside(name))


def _stem(target: Spot) -> str:
    """Return what the names of its drafts begin with: its own name, or a digest of one that leaves no room for more."""
    raw = os.fsencode(target.name)
    return target.name if len(raw) <= _LONG else hashlib.sha256(raw).hexdigest()[:16]


def _lives(pid: int) -> bool:
    if os.name == "nt":
        return True  # a signal 0 would end it there: it stays
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return pid != os.getpid()


def _remove_unlocked(spot: Spot) -> None:
    handle = spot.open(os.O_RDWR)
    try:
        seen = os.fstat(handle)
        if stat.S_ISREG(seen.st_mode) and seen.st_nlink == 1 and seen.st_uid == os.geteuid() and try_lock(handle):
            spot.unlink()
    finally:
        os.close(handle)
