"""The diary: the one place where it is known that something happened.

A line is written in the transaction of what it tells, and observers are told once the outermost transaction is
committed: what was rolled back never happened, and nobody hears of it.  `text` names things by number, never by path,
label or UID (S8).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from xnatsync.engine.progress import Noted, Progress
from xnatsync.ledger.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Diary:
    """Writes lines, and tells observers of those that are committed."""

    ledger: Ledger
    now: Callable[[], str]  # the time as the ledger writes it
    progress: Progress = field(default_factory=Progress)  # who is told
    run_id: int | None = None

    def note(
        self,
        code: str,
        text: str,
        *,
        level: str = "info",
        route: str | None = None,
        item_id: int | None = None,
        unit_id: int | None = None,
        data: Mapping[str, object] | None = None,
    ) -> None:
        """Write one line; whoever observes is told after the commit."""
        with self.ledger.write():
            event = self.ledger.event(
                code, text, level=level, now=self.now(), route=route, run_id=self.run_id, item_id=item_id,
                unit_id=unit_id, data=data,
            )  # fmt: skip
            self.ledger.after_commit(lambda: self.progress.tell(Noted(event)))
