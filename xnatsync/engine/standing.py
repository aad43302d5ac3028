"""What stands still is written down as it happens, so that whoever asks is told; and told to whoever watches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from xnatsync.core.errors import XnatsyncError
from xnatsync.core.moment import later, stamp
from xnatsync.engine.progress import Progress
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.rows import PauseRow
from xnatsync.ports.drop import Clock

if TYPE_CHECKING:
    from xnatsync.engine.dispatcher import Dispatcher


class Standing(Protocol):
    """What a world has that is needed here."""

    @property
    def ledger(self) -> Ledger:
        """Where it is written."""
        ...

    @property
    def clock(self) -> Clock:
        """Time."""
        ...

    @property
    def progress(self) -> Progress:
        """Who watches."""
        ...

    @property
    def run_id(self) -> int:
        """The run that found it."""
        ...


def note_pause(world: Standing, what: str, failures: int, error: XnatsyncError, wait_s: float | None) -> None:
    """Write down that something is left alone; `wait_s` is None when it is not tried again in this run."""
    now = stamp(world.clock.now())
    until = later(now, wait_s) if wait_s is not None else None
    world.ledger.pause(PauseRow(what, world.run_id, now, until, failures, error.code, str(error), error.remedy))


def write_down(world: Standing, dispatcher: Dispatcher) -> None:
    """Let a dispatcher note in the ledger what it leaves alone, and what is well again."""

    def paused(what: str, failures: int, error: XnatsyncError, wait_s: float | None) -> None:
        world.progress.failed(error.code, what)
        note_pause(world, what, failures, error, wait_s)

    dispatcher.on_pause = paused
    dispatcher.on_wait = world.progress.waiting
    dispatcher.on_well = world.ledger.unpause
