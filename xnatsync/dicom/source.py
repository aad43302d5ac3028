"""A stream of bytes that is read once, forwards, in constant memory: what every DICOM reader here walks over."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator

PIECE = 1 << 20  # bytes


class ByteSource:
    """A window on a stream: `data[pos:]` is what was read and not yet consumed.

    The window grows only as far as `need` is asked to, so memory does not depend on the length of the stream.
    """

    __slots__ = ("_chunks", "_consumed", "data", "pos")

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._consumed = 0
        self.data = b""
        self.pos = 0

    @property
    def offset(self) -> int:
        """Say how many bytes of the stream are consumed."""
        return self._consumed + self.pos

    def need(self, count: int) -> bool:
        """Make `count` bytes available at `pos`; False when the stream ends before."""
        while len(self.data) - self.pos < count:
            chunk = next(self._chunks, None)
            if chunk is None:
                return False
            self._consumed += self.pos
            self.data = self.data[self.pos :] + chunk if self.pos < len(self.data) else chunk
            self.pos = 0
        return True

    def take(self, count: int) -> bytes | None:
        """Consume and return `count` bytes; None when the stream ends before."""
        if not self.need(count):
            return None
        self.pos += count
        return self.data[self.pos - count : self.pos]

    def feed(self, count: int, sink: Callable[[memoryview], object] | None) -> int:
        """Consume `count` bytes without keeping them, handing them to `sink`; say how many there were."""
        left = count
        while True:
            here = min(left, len(self.data) - self.pos)
            if here and sink is not None:
                sink(memoryview(self.data)[self.pos : self.pos + here])
            self.pos += here
            left -= here
            if not left:
                return count
            chunk = next(self._chunks, None)
            if chunk is None:
                return count - left
            self._consumed += self.pos
            self.data, self.pos = chunk, 0

    def skip(self, count: int) -> bool:
        """Consume `count` bytes; False when the stream ends before."""
        if count <= len(self.data) - self.pos:
            self.pos += count
            return True
        return self.feed(count, None) == count

    def rest(self) -> Iterator[bytes]:
        """Consume and return all that is left, in pieces."""
        while True:
            here, end = self.data[self.pos :], len(self.data)
            self._consumed += end
            self.data, self.pos = b"", 0
            if here:
                yield here
            chunk = next(self._chunks, None)
            if chunk is None:
                return
            self.data = chunk

    def drain(self) -> None:
        """Consume all that is left."""
        for _ in self.rest():
            pass


class Inflated:
    """The plain bytes of a deflated data set, made piece by piece; `whole` stays False when it is cut or damaged."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self.whole = False

    def __iter__(self) -> Iterator[bytes]:
        """Return the pieces, each of bounded size however well they were packed."""
        unpack = zlib.decompressobj(-zlib.MAX_WBITS)
        for chunk in self._chunks:
            packed, piece = chunk, b""
            while (packed or len(piece) == PIECE) and not unpack.eof:
                try:
                    piece = unpack.decompress(packed, PIECE)
                except zlib.error:
                    return
                if piece:
                    yield piece
                packed = unpack.unconsumed_tail
        self.whole = unpack.eof
