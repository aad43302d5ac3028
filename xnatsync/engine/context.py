"""What a step of any kind is given: the ledger, the time, names of requests, the diary, and who observes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xnatsync.core.moment import later, stamp
from xnatsync.engine.diary import Diary
from xnatsync.engine.progress import Progress
from xnatsync.ledger.ledger import Ledger
from xnatsync.ports.drop import Clock, Ids


@dataclass(slots=True, kw_only=True)
class Context:
    """One run.  Each kind of route adds its own ports and the settings of its routes."""

    ledger: Ledger
    clock: Clock
    ids: Ids
    run_id: int
    progress: Progress
    stopping: Callable[[], bool]

    @property
    def diary(self) -> Diary:
        """Return where this run says what happened."""
        return Diary(self.ledger, self.now, self.progress, self.run_id)

    def now(self) -> str:
        """Return the current time as the ledger writes it."""
        return stamp(self.clock.now())

    def in_seconds(self, seconds: float) -> str:
        """Return a time from now, as the ledger writes it."""
        return later(self.now(), seconds)
