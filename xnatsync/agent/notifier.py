"""The thread that sends messages and writes metrics: nothing that happens there stops the agent."""

from __future__ import annotations

import json
import threading
import traceback
from collections.abc import Callable, Collection, Sequence

from xnatsync.core.causes import Cause, State
from xnatsync.core.errors import XnatsyncError
from xnatsync.core.moment import seconds_between
from xnatsync.core.wording import span
from xnatsync.ledger.ledger import Ledger

LOOK_S = 15.0
END_S = 20.0  # so long a message that is on its way is waited for at the end
AWAY_S = 600.0  # an agent that was killed, and is back sooner, needs no person


class Notifier:
    """Does its chores one after the other, from time to time; without any it does nothing."""

    def __init__(self, chores: Sequence[Callable[[], object]], on_bug: Callable[[str], None]) -> None:
        self._chores = chores
        self._on_bug = on_bug
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Start to look."""
        if self._chores:
            self._thread = threading.Thread(target=self._work, name="notifier", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Look no more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(END_S)

    def _work(self) -> None:
        while not self._stop.is_set():
            for chore in self._chores:
                self._step(chore)
            self._stop.wait(LOOK_S)

    def _step(self, chore: Callable[[], object]) -> None:
        try:
            chore()
        except XnatsyncError:  # the ledger is unwell, which the dispatchers find out; a file cannot be written
            return
        except Exception as error:  # a library may raise anything: the next step tries again
            if not self._stop.is_set():  # else the ledger was closed meanwhile
                self._on_bug("".join(traceback.format_exception_only(error)))


class Seldom:
    """A chore that is done at most once in so many seconds."""

    def __init__(self, chore: Callable[[], object], every_s: float, elapsed_s: Callable[[], float]) -> None:
        self._chore, self._every_s, self._elapsed_s = chore, every_s, elapsed_s
        self._done: float | None = None

    def __call__(self) -> None:
        """Do it, if it is time."""
        now = self._elapsed_s()
        if self._done is None or now - self._done >= self._every_s:
            self._done = now
            self._chore()


def note_absence(ledger: Ledger, now: str, targets: Collection[str]) -> None:
    """Note that no agent was at work for long, where the last one did not end by itself."""
    row = ledger.agent()
    if row is None or not targets or json.loads(row.told).get("state") != "at work":
        return
    away_s = seconds_between(row.beat_at, now)
    if away_s >= AWAY_S:
        note = f"for {span(away_s)}"
        ledger.note_passing(Cause(state=State.STOPPED, place="agent", since=row.beat_at, note=note), now)
