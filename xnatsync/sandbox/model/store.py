"""Where the contents of files lie: a folder on disk, or memory for simulations."""

from __future__ import annotations

import hashlib
import io
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from xnatsync.sandbox.model.digest import Digest

_PART: Final = r"(?!\.{1,2}(?:/|\Z))[^/\\\0]{1,255}"
_PATH: Final = re.compile(rf"{_PART}(?:/{_PART})*")


class UnsafePathError(ValueError):
    """A path that would leave the store's root, or that no file system takes."""


@dataclass(frozen=True, slots=True)
class FileBody:
    """A file on disk to be sent, or a part of it; `path` is a real path."""

    path: str
    offset: int
    length: int


class Store(Protocol):
    """Files by relative POSIX path; nothing is ever written outside the root.

    A write replaces what was there in place, so that one that breaks off leaves a part, as XNAT's does (§6.1).
    """

    def write(self, path: str, chunks: Iterable[bytes], *, digest: bool = True) -> tuple[int, str]:
        """Store a file; return its size and, when asked, its MD5 (else "")."""

    def open(self, path: str) -> BinaryIO:
        """Open a file for reading; raise FileNotFoundError."""

    def size(self, path: str) -> int | None:
        """Return the size of a file, None when there is none."""

    def modified(self, path: str) -> float:
        """Return the time of the last write in epoch seconds; raise FileNotFoundError."""

    def delete(self, path: str) -> None:
        """Remove a file, or a folder with all below it; nothing happens when there is none."""

    def move(self, src: str, dst: str) -> None:
        """Move a file or a folder; raise FileNotFoundError, or FileExistsError when `dst` exists."""

    def list(self, folder: str) -> list[tuple[str, int]]:
        """List all files below a folder with their sizes, paths relative to the folder, sorted."""

    def exists(self, path: str) -> bool:
        """Return whether a file or a folder is there."""

    def real_path(self, path: str) -> str | None:
        """Return the path on disk, for sendfile; None when the store has no disk."""


def safe(path: str) -> str:
    """Return `path` when every part of it names something below the root; raise UnsafePathError otherwise."""
    if _PATH.fullmatch(path) and (path.isascii() or all(len(part.encode()) <= 255 for part in path.split("/"))):
        return path
    raise UnsafePathError(f"not a path below the root: {path!r}")


class FolderStore:
    """A store in a folder on disk."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._root = str(root)

    def _at(self, path: str) -> str:
        return f"{self._root}/{safe(path)}"

    def write(self, path: str, chunks: Iterable[bytes], *, digest: bool = True) -> tuple[int, str]:
        """Stream the chunks to disk; what arrived before an error stays."""
        target = self._at(path)
        size = 0
        with _created(target) as file, Digest() as sums:
            for chunk in chunks:
                if digest:
                    sums.update(chunk)
                _write_all(file, chunk)
                size += len(chunk)
            return size, sums.hexdigest() if digest else ""

    def open(self, path: str) -> BinaryIO:
        """Open a file for reading."""
        return open(self._at(path), "rb")  # noqa: PTH123 - text paths are several times faster here

    def size(self, path: str) -> int | None:
        """Ask the file system."""
        try:
            found = os.stat(self._at(path))  # noqa: PTH116
        except (FileNotFoundError, NotADirectoryError):
            return None
        return found.st_size

    def modified(self, path: str) -> float:
        """Ask the file system."""
        return os.stat(self._at(path)).st_mtime  # noqa: PTH116

    def delete(self, path: str) -> None:
        """Remove a file or a tree."""
        target = Path(self._at(path))
        if target.is_dir() and not target.is_symlink():
            for child in target.iterdir():
                self.delete(f"{path}/{child.name}")
            target.rmdir()
        else:
            target.unlink(missing_ok=True)

    def move(self, src: str, dst: str) -> None:
        """Rename on disk."""
        target = Path(self._at(dst))
        if target.exists():
            raise FileExistsError(dst)
        target.parent.mkdir(parents=True, exist_ok=True)
        Path(self._at(src)).rename(target)

    def list(self, folder: str) -> list[tuple[str, int]]:
        """Walk the tree."""
        return sorted(self._walk(self._at(folder), ""))

    def _walk(self, folder: str, prefix: str) -> Iterator[tuple[str, int]]:
        try:
            entries = list(os.scandir(folder))
        except (FileNotFoundError, NotADirectoryError):
            return
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(entry.path, f"{prefix}{entry.name}/")
            elif entry.is_file(follow_symlinks=False):
                yield f"{prefix}{entry.name}", entry.stat().st_size

    def exists(self, path: str) -> bool:
        """Ask the file system."""
        return os.path.exists(self._at(path))  # noqa: PTH110

    def real_path(self, path: str) -> str | None:
        """Return the path below the root's folder."""
        return self._at(path)


