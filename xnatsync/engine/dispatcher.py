"""The rota of items and units: no item is stepped beside one of its own units."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from xnatsync.core.errors import Bug
from xnatsync.engine.items import step_item
from xnatsync.engine.rota import Key, Rota
from xnatsync.engine.units import step_unit
from xnatsync.engine.world import Result, World
from xnatsync.ledger.rows import ItemRow

__all__ = ["Dispatcher", "Key"]


class Dispatcher(Rota):
    """Steps items and their units."""

    def __init__(self, world: World, workers: int, patience_s: float, on_bug: Callable[[str], None]) -> None:
        super().__init__(world, workers, patience_s, on_bug)
        self.world = world

    def add(self, item: ItemRow) -> None:
        """Makes an item and its units due."""
        self.put(("item", item.id), 0.0)
        for unit in self.world.ledger.units(item_id=item.id):
            self.put(("unit", unit.id), 0.0)

    def step(self, key: Key) -> Result:
        """Brings an item or a unit one step further."""
        kind, number = key
        ledger = self.world.ledger
        if kind == "item":
            return step_item(self.world, ledger.item(number))
        return step_unit(self.world, ledger.unit(number))

    def aims(self, key: Key) -> Iterable[str]:
        """An item needs its route, a unit its server too."""
        kind, number = key
        if kind == "item":
            return (f"route {self.world.ledger.item(number).route}",)
        unit = self.world.ledger.unit(number)
        return f"server {unit.server}", f"route {unit.route}"

    def rivals(self, key: Key) -> Iterable[Key]:
        """An item and its units: their rows speak of each other."""
        kind, number = key
        if kind == "item":
            return [("unit", unit.id) for unit in self.world.ledger.units(item_id=number)]
        return [("item", self.world.ledger.unit(number).item_id)]

    def hold_bug(self, key: Key, bug: Bug) -> None:
        """Holds it for a person."""
        kind, number = key
        hold = self.world.ledger.hold_item if kind == "item" else self.world.ledger.hold_unit
        hold(number, hold="person", code=bug.code, detail=str(bug), advice=bug.remedy, retry_at=None, tries=0)

    def follow(self, key: Key) -> None:
        """Wakes what a step makes due besides itself: an item that settled its units, a unit that ended its item."""
        kind, number = key
        if kind == "unit":
            unit = self.world.ledger.unit(number)
            self.well(f"server {unit.server}")
            self.well(f"route {unit.route}")
            held = unit.hold == "person" or (unit.hold == "retry" and key in self.due)
            if unit.phase in {"verified", "closed"} or held:  # held: perhaps its source is another now
                self.wake(("item", unit.item_id))  # one that rests behind another's lease would be woken by it at once
            return
        for unit in self.world.ledger.units(item_id=number):
            unit_key = ("unit", unit.id)
            if unit.phase in {"planned", "sent", "landed"} and unit.hold != "person":
                self.wake(unit_key)
        item = self.world.ledger.item(number) if self.world.ledger.has_item(number) else None
        if item is not None:
            self.well(f"route {item.route}")
        if item is not None and item.phase == "done":
            for other in self.world.ledger.items(route=item.route):
                if other.place == "custody":
                    self.wake(("item", other.id))
