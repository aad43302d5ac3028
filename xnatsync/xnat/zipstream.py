"""Writes a zip as it goes over the wire: known length, constant memory, readable by Java.

XNAT reads imports with `java.util.zip.ZipInputStream`, which refuses stored members that announce their size only
afterwards ("only DEFLATED entries can have EXT descriptor").  We know size and CRC of every member from the manifest,
so the local headers carry both and no descriptor follows; and the length of the whole is known before the first byte.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from xnatsync.core.errors import Bug, SourceChanged
from xnatsync.core.manifest import ManifestFile

PIECE_BYTES: Final = 256 << 10

_LOCAL: Final = struct.Struct("<4s5H3L2H")
_CENTRAL: Final = struct.Struct("<4s6H3L5H2L")
_END: Final = struct.Struct("<4s4H2LH")
_END64: Final = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64: Final = struct.Struct("<4sLQL")
_EXTRA64: Final = struct.Struct("<2H2Q")
_EXTRA64_CENTRAL: Final = struct.Struct("<2H3Q")

_FULL_4: Final = 0xFFFFFFFF
_FULL_2: Final = 0xFFFF
_UTF8: Final = 0x0800
_STORED: Final = 0
_VERSION: Final = 20
_VERSION64: Final = 45
_UNIX: Final = 3 << 8
_MIDNIGHT: Final = 0
_1980_01_01: Final = 0x0021  # the beginning of zip's time: the same content gives the same zip
_MODE: Final = 0o100644 << 16
_NAME_MAX: Final = 4096


@dataclass(frozen=True, slots=True)
class _Placed:
    """A member and where it lies, for the directory at the end."""

    name: bytes
    size: int
    crc32: int
    offset: int

    @property
    def is_big(self) -> bool:
        return self.size >= _FULL_4 or self.offset >= _FULL_4


def zip_size(members: Iterable[tuple[str, int]]) -> int:
    """Return the exact size in bytes of the zip of these (name, size)."""
    placed: list[_Placed] = []
    offset = 0
    for name, size in members:
        member = _Placed(_encoded(name), size, 0, offset)
        placed.append(member)
        offset += len(_local_header(member)) + size
    return offset + sum(len(piece) for piece in _directory(placed, offset))


def zip_pieces(members: Iterable[tuple[str, ManifestFile, Iterator[bytes]]]) -> Iterator[bytes]:
    """Write the zip of (name, file, content), in pieces of at least 256 KiB except the last.

    A content that is longer or shorter than its file promised raises SourceChanged before the zip is complete.
    """
    return gathered(_written(members))


def _written(members: Iterable[tuple[str, ManifestFile, Iterator[bytes]]]) -> Iterator[bytes]:
    placed: list[_Placed] = []
    seen: set[bytes] = set()
    offset = 0
    for name, file, content in members:
        member = _Placed(_encoded(name), file.size, file.crc32, offset)
        if member.name in seen:
            raise Bug("two members of one upload have the same name")
        seen.add(member.name)
        placed.append(member)
        header = _local_header(member)
        yield header
        yield from exactly(file, content)
        offset += len(header) + file.size
    yield from _directory(placed, offset)


def exactly(file: ManifestFile, content: Iterator[bytes]) -> Iterator[bytes]:
    """Pass a content on; SourceChanged when it is longer or shorter than its file promised."""
    left = file.size
    for piece in content:
        left -= len(piece)
        if left < 0:
            raise SourceChanged(f"{file.path} grew while it was sent")
        yield piece
    if left:
        raise SourceChanged(f"{file.path} is {left} bytes shorter than it was")


def gathered(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Join small pieces: the header and content of a small file go out together, in few and large writes.

    Copying into one buffer is three times as fast as keeping the pieces and joining them, which makes the allocator
    map and unmap memory for every file.
    """
    waiting = bytearray()
    for piece in pieces:
        if not waiting and len(piece) >= PIECE_BYTES:
            yield piece
            continue
        waiting += piece
        if len(waiting) >= PIECE_BYTES:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)


def _encoded(name: str) -> bytes:
    encoded = name.encode("utf-8")
    if not 0 < len(encoded) <= _NAME_MAX:
        raise Bug("a member's name is empty or too long")
    return encoded


def _local_header(member: _Placed) -> bytes:
    big = member.size >= _FULL_4
    size = _FULL_4 if big else member.size
    extra = _EXTRA64.pack(1, 16, member.size, member.size) if big else b""
    version = _VERSION64 if big else _VERSION
    # fmt: off
    fields = _LOCAL.pack(
        b"PK\x03\x04", version, _UTF8, _STORED, _MIDNIGHT, _1980_01_01, member.crc32, size, size,
        len(member.name), len(extra),
    )
    # fmt: on
    return fields + member.name + extra


def _directory(placed: list[_Placed], start: int) -> Iterator[bytes]:
    size = 0
    for member in placed:
        header = _central_header(member)
        size += len(header)
        yield header
    yield _end(len(placed), size, start)


def _central_header(member: _Placed) -> bytes:
    big = member.is_big
    size = _FULL_4 if big else member.size
    offset = _FULL_4 if big else member.offset
    extra = _EXTRA64_CENTRAL.pack(1, 24, member.size, member.size, member.offset) if big else b""
    version = _VERSION64 if big else _VERSION
    # fmt: off
    fields = _CENTRAL.pack(
        b"PK\x01\x02", _UNIX | version, version, _UTF8, _STORED, _MIDNIGHT, _1980_01_01, member.crc32, size, size,
        len(member.name), len(extra), 0, 0, 0, _MODE, offset,
    )
    # fmt: on
    return fields + member.name + extra


def _end(count: int, size: int, start: int) -> bytes:
    big = count >= _FULL_2 or size >= _FULL_4 or start >= _FULL_4
    record = b""
    if big:
        record = _END64.pack(
            b"PK\x06\x06", _END64.size - 12, _UNIX | _VERSION64, _VERSION64, 0, 0, count, count, size, start
        )
        record += _LOCATOR64.pack(b"PK\x06\x07", 0, start + size, 1)
    counted = _FULL_2 if big else count
    return record + _END.pack(
        b"PK\x05\x06", 0, 0, counted, counted, _FULL_4 if big else size, _FULL_4 if big else start, 0
    )