def _write_all(file: io.FileIO, chunk: bytes) -> None:
    written = file.write(chunk)
    while written < len(chunk):  # a raw file may take less than all, on a full disk for one
        written += file.write(memoryview(chunk)[written:])


def _created(target: str) -> io.FileIO:
    try:
        return open(target, "wb", buffering=0)  # noqa: PTH123 - a raw file: the chunks are large
    except FileNotFoundError:
        os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
        return open(target, "wb", buffering=0)  # noqa: PTH123


class MemoryStore:
    """A store in memory, for simulations; it takes its time from the given clock."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._files: dict[str, tuple[bytes, float]] = {}
        self._clock = clock
        self._lock = threading.Lock()

    def write(self, path: str, chunks: Iterable[bytes], *, digest: bool = True) -> tuple[int, str]:
        """Collect the chunks; what arrived before an error stays, as on disk."""
        safe(path)
        content = bytearray()
        try:
            for chunk in chunks:
                content += chunk
        finally:
            with self._lock:
                self._files[path] = (bytes(content), self._clock())
        return len(content), hashlib.md5(content, usedforsecurity=False).hexdigest() if digest else ""

    def open(self, path: str) -> BinaryIO:
        """Open a copy."""
        return io.BytesIO(self._get(path)[0])

    def size(self, path: str) -> int | None:
        """Return the length."""
        found = self._files.get(safe(path))
        return None if found is None else len(found[0])

    def modified(self, path: str) -> float:
        """Return the clock's time of the last write."""
        return self._get(path)[1]

    def delete(self, path: str) -> None:
        """Forget a file or a tree."""
        safe(path)
        with self._lock:
            for name in [name for name in self._files if name == path or name.startswith(f"{path}/")]:
                del self._files[name]

    def move(self, src: str, dst: str) -> None:
        """Rename a file or a tree."""
        if self.exists(dst):
            raise FileExistsError(dst)
        if not self.exists(src):
            raise FileNotFoundError(src)
        with self._lock:
            for name in [name for name in self._files if name == src or name.startswith(f"{src}/")]:
                self._files[dst + name[len(src) :]] = self._files.pop(name)

    def list(self, folder: str) -> list[tuple[str, int]]:
        """List by prefix."""
        prefix = f"{safe(folder)}/"
        with self._lock:
            found = [
                (name[len(prefix) :], len(kept[0])) for name, kept in self._files.items() if name.startswith(prefix)
            ]
        return sorted(found)

    def exists(self, path: str) -> bool:
        """Look for a file or a folder with something in it."""
        safe(path)
        with self._lock:
            return path in self._files or any(name.startswith(f"{path}/") for name in self._files)

    def real_path(self, path: str) -> str | None:
        """Have none."""
        safe(path)
        return None

    def _get(self, path: str) -> tuple[bytes, float]:
        try:
            return self._files[safe(path)]
        except KeyError:
            raise FileNotFoundError(path) from None
