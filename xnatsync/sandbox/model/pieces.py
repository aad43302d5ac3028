"""A stream that arrives in pieces, read as its reader likes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


class CutError(EOFError):
    """The stream ended before what was asked for."""


class Pieces:
    """Reads exact counts and runs from an iterator of pieces; hardly anything is ever copied."""

    def __init__(self, source: Iterable[bytes]) -> None:
        self._source = iter(source)
        self._buffer = b""
        self._at = 0

    def exactly(self, count: int) -> bytes:
        """Return `count` bytes; raise CutError when the stream ends before."""
        found = self.upto(count)
        if len(found) < count:
            raise CutError("unexpected end of the stream")
        return found

    def upto(self, count: int) -> bytes:
        """Return `count` bytes, fewer only at the end of the stream."""
        taken = self.some(count)
        if len(taken) == count or not taken:
            return taken
        parts, missing = [taken], count - len(taken)
        while missing and (piece := self.some(missing)):
            parts.append(piece)
            missing -= len(piece)
        return b"".join(parts)

    def some(self, most: int) -> bytes:
        """Return what is there, between 1 and `most` bytes; nothing at the end of the stream."""
        left = len(self._buffer) - self._at
        while not left:
            piece = next(self._source, None)
            if piece is None:
                return b""
            self._buffer, self._at, left = piece, 0, len(piece)
        if self._at == 0 and left <= most:
            found, self._buffer = self._buffer, b""
            return found
        found = self._buffer[self._at : self._at + most]
        self._at += len(found)
        return found

    def back(self, piece: bytes) -> None:
        """Put bytes back that were read too far."""
        if piece:
            self._buffer = piece + self._buffer[self._at :]
            self._at = 0

    def rest(self, most: int = 1 << 18) -> Iterator[bytes]:
        """Return everything that is left."""
        while piece := self.some(most):
            yield piece

    # what tarfile wants of a stream

    def read(self, size: int = -1) -> bytes:
        """Read like a file."""
        return self.upto(size) if size >= 0 else b"".join(self.rest())
