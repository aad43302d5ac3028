"""What the dispatcher knows of the entities of a transfer: each is stepped alone; nothing of one speaks of another."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from xnatsync.core.errors import Bug
from xnatsync.core.hold import Hold
from xnatsync.engine.dispatcher import After, Key
from xnatsync.engine.result import Rest, Result
from xnatsync.routes.transfer.world import TransferWorld


class Entities:
    """Entities of one transfer, stepped by what its survey knows."""

    def __init__(self, world: TransferWorld, step: Callable[[int], Result]) -> None:
        self._world = world
        self._step = step

    def step(self, number: int) -> Result:
        """Bring an entity one step further."""
        return self._step(number)

    def aims(self, number: int) -> tuple[str, ...]:
        """Return its route: both servers are needed for each entity."""
        return (f"route {self._world.ledger.owner(number).route}",)

    def rivals(self, number: int, at_work: Collection[Key]) -> Iterable[Key]:
        """Return none."""
        return ()

    def hold(self, number: int, bug: Bug) -> None:
        """Hold it for a person."""
        self._world.ledger.hold_owner(number, Hold.for_person(bug))

    def follow(self, number: int, *, due: bool) -> After:
        """End the pauses of its route."""
        return After(self.aims(number))

    def rank(self, number: int, result: Result) -> int:
        """Return whether it has come to its end."""
        return int(isinstance(result, Rest))
