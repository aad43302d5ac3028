"""Streams that somebody else makes: they are closed by whoever opened them, and never longer than was announced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from xnatsync.core.errors import XnatsyncError

SLACK_BYTES: Final = 1 << 20  # a file may have grown since it was listed; more than that is not the file
UNKNOWN_MAX: Final = 64 << 30  # bytes of a file of which no size is known

Piece = TypeVar("Piece")


@contextmanager
def closed_after(stream: Iterator[Piece]) -> Iterator[Iterator[Piece]]:
    """Close a stream at the end of the block, also when whoever reads it fails: an error keeps its frames alive."""
    try:
        yield stream
    finally:
        close = getattr(stream, "close", None)
        if close is not None:
            close()


def at_most(pieces: Iterator[bytes], size: int | None, failure: Callable[[int], XnatsyncError]) -> Iterator[bytes]:
    """Pass on what was announced and not a byte more; `failure` is told how many came."""
    most = UNKNOWN_MAX if size is None else size
    came = 0
    for piece in pieces:
        came += len(piece)
        if came > most:
            raise failure(came)
        yield piece
