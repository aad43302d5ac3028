"""What a run has done so far, counted from many threads and read by whoever draws it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xnatsync.ledger.rows import ItemRow, UnitRow

if TYPE_CHECKING:
    from xnatsync.engine.progress import Progress

_WAIT_TOLD_S = 1.0  # shorter waits are not worth a line
_WINDOW_S = 10.0  # the rate is that of the last so many seconds
_SAMPLES_MAX = 400  # bounds the memory of the window
_TO_SEND = {"planned", "sent"}
_AT_REST = {("unit", "verified"), ("unit", "closed"), ("item", "done"), ("item", "left")}


@dataclass(frozen=True, slots=True)
class Note:
    """Where one item or unit is."""

    kind: str  # "item" or "unit"
    id: int
    name: str  # of the dropped entry, or of the session
    phase: str
    hold: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All counts at one moment."""

    elapsed_s: float
    read_files: int
    read_bytes: int
    sent_bytes: int
    goal_bytes: int  # what is to be sent, as far as it is known yet; never less than `sent_bytes`
    fetched_bytes: int
    rate_bytes_s: float  # sent and fetched together
    eta_s: float | None  # None when it cannot be told
    notes: tuple[Note, ...]  # those at work, the newest last
    wait_s: float | None = None  # nothing else can be done for so long
    wait_why: str = ""
    fetch_bytes: int = 0  # what is to be fetched for mirrors, as far as it is known yet


