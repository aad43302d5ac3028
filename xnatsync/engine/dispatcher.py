"""Who steps next: one thread hands out due keys to N workers.

No key is ever stepped twice at once, and no item beside one of its own units.
"""

from __future__ import annotations

import heapq
import queue
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from xnatsync.core.errors import Bug, Exit, XnatsyncError
from xnatsync.core.retry import pause_s
from xnatsync.engine.failing import OF_THE_SERVER
from xnatsync.engine.items import step_item
from xnatsync.engine.units import step_unit
from xnatsync.engine.world import Due, Paused, Rest, Result, World
from xnatsync.ledger.rows import ItemRow

Key = tuple[str, int]  # ("item" | "unit", id)
BLOCKED_S = 0.05  # how soon a blocked key is looked at again while something else is at work


@dataclass(slots=True)
class Pause:
    """A server or disk that is left alone."""

    until: float
    failures: int
    error: XnatsyncError
    for_good: bool = False  # credentials: no further try in this run


@dataclass(slots=True)
class Dispatcher:
    """Steps items and their units until nothing is due within the caller's patience.

    `patience_s` bounds how long it waits for time to pass (a retry, a paused server, settling) with nothing else to do.
    """

    world: World
    workers: int
    patience_s: float
    on_bug: Callable[[str], None]
    due: dict[Key, float] = field(default_factory=dict)
    busy: set[Key] = field(default_factory=set)
    pauses: dict[str, Pause] = field(default_factory=dict)
    waiting: dict[Key, str] = field(default_factory=dict)
    order: list[tuple[float, Key]] = field(default_factory=list)  # a heap; entries that `due` contradicts are stale

    def add(self, item: ItemRow) -> None:
        """Makes an item and its units due."""
        self._put(("item", item.id), 0.0)
        for unit in self.world.ledger.units(item_id=item.id):
            self._put(("unit", unit.id), 0.0)

    def run(self) -> None:
        """Runs to the end; answers when nothing more can be done now, or a stop is asked for."""
        done: queue.SimpleQueue[tuple[Key, Result]] = queue.SimpleQueue()
        with ThreadPoolExecutor(max_workers=self.workers, thread_name_prefix="step") as pool:
            while not self.world.stopping():
                for key in self._ready():
                    self.busy.add(key)
                    pool.submit(self._step, key, done)
                if self.busy:
                    self._await(done)
                    continue
                wait_s = self._next_s()
                if wait_s is None or wait_s > self.patience_s or self.world.clock.wait(wait_s):
                    break
            while self.busy:
                self._take(*done.get())

    def _await(self, done: queue.SimpleQueue[tuple[Key, Result]]) -> None:
        """Waits for a step to end, or, when a worker is free, until something else is due."""
        free = len(self.busy) < self.workers
        wait_s = self._next_s() if free else None
        try:
            self._take(*done.get(timeout=None if wait_s is None else max(wait_s, BLOCKED_S)))
        except queue.Empty:
            return

    def _put(self, key: Key, moment: float) -> None:
        """Makes a key due at a moment; an earlier moment that was set before no longer counts."""
        self.due[key] = moment
        heapq.heappush(self.order, (moment, key))

    def _ready(self) -> list[Key]:
        """Takes what is due off the heap, as much as there are free workers; what is blocked goes back."""
        now = self._now()
        ready: list[Key] = []
        blocked: list[Key] = []
        while self.order and self.order[0][0] <= now and len(self.busy) + len(ready) < self.workers:
            moment, key = heapq.heappop(self.order)
            if self.due.get(key) != moment or key in ready or key in blocked:
                continue  # it was put off, or is taken already
            if key in self.busy or self._blocked(key, ready, now):
                blocked.append(key)
                continue
            ready.append(key)
            del self.due[key]
        for key in blocked:
            self._put(key, self.due[key])
        return ready

    def _blocked(self, key: Key, ready: list[Key], now: float) -> bool:
        """An item is not stepped beside one of its units, nor anything aimed at what is paused."""
        kind, number = key
        taken = {*self.busy, *ready}
        if kind == "item":
            rows = self.world.ledger.units(item_id=number)
            aims = {f"route {self.world.ledger.item(number).route}"}
            if any(("unit", unit.id) in taken for unit in rows):
                return True
        else:
            unit = self.world.ledger.unit(number)
            aims = {f"server {unit.server}", f"route {unit.route}"}
            if ("item", unit.item_id) in taken:
                return True
        for aim in aims:
            pause = self.pauses.get(aim)
            if pause is not None and (pause.for_good or pause.until > now):
                self.due[key] = pause.until
                return True
        return False

    def _step(self, key: Key, done: queue.SimpleQueue[tuple[Key, Result]]) -> None:
        """One of the two supervisors: whatever goes wrong inside a step is held as a bug, and the rest goes on."""
        kind, number = key
        try:
            ledger = self.world.ledger
            result = (
                step_item(self.world, ledger.item(number))
                if kind == "item"
                else step_unit(self.world, ledger.unit(number))
            )
        except XnatsyncError as error:
            result = Paused("the ledger", error)
        except Exception as error:
            self.on_bug(traceback.format_exc())
            result = self._hold_bug(key, error)
        done.put((key, result))

    def _hold_bug(self, key: Key, error: Exception) -> Result:
        kind, number = key
        bug = Bug(f"{type(error).__name__} in a step of {kind} {number}")
        hold = self.world.ledger.hold_item if kind == "item" else self.world.ledger.hold_unit
        try:
            hold(number, hold="person", code=bug.code, detail=str(bug), advice=bug.remedy, retry_at=None, tries=0)
        except XnatsyncError as refused:
            return Paused("the ledger", refused)
        return Rest()

    def _take(self, key: Key, result: Result) -> None:
        self.busy.discard(key)
        self.waiting.pop(key, None)
        match result:
            case Due(seconds, why):
                self._put(key, self._now() + seconds if seconds > 0 else 0.0)
                if seconds > 0:
                    self.waiting[key] = why
            case Paused(what, error):
                self._pause(what, error)
                self._put(key, self.pauses[what].until)
                self.waiting[key] = str(error)
            case Rest():
                pass
        if not isinstance(result, Paused):
            self._follow(key)

    def _follow(self, key: Key) -> None:
        """What a step makes due besides itself: an item that settled its units, a unit that ended its item."""
        kind, number = key
        if kind == "unit":
            unit = self.world.ledger.unit(number)
            self._well(f"server {unit.server}")
            held = unit.hold == "person" or (unit.hold == "retry" and key in self.due)
            if unit.phase in {"verified", "closed"} or held:  # held: perhaps its source is another now
                self._wake(("item", unit.item_id))  # one that rests behind another's lease would be woken by it at once
            return
        for unit in self.world.ledger.units(item_id=number):
            unit_key = ("unit", unit.id)
            if unit.phase in {"planned", "sent", "landed"} and unit.hold != "person":
                self._wake(unit_key)
        item = self.world.ledger.item(number) if self.world.ledger.has_item(number) else None
        if item is not None and item.phase == "done":
            for other in self.world.ledger.items(route=item.route):
                if other.place == "custody":
                    self._wake(("item", other.id))

    def _wake(self, key: Key) -> None:
        """Makes a key due now, unless it is at work or has its own moment."""
        if key not in self.busy and key not in self.due:
            self._put(key, 0.0)

    def _pause(self, what: str, error: XnatsyncError) -> None:
        failures = self.pauses[what].failures + 1 if what in self.pauses else 1
        for_good = isinstance(error, OF_THE_SERVER) or error.exit_code in {Exit.HALTED, Exit.LOCKED}
        wait_s = pause_s(failures, error.retry_after_s)
        until = float("inf") if for_good else self._now() + wait_s
        self.pauses[what] = Pause(until, failures, error, for_good)

    def _well(self, what: str) -> None:
        """A step that reached the server ends its pause."""
        if what in self.pauses and not self.pauses[what].for_good and self.pauses[what].until <= self._now():
            del self.pauses[what]

    def _next_s(self) -> float | None:
        """Tells in how many seconds the next key is due; None when none is."""
        while self.order and self.due.get(self.order[0][1]) != self.order[0][0]:
            heapq.heappop(self.order)
        return max(0.0, self.order[0][0] - self._now()) if self.order else None

    def _now(self) -> float:
        """Seconds that only ever grow: a clock that jumps must neither hurry nor stall anybody."""
        return self.world.clock.elapsed_s()
