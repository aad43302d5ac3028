"""What rules are asked with: where an item lies, lookup tables as they are in force, and what people assigned."""

from __future__ import annotations

from xnatsync.core.errors import NoRule, ServerBusy, TableMiss, TableUnusable
from xnatsync.core.group import Surroundings
from xnatsync.core.rules import TableState
from xnatsync.core.wording import counted
from xnatsync.ledger.assignments import LookupRow
from xnatsync.ledger.rows import ItemRow
from xnatsync.routes.drop.release import release_unit
from xnatsync.routes.drop.settings import DropRoute
from xnatsync.routes.drop.world import World

WAIT_FOR_A_TABLE = frozenset({NoRule.code, TableMiss.code, TableUnusable.code})


def surroundings(world: World, route: DropRoute, item: ItemRow) -> Surroundings:
    """Return what is known beside the objects of an item."""
    return Surroundings(folder_of(item), tables_of(world, route), world.ledger.assigned(route.name))


def folder_of(item: ItemRow) -> str:
    """Return what stands before the paths of the files of an item in the drop folder."""
    if item.flat:
        return ""
    return item.path.partition("/")[2] if item.place == "custody" else item.path


def tables_of(world: World, route: DropRoute) -> dict[str, TableState]:
    """Return the lookup tables of a route as they are in force, or why there is none."""
    seen = {use.file: world.tables(use) for use in route.tables}
    return {file: one.table if one.table is not None else one.refused for file, one in seen.items()}


def refresh_tables(world: World, route: DropRoute) -> None:
    """Look whether lookup tables changed: tell what is refused, and try again what waited for a row."""
    if not route.tables:
        return
    known = world.ledger.lookups(route.name)
    for use in route.tables:
        seen, before = world.tables(use), known.get(use.file)
        if before is not None and (before.digest, before.refused) == (seen.digest, seen.refused):
            continue
        with world.ledger.write():
            world.ledger.note_lookup(route.name, LookupRow(use.file, seen.digest, seen.refused, world.now()))
            if seen.refused:
                stays = "the last good one stays in force" if seen.table is not None else "there was no good one yet"
                text = f"a lookup table of route {route.name} is refused: {seen.refused}; {stays}"
                world.diary.note("table.refused", text, level="warning", route=route.name)
            else:
                rows = counted(len(seen.table.rows), "row") if seen.table is not None else "nothing"
                world.diary.note(
                    "table.read", f"a lookup table of route {route.name} was read: {rows}", route=route.name
                )
        if before is not None and before.digest != seen.digest:
            _release(world, route)


def _release(world: World, route: DropRoute) -> None:
    for item in world.ledger.items(route=route.name):
        for unit in world.ledger.units(item_id=item.id):
            if unit.hold == "person" and unit.code in WAIT_FOR_A_TABLE:
                try:
                    if release_unit(world.ledger, item, unit, world.now()):
                        break
                except ServerBusy:
                    continue
