"""Who steps next: one thread hands out due keys to N workers.

What a key is, what it needs, and which keys may not be stepped beside it, is said by its kind, in a table that the
dispatcher is given.  It runs until nothing is due, or, for an agent, for ever: then it sleeps until something is woken.
"""

from __future__ import annotations

import heapq
import queue
import traceback
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from xnatsync.core.errors import Bug, Exit, XnatsyncError
from xnatsync.core.retry import pause_s
from xnatsync.engine.blame import LEDGER
from xnatsync.engine.context import Context
from xnatsync.engine.holds import OF_THE_SERVER
from xnatsync.engine.observers import tell
from xnatsync.engine.result import Due, Paused, Rest, Result

Key = tuple[str, int]  # ("item" | "unit" | "owner", id)
LAST_TRY_S = 0.5  # less patience than this is not worth a last try
BLOCKED_S = 0.05  # how soon a blocked key is looked at again while something else is at work
FLAG_S = 0.5  # how often one that sleeps looks whether it is asked to stop


@dataclass(slots=True)
class Pause:
    """A server or disk that is left alone."""

    until: float
    failures: int
    error: XnatsyncError
    for_good: bool = False  # credentials: no further try in this run
    by_person: bool = False  # somebody asked for it: no failure replaces it, and only a person ends it


@dataclass(frozen=True, slots=True)
class Call:
    """What the thread that hands out does itself, while none of the keys that it is about is at work."""

    act: Callable[[], None]  # never raises
    about: Callable[[], Collection[Key]]


@dataclass(frozen=True, slots=True)
class After:
    """What else follows from a step."""

    well: tuple[str, ...] = ()  # what it reached: their pauses end
    wakes: tuple[Key, ...] = ()


class Kind(Protocol):
    """What the dispatcher must know of one kind of key."""

    def step(self, number: int) -> Result:
        """Bring it one step further."""
        ...

    def aims(self, number: int) -> Iterable[str]:
        """Return what it needs well: `server NAME`, `route NAME`."""
        ...

    def rivals(self, number: int, at_work: Collection[Key]) -> Iterable[Key]:
        """Return the keys that it may not be stepped beside; of those that are at work."""
        ...

    def hold(self, number: int, bug: Bug) -> None:
        """Hold what met a mistake of ours."""
        ...

    def follow(self, number: int, *, due: bool) -> After:
        """Return what follows from a step of it; `due`: it is to be stepped again."""
        ...

    def rank(self, number: int, result: Result) -> int:
        """Return how far it has come: a number that cannot grow for ever."""
        ...


