"""A folder of the program's own for what nobody else may read, such as sessions of a server.

A file there is read only when it can have been written by this account alone: a plain file of it, mode 0600 or
stricter, in a folder of it that nobody else may enter, and no link.  Windows has no such modes.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from xnatsync.disk import drafts
from xnatsync.disk.locks import try_lock

_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
_LOCK_S = 60.0  # how long another process of ours may take to log in


class NotPrivate(Exception):
    """A place where another account can have written or read; `remedy` says what to do."""

    def __init__(self, words: str, remedy: str) -> None:
        super().__init__(words)
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class PrivateFolder:
    """The folder; it is made when something is written."""

    path: Path

    def names(self) -> list[str]:
        """List what is in it, and no drafts; nothing where there is no folder, or a link to one."""
        if self.path.is_symlink() or not self.path.is_dir():
            return []
        return sorted(name for name in os.listdir(self.path) if not name.startswith("."))  # noqa: PTH208 - names

    def read(self, name: str, most: int) -> bytes | None:
        """Return a file's bytes; None when there is none, NotPrivate when it may not be trusted.  OSError passes on."""
        place = self.path / name
        if not os.path.lexists(place):
            return None
        self._check_folder()
        if place.is_symlink():
            raise NotPrivate(f"{place} is a link", "Remove the link.")
        try:
            handle = os.open(place, _READ)
        except FileNotFoundError:
            return None
        try:
            seen = os.fstat(handle)
            if not stat.S_ISREG(seen.st_mode):
                raise NotPrivate(f"{place} is not a plain file", "Remove it.")
            _check(seen, place)
            return os.read(handle, most + 1)
        finally:
            os.close(handle)

    def write(self, name: str, content: bytes) -> None:
        """Write a file whole or not at all, over an older one; NotPrivate where something else is in its place."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileExistsError):
            self.path.mkdir(mode=0o700)
        self._check_folder()
        place = self.path / name
        if os.path.lexists(place) and not stat.S_ISREG(place.lstat().st_mode):
            raise NotPrivate(f"{place} is not a plain file", "Remove it.")
        drafts.write(place, content, replace=True)

    def remove(self, name: str) -> bool:
        """Remove a file; False when there is none.  What is behind a link, and a folder, stay."""
        place = self.path / name
        if self.path.is_symlink() or not os.path.lexists(place) or not stat.S_ISREG(place.lstat().st_mode):
            return False
        place.unlink(missing_ok=True)
        return True

    def touch(self, name: str) -> None:
        """Note that a file was of use now."""
        with suppress(OSError):
            os.utime(self.path / name, follow_symlinks=False) if sys.platform != "win32" else os.utime(self.path / name)

    def used_at(self, name: str) -> float:
        """Return when it was last written or touched."""
        return (self.path / name).lstat().st_mtime

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait for another process of ours that holds the folder, a minute at most; without a folder nobody does."""
        try:
            handle = os.open(self.path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0))
        except OSError:  # none there, or Windows
            yield
            return
        try:
            until = time.monotonic() + _LOCK_S
            with suppress(OSError):  # some network disks know no locks
                while not try_lock(handle) and time.monotonic() < until:
                    time.sleep(0.05)
            yield
        finally:
            os.close(handle)

    def _check_folder(self) -> None:
        if self.path.is_symlink():
            raise NotPrivate(f"{self.path} is a link", "Remove the link.")
        _check(self.path.lstat(), self.path)


def _check(seen: os.stat_result, place: Path) -> None:
    if sys.platform == "win32":
        return
    if seen.st_uid != os.geteuid():
        raise NotPrivate(f"{place} belongs to another account", "Remove it.")
    if mode := stat.S_IMODE(seen.st_mode) & 0o077:
        words = "others can read or change" if mode & 0o044 else "others can reach"
        kept = "700" if stat.S_ISDIR(seen.st_mode) else "600"
        raise NotPrivate(
            f"{words} {place} (mode {stat.S_IMODE(seen.st_mode):04o})",
            f"Set its mode to {kept}, and log in again: another account may have a copy.",
        )
