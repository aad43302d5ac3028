"""A rename that never replaces anything, by names in open folders."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

_AT_FDCWD = -2 if sys.platform == "darwin" else -100
_RENAME_NOREPLACE, _RENAME_EXCL = 1, 4
_UNSUPPORTED = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM})

_Rename = Callable[[int, bytes, int, bytes], int]


def rename_exclusively(source: str, target: str, source_in: int | None = None, target_in: int | None = None) -> None:
    """Rename, or raise FileExistsError and leave both as they are; each name is one in an open folder, or a path."""
    if sys.platform == "win32":
        Path(source).rename(target)  # there a rename never replaces
        return
    if not _kernel_rename(source, target, source_in, target_in):
        _rename_by_hand(source, target, source_in, target_in)


def _kernel_rename(source: str, target: str, source_in: int | None, target_in: int | None) -> bool:
    """Ask the kernel for a rename that replaces nothing; False when kernel or file system do not offer one."""
    rename = _kernel_call()
    if rename is None:
        return False
    start, end = (_AT_FDCWD if folder is None else folder for folder in (source_in, target_in))
    ctypes.set_errno(0)
    if rename(start, os.fsencode(source), end, os.fsencode(target)) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number))


@cache
def _kernel_call() -> _Rename | None:
    library = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "darwin" and hasattr(library, "renameatx_np"):
        return lambda start, source, end, target: int(
            library.renameatx_np(start, source, end, target, ctypes.c_uint(_RENAME_EXCL))
        )
    if hasattr(library, "renameat2"):
        return lambda start, source, end, target: int(
            library.renameat2(start, source, end, target, ctypes.c_uint(_RENAME_NOREPLACE))
        )
    return None


def _rename_by_hand(source: str, target: str, source_in: int | None, target_in: int | None) -> None:
    """Do the same where the kernel cannot (NFS, FAT, some FUSE).

    A file gets its second name first, which fails if the name is taken, and then loses the first: it is never without a
    name.  For a folder, and where there are no hard links, we look and then rename: only this process makes names in
    custody and done (it holds the ledger), and a rename onto a folder that is not empty fails by itself.
    """
    if stat.S_ISREG(os.stat(source, dir_fd=source_in, follow_symlinks=False).st_mode):
        try:
            os.link(source, target, src_dir_fd=source_in, dst_dir_fd=target_in, follow_symlinks=False)
        except FileExistsError:
            raise
        except OSError:
            pass
        else:
            os.unlink(source, dir_fd=source_in)
            return
    try:
        os.stat(target, dir_fd=target_in, follow_symlinks=False)
    except FileNotFoundError:
        os.rename(source, target, src_dir_fd=source_in, dst_dir_fd=target_in)
        return
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