class Dispatcher:
    """Steps keys until nothing is due within the caller's patience, or for ever.

    `patience_s` bounds how long it waits for time to pass (a retry, a paused server, settling) with nothing else to do,
    all waits together, since something last came further than it ever was: so every run ends.
    """

    def __init__(
        self,
        kinds: Mapping[str, Kind],
        context: Context,
        workers: int,
        patience_s: float,
        on_bug: Callable[[str], None] = lambda trace: None,
    ) -> None:
        self.kinds = kinds
        self.context = context
        self.workers = workers
        self.patience_s = patience_s
        self.on_bug = on_bug
        self.on_pause: Callable[[str, int, XnatsyncError, float | None], None] = lambda *_: None
        self.on_well: Callable[[str], None] = lambda what: None
        self.on_reached: Callable[[str], None] = lambda what: None
        self.on_wait: Callable[[float, str], None] = lambda seconds, why: None
        self.due: dict[Key, float] = {}
        self.busy: set[Key] = set()
        self.pauses: dict[str, Pause] = {}
        self.waiting: dict[Key, str] = {}
        self.order: list[tuple[float, int, Key]] = []  # a heap; entries that `due` contradicts are stale
        self.turns = 0
        self.waited_s = 0.0  # with nothing else to do, since something came further
        self.in_vain_s: dict[Key, float] = {}  # how long the last try of what is paused took
        self.ranks: dict[Key, int] = {}  # how far each key has come
        self.hurried = False
        self.told_until = 0.0
        self.again: set[Key] = set()  # what was woken from outside while it was at work
        self.inbox: queue.SimpleQueue[tuple[Key, Result | None] | Call] = queue.SimpleQueue()  # what has come in
        self.calls: list[Call] = []  # that wait for their keys
        self.forever = False
        self.on_turn: Callable[[], None] = lambda: None  # each time it has looked what is due
        self.on_step: Callable[[Key, bool], None] = lambda key, begins: None  # in the worker's thread
        self.calling = False  # something that was asked for is being done by the thread that hands out
        self.stepped: dict[Key, int] = {}  # which step was the last of a key: of what is due, that waits longest

    # --- from outside ----------------------------------------------------------------------------------------------

    def wake(self, key: Key) -> None:
        """Make a key due now, from any thread; one that is at work is stepped once more after that."""
        self.inbox.put((key, None))

    def call(self, act: Callable[[], None], about: Callable[[], Collection[Key]] = frozenset) -> None:
        """Have something done by the thread that hands out, while none of these keys is at work; from any thread.

        `act` must not raise.  What is not done when the run ends is not done at all.
        """
        self.inbox.put(Call(act, about))

    def leave_alone(self, what: str, error: XnatsyncError) -> None:
        """Step nothing that is aimed at something, until `take_up`; to be called by what `call` does."""
        self.pauses[what] = Pause(float("inf"), 0, error, for_good=True, by_person=True)

    def take_up(self, what: str, *, by_person: bool) -> None:
        """Step what is aimed at it now: that tells whether it is well; what a person paused, a person takes up."""
        pause = self.pauses.get(what)
        if pause is None or pause.by_person is not by_person:
            return
        for key in [key for key in self.due if what == LEDGER or what in self.kinds[key[0]].aims(key[1])]:
            if self.due[key] >= pause.until:
                self.put(key, 0.0)
        pause.until, pause.for_good = 0.0, False
        if by_person:
            del self.pauses[what]
            tell(self.on_well, what)

    # --- the work --------------------------------------------------------------------------------------------------

    def run(self, *, forever: bool = False) -> None:
        """Step what is due until nothing more can be done now, or a stop is asked for; `forever`: only until that."""
        self.forever = forever
        with ThreadPoolExecutor(max_workers=self.workers, thread_name_prefix="step") as pool:
            while not self.context.stopping():
                self._drain()
                self._call()
                tell(self.on_turn)
                for key in self._ready():
                    self.busy.add(key)
                    pool.submit(self._step, key)
                if self.busy:
                    self._await()
                elif forever:
                    self._sleep()
                elif not self._wait() and self.inbox.empty():
                    break
            while self.busy:
                self._receive(self.inbox.get())

    def _drain(self) -> None:
        """Take what has come in."""
        while not self.inbox.empty():  # nobody else takes from it
            self._receive(self.inbox.get())

    def _call(self) -> None:
        """Do what was asked for, as far as nothing that it is about is at work; meanwhile nothing begins."""
        for call in [one for one in self.calls if not self.busy or self.busy.isdisjoint(one.about())]:
            self.calls.remove(call)
            self.calling = True
            call.act()
            self.calling = False

    def _receive(self, came: tuple[Key, Result | None] | Call) -> None:
        if isinstance(came, Call):
            self.calls.append(came)
            return
        key, result = came
        if result is not None:
            self._take(key, result)
        elif key in self.busy:
            self.again.add(key)
        else:
            self.put(key, 0.0)

    def _sleep(self) -> None:
        """Wait until something is due or woken; a wish to stop is seen soon."""
        wait_s = self._next_s()
        if wait_s is not None and self.order[0][0] != self.told_until:  # once for each wait
            self.told_until = self.order[0][0]
            tell(self.on_wait, wait_s, self._why_waiting())
        try:
            self._receive(self.inbox.get(timeout=FLAG_S if wait_s is None else min(wait_s, FLAG_S)))
        except queue.Empty:
            return

    def _wait(self) -> bool:
        """Let time pass; False when nothing is due, our patience has ended, or a stop is asked for."""
        wait_s, left_s = self._next_s(), self.patience_s - self.waited_s
        if wait_s is None:
            return False
        if wait_s > left_s:
            if not self._hurry(left_s):
                return False
            wait_s = left_s
        tell(self.on_wait, wait_s, self._why_waiting())
        self.waited_s += wait_s
        return not self.context.clock.wait(wait_s)

    def _hurry(self, left_s: float) -> bool:
        """Ask what is paused once more at the very end of our patience, instead of ending before it."""
        paused = {pause.until for pause in self.pauses.values() if not pause.for_good}
        keys = [key for key, moment in self.due.items() if moment in paused]
        if self.hurried or left_s < LAST_TRY_S or not keys:
            return False
        self.hurried = True
        until = self._now() + left_s
        for pause in self.pauses.values():
            pause.until = min(pause.until, until) if not pause.for_good else pause.until
        for key in keys:
            self.put(key, until)
        return True

    def _why_waiting(self) -> str:
        """Say what is waited for, in the words of whatever is due first."""
        key = self.order[0][2] if self.order else None
        return self.waiting.get(key, "") if key is not None else ""

    def _await(self) -> None:
        """Wait for a step to end, or, when a worker is free, until something else is due."""
        free = len(self.busy) < self.workers
        wait_s = self._next_s() if free else None
        try:
            self._receive(self.inbox.get(timeout=None if wait_s is None else max(wait_s, BLOCKED_S)))
        except queue.Empty:
            return

    def put(self, key: Key, moment: float) -> None:
        """Make a key due at a moment; an earlier moment that was set before no longer counts."""
        self.due[key] = moment
        heapq.heappush(self.order, (moment, self.stepped.get(key, 0), key))

    def _ready(self) -> list[Key]:
        """Take what is due off the heap, as much as there are free workers; what is blocked goes back."""
        now = self._now()
        ready: list[Key] = []
        blocked: list[Key] = []
        while self.order and self.order[0][0] <= now and len(self.busy) + len(ready) < self.workers:
            moment, _, key = heapq.heappop(self.order)
            if self.due.get(key) != moment or key in ready or key in blocked:
                continue  # it was put off, or is taken already
            if key in self.busy or self._blocked(key, ready, now):
                blocked.append(key)
                continue
            ready.append(key)
            del self.due[key]
        for key in blocked:
            self.put(key, self.due[key])
        return ready

    def _blocked(self, key: Key, ready: list[Key], now: float) -> bool:
        """A key is not stepped beside its rivals, nor anything aimed at what is paused."""
        kind, number = key
        at_work = {*self.busy, *ready}
        if at_work and not at_work.isdisjoint(self.kinds[kind].rivals(number, at_work)):
            return True
        if not self.pauses:
            return False
        for aim in (LEDGER, *self.kinds[kind].aims(number)):
            pause = self.pauses.get(aim)
            if pause is not None and (pause.for_good or pause.until > now):
                self.due[key] = pause.until
                return True
        return False

    def _step(self, key: Key) -> None:
        """One of the two supervisors: whatever goes wrong inside a step is held as a bug, and the rest goes on."""
        kind, number = key
        began_s = self._now()
        tell(self.on_step, key, True)
        try:
            result = self.kinds[kind].step(number)
        except XnatsyncError as error:
            result = Paused(LEDGER, error)
        except Exception as error:
            tell(self.on_bug, traceback.format_exc())
            result = self._hold_bug(key, error)
        if isinstance(result, Paused):  # knocking in vain is waiting too
            self.in_vain_s[key] = self._now() - began_s
        tell(self.on_step, key, False)
        self.inbox.put((key, result))

    def _hold_bug(self, key: Key, error: Exception) -> Result:
        kind, number = key
        try:
            self.kinds[kind].hold(number, Bug(f"{type(error).__name__} in a step of {kind} {number}"))
        except XnatsyncError as refused:
            return Paused(LEDGER, refused)
        return Rest()

    def _take(self, key: Key, result: Result) -> None:
        self.busy.discard(key)
        self.waiting.pop(key, None)
        self.turns += 1
        self.stepped[key] = self.turns
        match result:
            case Due(seconds, why):
                self.put(key, self._now() + seconds if seconds > 0 else 0.0)
                if seconds > 0:
                    self.waiting[key] = why
            case Paused(what, error):
                self.waited_s += self.in_vain_s.pop(key, 0.0)
                self._pause(what, error)
                self.put(key, self.pauses[what].until)
                self.waiting[key] = str(error)
            case Rest(wakes):
                for other in wakes:
                    self._wake(other)
        if not isinstance(result, Paused):
            self._went(key, result)
        if self.forever and isinstance(result, Rest):  # an agent meets more of them than it can remember
            self.stepped.pop(key, None)
        if key in self.again:
            self.again.discard(key)
            self.put(key, 0.0)

    def _went(self, key: Key, result: Result) -> None:
        """End the pauses of what a step reached, and wake what follows from it."""
        kind, number = key
        self.well(LEDGER)
        if not self.forever:
            self._note_rank(key, result)
        after = self.kinds[kind].follow(number, due=key in self.due)
        for what in after.well:
            self.well(what)
        for other in after.wakes:
            self._wake(other)

    def _note_rank(self, key: Key, result: Result) -> None:
        """What came further than it ever was in this run renews our patience: that is possible a few times for each."""
        kind, number = key
        rank = self.kinds[kind].rank(number, result)
        if rank > self.ranks.get(key, 0):
            self.ranks[key] = rank
            self.waited_s = 0.0

    def _wake(self, key: Key) -> None:
        """Make a key due now, unless it is at work or has its own moment."""
        if key not in self.busy and key not in self.due:
            self.put(key, 0.0)

    def _pause(self, what: str, error: XnatsyncError) -> None:
        if what in self.pauses and self.pauses[what].by_person:
            return
        failures = self.pauses[what].failures + 1 if what in self.pauses else 1
        for_good = isinstance(error, OF_THE_SERVER) or error.exit_code in {Exit.HALTED, Exit.LOCKED}
        wait_s = pause_s(failures, error.retry_after_s)
        until = float("inf") if for_good else self._now() + wait_s
        self.pauses[what] = Pause(until, failures, error, for_good)
        tell(self.on_pause, what, failures, error, None if for_good else wait_s)

    def well(self, what: str) -> None:
        """A step that reached the server ends its pause."""
        tell(self.on_reached, what)
        if what in self.pauses and not self.pauses[what].for_good and self.pauses[what].until <= self._now():
            del self.pauses[what]
            tell(self.on_well, what)

    def _next_s(self) -> float | None:
        """Tell in how many seconds the next key is due; None when none is."""
        while self.order and self.due.get(self.order[0][2]) != self.order[0][0]:
            heapq.heappop(self.order)
        if not self.order or self.order[0][0] == float("inf"):  # not in this run any more
            return None
        return max(0.0, self.order[0][0] - self._now())

    def _now(self) -> float:
        """Seconds that only ever grow: a clock that jumps must neither hurry nor stall anybody."""
        return self.context.clock.elapsed_s()
