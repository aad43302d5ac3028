"""The rota of owners: each is stepped alone; nothing of one speaks of another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from xnatsync.core.errors import Bug
from xnatsync.core.hold import Hold
from xnatsync.engine.result import Rest, Result
from xnatsync.engine.rota import Key, Rota
from xnatsync.routes.tree.world import TreeWorld

Step = Callable[[int], Result]


class OwnerRota(Rota):
    """Steps owners.  `steps` tells for each how: by the survey of its route."""

    def __init__(
        self,
        world: TreeWorld,
        workers: int,
        patience_s: float,
        on_bug: Callable[[str], None],
        steps: Mapping[int, Step],
    ) -> None:
        super().__init__(world, workers, patience_s, on_bug)
        self.world = world
        self.steps = steps
        for number in steps:
            self.put(("owner", number), 0.0)

    def step(self, key: Key) -> Result:
        """Brings an owner one step further."""
        step = self.steps.get(key[1])
        return step(key[1]) if step is not None else Rest()

    def aims(self, key: Key) -> Iterable[str]:
        """It needs its server and the disk of its route."""
        row = self.world.ledger.owner(key[1])
        route = self.world.routes[row.route]
        return f"server {route.server}", f"route {row.route}"

    def rivals(self, key: Key) -> Iterable[Key]:
        """None."""
        return ()

    def hold_bug(self, key: Key, bug: Bug) -> None:
        """Holds it for a person."""
        self.world.ledger.hold_owner(key[1], Hold.for_person(bug))

    def follow(self, key: Key) -> None:
        """A step that got through ends the pauses of its server and its disk."""
        for aim in self.aims(key):
            self.well(aim)
