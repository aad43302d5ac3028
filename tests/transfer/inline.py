"""Steps of a transfer in the thread of a test: one after the other, and none at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from xnatsync.engine.dispatcher import Dispatcher
from xnatsync.routes.transfer import run as running


class Inline(Dispatcher):
    """The production dispatcher without its threads."""

    def run(self, *, forever: bool = False) -> None:
        while True:
            for key in self._ready():
                self.busy.add(key)
                self._step(key)
            self._drain()
            if self.due and self.order and self.order[0][0] <= self._now():
                continue
            if not self._wait():
                return


@contextmanager
def inline() -> Iterator[None]:
    """Steps run in this thread meanwhile."""
    original, running.Dispatcher = running.Dispatcher, Inline  # type: ignore[misc]
    try:
        yield
    finally:
        running.Dispatcher = original  # type: ignore[misc]
