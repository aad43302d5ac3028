"""What the dispatcher knows of owners: each is stepped alone; nothing of one speaks of another."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from xnatsync.core.errors import Bug
from xnatsync.core.hold import Hold
from xnatsync.engine.dispatcher import After, Key
from xnatsync.engine.result import Rest, Result
from xnatsync.routes.tree.world import TreeWorld

Step = Callable[[int], Result]


class Owners:
    """Owners.  `steps` gives for each how it is stepped: by the survey of its route."""

    def __init__(self, world: TreeWorld, steps: Mapping[int, Step]) -> None:
        self._world = world
        self._steps = steps

    def step(self, number: int) -> Result:
        """Bring an owner one step further."""
        step = self._steps.get(number)
        return step(number) if step is not None else Rest()

    def aims(self, number: int) -> tuple[str, ...]:
        """Return its server and the disk of its route."""
        row = self._world.ledger.owner(number)
        return f"server {self._world.routes[row.route].server}", f"route {row.route}"

    def rivals(self, number: int, at_work: Collection[Key]) -> Iterable[Key]:
        """Return none."""
        return ()

    def hold(self, number: int, bug: Bug) -> None:
        """Hold it for a person."""
        self._world.ledger.hold_owner(number, Hold.for_person(bug))

    def follow(self, number: int, *, due: bool) -> After:
        """End the pauses of its server and its disk."""
        return After(self.aims(number))

    def rank(self, number: int, result: Result) -> int:
        """Return whether it has come to its end."""
        return int(isinstance(result, Rest))
