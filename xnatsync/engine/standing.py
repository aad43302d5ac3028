"""What stands still is written down as it happens, so that whoever asks is told; and told to whoever watches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnatsync.core.errors import XnatsyncError
from xnatsync.core.moment import later
from xnatsync.engine.context import Context
from xnatsync.ledger.rows import PauseRow

if TYPE_CHECKING:
    from xnatsync.engine.dispatcher import Dispatcher


def note_pause(context: Context, what: str, failures: int, error: XnatsyncError, wait_s: float | None) -> None:
    """Write down that something is left alone; `wait_s` is None when it is not tried again in this run."""
    now = context.now()
    until = later(now, wait_s) if wait_s is not None else None
    context.ledger.pause(PauseRow(what, context.run_id, now, until, failures, error.code, str(error), error.remedy))


def write_down(context: Context, dispatcher: Dispatcher) -> None:
    """Let a dispatcher note in the ledger what it leaves alone, and what is well again."""
    former = {row.what for row in context.ledger.pauses()}  # what earlier runs left alone, until this one knows better

    def paused(what: str, failures: int, error: XnatsyncError, wait_s: float | None) -> None:
        former.discard(what)
        context.progress.failed(error.code, what)
        note_pause(context, what, failures, error, wait_s)

    def reached(what: str) -> None:
        if what in former:
            former.discard(what)
            context.ledger.outlive_pauses(context.run_id, [what])

    dispatcher.on_pause = paused
    dispatcher.on_wait = context.progress.waiting
    dispatcher.on_well = context.ledger.unpause
    dispatcher.on_reached = reached
