"""Several at once, in order: no result is lost, none comes twice, an error comes in its place."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from xnatsync.fetch.threads import abreast


def test_results_come_in_order_and_some_at_once() -> None:
    """Three must be at work together, or the barrier breaks."""
    together = threading.Barrier(3, timeout=20)

    def act(number: int) -> int:
        together.wait()
        return number * 2

    assert list(abreast(range(9), act, 3)) == [number * 2 for number in range(9)]


def test_an_error_comes_in_its_place_and_ends_the_rest() -> None:
    """What comes before it is given; nothing far behind it was begun."""
    begun: list[int] = []

    def act(number: int) -> int:
        begun.append(number)
        if number == 3:
            raise ValueError("three")
        return number

    found: list[int] = []

    def take() -> None:
        for result in abreast(range(100), act, 2):
            found.append(result)

    with pytest.raises(ValueError, match="three"):
        take()

    assert found == [0, 1, 2]
    assert max(begun) <= 4


def test_an_error_of_the_source_comes_after_what_came_before_it() -> None:
    """Results of what was begun are not lost with it."""

    def items() -> Iterator[int]:
        yield from range(2)
        raise ValueError("source")

    found: list[int] = []

    def take() -> None:
        for result in abreast(items(), lambda number: number, 3):
            found.append(result)

    with pytest.raises(ValueError, match="source"):
        take()

    assert found == [0, 1]


def test_whoever_stops_leaves_no_thread() -> None:
    """The source is not read to its end."""
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    reading = abreast(items(), lambda number: number, 2)
    assert next(reading) == 0
    reading.close()

    assert len(taken) <= 4
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("abreast")]
