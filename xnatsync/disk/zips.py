"""Members of a zip archive, in the order of their bytes."""

from __future__ import annotations

import calendar
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from xnatsync.disk import archive as limits
from xnatsync.disk.archive import Guard, Part
from xnatsync.disk.handles import opened
from xnatsync.disk.zipgaps import refuse_gaps

PIECE = 1 << 20
MAX_DIRECTORY = 256 << 20  # bytes: a million members with long names
_READABLE = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})  # the others unpack a piece to any size, in memory
_ENCRYPTED = 0x1
_ENTRY = b"PK\x01\x02"
_LOCAL_HEAD = 30  # bytes before name and content of a member, at least

_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, ValueError)


def zip_members(path: Path, guard: Guard) -> Iterator[Part]:
    """List the files; checks names, kinds, sizes, overlaps and gaps before the first is read."""
    with opened(path) as file:
        try:
            archive = zipfile.ZipFile(_Bounded(file, guard))
        except _DAMAGE as error:
            raise guard.damaged("", f"it is no whole zip archive ({_words(error)})") from None
        infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
        files = [(guard.admit(info.orig_filename), info) for info in infos if not _is_folder(info, guard)]
        for info in infos:
            guard.count(info.orig_filename, info.file_size)
        _refuse_overlaps(infos, guard)
        refuse_gaps(file, archive, guard)
        for name, info in files:
            yield Part(name, info.file_size, _mtime_ns(info), _opener(archive, info, guard))


class _Bounded:
    """A file that a directory of more members than anybody has cannot be read from: zipfile takes it in one piece."""

    def __init__(self, file: BinaryIO, guard: Guard) -> None:
        self._file, self._guard = file, guard
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        """Read like a file, and count what looks like an entry of the directory."""
        if size > MAX_DIRECTORY:
            raise self._guard.damaged("", f"its directory has {size} bytes")
        piece = self._file.read(size)
        if piece.startswith(_ENTRY) and piece.count(_ENTRY) > limits.MAX_MEMBERS:
            raise self._guard.closed("", f"it holds more than {limits.MAX_MEMBERS} files")
        return piece


def _is_folder(info: zipfile.ZipInfo, guard: Guard) -> bool:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        raise guard.closed(info.orig_filename, "it is a link")
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise guard.closed(info.orig_filename, "it is neither a file nor a folder")
    if info.flag_bits & _ENCRYPTED:
        raise guard.closed(info.orig_filename, "it is encrypted")
    if info.compress_type not in _READABLE:
        method = info.compress_type
        raise guard.closed(info.orig_filename, f"it cannot be unpacked: only deflate is, and it has method {method}")
    return info.orig_filename.endswith(("/", "\\")) and info.file_size == 0


def _refuse_overlaps(infos: list[zipfile.ZipInfo], guard: Guard) -> None:
    """Members that share bytes are how a small archive becomes a big one."""
    for info, following in pairwise(infos):
        if info.header_offset + _LOCAL_HEAD + info.compress_size > following.header_offset:
            raise guard.damaged(following.orig_filename, f"it overlaps with {info.orig_filename!r}")


def _opener(archive: zipfile.ZipFile, info: zipfile.ZipInfo, guard: Guard) -> Callable[[], Iterator[bytes]]:
    def pieces() -> Iterator[bytes]:
        try:
            with archive.open(info) as stream:
                left = info.file_size
                while piece := stream.read(PIECE):
                    left -= len(piece)
                    yield piece
                if left:
                    raise EOFError(f"{left} bytes are missing")
        except _DAMAGE as error:
            raise guard.damaged(info.orig_filename, f"it cannot be unpacked ({_words(error)})") from None

    return pieces


def _words(error: Exception) -> str:
    return str(error).rstrip(".") or type(error).__name__


def _mtime_ns(info: zipfile.ZipInfo) -> int:
    """The time written in the archive, which has no zone; it only serves to tell that a member is another one."""
    try:
        return calendar.timegm((*info.date_time, 0, 1, 0)) * 1_000_000_000
    except ValueError:
        return 0
