"""A zip read from front to end as it arrives, by the rules of Java 8's `java.util.zip.ZipInputStream`: XNAT uses it.

What that class refuses is refused here, with its words: stored members with a data descriptor, encryption, methods
other than stored and deflated, ZIP64 data descriptors behind members below 4 GiB (Java looks at the size, not at the
extra field).  Whatever is not a local header ends the archive quietly: a body that is no zip at all has no members.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Final

from xnatsync.sandbox.model.pieces import CutError, Pieces

_LOCAL: Final = struct.Struct(
    "<4sHHHLLLLHH"
)  # signature, version, flags, method, time, crc, compressed, size, name, extra
_LONG_SIZE: Final = 0xFFFFFFFF
_PIECE: Final = 1 << 18


class ZipError(ValueError):
    """What Java calls a ZipException."""


class Member:
    """One member; its content must be read before the next member is asked for."""

    def __init__(
        self, name: str, flags: int, method: int, crc: int, compressed: int, size: int, source: Pieces
    ) -> None:
        self.name = name
        self._flags, self._method = flags, method
        self._crc, self._compressed, self._size = crc, compressed, size
        self._source = source
        self._content = self._deflated() if method == zlib.DEFLATED else self._stored()
        if method not in {0, zlib.DEFLATED}:
            raise ZipError("invalid compression method")

    def __iter__(self) -> Iterator[bytes]:
        return self._content

    def skip(self) -> None:
        """Read what is left of the content, so that the next member can follow."""
        for _ in self._content:
            pass

    def _stored(self) -> Iterator[bytes]:
        crc, left = 0, self._size
        while left:
            piece = self._source.some(min(left, _PIECE))
            if not piece:
                raise ZipError("unexpected EOF")
            left -= len(piece)
            crc = zlib.crc32(piece, crc)
            yield piece
        self._compare(crc, self._size, self._size)

    def _deflated(self) -> Iterator[bytes]:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        crc = size = compressed = 0
        while not inflater.eof:
            piece = inflater.unconsumed_tail
            if not piece:
                piece = self._source.some(_PIECE)
                compressed += len(piece)
                if not piece:
                    raise CutError("Unexpected end of ZLIB input stream")
            try:
                content = inflater.decompress(piece, 4 * _PIECE)
            except zlib.error as error:
                raise ZipError(str(error)) from error
            if content:
                crc = zlib.crc32(content, crc)
                size += len(content)
                yield content
        self._source.back(inflater.unused_data)
        if self._flags & 8:
            self._descriptor(size, compressed - len(inflater.unused_data))
        self._compare(crc, size, compressed - len(inflater.unused_data))

    def _descriptor(self, size: int, compressed: int) -> None:
        long = size > _LONG_SIZE or compressed > _LONG_SIZE
        layout = "<LQQ" if long else "<LLL"
        begin = self._source.exactly(4)
        if begin == b"PK\x07\x08":
            begin = b""
        fields = begin + self._source.exactly(struct.calcsize(layout) - len(begin))
        self._crc, self._compressed, self._size = struct.unpack(layout, fields)

    def _compare(self, crc: int, size: int, compressed: int) -> None:
        if self._method == zlib.DEFLATED and size != self._size:
            raise ZipError(f"invalid entry size (expected {self._size} but got {size} bytes)")
        if self._method == zlib.DEFLATED and compressed != self._compressed:
            raise ZipError(f"invalid entry compressed size (expected {self._compressed} but got {compressed} bytes)")
        if crc != self._crc:
            raise ZipError(f"invalid entry CRC (expected 0x{self._crc:x} but got 0x{crc:x})")


def members(source: Iterable[bytes]) -> Iterator[Member]:
    """Return the members of a zip in their order; folders have names that end in a slash."""
    pieces = source if isinstance(source, Pieces) else Pieces(source)
    while True:
        header = pieces.upto(_LOCAL.size)
        if len(header) < _LOCAL.size or header[:4] != b"PK\x03\x04":
            for _ in pieces.rest():  # the directory at the end is of no interest, but the client wants to send it
                pass
            return
        member = _member(header, pieces)
        yield member
        member.skip()


def _member(header: bytes, pieces: Pieces) -> Member:
    _, _, flags, method, _, crc, compressed, size, name_length, extra_length = _LOCAL.unpack(header)
    name = pieces.exactly(name_length)
    if flags & 1:
        raise ZipError("encrypted ZIP entry not supported")
    if flags & 8 and method != zlib.DEFLATED:
        raise ZipError("only DEFLATED entries can have EXT descriptor")
    extra = pieces.exactly(extra_length)
    if _LONG_SIZE in {compressed, size}:
        size, compressed = _long_sizes(extra, size, compressed)
    text = name.decode("utf-8", "surrogateescape" if flags & 0x800 else "replace")
    return Member(text, flags, method, crc, compressed, size, pieces)


def _long_sizes(extra: bytes, size: int, compressed: int) -> tuple[int, int]:
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1 and length >= 16:
            found: tuple[int, int] = struct.unpack_from("<QQ", extra, at + 4)
            return found
        at += 4 + length
    return size, compressed
