"""Reading ahead changes nothing but the moment: the same files, the same bytes, the same errors, and no thread left."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator

import pytest

from xnatsync.fetch import read_ahead as ahead
from xnatsync.fetch.read_ahead import Big, Group, read_ahead


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


def taken(reading: Iterable[Group[int] | Big[int]], found: dict[int, bytes]) -> set[int]:
    """Reads everything into `found`, piece by piece; tells which files came as big ones."""
    big = set()
    for one in reading:
        if isinstance(one, Big):
            big.add(one.key)
            found[one.key] = b""
            for piece in one.content:
                found[one.key] += piece
        else:
            found.update((key, b"".join(pieces)) for key, pieces in one.files)
    return big


@pytest.fixture(params=[1 << 20, 20], ids=["small", "big"])
def whole_max(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Files of 60 pieces are small, or big."""
    monkeypatch.setattr(ahead, "WHOLE_MAX", request.param)
    monkeypatch.setattr(ahead, "GROUP_FILES", 3)
    return int(request.param)


@pytest.mark.usefixtures("whole_max")
def test_everything_comes_in_order() -> None:
    """More than may wait at a time."""
    source = Source(40, 60)
    found: dict[int, bytes] = {}

    taken(read_ahead(source.read()), found)

    assert list(found.items()) == [(number, whole(number, 60)) for number in range(40)]
    assert source.closed
    assert readers() == []


def test_small_ones_come_together_and_big_ones_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """In their order: what was gathered comes before the big one."""
    monkeypatch.setattr(ahead, "WHOLE_MAX", 20)
    sizes = {0: 1, 1: 2, 2: 30, 3: 0, 4: 30}

    def files() -> Iterator[tuple[int, Iterator[bytes]]]:
        for number, pieces in sizes.items():
            yield number, iter([b"%d-%d;" % (number, piece) for piece in range(pieces)])

    found: dict[int, bytes] = {}

    assert taken(read_ahead(files()), found) == {2, 4}
    assert list(found.items()) == [(number, whole(number, pieces)) for number, pieces in sizes.items()]


def test_what_is_left_unread_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next file begins where it begins."""
    monkeypatch.setattr(ahead, "WHOLE_MAX", 4)
    found = []
    for one in read_ahead(Source(5, 3).read()):
        assert isinstance(one, Big)
        found.append((one.key, next(one.content) if one.key % 2 else b""))

    assert found == [(0, b""), (1, b"1-0;"), (2, b""), (3, b"3-0;"), (4, b"")]


@pytest.mark.parametrize("at", [(0, 0), (2, 1), (4, 59)])
@pytest.mark.parametrize("most", [1 << 20, 1])
def test_an_error_arrives_where_it_happened(at: tuple[int, int], most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """After everything that came before it, and not earlier; the beginning of a small file is not told."""
    monkeypatch.setattr(ahead, "WHOLE_MAX", most)
    source = Source(5, 60, at)
    found: dict[int, bytes] = {}

    with pytest.raises(ValueError, match="cut"):
        taken(read_ahead(source.read()), found)

    begun = {at[0]: whole(at[0], at[1])} if most == 1 and at[1] else {}
    assert found == {**{number: whole(number, 60) for number in range(at[0])}, **begun}
    assert source.closed
    assert readers() == []


@pytest.mark.usefixtures("whole_max")
def test_whoever_stops_leaves_nothing_behind() -> None:
    """In the middle of a file, with a full queue: the source is closed and the thread ends."""
    source = Source(100, 100)
    reading = read_ahead(source.read())
    one = next(reading)
    if isinstance(one, Big):
        next(one.content)

    reading.close()

    assert source.closed
    assert readers() == []
