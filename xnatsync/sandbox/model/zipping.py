"""Archives as XNAT streams them: stored zips with CRC and size in each head, tar, tar.gz (hierarchy.md §7)."""

from __future__ import annotations

import io
import struct
import tarfile
import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from xnatsync.sandbox.model.store import FileBody, Store

_LIMIT = 0xFFFFFFFF
_PIECE = 1 << 20
_UTF8 = 0x0800
_DESCRIPTOR = 0x0008
_RECORD = tarfile.RECORDSIZE


@dataclass(frozen=True, slots=True)
class Packed:
    """One file of an archive: its path inside and its path in the store."""

    name: str
    path: str


class _Checksums:
    """CRC-32 of stored files, remembered while a file does not change: XNAT reads each file twice, we do so once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, float], int] = {}
        self._lock = threading.Lock()

    def of(self, store: Store, path: str, size: int) -> int:
        key = (store.real_path(path) or f"{id(store)}:{path}", size, store.modified(path))
        with self._lock:
            known = self._known.get(key)
        if known is None:
            known = 0
            with store.open(path) as file:
                while piece := file.read(_PIECE):
                    known = zlib.crc32(piece, known)
            with self._lock:
                if len(self._known) > 1 << 18:
                    self._known.clear()
                self._known[key] = known
        return known


_CHECKSUMS = _Checksums()


def zipped(store: Store, files: Iterable[Packed], *, deflate: bool = False) -> Iterator[bytes | FileBody]:
    """Stream a zip; a file missing on disk is silently left out."""
    directory: list[bytes] = []
    offset = 0
    for file in files:
        size = store.size(file.path)
        if size is None:
            continue
        writer = _deflated if deflate else _stored
        entry = _Entry(file.name.encode(), _dos_time(store.modified(file.path)), offset)
        for piece in writer(store, file.path, size, entry):
            offset += piece.length if isinstance(piece, FileBody) else len(piece)
            yield piece
        directory.append(entry.central())
    content = b"".join(directory)
    yield content + _end(len(directory), len(content), offset)


@dataclass(slots=True)
class _Entry:
    name: bytes
    stamp: int
    offset: int
    method: int = 0
    flags: int = _UTF8
    crc: int = 0
    packed: int = 0
    size: int = 0

    def local(self) -> bytes:
        late = bool(self.flags & _DESCRIPTOR)
        large = self.size >= _LIMIT and not late
        crc, packed, size = (0, 0, 0) if late else (self.crc, self.packed, self.size)
        extra = struct.pack("<HHQQ", 1, 16, size, packed) if large else b""
        packed, size = (_LIMIT, _LIMIT) if large else (packed, size)
        version = 45 if large else 20 if late else 10
        numbers = (version, self.flags, self.method, self.stamp, crc, packed, size, len(self.name), len(extra))
        return struct.pack("<4sHHHLLLLHH", b"PK\3\4", *numbers) + self.name + extra

    def central(self) -> bytes:
        large = [value for value in (self.size, self.packed, self.offset) if value >= _LIMIT]
        extra = struct.pack(f"<HH{len(large)}Q", 1, 8 * len(large), *large) if large else b""
        packed, size, offset = (min(value, _LIMIT) for value in (self.packed, self.size, self.offset))
        version = 45 if large else 20
        head = (
            version,
            version,
            self.flags,
            self.method,
            self.stamp,
            self.crc,
            packed,
            size,
            len(self.name),
            len(extra),
        )
        return struct.pack("<4sHHHHLLLLHHHHHLL", b"PK\1\2", *head, 0, 0, 0, 0, offset) + self.name + extra


def _stored(store: Store, path: str, size: int, entry: _Entry) -> Iterator[bytes | FileBody]:
    entry.crc, entry.packed, entry.size = _CHECKSUMS.of(store, path, size), size, size
    yield entry.local()
    yield from _content(store, path, size)


def _content(store: Store, path: str, size: int) -> Iterator[bytes | FileBody]:
    real = store.real_path(path)
    if real is not None:
        yield FileBody(real, 0, size)
        return
    with store.open(path) as file:
        while piece := file.read(_PIECE):
            yield piece


def _deflated(store: Store, path: str, size: int, entry: _Entry) -> Iterator[bytes | FileBody]:
    entry.method, entry.flags, entry.size = zlib.DEFLATED, _UTF8 | _DESCRIPTOR, size
    yield entry.local()
    packer = zlib.compressobj(zlib.Z_DEFAULT_COMPRESSION, zlib.DEFLATED, -zlib.MAX_WBITS)
    read = 0
    with store.open(path) as file:
        while piece := file.read(_PIECE):
            entry.crc = zlib.crc32(piece, entry.crc)
            read += len(piece)
            packed = packer.compress(piece)
            entry.packed += len(packed)
            yield packed
    packed = packer.flush()
    entry.packed += len(packed)
    entry.size = read
    yield packed
    kind = "<4sLQQ" if max(entry.packed, entry.size) >= _LIMIT else "<4sLLL"
    yield struct.pack(kind, b"PK\7\x08", entry.crc, entry.packed, entry.size)


def _end(count: int, length: int, offset: int) -> bytes:
    small = struct.pack(
        "<4sHHHHLLH",
        b"PK\5\6",
        0,
        0,
        min(count, 0xFFFF),
        min(count, 0xFFFF),
        min(length, _LIMIT),
        min(offset, _LIMIT),
        0,
    )
    if count < 0xFFFF and length < _LIMIT and offset < _LIMIT:
        return small
    large = struct.pack("<4sQHHLLQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, length, offset)
    return large + struct.pack("<4sLQL", b"PK\6\7", 0, offset + length, 1) + small


def _dos_time(when: float) -> int:
    parts = time.localtime(max(when, 315576000.0))  # zips know no years before 1980
    date = (parts.tm_year - 1980) << 9 | parts.tm_mon << 5 | parts.tm_mday
    return date << 16 | parts.tm_hour << 11 | parts.tm_min << 5 | parts.tm_sec // 2


def tarred(store: Store, files: Iterable[Packed]) -> Iterator[bytes | FileBody]:
    """Stream a tar."""
    written = 0
    for file in files:
        size = store.size(file.path)
        if size is None:
            continue
        info = tarfile.TarInfo(file.name)
        info.size, info.mtime = size, int(store.modified(file.path))
        head = info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
        yield head
        yield from _content(store, file.path, size)
        padding = b"\0" * (-size % tarfile.BLOCKSIZE)
        yield padding
        written += len(head) + size + len(padding)
    written += 2 * tarfile.BLOCKSIZE
    yield b"\0" * (2 * tarfile.BLOCKSIZE + -written % _RECORD)


def gzipped(pieces: Iterable[bytes | FileBody]) -> Iterator[bytes]:
    """Compress a stream that may refer to files."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    for piece in pieces:
        for plain in _plain(piece):
            packed = packer.compress(plain)
            if packed:
                yield packed
    yield packer.flush()


def _plain(piece: bytes | FileBody) -> Iterator[bytes]:
    if isinstance(piece, bytes):
        yield piece
        return
    with io.open(piece.path, "rb") as file:  # noqa: UP020
        file.seek(piece.offset)
        left = piece.length
        while left and (data := file.read(min(_PIECE, left))):
            left -= len(data)
            yield data