class Meter:
    """Implements the engine's `Progress`.  `on_change` is told each new phase, hold or note, once."""

    def __init__(
        self,
        on_change: Callable[[Note], None] = lambda note: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_change = on_change
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._began = monotonic()
        self._read: dict[tuple[str, int], tuple[int, int]] = {}
        self._units: dict[int, tuple[str, int]] = {}  # phase and bytes
        self._sent: dict[int, int] = {}
        self._fetched = 0
        self._to_fetch = 0
        self._samples: deque[tuple[float, int]] = deque(maxlen=_SAMPLES_MAX)
        self._notes: dict[tuple[str, int], Note] = {}
        self._wait: tuple[float, str] = (0.0, "")  # until when, and why
        self._items: dict[int, tuple[str, int]] = {}  # phase and bytes
        self._owners: dict[int, int] = {}  # the item of each unit

    def item(self, item: ItemRow, note: str) -> None:
        """An item came to a new point."""
        with self._lock:
            self._items[item.id] = ("held" if item.hold == "person" else item.phase, item.bytes)
        self._note(Note("item", item.id, item.path, item.phase, item.hold, note))

    def unit(self, unit: UnitRow, note: str) -> None:
        """A unit came to a new point."""
        with self._lock:
            self._units[unit.id] = (unit.phase, unit.bytes)
            self._owners[unit.id] = unit.item_id
        self._note(Note("unit", unit.id, unit.session or f"study {unit.study_uid}", unit.phase, unit.hold, note))

    def read(self, what: str, number: int, files: int, size_bytes: int) -> None:
        """So much of an `item`, or of an `owner` of a tree, has been read."""
        with self._lock:
            self._read[what, number] = (files, size_bytes)

    def sent(self, unit_id: int, size_bytes: int) -> None:
        """So many more bytes of a unit went out."""
        with self._lock:
            self._sent[unit_id] = self._sent.get(unit_id, 0) + size_bytes
            self._samples.append((self._monotonic(), size_bytes))

    def fetched(self, size_bytes: int) -> None:
        """So many more bytes came back for a proof, or for a tree."""
        with self._lock:
            self._fetched += size_bytes
            self._samples.append((self._monotonic(), size_bytes))

    def owner(self, owner_id: int, name: str, note: str) -> None:
        """An owner of a mirror came to a new point."""
        self._note(Note("owner", owner_id, name, "", None, note))

    def goal(self, size_bytes: int) -> None:
        """So many more bytes are to be fetched."""
        with self._lock:
            self._to_fetch += size_bytes

    def waiting(self, seconds: float, why: str) -> None:
        """Nothing else can be done for so long; what a person would notice is told."""
        with self._lock:
            self._wait = (self._monotonic() + seconds, why)
        if seconds >= _WAIT_TOLD_S:
            self._on_change(Note("wait", 0, "waiting", "", None, f"again in {seconds:.0f} s: {why}"))

    def failed(self, code: str, what: str) -> None:
        """Told by what follows: a hold, a wait, or the report."""

    def snapshot(self) -> Snapshot:
        """Reads all counts at once."""
        with self._lock:
            sent = sum(self._sent.values())
            open_bytes = sum(
                max(0, size - self._sent.get(unit, 0))
                for unit, (phase, size) in self._units.items()
                if phase in _TO_SEND
            )
            planned = set(self._owners.values())
            open_bytes += sum(
                size
                for number, (phase, size) in self._items.items()
                if phase in {"seen", "settled"} and number not in planned
            )
            goal = sent + open_bytes
            open_bytes += max(0, self._to_fetch - self._fetched) if self._to_fetch else 0
            rate = self._rate()
            wait_s = self._wait[0] - self._monotonic()
            return Snapshot(
                wait_s=wait_s if wait_s > 0 else None,
                wait_why=self._wait[1] if wait_s > 0 else "",
                elapsed_s=self._monotonic() - self._began,
                read_files=sum(files for files, _ in self._read.values()),
                read_bytes=sum(size for _, size in self._read.values()),
                sent_bytes=sent,
                goal_bytes=goal,
                fetched_bytes=self._fetched,
                fetch_bytes=self._to_fetch,
                rate_bytes_s=rate,
                eta_s=open_bytes / rate if rate > 0 and open_bytes else None,
                notes=tuple(note for note in self._notes.values() if (note.kind, note.phase) not in _AT_REST),
            )

    def _rate(self) -> float:
        now = self._monotonic()
        recent = [(at, size) for at, size in self._samples if now - at <= _WINDOW_S]
        if not recent:
            return 0.0
        return sum(size for _, size in recent) / max(now - recent[0][0], 0.25)

    def _note(self, note: Note) -> None:
        key = (note.kind, note.id)
        with self._lock:
            if self._notes.get(key) == note:
                return
            self._notes.pop(key, None)  # the newest is the last
            self._notes[key] = note
        self._on_change(note)


class Several:
    """Lets several watch one run."""

    def __init__(self, watchers: Sequence[Progress]) -> None:
        self._watchers = tuple(watchers)

    def item(self, item: ItemRow, note: str) -> None:
        """Passed on."""
        for watcher in self._watchers:
            watcher.item(item, note)

    def unit(self, unit: UnitRow, note: str) -> None:
        """Passed on."""
        for watcher in self._watchers:
            watcher.unit(unit, note)

    def read(self, what: str, number: int, files: int, size_bytes: int) -> None:
        """Passed on."""
        for watcher in self._watchers:
            watcher.read(what, number, files, size_bytes)

    def sent(self, unit_id: int, size_bytes: int) -> None:
        """Passed on."""
        for watcher in self._watchers:
            watcher.sent(unit_id, size_bytes)

    def fetched(self, size_bytes: int) -> None:
        """Passed on."""
        for watcher in self._watchers:
            watcher.fetched(size_bytes)

    def owner(self, owner_id: int, name: str, note: str) -> None:
        """Passed on."""
        for watcher in self._watchers:
            watcher.owner(owner_id, name, note)

    def goal(self, size_bytes: int) -> None:
        """Passed on."""
        for watcher in self._watchers:
            watcher.goal(size_bytes)

    def waiting(self, seconds: float, why: str) -> None:
        """Passed on."""
        for watcher in self._watchers:
            watcher.waiting(seconds, why)

    def failed(self, code: str, what: str) -> None:
        """Passed on."""
        for watcher in self._watchers:
            watcher.failed(code, what)
