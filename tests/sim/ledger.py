"""The product's ledger on real SQLite: boundaries around each transaction, and what can go wrong with its disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from xnatsync.core.errors import DiskFull, DiskUnwell, LedgerHeld
from xnatsync.core.manifest import Level
from xnatsync.ledger.connection import Row, Values, its_disk
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.rows import EventRow, NewFile, NewUnit, ReceiptRow, UnitRow

if TYPE_CHECKING:
    from sim.world import History


class SimLedger(Ledger):
    """The ledger: boundaries before and after each transaction, and what can go wrong with its disk."""

    def __init__(self, raw: sqlite3.Connection, history: History) -> None:
        super().__init__(raw)
        self.history = history
        self.read: dict[Any, list[Any]] = {}
        self.read_at = -1

    # What was read is remembered until something is written or undone: nobody else can change this ledger.

    def _all(self, make: Callable[..., Row], sql: str, values: Values = ()) -> list[Row]:
        if isinstance(values, dict):
            return super()._all(make, sql, values)
        if self.read_at != self._raw.total_changes:
            self.read.clear()
            self.read_at = self._raw.total_changes
        key = (make, sql, *values)
        found = self.read.get(key)
        if found is None:
            found = self.read[key] = super()._all(make, sql, values)
        return found.copy()

    def identity(self) -> str:
        return self.history.identity

    def forget(self) -> None:
        """Something was undone: what was read meanwhile is no longer so."""
        self.read_at = -1

    def _undo(self, mark: str) -> None:
        self.forget()
        super()._undo(mark)

    def _commit(self) -> None:
        try:
            super()._commit()
        except BaseException:
            self.forget()
            raise

    def settle_item(self, item_id: int, files: Sequence[NewFile], units: Sequence[NewUnit], now: str) -> list[UnitRow]:
        self.history.judge.before_settling(self.item(item_id))
        return super().settle_item(item_id, files, units, now)

    def write(self) -> AbstractContextManager[None]:
        return self._outermost() if self._depth == 0 else super().write()

    @contextmanager
    def _outermost(self) -> Iterator[None]:
        self.history.boundary("ledger.write")
        if self.history.faults.fires("ledger busy", "ledger.write"):
            raise LedgerHeld("another process is writing to the ledger")
        with super().write():
            yield
        self.history.boundary("ledger.write, committed")

    def _run(self, sql: str, values: Values = ()) -> sqlite3.Cursor:
        if self._depth and sql.startswith(("insert", "update", "delete", "commit")):
            if self.history.faults.fires("ledger full", "ledger.write"):
                if self._raw.in_transaction:
                    self._raw.execute("rollback")  # as SQLite does by itself
                    self.forget()
                raise its_disk(DiskFull("the ledger cannot grow: no space left on its disk"))
            if self.history.faults.fires("ledger io", "ledger.write"):
                raise its_disk(DiskUnwell("the ledger cannot be written: disk I/O error"))
        return super()._run(sql, values)

    def conclude(self, unit_id: int, **more: Any) -> ReceiptRow:
        vouched = self.history.judge.before_receipt(unit_id, Level(more["level"]))
        receipt = super().conclude(unit_id, **more)
        for digest, level in vouched.items():
            held = self.history.judge.vouched.get(digest, Level.COUNTS)
            self.history.judge.vouched[digest] = level if level.rank > held.rank else held
        self.history.marks["receipt"] += 1
        return receipt

    def event(self, code: str, text: str, **more: Any) -> EventRow:
        row = super().event(code, text, **more)
        self.history.marks[code] += 1
        return row
