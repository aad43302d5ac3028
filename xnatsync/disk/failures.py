"""What an `OSError` means: the same number on our own writes and on somebody's dropped file are different failures."""

from __future__ import annotations

import errno
import os

from xnatsync.core.errors import (
    DiskError,
    DiskFull,
    DiskUnwell,
    PlaceTaken,
    SourceChanged,
    SourceError,
    SourceUnreadable,
)

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_TAKEN = frozenset({errno.EEXIST, errno.ENOTEMPTY})
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE})  # ELOOP: it has become a link


def why(error: OSError) -> str:
    """Gives the system's words for an error, without the path it adds."""
    return error.strerror or (os.strerror(error.errno) if error.errno else type(error).__name__)


def our_disk(error: OSError, doing: str) -> DiskError:
    """Translates a failure of something we did to our own disk; `doing` reads like `moving a to b`."""
    text = f"{doing} failed: {why(error)}"
    if error.errno in _FULL:
        return DiskFull(text)
    if error.errno in _TAKEN:
        return PlaceTaken(text)
    if error.errno == errno.EXDEV:
        return DiskUnwell(text, advice="Choose a `done` folder on the file system of the drop folder.")
    return DiskUnwell(text)


def their_file(error: OSError, name: str) -> SourceError:
    """Translates a failure to read something that was dropped."""
    if error.errno in _GONE:
        return SourceChanged(f"{name} is gone, or is no longer a file")
    return SourceUnreadable(f"{name} cannot be read: {why(error)}")
