"""Reading ahead changes nothing but the moment: the same files, the same bytes, the same errors, and no thread left."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from xnatsync.mirror.ahead import read_ahead


class Source:
    """Files of so many pieces; fails where it is told to, and tells whether it was closed."""

    def __init__(self, files: int, pieces: int, fail_at: tuple[int, int] | None = None) -> None:
        self.files, self.pieces, self.fail_at = files, pieces, fail_at
        self.closed = False

    def read(self) -> Iterator[tuple[int, Iterator[bytes]]]:
        try:
            for number in range(self.files):
                yield number, self._content(number)
        finally:
            self.closed = True

    def _content(self, number: int) -> Iterator[bytes]:
        for piece in range(self.pieces):
            if self.fail_at == (number, piece):
                raise ValueError("cut")
            yield b"%d-%d;" % (number, piece)


def whole(number: int, pieces: int) -> bytes:
    return b"".join(b"%d-%d;" % (number, piece) for piece in range(pieces))


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "ahead"]


def test_everything_comes_in_order() -> None:
    """More pieces than may wait at a time."""
    source = Source(7, 60)

    assert [(key, b"".join(content)) for key, content in read_ahead(source.read())] == [
        (number, whole(number, 60)) for number in range(7)
    ]
    assert source.closed
    assert readers() == []


def test_what_is_left_unread_is_skipped() -> None:
    """The next file begins where it begins."""
    found = []
    for key, content in read_ahead(Source(5, 3).read()):
        found.append((key, next(content) if key % 2 else b""))

    assert found == [(0, b""), (1, b"1-0;"), (2, b""), (3, b"3-0;"), (4, b"")]


@pytest.mark.parametrize("at", [(0, 0), (2, 1), (4, 59)])
def test_an_error_arrives_where_it_happened(at: tuple[int, int]) -> None:
    """After everything that came before it, and not earlier."""
    source = Source(5, 60, at)
    found: dict[int, bytes] = {}

    def take() -> None:
        for key, content in read_ahead(source.read()):
            found[key] = b""
            for piece in content:
                found[key] += piece

    with pytest.raises(ValueError, match="cut"):
        take()

    assert found == {**{number: whole(number, 60) for number in range(at[0])}, at[0]: whole(at[0], at[1])}
    assert source.closed
    assert readers() == []


def test_whoever_stops_leaves_nothing_behind() -> None:
    """In the middle of a file, with a full queue: the source is closed and the thread ends."""
    source = Source(100, 100)
    reading = read_ahead(source.read())
    _, content = next(reading)
    next(content)

    reading.close()  # type: ignore[attr-defined]

    assert source.closed
    assert readers() == []
