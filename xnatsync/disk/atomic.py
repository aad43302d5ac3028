"""Changes to our own disk that are there after a power cut, and never put one thing over another."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

from xnatsync.core.errors import PlaceTaken, SourceChanged
from xnatsync.disk.failures import Operation, one_thing, our_disk
from xnatsync.disk.spelling import real

_AT_FDCWD, _RENAME_NOREPLACE, _RENAME_EXCL = -100, 1, 4
_UNSUPPORTED = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM})


def move(source: Path, target: Path) -> None:
    """Renames a file or a folder, making the target's folder; PlaceTaken when something lies there.

    SourceChanged when the source is gone.  When this returns, both folders are on the disk.
    """
    start, end = real(source), real(target)
    try:
        start.lstat()
        make_folder(end.parent)
        rename_exclusively(start, end)
        sync_folder(end.parent)
        if start.parent != end.parent:
            sync_folder(start.parent)
    except FileExistsError:
        raise PlaceTaken(f"{target} is already there: {source} was not moved over it") from None
    except FileNotFoundError:
        raise SourceChanged(f"{source} is gone") from None
    except OSError as error:
        raise one_thing(error, f"moving {source} to {target}", Operation.RENAME) from error


def remove(path: Path) -> None:
    """Removes one file durably; one that is already gone is as wanted."""
    try:
        _unlink(real(path))
        sync_folder(real(path).parent)
    except FileNotFoundError:
        return
    except OSError as error:
        raise one_thing(error, f"removing {path}", Operation.REMOVE) from error


def prune(folder: Path) -> None:
    """Removes empty folders from the bottom up, and the folder itself when it is empty then; never a file or a link."""
    root = real(folder)
    if root.is_symlink():
        return
    try:
        for inner, _, _ in os.walk(root, topdown=False):
            _remove_if_empty(inner)
        sync_folder(root.parent)
    except FileNotFoundError:
        return
    except OSError as error:
        raise one_thing(error, f"removing empty folders of {folder}", Operation.REMOVE) from error


def settle(folder: Path) -> None:
    """Brings the names in a folder to the disk, after a change of which nobody knows whether it got that far."""
    try:
        sync_folder(real(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise our_disk(error, f"flushing {folder}") from error


def make_folder(folder: Path) -> None:
    """Makes a folder and those above it, each durably."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Brings a folder's names to the disk.  Windows cannot, and writes them through by itself."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _UNSUPPORTED - {errno.EPERM}:  # some network file systems know no fsync of a folder
            raise
    finally:
        os.close(handle)


def _unlink(path: Path) -> None:
    try:
        path.unlink()
    except PermissionError:
        if sys.platform == "win32":  # it keeps read-only files, as copied from a CD, from being removed
            path.chmod(stat.S_IWRITE)
            path.unlink()
        else:
            raise


def _remove_if_empty(folder: str) -> None:
    try:
        os.rmdir(folder)  # noqa: PTH106 os.walk gives text, and there may be thousands
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT}:
            raise


def rename_exclusively(source: str | Path, target: Path) -> None:
    """Renames, or raises FileExistsError and leaves both as they are."""
    if sys.platform == "win32":
        Path(source).rename(target)  # there a rename never replaces
        return
    if not _kernel_rename(os.fsencode(source), os.fsencode(target)):
        _rename_by_hand(Path(source), target)


def _kernel_rename(source: bytes, target: bytes) -> bool:
    """Asks the kernel for a rename that replaces nothing; False when kernel or file system do not offer one."""
    rename = _kernel_call()
    if rename is None:
        return False
    ctypes.set_errno(0)
    if rename(source, target) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number))


@cache
def _kernel_call() -> Callable[[bytes, bytes], int] | None:
    library = _library()
    if sys.platform == "darwin" and hasattr(library, "renamex_np"):
        return lambda source, target: int(library.renamex_np(source, target, ctypes.c_uint(_RENAME_EXCL)))
    if hasattr(library, "renameat2"):
        here, flags = ctypes.c_int(_AT_FDCWD), ctypes.c_uint(_RENAME_NOREPLACE)
        return lambda source, target: int(library.renameat2(here, source, here, target, flags))
    return None


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _rename_by_hand(source: Path, target: Path) -> None:
    """The same where the kernel cannot (NFS, FAT, some FUSE).

    A file gets its second name first, which fails if the name is taken, and then loses the first: it is never without a
    name.  For a folder, and where there are no hard links, we look and then rename: only this process makes names in
    custody and done (it holds the ledger), and a rename onto a folder that is not empty fails by itself.
    """
    if not source.is_symlink() and source.is_file():
        try:
            os.link(source, target, follow_symlinks=False)
        except FileExistsError:
            raise
        except OSError:
            pass
        else:
            source.unlink()
            return
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    source.rename(target)
