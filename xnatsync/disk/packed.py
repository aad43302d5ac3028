"""Streams packed by gzip, bzip2 or xz, unpacked piece by piece: each of bounded size, however well it was packed."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from xnatsync.disk import archive as limits

PIECE = 1 << 20
MEMORY_MAX = 256 << 20  # bytes that xz may ask for: its strongest setting takes 65 MB
_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz"}


class PackingError(Exception):
    """What is packed cannot be unpacked to its end; the text says why."""


class _Unpacker(Protocol):
    """What the three have in common."""

    def some(self, packed: bytes) -> bytes:
        """Give at most a piece; what is left of the input waits."""
        ...

    @property
    def waits(self) -> bool:
        """Tell whether more can be given without more input."""
        ...

    @property
    def rest(self) -> bytes | None:
        """Give what follows the end of the stream; None before it."""
        ...


class _Gzip:
    def __init__(self) -> None:
        self._inner = zlib.decompressobj(zlib.MAX_WBITS | 16)

    def some(self, packed: bytes) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + packed, PIECE)

    @property
    def waits(self) -> bool:
        return bool(self._inner.unconsumed_tail)

    @property
    def rest(self) -> bytes | None:
        return self._inner.unused_data if self._inner.eof else None


class _Other:
    def __init__(self, inner: bz2.BZ2Decompressor | lzma.LZMADecompressor) -> None:
        self._inner = inner

    def some(self, packed: bytes) -> bytes:
        return self._inner.decompress(packed, PIECE)

    @property
    def waits(self) -> bool:
        return not self._inner.eof and not self._inner.needs_input

    @property
    def rest(self) -> bytes | None:
        return self._inner.unused_data if self._inner.eof else None


_MAKERS: dict[str, Callable[[], _Unpacker]] = {
    "gzip": _Gzip,
    "bzip2": lambda: _Other(bz2.BZ2Decompressor()),
    "xz": lambda: _Other(lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=MEMORY_MAX)),
}


def packing(head: bytes) -> str:
    """Name how a stream is packed, by its first bytes; "" when it is not, or by something that is not known here."""
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "")


def unpacked(chunks: Iterable[bytes], how: str, *, packed_bytes: int) -> Iterator[bytes]:
    """Unpack a stream, several joined ones too, to its end.

    PackingError when it is cut off, damaged, followed by anything else, or unpacks to what can only be a bomb.
    """
    most = packed_bytes * limits.MAX_RATIO + limits.ALLOWANCE
    inner: _Unpacker | None = _MAKERS[how]()
    size, begun = 0, False
    for chunk in chunks:
        waiting: bytes | None = chunk
        while waiting or (inner is not None and inner.waits):
            if inner is None:
                waiting = (waiting or b"").lstrip(b"\0")  # padding
                if not waiting:
                    break
                inner, begun = _MAKERS[how](), False
            piece = _some(inner, waiting or b"")
            begun = True
            size += len(piece)
            if size > most:
                raise PackingError(f"it unpacks to more than {limits.MAX_RATIO} times its size")
            if piece:
                yield piece
            waiting = inner.rest
            if waiting is not None:
                inner = None
    if inner is not None and (begun or not size):
        raise PackingError("it is cut off")


def _some(inner: _Unpacker, packed: bytes) -> bytes:
    try:
        return inner.some(packed)
    except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
        raise PackingError(str(error) or type(error).__name__) from None


class Readable:
    """Reads from an unpacked stream as from a file, forwards."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._held = pieces, b""

    def read(self, most: int) -> bytes:
        """Give between 1 and `most` bytes; none at the end."""
        if not self._held:
            self._held = next(self._pieces, b"")
        piece, self._held = self._held[:most], self._held[most:]
        return piece
