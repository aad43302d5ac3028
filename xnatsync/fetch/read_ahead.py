"""Reads ahead: the network is read and unpacked in one thread while others hash and write what came before.

Small files come whole and several at a time, because handing a file over costs more than reading it; a big one comes
piece by piece.  Order and contents stay what they were; an error arrives where it would have been met.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from queue import Full, Queue
from typing import Final, Generic, TypeVar

Key = TypeVar("Key")

WHOLE_MAX: Final = 1 << 20  # bytes of a file that comes whole
GROUP_FILES, GROUP_BYTES = 32, 4 << 20  # what comes together at most
GROUPS_AHEAD: Final = 4  # with the one that is read, all the memory it may cost
PIECES_AHEAD: Final = 16  # of a big file, each of up to 1 MiB
_LEAVE_S: Final = 2.0  # how long the reader is waited for when nobody listens any more
_PATIENCE_S: Final = 0.2  # how soon the reader notices that nobody listens any more


@dataclass(slots=True)
class Group(Generic[Key]):
    """Small files that have come to their ends."""

    files: list[tuple[Key, list[bytes]]] = field(default_factory=list)
    size: int = 0


@dataclass(frozen=True, slots=True)
class Big(Generic[Key]):
    """A file that is still coming; what the caller leaves unread of it is read all the same, and thrown away."""

    key: Key
    content: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class _End:
    """A big file is over, or, between two files, everything; `error` says what ended it."""

    error: BaseException | None = None


class _Line(Generic[Key]):
    """What waits between the two threads."""

    def __init__(self) -> None:
        self.files: Queue[Group[Key] | Big[Key] | _End] = Queue(GROUPS_AHEAD)
        self.pieces: Queue[bytes | _End] = Queue(PIECES_AHEAD)  # of the one big file that is coming
        self.stop = threading.Event()

    def content(self) -> Iterator[bytes]:
        """Return what comes of a big file."""
        while True:
            match self.pieces.get():
                case _End(error):
                    if error is not None:
                        raise error
                    return
                case piece:
                    yield piece


def read_ahead(files: Iterator[tuple[Key, Iterator[bytes]]]) -> Generator[Group[Key] | Big[Key]]:
    """Return the same files with the same contents in the same order.

    A big one is to be read before the next is asked for.  When the caller stops, so does the reading, and the source is
    closed.
    """
    line: _Line[Key] = _Line()
    reader = threading.Thread(target=_read, args=(files, line), name="ahead", daemon=True)
    reader.start()
    try:
        while True:
            match line.files.get():
                case _End(error):
                    if error is not None:
                        raise error
                    return
                case Big() as big:
                    yield big
                    for _ in big.content:
                        pass
                case group:
                    yield group
    finally:
        line.stop.set()
        reader.join(_LEAVE_S)  # a server that keeps it waiting keeps nobody else: it ends by itself then


def _read(files: Iterator[tuple[Key, Iterator[bytes]]], line: _Line[Key]) -> None:
    """The other thread.  Whatever goes wrong is passed on to where it would have been met."""
    group: Group[Key] = Group()

    def pass_on() -> None:
        nonlocal group
        if group.files:
            _put(line.files, group, line.stop)
            group = Group()

    error: BaseException | None = None
    try:
        for key, content in files:
            pieces: list[bytes] = []
            size = 0
            for piece in content:
                pieces.append(piece)
                size += len(piece)
                if size > WHOLE_MAX:
                    break
            if size > WHOLE_MAX:
                pass_on()
                _put(line.files, Big(key, line.content()), line.stop)
                _pour(pieces, content, line)
                continue
            group.files.append((key, pieces))
            group.size += size
            if len(group.files) >= GROUP_FILES or group.size >= GROUP_BYTES:
                pass_on()
    except _Stopped:
        return
    except Exception as why:
        error = why
    finally:
        close = getattr(files, "close", None)
        if close is not None:
            close()
    try:
        pass_on()
        _put(line.files, _End(error), line.stop)
    except _Stopped:
        return


def _pour(begun: list[bytes], rest: Iterator[bytes], line: _Line[Key]) -> None:
    """Pass a big file on; what breaks it is told within it."""
    try:
        for pieces in (begun, rest):
            for piece in pieces:
                _put(line.pieces, piece, line.stop)
    except _Stopped:
        raise
    except Exception as error:
        _put(line.pieces, _End(error), line.stop)
        raise
    _put(line.pieces, _End(), line.stop)


Thing = TypeVar("Thing")


def _put(queue: Queue[Thing], thing: Thing, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            return queue.put(thing, timeout=_PATIENCE_S)
        except Full:
            continue
    raise _Stopped


class _Stopped(Exception):
    """Nobody listens any more."""
