"""The production dispatcher in one thread: who steps next is drawn, and what it hands to threads runs at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Self

from sim.faults import Chance
from xnatsync.core.errors import XnatsyncError
from xnatsync.engine.dispatcher import Dispatcher, Key
from xnatsync.engine.result import Paused, Result
from xnatsync.ledger.rows import ItemRow
from xnatsync.routes.drop.items import step_item
from xnatsync.routes.drop.kinds import add_item, drop_kinds
from xnatsync.routes.drop.units import step_unit
from xnatsync.routes.drop.world import World


class InlinePool:
    """Runs at once, in this thread, what the engine hands to its threads."""

    def __init__(self, max_workers: int = 1, thread_name_prefix: str = "") -> None:
        """Takes what a ThreadPoolExecutor takes."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def submit(self, work: Callable[..., Any], *args: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(work(*args))
        except Exception as error:
            future.set_exception(error)
        return future


class Inline(Dispatcher):
    """The production dispatcher without its threads."""

    def __init__(self, world: World, workers: int, patience_s: float, on_bug: Callable[[str], None]) -> None:
        super().__init__(drop_kinds(world), world, workers, patience_s, on_bug)
        self.world = world

    def add(self, item: ItemRow) -> None:
        add_item(self, self.world, item)

    def pick(self, chance: Chance) -> Key | None:
        """One of the keys that are ready; the others stay so."""
        ready = self._ready()
        if not ready:
            return None
        key = chance.choice(sorted(ready))
        for other in ready:
            if other != key:
                self.put(other, 0.0)
        self.busy.add(key)
        return key

    def one(self, key: Key) -> None:
        """Steps a key, as a worker does; whatever is no failure of ours ends the history."""
        kind, number = key
        ledger = self.world.ledger
        result: Result
        try:
            if kind == "item":
                result = step_item(self.world, ledger.item(number))
            else:
                result = step_unit(self.world, ledger.unit(number))
        except XnatsyncError as error:
            result = Paused("the ledger", error)
        self._take(key, result)
