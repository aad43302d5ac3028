"""Carries resources from server to server through memory: what comes next is read while the last is stored.

No ledger here: whoever calls announces and records.  A file is stored only after it was compared with what the source
lists; one that turns out wrong while it is on its way is cut off before its end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from xnatsync.core.errors import (
    ForeignContent,
    PlaceTaken,
    ReadFailed,
    RequestRefused,
    SourceChanged,
    XnatsyncError,
)
from xnatsync.core.inventory import Owner
from xnatsync.fetch.ahead import Ahead
from xnatsync.ports.transfer import Readable
from xnatsync.ports.tree import Archive, SmallFile
from xnatsync.routes.transfer.limits import UNLIMITED, Line
from xnatsync.routes.transfer.load import Arrived, Carried, Left, Load
from xnatsync.routes.transfer.reading import Begin, End, Event, Loaded, Over, Pack, Reader, weight
from xnatsync.xnat.resource_names import has_address

MEMORY_BYTES: Final = 96 << 20  # of files, in all workers together: one pack is sent, one waits, one is being read
PACK_MAX, PACK_MIN = 32 << 20, 4 << 20
REFUSED_MAX: Final = 3  # refusals when nothing was taken at all: then it is not the files


def pack_bytes(workers: int) -> int:
    """Return how much may be stored with one request when so many carry at the same time."""
    return max(PACK_MIN, min(PACK_MAX, MEMORY_BYTES // (3 * max(1, workers))))


class Reading:
    """Reads some resources of one entity, ahead of those who carry them, in the order given.  To be left like a file.

    Without `threads` nothing runs ahead: the same requests, one after the other.
    """

    def __init__(
        self,
        source: Readable,
        owner: Owner,
        loads: Sequence[Load],
        *,
        pack: int = PACK_MAX,
        line: Line = UNLIMITED,
        threads: bool = True,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._loads = list(loads)
        events = Reader(source, owner, pack, line, stopping).read(tuple(loads))
        self._ahead = Ahead(events, weight, pack) if threads else None
        self._events: Iterator[Event] = self._ahead if self._ahead is not None else events
        self._close = self._ahead.close if self._ahead is not None else events.close

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Read nothing more."""
        self._close()

    def of(self, load: Load) -> Iterator[Event]:
        """Return what comes of a load, up to its Over; those before it that nobody carried are passed over."""
        while self._loads and self._loads[0] is not load:
            self._pass_over()
        if not self._loads:
            raise ValueError("this load is not among those that are read")
        for event in self._events:
            if isinstance(event, Over):
                self._loads.pop(0)
                yield event
                return
            yield event

    def _pass_over(self) -> None:
        self._loads.pop(0)
        for event in self._events:
            if isinstance(event, Over):
                return


