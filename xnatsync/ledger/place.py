"""Where a ledger lies: is it a file, on a disk that SQLite can trust, with nothing of it left behind?"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from xnatsync.core.errors import LedgerDamaged, LedgerOpen, LedgerRemote
from xnatsync.disk.atomic import make_folder, sync_folder
from xnatsync.disk.failures import our_disk

MOUNTS = Path("/proc/self/mounts")
REMOTE = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "fuse.ceph", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs",
     "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "smb2", "smb3", "smbfs"}
)  # fmt: skip


def refuse_place(path: Path) -> None:
    """Refuse a place at which no ledger can be kept, or where a part of one was left: nothing is made there."""
    _refuse_no_file(path)
    _refuse_remote(path)
    _refuse_orphaned_log(path)


def create(path: Path) -> None:
    """Make the folder and an empty file that nobody else may read; an existing file is left as it is.

    Both names are on the disk when this returns: SQLite takes care of what is in the file, not of the way to it.
    """
    try:
        if not path.parent.is_dir():
            make_folder(path.parent.parent)
            path.parent.mkdir(exist_ok=True, mode=0o700)
            sync_folder(path.parent.parent)
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            sync_folder(path.parent)
        _refuse_open(path)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not os.access(path, os.R_OK | os.W_OK):  # opened and closed, it would lose the locks SQLite has on it
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise our_disk(error, f"opening {path}") from error


def _refuse_no_file(path: Path) -> None:
    """SQLite would wait for ever for somebody to write into a pipe."""
    try:
        path.resolve()
        kind = path.stat().st_mode if path.exists() else stat.S_IFREG
    except (OSError, RuntimeError) as error:  # Python up to 3.12 calls links in a circle a RuntimeError
        raise LedgerDamaged(f"{path} leads nowhere: {error}") from error
    if not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
        raise LedgerDamaged(f"{path} is no file")


def _refuse_open(path: Path) -> None:
    """A receipt that anybody can write proves nothing, and lets sources be removed."""
    own = path.resolve()
    for place, mode in ((own, own.stat().st_mode), (own.parent, own.parent.stat().st_mode)):
        if os.name != "nt" and mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise LedgerOpen(f"{place} can be written by anybody (mode {stat.S_IMODE(mode):04o})")


def shown_to_others(path: Path) -> list[tuple[Path, int]]:
    """List the files of a ledger that others may read or write, with their modes: they hold labels."""
    if os.name == "nt":
        return []
    found = []
    for place in (path.resolve(), *(beside_it(path, suffix) for suffix in ("-wal", "-shm", ".lock"))):
        mode = stat.S_IMODE(place.stat().st_mode) if place.exists() else 0
        if mode & 0o077:
            found.append((place, mode))
    return found


def beside_it(path: Path, suffix: str) -> Path:
    """Give the place of a file that belongs to a ledger, such as its log."""
    own = path.resolve()
    return own.with_name(own.name + suffix)


def _refuse_orphaned_log(path: Path) -> None:
    """A log without its ledger holds receipts, and SQLite would throw it away to begin anew."""
    log = beside_it(path, "-wal")
    try:
        lost = log.exists() and log.stat().st_size > 0 and (not path.exists() or path.stat().st_size == 0)
    except OSError as error:
        raise our_disk(error, f"looking at {log}") from error
    if lost:
        raise LedgerDamaged(f"{path} is missing or empty, and {log} still holds a part of it")


def _refuse_remote(path: Path) -> None:
    """WAL needs memory that all processes share: a network disk has none.  Known on Linux and Windows only."""
    own = path.resolve()
    if own.drive.startswith("\\\\"):
        raise LedgerRemote(f"{path} is on a network drive ({own.drive})")
    if sys.platform.startswith("linux") and MOUNTS.exists():
        kind = mounted_as(own, MOUNTS.read_text(encoding="utf-8", errors="surrogateescape"))
        if kind in REMOTE:
            raise LedgerRemote(f"{path} is on a network drive ({kind})")


def mounted_as(path: Path, mounts: str) -> str:
    """Return the kind of file system that a resolved path lies on, by a text like that of /proc/self/mounts."""
    best, kind = "", ""
    for line in filter(None, mounts.split("\n")):
        _, point, found, *_ = line.split(" ")
        point = _OCTAL.sub(lambda match: chr(int(match.group(1), 8)), point)
        if path.is_relative_to(point) and len(point) >= len(best):
            best, kind = point, found
    return kind


_OCTAL = re.compile(r"\\([0-7]{3})")  # how blanks, tabs, line ends and backslashes are written there


@contextmanager
def unnamed(path: Path) -> Iterator[str]:
    """Give a file for a copy of a ledger, which only we may read; it loses its name when the block ends.

    Whoever has it open by then keeps it, and nothing is left of it when that process ends, however it does.  Windows
    keeps the name as long as it is open.
    """
    handle, name = _new_file(beside_it(path, ".copy-"))
    os.close(handle)
    try:
        yield name
    finally:
        with suppress(OSError):
            Path(name).unlink()


def _new_file(like: Path) -> tuple[int, str]:
    try:
        return tempfile.mkstemp(prefix=f".{like.name}", dir=like.parent)
    except OSError:  # a disk that may only be read
        return tempfile.mkstemp(prefix=f".{like.name}")
