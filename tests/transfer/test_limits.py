"""Memory, bandwidth and streams stay within what was given, however slow one of the sides is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from transfer.pair import PASSWORD, USER, Half, Pair, an_end
from xnatsync.core.bandwidth import always
from xnatsync.core.errors import ConfigError, ConnectionsTaken, ReadFailed
from xnatsync.core.inventory import ResourceKey
from xnatsync.core.packing import SMALL_BYTES
from xnatsync.fetch.ahead import Ahead
from xnatsync.routes.transfer.carry import carry
from xnatsync.routes.transfer.limits import Line, Lines
from xnatsync.routes.transfer.load import Carried, Load
from xnatsync.xnat.bandwidth import BURST_S, Meter
from xnatsync.xnat.pace import Timeouts


@dataclass(slots=True)
class Hand:
    """A clock that only waiting moves."""

    elapsed: float = 0.0
    stops: bool = False
    waits: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.elapsed)

    def elapsed_s(self) -> float:
        return self.elapsed

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.elapsed += seconds
        return self.stops


def test_streams_take_turns() -> None:
    """As many at a time as were given; both ends of one server leave a connection for what is stored."""
    found = Lines({"a": 4, "b": 2, "c": 1})
    here = found.between("a", "b")
    assert found.between("a", "c") is here
    one = found.between("b", "b")
    assert one is not found.between("b", "a")
    with pytest.raises(ConfigError, match="both ends"):
        found.between("c", "c")
    found.between("c", "a")
    seen, most, lock = 0, 0, threading.Lock()

    def use() -> None:
        nonlocal seen, most
        with one.stream():
            with lock:
                seen += 1
                most = max(most, seen)
            with lock:
                seen -= 1

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


@pytest.mark.parametrize("limited", [True, False])
def test_both_ends_of_one_server_never_wait_for_each_other(limited: bool) -> None:
    """Three workers and two connections: without the line, what is read keeps what is stored from ever beginning."""
    with an_end("ONE_MR", [str(number) for number in range(6)]) as end:
        for number in range(3):
            end.plant({"big": bytes(SMALL_BYTES + 40 * (1 << 20))}, ResourceKey(str(number), "DICOM"))
        listed = end.server.all_files([end.owner])[end.owner].files
        line = Lines({"x": 2}).between("x", "x") if limited else Line()
        times = Timeouts(pool_s=0.3)
        with Half(end.box.url, USER, PASSWORD, server_name="x", pool=2, timeouts=times) as server:

            def carried(number: int) -> Carried:
                files = tuple(file for file in listed if file.scan == str(number))
                load = Load(ResourceKey(str(number), "DICOM"), ResourceKey(str(number + 3), "DICOM"), files)
                return carry(
                    server, server, end.owner, end.owner, load, request_id=f"r{number}", pack=1 << 20,
                    line=line,
                )  # fmt: skip

            with ThreadPoolExecutor(3) as pool:
                found = list(pool.map(carried, range(3)))
    assert all(one.complete for one in found) == limited
    assert limited or any(isinstance(one.failure, ConnectionsTaken) for one in found)


def test_a_transfer_keeps_to_the_speed_of_both_lines(pair: Pair) -> None:
    """The bytes count on the way in and on the way out."""
    pair.source.plant({f"{number}.dcm": bytes(10_000) for number in range(10)})
    here, there = Hand(), Hand()

    with (
        Half(pair.source.box.url, USER, PASSWORD, server_name="a", meter=Meter(here, always(100_000))) as source,
        Half(pair.destination.box.url, USER, PASSWORD, server_name="b", meter=Meter(there, always(50_000))) as target,
    ):
        load, ends = pair.load(), (pair.source.owner, pair.destination.owner)
        carried = carry(source, target, *ends, load, request_id="r", threads=False)

    assert carried.complete
    assert 1.0 - BURST_S <= here.elapsed < 1.05
    assert 2.0 - BURST_S <= there.elapsed < 2.1


# --- memory ------------------------------------------------------------------------------------------------------


def made(count: int, size: int, log: list[int]) -> Iterator[bytes]:
    try:
        for number in range(count):
            log.append(number)
            yield bytes([number % 256]) * size
    finally:
        log.append(-1)


def test_who_runs_ahead_never_holds_more_than_it_may() -> None:
    """A slow consumer keeps the maker waiting; the order is kept."""
    log: list[int] = []
    ahead = Ahead(made(50, 100, log), len, 300)
    for number in range(50):
        assert next(ahead)[0] == number
        assert max(log) - number <= 300 // 100 + 2  # one taken, one being made, and those that wait
    assert next(ahead, None) is None
    assert log[-1] == -1


def test_who_stops_taking_closes_the_maker() -> None:
    """Its stream is closed in its own thread."""
    log: list[int] = []
    ahead = Ahead(made(50, 100, log), len, 300)
    next(ahead)
    ahead.close()
    assert log[-1] == -1
    assert max(log) < 10


def test_an_error_comes_where_it_would_have_been_met() -> None:
    """Behind what came before it, and once."""

    def broken() -> Iterator[bytes]:
        yield b"one"
        raise ReadFailed("cut")

    ahead = Ahead(broken(), len, 300)
    assert next(ahead) == b"one"
    with pytest.raises(ReadFailed):
        next(ahead)
    assert next(ahead, None) is None


def test_one_thing_larger_than_the_memory_still_comes() -> None:
    """Alone."""
    assert [len(one) for one in Ahead(made(3, 1000, []), len, 10)] == [1000] * 3


def test_a_slow_destination_keeps_the_source_waiting(pair: Pair) -> None:
    """While the first pack is stored, no more is read than one further pack and what is being made."""
    pair.source.plant({f"{number:02}.dcm": bytes(50_000) for number in range(40)})
    load, seen = pair.load(), []
    taken = [0]

    class Counting(Meter):
        def take(self, size: int, stopped: Callable[[], None] = lambda: None) -> None:
            taken[0] += size

    def moved(size: int) -> None:
        seen.append(taken[0])

    with Half(pair.source.box.url, USER, PASSWORD, server_name="a", meter=Counting(Hand())) as source:
        ends = (pair.source.owner, pair.destination.owner)
        carried = carry(source, pair.destination.server, *ends, load, request_id="r", pack=100_000, moved=moved)

    assert carried.complete
    assert carried.requests == 20
    sent = 0
    for number, read in enumerate(seen):
        sent = number * 50_000
        assert read - sent <= 4 * 100_000 + 50_000  # sent now, waiting, ready to wait, and one file
