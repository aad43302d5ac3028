"""What the dispatcher knows of items and units: no item is stepped beside one of its own units."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from xnatsync.core.errors import Bug
from xnatsync.core.hold import Hold
from xnatsync.core.phases import PROVEN, UNDER_WAY, ItemPhase, UnitPhase
from xnatsync.engine.dispatcher import After, Dispatcher, Key, Kind
from xnatsync.engine.result import Result
from xnatsync.ledger.rows import ItemRow
from xnatsync.routes.drop.items import step_item
from xnatsync.routes.drop.units import step_unit
from xnatsync.routes.drop.world import World

UNIT_PHASES = (UnitPhase.DISMISSED, *(phase for phase in UnitPhase if phase is not UnitPhase.DISMISSED))
ITEM_PHASES = tuple(map(ItemPhase, ("seen", "settled", "verified", "left", "done", "dismissed")))
ITEM_RANK = 10  # so often an item that grows while it is waited for renews our patience, less one


def drop_kinds(world: World) -> dict[str, Kind]:
    """Return the table of items and units."""
    units = Units(world)
    return {"item": Items(world, units), "unit": units}


def add_item(dispatcher: Dispatcher, world: World, item: ItemRow) -> None:
    """Make an item and its units due."""
    dispatcher.put(("item", item.id), 0.0)
    for unit in world.ledger.units(item_id=item.id):
        dispatcher.put(("unit", unit.id), 0.0)


class Units:
    """Units: each needs its server and its route."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._items: dict[int, int] = {}  # of each unit; it never changes
        self._aims: dict[int, tuple[str, ...]] = {}

    def item_of(self, number: int) -> int:
        """Return the item of a unit."""
        if number not in self._items:
            self._items[number] = self._world.ledger.unit(number).item_id
        return self._items[number]

    def step(self, number: int) -> Result:
        """Bring a unit one step further."""
        return step_unit(self._world, self._world.ledger.unit(number))

    def aims(self, number: int) -> Iterable[str]:
        """Return its server and its route."""
        found = self._aims.get(number)
        if found is None:
            unit = self._world.ledger.unit(number)
            found = self._aims[number] = f"server {unit.server}", f"route {unit.route}"
        return found

    def rivals(self, number: int, at_work: Collection[Key]) -> Iterable[Key]:
        """Return its item: their rows speak of each other."""
        return [("item", self.item_of(number))]

    def hold(self, number: int, bug: Bug) -> None:
        """Hold it for a person."""
        self._world.ledger.hold_unit(number, Hold.for_person(bug))

    def follow(self, number: int, *, due: bool) -> After:
        """Wake the item that it ended; or that of a unit that is held: perhaps its source is another now."""
        unit = self._world.ledger.unit(number)
        held = unit.hold == "person" or (unit.hold == "retry" and due)
        ended = unit.phase in PROVEN and not self._world.ledger.has_open_units(unit.item_id)
        # One that rests behind another's lease is neither: it would be woken by its item at once.
        wakes: tuple[Key, ...] = (("item", unit.item_id),) if ended or held else ()
        return After((f"server {unit.server}", f"route {unit.route}"), wakes)

    def rank(self, number: int, result: Result) -> int:
        """Return its phase."""
        return UNIT_PHASES.index(self._world.ledger.unit(number).phase)


class Items:
    """Items: each needs its route."""

    def __init__(self, world: World, units: Units) -> None:
        self._world = world
        self._units = units
        self._aims: dict[int, tuple[str, ...]] = {}
        self._looks: dict[int, set[str]] = {}  # what an item looked like in this run

    def step(self, number: int) -> Result:
        """Bring an item one step further."""
        return step_item(self._world, self._world.ledger.item(number))

    def aims(self, number: int) -> Iterable[str]:
        """Return its route."""
        found = self._aims.get(number)
        if found is None:
            found = self._aims[number] = (f"route {self._world.ledger.item(number).route}",)
        return found

    def rivals(self, number: int, at_work: Collection[Key]) -> Iterable[Key]:
        """Return its units; of thousands only those at work matter."""
        return [key for key in at_work if key[0] == "unit" and self._units.item_of(key[1]) == number]

    def hold(self, number: int, bug: Bug) -> None:
        """Hold it for a person."""
        self._world.ledger.hold_item(number, Hold.for_person(bug))

    def follow(self, number: int, *, due: bool) -> After:
        """Wake its units, and, when it is done, what was found in custody beside it."""
        ledger = self._world.ledger
        wakes: list[Key] = [
            ("unit", unit.id)
            for unit in ledger.units(item_id=number)
            if unit.phase in UNDER_WAY and unit.hold != "person"
        ]
        item = ledger.item(number) if ledger.has_item(number) else None
        if item is not None and item.phase is ItemPhase.DONE:
            wakes += [("item", other.id) for other in ledger.items(route=item.route) if other.place == "custody"]
        return After((f"route {item.route}",) if item is not None else (), tuple(wakes))

    def rank(self, number: int, result: Result) -> int:
        """Return its phase; of an item that still grows, also how often it did, up to a bound."""
        ledger = self._world.ledger
        if not ledger.has_item(number):
            return ITEM_RANK * len(ITEM_PHASES)
        item = ledger.item(number)
        looks = self._looks.setdefault(number, set())
        looks.add(item.fingerprint)
        return ITEM_RANK * ITEM_PHASES.index(item.phase) + min(len(looks), ITEM_RANK - 1)
