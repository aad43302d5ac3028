"""Leaves beside dropped data how it stands, and beside filed data its receipt.

Both are made of the ledger at each look, so a kill, or whoever removes one, is made good by the next; a folder that
cannot be written to has none, and nothing else is the worse for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from xnatsync.core.beside import (
    NAME_MAX,
    PAGE_ENDING,
    Delivered,
    Word,
    begins_ours,
    is_named_ours,
    item_of,
    receipt_page,
    state_name,
    state_text,
    word_of,
)
from xnatsync.core.manifest import Kind
from xnatsync.core.phases import ItemPhase
from xnatsync.engine.observers import tell
from xnatsync.ledger.rows import ItemRow
from xnatsync.ports.drop import DropEntry
from xnatsync.routes.drop.settings import OWN_FOLDER, DropRoute
from xnatsync.routes.drop.world import World
from xnatsync.xnat.addresses import session_page

KEPT_S = 86_400.0  # so long it is said of what has left the drop folder that it is verified
SHOW_S = 5.0
RECENT_MAX = 1000
OURS_MAX = 1 << 14  # bytes: a longer file is somebody's data


def is_ours(world: World, route: DropRoute, entry: DropEntry) -> bool:
    """Return whether an entry is a file that we left: by its name, and by how it begins."""
    if entry.kind != "file" or entry.size > OURS_MAX or not is_named_ours(entry.name):
        return False
    key = (route.name, entry.name, entry.size, entry.mtime_ns)
    if key not in world.ours:
        world.ours[key] = begins_ours(world.disk.read_mark(route.folder / entry.name))
    return world.ours[key]


def show(world: World, route: DropRoute, entries: Sequence[DropEntry]) -> None:
    """Bring what is left beside the data of a route up to date; not more often than is useful."""
    now = world.clock.elapsed_s()
    if not world.leaves or route.given is not None or now - world.shown_at.get(route.name, -SHOW_S) < SHOW_S:
        return
    world.shown_at[route.name] = now
    tell(_states, world, route, entries)
    if route.receipt_page:
        tell(_receipts, world, route)


def _states(world: World, route: DropRoute, entries: Sequence[DropEntry]) -> None:
    there = {entry.name for entry in entries if not entry.name.endswith(PAGE_ENDING) and is_ours(world, route, entry)}
    if not there and not route.marker:
        return
    names = {entry.name for entry in entries}
    wanted = _wanted(world, route, names, there) if route.marker else {}
    draft = route.folder / OWN_FOLDER / "state"
    for name in sorted(set(wanted) - names):
        world.disk.write_mark(draft, wanted[name])
        world.disk.move(draft, route.folder / name)
    for name in sorted(there - set(wanted)):
        world.disk.remove(route.folder / name)


def _wanted(world: World, route: DropRoute, names: set[str], there: Iterable[str]) -> dict[str, str]:
    """Return the names and texts of the files that say how things stand now."""
    living = [item for item in world.ledger.items(route=route.name) if item.place == "drop"]
    held = {item.id for item in world.ledger.held_items()}
    rows = [(item, word_of(item.phase, held=item.id in held)) for item in living]
    taken = {item.path for item in living}
    rows += [(item, Word.VERIFIED) for item in _recent(world, route) if item.path not in taken]
    found: dict[str, str] = {}
    for item, word in rows:
        name = PurePosixPath(item.path).name
        if word is not None and len(name.encode("utf-8", "replace")) <= NAME_MAX:
            found.setdefault(state_name(name, word), state_text(item.id, word))
    for name in there:  # of what stays where it was dropped when it is done
        base = item_of(name)
        if name == state_name(base, Word.VERIFIED) and base in names and base not in taken:
            found.setdefault(name, "")
    return found


def _recent(world: World, route: DropRoute) -> list[ItemRow]:
    rows = world.ledger.history(RECENT_MAX, route.name, world.in_seconds(-KEPT_S))
    return [item for item in rows if item.phase is ItemPhase.DONE and item.place == "drop"]


def _receipts(world: World, route: DropRoute) -> None:
    for item in _recent(world, route):
        goal = route.filed(item)
        if goal is None or item.id in world.receipted:
            continue
        name = goal.name if len(goal.name.encode("utf-8", "replace")) <= NAME_MAX else f"item-{item.id}"
        page = goal.parent / f"{name}{PAGE_ENDING}"
        if world.disk.exists(goal) and not world.disk.exists(page):
            world.disk.write_mark(page, _page(world, item))
        world.receipted.add(item.id)


def _page(world: World, item: ItemRow) -> str:
    found = []
    for unit in world.ledger.planned_units(item.id):
        receipt = world.ledger.receipt(unit.id)
        if receipt is None:
            continue
        base, number = world.pages(unit.server), unit.session_id or ""
        link = session_page(base, number) if base and number else ""
        found.append(
            Delivered(
                unit.server, unit.project, unit.session, number, link, receipt.level, receipt.place, receipt.held,
                unit.bytes, receipt.at,
            )
        )  # fmt: skip
    kinds = Counter(file.kind for file in world.ledger.aside(item.id))
    words = {Kind.OTHER: "that are no objects", Kind.DUPLICATE: "that are duplicates"}
    aside = [(words.get(Kind(kind), str(kind)), many) for kind, many in sorted(kinds.items())]
    return receipt_page(item.id, item.files, item.bytes, aside, found)
