"""Reads ahead: the network is read and unpacked in one thread while another hashes and writes what came before.

Order and contents stay what they were; an error arrives where it would have been met.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from queue import Full, Queue
from typing import Final, Generic, TypeVar

Key = TypeVar("Key")

PIECES_AHEAD: Final = 48  # of up to 1 MiB: all the memory it may cost
_PATIENCE_S: Final = 0.2  # how soon the reader notices that nobody listens any more


@dataclass(frozen=True, slots=True)
class _Next(Generic[Key]):
    """A new file begins."""

    key: Key


@dataclass(frozen=True, slots=True)
class _End:
    """A file is over, or, between two files, everything; `error` says what ended it."""

    error: BaseException | None = None


def read_ahead(files: Iterator[tuple[Key, Iterator[bytes]]]) -> Iterator[tuple[Key, Iterator[bytes]]]:
    """Gives the same files with the same contents, each to be read in turn.

    What the caller leaves unread of a file is read all the same, and thrown away.  When the caller stops, so does the
    reading, and the source is closed.
    """
    pieces: Queue[_Next[Key] | bytes | _End] = Queue(PIECES_AHEAD)
    stop = threading.Event()
    reader = threading.Thread(target=_read, args=(files, pieces, stop), name="ahead", daemon=True)
    reader.start()
    try:
        while True:
            match pieces.get():
                case _Next(key):
                    content = _content(pieces)
                    yield key, content
                    for _ in content:
                        pass
                case _End(error):
                    if error is not None:
                        raise error
                    return
                case bytes():
                    raise AssertionError("a piece of no file")
    finally:
        stop.set()
        while not pieces.empty():
            pieces.get_nowait()
        reader.join()


def _content(pieces: Queue[_Next[Key] | bytes | _End]) -> Iterator[bytes]:
    while True:
        match pieces.get():
            case bytes() as piece:
                yield piece
            case _End(error):
                if error is not None:
                    raise error
                return
            case _Next():
                raise AssertionError("a file inside another")


def _read(
    files: Iterator[tuple[Key, Iterator[bytes]]], pieces: Queue[_Next[Key] | bytes | _End], stop: threading.Event
) -> None:
    """The other thread.  Whatever goes wrong is passed on to where it would have been met."""

    def put(piece: _Next[Key] | bytes | _End) -> None:
        while not stop.is_set():
            try:
                return pieces.put(piece, timeout=_PATIENCE_S)
            except Full:
                continue
        raise _Stopped

    try:
        for key, content in files:
            put(_Next(key))
            for piece in content:
                put(piece)
            put(_End())
        put(_End())
    except _Stopped:
        pass
    except Exception as error:
        try:
            put(_End(error))
        except _Stopped:
            return
    finally:
        close = getattr(files, "close", None)
        if close is not None:
            close()


class _Stopped(Exception):
    """Nobody listens any more."""
