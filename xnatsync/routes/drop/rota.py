"""The rota of items and units: no item is stepped beside one of its own units."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from xnatsync.core.errors import Bug
from xnatsync.core.hold import Hold
from xnatsync.core.phases import PROVEN, UNDER_WAY, ItemPhase, UnitPhase
from xnatsync.engine.result import Result
from xnatsync.engine.rota import Key, Rota
from xnatsync.ledger.rows import ItemRow
from xnatsync.routes.drop.items import step_item
from xnatsync.routes.drop.units import step_unit
from xnatsync.routes.drop.world import World

__all__ = ["Dispatcher", "Key"]

UNIT_PHASES = (UnitPhase.DISMISSED, *(phase for phase in UnitPhase if phase is not UnitPhase.DISMISSED))
ITEM_PHASES = tuple(map(ItemPhase, ("seen", "settled", "verified", "left", "done", "dismissed")))
ITEM_RANK = 10  # so often an item that grows while it is waited for renews our patience, less one


class Dispatcher(Rota):
    """Steps items and their units."""

    def __init__(self, world: World, workers: int, patience_s: float, on_bug: Callable[[str], None]) -> None:
        super().__init__(world, workers, patience_s, on_bug)
        self.world = world
        self.items: dict[int, int] = {}  # of each unit; it never changes
        self.aimed: dict[Key, tuple[str, ...]] = {}
        self.looks: dict[int, set[str]] = {}  # what an item looked like in this run

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
        found = self.aimed.get(key)
        if found is None:
            kind, number = key
            if kind == "item":
                found = (f"route {self.world.ledger.item(number).route}",)
            else:
                unit = self.world.ledger.unit(number)
                found = f"server {unit.server}", f"route {unit.route}"
            self.aimed[key] = found
        return found

    def rivals(self, key: Key) -> Iterable[Key]:
        """An item and its units: their rows speak of each other."""
        kind, number = key
        if kind == "item":  # of thousands of units only those at work matter
            return [taken for taken in self.at_work if taken[0] == "unit" and self._item_of(taken[1]) == number]
        return [("item", self._item_of(number))]

    def _item_of(self, unit_id: int) -> int:
        if unit_id not in self.items:
            self.items[unit_id] = self.world.ledger.unit(unit_id).item_id
        return self.items[unit_id]

    def rank(self, key: Key, result: Result) -> int:
        """Its phase; of an item that still grows, also how often it did, up to a bound."""
        kind, number = key
        ledger = self.world.ledger
        if kind == "unit":
            return UNIT_PHASES.index(ledger.unit(number).phase)
        if not ledger.has_item(number):
            return ITEM_RANK * len(ITEM_PHASES)
        item = ledger.item(number)
        looks = self.looks.setdefault(number, set())
        looks.add(item.fingerprint)
        return ITEM_RANK * ITEM_PHASES.index(item.phase) + min(len(looks), ITEM_RANK - 1)

    def hold_bug(self, key: Key, bug: Bug) -> None:
        """Holds it for a person."""
        kind, number = key
        hold = self.world.ledger.hold_item if kind == "item" else self.world.ledger.hold_unit
        hold(number, Hold.for_person(bug))

    def follow(self, key: Key) -> None:
        """Wakes what a step makes due besides itself: an item that settled its units, a unit that ended its item."""
        kind, number = key
        if kind == "unit":
            unit = self.world.ledger.unit(number)
            self.well(f"server {unit.server}")
            self.well(f"route {unit.route}")
            held = unit.hold == "person" or (unit.hold == "retry" and key in self.due)
            ended = unit.phase in PROVEN and not self.world.ledger.has_open_units(unit.item_id)
            if ended or held:  # held: perhaps its source is another now
                self.wake(("item", unit.item_id))  # one that rests behind another's lease would be woken by it at once
            return
        for unit in self.world.ledger.units(item_id=number):
            unit_key = ("unit", unit.id)
            if unit.phase in UNDER_WAY and unit.hold != "person":
                self.wake(unit_key)
        item = self.world.ledger.item(number) if self.world.ledger.has_item(number) else None
        if item is not None:
            self.well(f"route {item.route}")
        if item is not None and item.phase is ItemPhase.DONE:
            for other in self.world.ledger.items(route=item.route):
                if other.place == "custody":
                    self.wake(("item", other.id))
