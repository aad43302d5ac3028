"""Who watches a run of the simulation: a screen and a log that fail."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from xnatsync.ledger.rows import ItemRow, UnitRow

if TYPE_CHECKING:
    from sim.tree_world import TreeHistory
    from sim.world import History


class Failing:
    """Fails whenever it is told something, in runs that are drawn; nothing else may depend on it."""

    def __init__(self, history: History | TreeHistory) -> None:
        self._fails = history.faults.fires("observer", "run") is not None
        self._history = history

    def _told(self) -> None:
        if self._fails:
            self._history.marks["observer"] += 1
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    def item(self, item: ItemRow, note: str) -> None:
        self._told()

    def unit(self, unit: UnitRow, note: str) -> None:
        self._told()

    def read(self, what: str, number: int, files: int, size_bytes: int) -> None:
        self._told()

    def sent(self, unit_id: int, size_bytes: int) -> None:
        self._told()

    def fetched(self, size_bytes: int) -> None:
        self._told()

    def owner(self, owner_id: int, name: str, note: str) -> None:
        self._told()

    def goal(self, size_bytes: int) -> None:
        self._told()

    def waiting(self, seconds: float, why: str) -> None:
        self._told()

    def failed(self, code: str, what: str) -> None:
        self._told()