@dataclass(slots=True)
class Carrier:
    """Stores what is read in one entity of the destination, one request after the other (hierarchy.md §6.1)."""

    destination: Archive
    owner: Owner
    load: Load
    request_id: str
    moved: Callable[[int], None] = lambda size_bytes: None
    result: Carried = field(default_factory=Carried)

    def carry(self, events: Iterator[Event]) -> Carried:
        """Store everything that comes; what ends it early is in the result."""
        try:
            for event in events:
                if isinstance(event, Pack):
                    self._store(event.files)
                elif isinstance(event, Begin):
                    self._stream(event, events)
                elif isinstance(event, Over):
                    self._over(event)
                    return self.result
            self.result.failure = ReadFailed("what the source sent ended before its end")
        except XnatsyncError as error:
            self.result.failure = error
        return self.result

    def _over(self, over: Over) -> None:
        result = self.result
        result.lost += over.lost
        result.changed += over.changed
        result.refused += over.refused
        result.failure = over.failure

    # --- small ones --------------------------------------------------------------------------------------------------

    def _store(self, files: Sequence[Loaded]) -> None:
        """Store files with one request; where the server refuses it, find the one that it will not take."""
        try:
            left = self._sent(files)
        except (ForeignContent, PlaceTaken):
            left = frozenset({files[0].name})
        except RequestRefused as error:
            if len(files) == 1:
                self._refused(files[0].name, error)
                return
            middle = len(files) // 2
            self._store(files[:middle])
            self._store(files[middle:])
            return
        for one in files:
            arrived = Arrived(one.name, one.size, one.sha256, one.md5)
            self._note(arrived, occupied=one.name in left)

    def _sent(self, files: Sequence[Loaded]) -> frozenset[str]:
        key, load = self.load.target, self.load
        request_id = self._next()
        if len(files) == 1 and has_address(files[0].name):
            content = iter([files[0].content] if files[0].content else [])
            self.destination.put_resource_file(
                self.owner, key, files[0].name, self._paced(content), size=files[0].size, overwrite=load.overwrite,
                request_id=request_id,
            )  # fmt: skip
            return frozenset()
        small = [SmallFile(one.name, one.size, lambda one=one: self._taken(one)) for one in files]  # type: ignore[misc]
        return self.destination.put_resource_files(
            self.owner, key, small, overwrite=load.overwrite, request_id=request_id
        )

    def _taken(self, one: Loaded) -> bytes:
        self.moved(one.size)
        return one.content

    def _paced(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self.moved(len(piece))
            yield piece

    # --- a big one ---------------------------------------------------------------------------------------------------

    def _stream(self, begin: Begin, events: Iterator[Event]) -> None:
        """Store a file while it comes."""
        name, big = begin.file.name, Coming(events)
        try:
            self.destination.put_resource_file(
                self.owner, self.load.target, name, self._paced(iter(big)), size=begin.size,
                overwrite=self.load.overwrite, request_id=self._next(),
            )  # fmt: skip
        except XnatsyncError as error:
            if big.end is not None and big.end.error is not None:  # we broke it off, because the source did
                self.result.begun.append(name)
                return
            if isinstance(error, (ForeignContent, PlaceTaken)):
                big.rest()
                self._note(big.arrived(name, begin.size), occupied=True)
                return
            if isinstance(error, RequestRefused):
                big.rest()
                self._refused(name, error)
                return
            raise
        big.rest()
        self._note(big.arrived(name, begin.size), occupied=False)

    def _note(self, arrived: Arrived, *, occupied: bool) -> None:
        if occupied:
            self.result.occupied.append(arrived)
            return
        self.result.arrived.append(arrived)
        self.result.bytes += arrived.size

    def _refused(self, name: str, error: RequestRefused) -> None:
        result = self.result
        result.refused.append(Left(name, error))
        if len(result.refused) >= REFUSED_MAX and not (result.arrived or result.occupied):
            raise error

    def _next(self) -> str:
        """Name the next request."""
        self.result.requests += 1
        return f"{self.request_id}.{self.result.requests}"


@dataclass(slots=True)
class Coming:
    """A big file on its way: pieces up to its End."""

    events: Iterator[Event]
    end: End | None = None

    def __iter__(self) -> Iterator[bytes]:
        """Return its pieces; raise before the last one is given when the source could not give what it lists."""
        for event in self.events:
            if isinstance(event, bytes):
                if event:
                    yield event
                continue
            assert isinstance(event, End)
            self.end = event
            if event.error is not None:
                raise event.error
            return

    def rest(self) -> None:
        """Pass over what the destination did not want."""
        if self.end is None:
            for event in self.events:
                if isinstance(event, End):
                    self.end = event
                    return

    def arrived(self, name: str, size: int) -> Arrived:
        """Say what went through."""
        if self.end is None:
            raise SourceChanged(f"{name} was not read to its end")
        return Arrived(name, size, self.end.sha256, self.end.md5)


def carry(
    source: Readable,
    destination: Archive,
    here: Owner,
    there: Owner,
    load: Load,
    *,
    request_id: str,
    line: Line = UNLIMITED,
    pack: int = PACK_MAX,
    threads: bool = True,
    stopping: Callable[[], bool] = lambda: False,
    moved: Callable[[int], None] = lambda size_bytes: None,
) -> Carried:
    """Carry one resource of `here` to `there`; several of one entity are read ahead with one `Reading`."""
    with Reading(source, here, [load], pack=pack, line=line, threads=threads, stopping=stopping) as reading:
        return Carrier(destination, there, load, request_id, moved).carry(reading.of(load))
