"""Names in open folders: what is done to a name happens in the folder that was reached, wherever its path leads now.

A path is text that the system follows anew each time: whoever may rename a folder on it, or put a link there, decides
what is removed.  So every step below a folder that a person named is opened without following a link, and everything is
done by name in the last one.  Windows has no such calls: there each step is looked at, and then the path is used.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from xnatsync.core.paths import OWN_FOLDER
from xnatsync.disk.failures import LinkOnTheWay
from xnatsync.disk.renaming import rename_exclusively
from xnatsync.disk.scan import special

BY_HANDLE = sys.platform != "win32"
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_PASSED = _FOLDER | getattr(os, "O_PATH", 0)  # where a folder may be passed that may not be listed
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_CLOSED = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_UNSYNCED = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP})


class Opened:
    """An open folder, closed when nobody uses it any more."""

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __del__(self) -> None:
        """Close it."""
        os.close(self.fd)


@dataclass(frozen=True, slots=True)
class Spot:
    """A name in a folder that was reached; nothing needs to be there."""

    opened: Opened | None  # None on Windows
    folder: str  # how the folder was reached, for words and for Windows
    name: str

    def __str__(self) -> str:
        """Give the path, for words."""
        return f"{self.folder}{os.sep}{self.name}"

    @property
    def path(self) -> Path:
        """Give the path, for what has to be told."""
        return Path(str(self))

    @property
    def _at(self) -> str:
        return self.name if self.opened is not None else str(self)

    @property
    def _in(self) -> int | None:
        return self.opened.fd if self.opened is not None else None

    def lstat(self) -> os.stat_result:
        """Look at what lies there; FileNotFoundError when nothing does."""
        return os.stat(self._at, dir_fd=self._in, follow_symlinks=False)

    def exists(self) -> bool:
        """Tell whether something lies there, a dangling link too."""
        try:
            self.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def open(self, flags: int, mode: int = 0o666) -> int:
        """Open a file; LinkOnTheWay when a link lies there."""
        try:
            return os.open(self._at, flags | _NO_LINK | _CLOSED, mode, dir_fd=self._in)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise LinkOnTheWay(str(self)) from error
            raise

    def open_new(self, mode: int = 0o666, flags: int = NEW_FILE) -> int:
        """Open a new file; one that an interrupted run left goes, and a link is refused."""
        try:
            return self.open(flags | os.O_EXCL, mode)
        except FileExistsError:
            if special(self.lstat()) == "a link":
                raise LinkOnTheWay(str(self)) from None
            self.unlink()  # the name alone: what has a second name elsewhere keeps its content
        return self.open(flags | os.O_EXCL, mode)

    def unlink(self) -> None:
        """Remove the file, or the link, of this name."""
        try:
            os.unlink(self._at, dir_fd=self._in)
        except PermissionError:
            if BY_HANDLE:
                raise
            self.path.chmod(stat.S_IWRITE)  # read-only files, as copied from a CD, cannot be removed there
            os.unlink(self._at)  # noqa: PTH108

    def rmdir(self) -> None:
        """Remove the empty folder of this name."""
        os.rmdir(self._at, dir_fd=self._in)

    def mkdir(self, mode: int = 0o777) -> None:
        """Make a folder."""
        os.mkdir(self._at, mode, dir_fd=self._in)

    def replace(self, target: Spot) -> None:
        """Rename, over what lies at the target; FileExistsError where that is a device, a pipe or a socket."""
        with suppress(FileNotFoundError):
            mode = target.lstat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode) or stat.S_ISDIR(mode)):
                raise FileExistsError(errno.EEXIST, "it is no plain file", str(target.name))
        os.replace(self._at, target._at, src_dir_fd=self._in, dst_dir_fd=target._in)

    def rename_exclusively(self, target: Spot) -> None:
        """Rename, or raise FileExistsError and leave both as they are."""
        rename_exclusively(self._at, target._at, self._in, target._in)

    def link(self, target: Spot) -> None:
        """Give the file a second name."""
        os.link(self._at, target._at, src_dir_fd=self._in, dst_dir_fd=target._in, follow_symlinks=False)

    def sync(self) -> None:
        """Bring the names in this folder to the disk.  Windows cannot, and writes them through by itself."""
        if sys.platform != "win32":
            sync_opened(self.open_folder())

    def open_folder(self) -> int:
        """Open the folder in which the name lies."""
        return os.open("." if self.opened is not None else self.folder, _FOLDER, dir_fd=self._in)

    def beside(self, name: str) -> Spot:
        """Give another name in the same folder."""
        return Spot(self.opened, self.folder, name)

    def listing(self) -> list[tuple[str, bool]]:
        """List the names in this folder, and whether each is a folder (a link is none)."""
        if self.opened is None:
            with os.scandir(self.folder) as found:
                return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]
        handle = self.open_folder()
        try:
            with os.scandir(handle) as found:
                return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]
        finally:
            os.close(handle)

    def enter(self, name: str) -> Spot:
        """Give a name in the folder of this name; LinkOnTheWay, NotADirectoryError when it is none."""
        return Spot(_enter(self), str(self), name)

    @contextmanager
    def reading(self) -> Iterator[int]:
        """Open the file of this name to be read."""
        handle = self.open(os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # a pipe does not keep us waiting
        try:
            yield handle
        finally:
            os.close(handle)


def opened(path: Path) -> BinaryIO:
    """Open a file to be read, which is no link."""
    return os.fdopen(named(path.parent, path.name).open(os.O_RDONLY), "rb")


def sync_opened(handle: int) -> None:
    """Bring the names in an open folder to the disk, and close it."""
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _UNSYNCED:  # some network file systems know no fsync of a folder
            raise
    finally:
        os.close(handle)


def named(folder: Path | str, name: str) -> Spot:
    """Give a name in a folder that a person named, which may be a link or lie behind one."""
    return Spot(Opened(os.open(folder, _PASSED)) if BY_HANDLE else None, str(folder), name)


def reach(anchor: Path, steps: Sequence[str], *, make: bool = False, mode: int = 0o777) -> Spot:
    """Go from a folder that a person named to a place below it, without following a link.

    LinkOnTheWay, FileNotFoundError, NotADirectoryError.  With `make` the folders on the way are made, each durably.
    """
    spot = named(anchor, steps[0])
    for step in steps[1:]:
        try:
            following = spot.enter(step)
        except FileNotFoundError:
            if not make:
                raise
            make_at(spot, 0o700 if spot.name == OWN_FOLDER else mode)  # custody, staging and trash are nobody else's
            following = spot.enter(step)
        spot = following
    return spot


def refuse_link(spot: Spot) -> None:
    """Raise LinkOnTheWay when a link lies at a place."""
    with suppress(FileNotFoundError):
        if special(spot.lstat()) == "a link":
            raise LinkOnTheWay(str(spot))


def make_at(spot: Spot, mode: int = 0o777) -> None:
    """Make a folder durably; one that somebody else made meanwhile is as wanted."""
    try:
        spot.mkdir(mode)
    except FileExistsError:
        if not stat.S_ISDIR(spot.lstat().st_mode):
            raise
    spot.sync()


def empty_folders(spot: Spot) -> None:
    """Remove the empty folders below a place, and the place itself when it is empty then; never a file or a link."""
    if not BY_HANDLE:
        if not special(spot.lstat()):
            for inner, _, _ in os.walk(spot.path, topdown=False):
                _rmdir_if_empty(named(Path(inner).parent, Path(inner).name))
        return
    for _, folders, _, handle in os.fwalk(spot.name, topdown=False, dir_fd=spot._in):
        here = Spot(Opened(os.dup(handle)), "", "")
        gone = [_rmdir_if_empty(here.beside(name)) for name in folders]
        if any(gone) and here.listing():  # else it goes itself, and its own folder is flushed
            here.sync()
    if special(spot.lstat()) != "a link":
        _rmdir_if_empty(spot)


def _rmdir_if_empty(spot: Spot) -> bool:
    try:
        spot.rmdir()
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT, errno.ENOTDIR}:
            raise
        return False
    return True


def _enter(spot: Spot) -> Opened | None:
    if not BY_HANDLE:
        seen = spot.lstat()
        if special(seen) == "a link":
            raise LinkOnTheWay(str(spot))
        if not stat.S_ISDIR(seen.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(spot))
        return None
    try:
        return Opened(os.open(spot.name, _PASSED | _NO_LINK, dir_fd=spot._in))
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENOTDIR, errno.EMLINK} and special(spot.lstat()) == "a link":
            raise LinkOnTheWay(str(spot)) from error
        raise
