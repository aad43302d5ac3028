"""What an `OSError` means: the same number on our own writes and on somebody's dropped file are different failures."""

from __future__ import annotations

import errno
import os
from enum import Enum

from xnatsync.core.errors import (
    DiskError,
    DiskFull,
    DiskRefused,
    DiskUnwell,
    LinkInOurWay,
    PlaceTaken,
    SourceChanged,
    SourceError,
    SourceUnreadable,
)


class Operation(Enum):
    """What was asked of the disk."""

    READ = "read"
    LIST = "list"
    RENAME = "rename"
    REMOVE = "remove"
    MKDIR = "mkdir"
    FSYNC = "fsync"
    WRITE = "write"


class Scope(Enum):
    """What a failure speaks of."""

    THING = "this thing alone, until it is mended"
    DISK = "perhaps everything on its disk: a probe of the route's own folder decides"


def _numbers(*names: str) -> frozenset[int]:
    return frozenset(getattr(errno, name) for name in names if hasattr(errno, name))


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# What a disk, its connection or the whole process lacks.  Every other number speaks of the thing that was named.
_OF_THE_DISK = _numbers(
    "ENOSPC", "EDQUOT", "EIO", "EROFS", "ENODEV", "ENXIO", "ENOMEDIUM", "EREMOTEIO", "ESTALE", "EMFILE", "ENFILE",
    "ENOMEM", "ENOBUFS", "ENOLCK", "ENOTCONN", "ESHUTDOWN", "EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN", "ENETUNREACH",
    "ENETRESET", "ECONNRESET", "ECONNABORTED", "ECONNREFUSED", "ETIMEDOUT", "EAGAIN", "EINTR",
)  # fmt: skip
# What fails to be read or listed is bad where it lies: the next file may be good.  But for what the process lacks.
_OF_THE_PROCESS = _numbers("EMFILE", "ENFILE", "ENOMEM", "ENOBUFS")
_TAKEN = frozenset({errno.EEXIST, errno.ENOTEMPTY})
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE})  # ELOOP: it has become a link


class LinkOnTheWay(OSError):
    """A step of a path is a link: it is not followed.  `filename` is where the link lies."""

    def __init__(self, place: str) -> None:
        super().__init__(errno.ELOOP, os.strerror(errno.ELOOP), place)


def why(error: OSError) -> str:
    """Return the system's words for an error, without the path it adds."""
    return error.strerror or (os.strerror(error.errno) if error.errno else type(error).__name__)


def our_disk(error: OSError, doing: str) -> DiskError:
    """Translate a failure of something we did to our own disk; `doing` reads like `moving a to b`."""
    if isinstance(error, LinkOnTheWay):
        return LinkInOurWay(f"{error.filename} is a link, and links are never followed")
    text = f"{doing} failed: {why(error)}"
    if error.errno == errno.EFBIG:
        return DiskFull(text, advice=_TOO_BIG)
    if error.errno in _FULL:
        return DiskFull(text)
    if error.errno in _TAKEN:
        return PlaceTaken(text)
    if error.errno == errno.ENAMETOOLONG:
        return DiskRefused(text, advice=_ADVICE[errno.ENAMETOOLONG])
    if error.errno == errno.EXDEV:
        return DiskUnwell(text, advice="Choose a `done` folder on the file system of the drop folder.")
    return DiskUnwell(text)


def scope_of(number: int | None, operation: Operation) -> Scope:
    """Say what a failure speaks of; one without a number is taken for one of the disk, which a probe disproves."""
    if number is None:
        return Scope.DISK
    wide = _OF_THE_PROCESS if operation in {Operation.READ, Operation.LIST} else _OF_THE_DISK
    return Scope.DISK if number in wide else Scope.THING


def one_thing(error: OSError, doing: str, operation: Operation) -> DiskError:
    """Translate a failure of something we did to one thing on our own disk; `doing` reads like `moving a to b`."""
    known = isinstance(error, LinkOnTheWay) or error.errno in _TAKEN
    full = error.errno in _FULL and operation is Operation.WRITE  # EFBIG too: a probe tells of what it speaks
    if known or full or scope_of(error.errno, operation) is Scope.DISK:
        return our_disk(error, doing)
    return DiskRefused(f"{doing} failed: {why(error)}", advice=_ADVICE.get(error.errno or 0))


_TOO_BIG = (
    "The disk has room, and takes no file of that size: its file system has a limit (FAT: 4 GB), or this account has "
    "one (`ulimit -f`). Move the folder to a file system without it, or raise the limit; then run it again."
)
_RIGHTS = (
    "Give this account the right to change it, or move it yourself. (The account that moves a folder must be "
    "allowed to write in it, and the folder above must not be sticky.)"
)
_ADVICE = {
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EBUSY: "It is a mount point, or a program uses it: unmount it, or end that program.",
    errno.EXDEV: "It is on another file system than its route's folder: unmount it there, and copy it instead.",
    errno.ENAMETOOLONG: "Give it a shorter name.",
}


def their_file(error: OSError, name: str) -> SourceError:
    """Translate a failure to read something that was dropped."""
    if error.errno in _GONE:
        return SourceChanged(f"{name} is gone, or is no longer a file")
    return SourceUnreadable(f"{name} cannot be read: {why(error)}")
