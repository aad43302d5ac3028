"""Who watches a run of the simulation: a screen and a log that fail."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from xnatsync.engine.progress import Happening

if TYPE_CHECKING:
    from sim.tree_world import TreeHistory
    from sim.world import History


class Failing:
    """Fails whenever it is told something, in runs that are drawn; nothing else may depend on it."""

    def __init__(self, history: History | TreeHistory) -> None:
        self._fails = history.faults.fires("observer", "run") is not None
        self._history = history

    def hear(self, happening: Happening) -> None:
        if self._fails:
            self._history.marks["observer"] += 1
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
