"""The files of an item, whatever it is: a folder, a single file, or an archive, each read once and in order."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TypeVar

from xnatsync.core.clutter import is_known_by_name
from xnatsync.core.errors import SourceChanged, SourceError, SourceUnreadable
from xnatsync.disk.anchors import Anchors
from xnatsync.disk.archive import Kind, Part, members
from xnatsync.disk.failures import their_file
from xnatsync.disk.handles import Spot, reach
from xnatsync.disk.packed import PackingError, packing, unpacked
from xnatsync.disk.scan import changed_ns, look, look_at, named_archive
from xnatsync.disk.spelling import real, real_name
from xnatsync.ports.drop import ItemLook

PIECE = 1 << 20  # bytes read at a time, and all that is ever held of a file

_START = 512  # bytes: the head of a tar archive's first member
_ZIPS = (b"PK\x03\x04", b"PK\x05\x06")
_T = TypeVar("_T")


def parts(
    path: Path, only: Sequence[str] | None = None, *, seen: ItemLook | None = None
) -> Generator[Part, None, None]:
    """List the files of an item in the order in which they are read fastest, which is the same every time.

    SourceUnreadable when something cannot be looked at, SourceChanged when it vanishes or changes, SourceDamaged for an
    archive.  With `only`, the item is these files of a folder.  `seen`: a look that was just taken.
    """
    seen = seen or (look(path) if only is None else look_at(path, only))
    if seen is None:
        raise SourceChanged(f"{path.name} is gone")
    if unreadable := [problem for problem in seen.problems if problem.unreadable]:
        raise SourceUnreadable(f"{unreadable[0].path}: {unreadable[0].reason}")
    if only is None and (kind := archive_kind(path)) is not None:
        yield from _archived(path, kind)
        return
    single = not real(path).is_dir()
    way = Way(path)
    for file in seen.files:
        find = way.itself if single else partial(way.to, file.path) if only is None else Way(path / file.path).itself
        expected = (file.size, file.mtime_ns)
        yield Part(file.path, file.size, file.mtime_ns, partial(pieces_at, find, file.path, expected))


def archive_kind(path: Path) -> Kind | None:
    """Say which archive an item is, by its content or else by its name; None for a folder and for any other file."""
    if real(path).is_symlink() or not real(path).is_file():
        return None
    try:
        with reach(*Anchors().steps(path)).reading() as handle:
            start = os.read(handle, _START)
            how = packing(start)
            inner = _inner_start(handle, start, how) if how else start
    except OSError as error:
        raise their_file(error, path.name) from error
    name = path.name.lower()
    if start.startswith(_ZIPS) or (name.endswith(".zip") and start[128:132] != b"DICM"):
        return "zip" if named_archive(name) or not is_known_by_name(name, start) else None
    if inner[257:262] == b"ustar" or (named_archive(name) and inner[128:132] != b"DICM"):
        return "tar"
    return None


def _inner_start(handle: int, start: bytes, how: str) -> bytes:
    """Unpack as much as is needed to tell a tar archive from a single file; nothing for what cannot be unpacked."""
    pieces = chain([start], iter(lambda: os.read(handle, PIECE), b""))
    found = b""
    try:
        for piece in unpacked(pieces, how, packed_bytes=0):
            found += piece
            if len(found) >= _START:
                break
    except PackingError:
        pass
    return found


class Way:
    """The way to the files of an item, worked out once: no link is followed from the folder in which the item lies."""

    def __init__(self, item: Path) -> None:
        self._anchor, self._steps = Anchors((item.parent,)).steps(item)

    def itself(self) -> Spot:
        """Reach an item that is one file."""
        return reach(self._anchor, self._steps)

    def to(self, name: str) -> Spot:
        """Reach a file below it, by its path as it was listed."""
        return reach(self._anchor, (*self._steps, *map(real_name, name.split("/"))))


def pieces_at(find: Callable[[], Spot], name: str, expected: tuple[int, int] | None = None) -> Iterator[bytes]:
    """Read a file where it is found to its end; SourceChanged when size or time are not as expected, or change."""
    try:
        with find().reading() as handle:
            yield from _pieces(handle, name, expected)
    except OSError as error:
        raise their_file(error, name) from error


def _pieces(handle: int, name: str, expected: tuple[int, int] | None) -> Iterator[bytes]:
    before = _stamp(handle, name)
    if expected is not None and before != expected:
        raise SourceChanged(f"{name} changed before it was read")
    left = before[0] + 1  # one byte more than there should be shows that it grew
    while piece := os.read(handle, min(left, PIECE)):
        left -= len(piece)
        if not left:
            raise SourceChanged(f"{name} grew while it was read")
        yield piece
    if left != 1 or _stamp(handle, name) != before:
        raise SourceChanged(f"{name} changed while it was read")


def _stamp(handle: int, name: str) -> tuple[int, int]:
    seen = os.fstat(handle)
    if not stat.S_ISREG(seen.st_mode):
        raise SourceChanged(f"{name} is no longer a file")
    return seen.st_size, changed_ns(seen)


def _archived(path: Path, kind: Kind) -> Iterator[Part]:
    watch = _Watch(path)
    for member in watch.over(lambda: members(real(path), path.name, kind)):
        yield Part(member.path, member.size, member.mtime_ns, partial(watch.over, member.open))
    watch.check()


class _Watch:
    """Tells a damaged archive from one that is still being written: that one only has to be waited for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before = self._stamp()

    def over(self, begin: Callable[[], Iterator[_T]]) -> Iterator[_T]:
        """Pass on what is read from the archive, and translates what goes wrong."""
        try:
            yield from begin()
        except SourceError:
            self.check()
            raise
        except OSError as error:
            raise their_file(error, self._path.name) from error

    def check(self) -> None:
        """Raise SourceChanged when the archive is no longer the file it was."""
        if self._stamp() != self._before:
            raise SourceChanged(f"{self._path.name} changed while it was read")

    def _stamp(self) -> tuple[int, int]:
        try:
            seen = real(self._path).lstat()
        except OSError as error:
            raise their_file(error, self._path.name) from error
        return seen.st_size, seen.st_mtime_ns
