"""What a run has done so far, counted from many threads and read by whoever draws it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from xnatsync.engine.progress import (
    Failed,
    Fetched,
    Goal,
    Happening,
    ItemAt,
    Noted,
    OwnerAt,
    Read,
    Sent,
    UnitAt,
    Waiting,
)

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
    """Counts; `hear` is an observer of a run.  `on_change` is told each new phase, hold or note, once."""

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

    def hear(self, happening: Happening) -> None:
        """Count what happened, and tell `on_change` of a new phase, hold or note."""
        with self._lock:
            note = self._counted(happening)
        match happening:
            case Waiting(seconds):  # what a person would notice is told
                if note is not None and seconds >= _WAIT_TOLD_S:
                    self._on_change(note)
            case _:
                if note is not None:
                    self._note(note)

    def _counted(self, happening: Happening) -> Note | None:
        match happening:
            case ItemAt(item, text):
                self._items[item.id] = ("held" if item.hold == "person" else item.phase, item.bytes)
                return Note("item", item.id, item.path, item.phase, item.hold, text)
            case UnitAt(unit, text):
                self._units[unit.id] = (unit.phase, unit.bytes)
                self._owners[unit.id] = unit.item_id
                return Note("unit", unit.id, unit.session or f"study {unit.study_uid}", unit.phase, unit.hold, text)
            case OwnerAt(number, name, text):
                return Note("owner", number, name, "", None, text)
            case Waiting(seconds, why):
                self._wait = (self._monotonic() + seconds, why)
                return Note("wait", 0, "waiting", "", None, f"again in {seconds:.0f} s: {why}")
            case Read(what, number, files, size_bytes):
                self._read[what, number] = (files, size_bytes)
            case Sent(unit_id, size_bytes):
                self._sent[unit_id] = self._sent.get(unit_id, 0) + size_bytes
                self._samples.append((self._monotonic(), size_bytes))
            case Fetched(size_bytes):
                self._fetched += size_bytes
                self._samples.append((self._monotonic(), size_bytes))
            case Goal(size_bytes):
                self._to_fetch += size_bytes
            case Failed() | Noted():
                pass  # a hold, a wait or the report follows
        return None

    def snapshot(self) -> Snapshot:
        """Read all counts at once."""
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
