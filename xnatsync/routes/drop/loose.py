"""Files at the top of a drop folder: those of one study are one item, whenever and in whatever order they come.

A file is known by its name, size and time; its head is read once for each of these, and says which study it is of.
What has no study is an item by itself, until its content settles and says otherwise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from xnatsync.core.given import Given
from xnatsync.core.phases import ItemPhase
from xnatsync.core.settle import fingerprint
from xnatsync.core.wording import counted
from xnatsync.dicom.identity import is_uid
from xnatsync.ledger.folders import LooseRow
from xnatsync.ledger.rows import ItemRow
from xnatsync.ports.drop import DropEntry, FileSeen
from xnatsync.routes.drop.beside import is_ours
from xnatsync.routes.drop.custody import box_of
from xnatsync.routes.drop.settings import FLAT, DropRoute
from xnatsync.routes.drop.world import World

SORT_S = 1.0  # so often, at most, the items of a route look for files that have come to them
HEADS_MAX = 200_000  # heads of files that are nobody's yet, which a process remembers
_JOINED = frozenset({"seen", "settled", "left"})  # what comes later still joins; then it begins anew


def sort_loose(world: World, route: DropRoute, entries: Iterable[DropEntry], *, begin: bool = True) -> set[str]:
    """Assign the files at the top to items, by their study; gives the names that belong to one.

    With `begin`, a study without an item becomes one; else its files wait for the next run.
    """
    files = {entry.name: entry for entry in entries if _may_be_loose(world, route, entry)}
    known = world.ledger.loose(route.name)
    items = world.ledger.flat_items(route.name) if known else {}
    boxes = _boxes(world, route, items.values())
    mine, found = set[str](), list[LooseRow]()
    for name, entry in files.items():
        row = known.get(name)
        if row is not None and _stands(route, items.get(row.item_id), row, entry, boxes):
            mine.add(name)
        elif row is not None or not _is_by_itself(world, route, entry):
            study = _study_of(world, route, entry)
            found += [LooseRow(name, entry.size, entry.mtime_ns, study, 0)] if study else []
    ended = [name for name in known if name not in mine and _has_ended(items.get(known[name].item_id))]
    lost = [name for name in known if name in files and name not in mine]
    _assign(world, route, found, items, known, forgotten={*ended, *lost}, begin=begin)
    return mine | {row.name for row in found}


def _may_be_loose(world: World, route: DropRoute, entry: DropEntry) -> bool:
    return entry.kind == "file" and not route.ignores(entry.name) and not is_ours(world, route, entry)


def find_listed(world: World, route: DropRoute, given: Given) -> None:
    """Make one item of files that a command listed, wherever they lie; as it was, where they are done and unchanged."""
    if world.ledger.find_item(route.name, "drop", given.source) is not None:
        return
    look = world.disk.look_at(route.folder, given.files)
    former = world.ledger.latest_item(route.name, "drop", given.source)
    seen = fingerprint(
        ((file.path, file.size, file.mtime_ns) for file in look.files),
        ((problem.path, problem.reason) for problem in look.problems),
    )
    if not look.files or (former is not None and former.fingerprint == seen and route.lets_stay(former)):
        return
    with world.ledger.write():
        size_bytes = sum(file.size for file in look.files)
        item = world.ledger.new_item(
            route.name, "drop", given.source, seen, len(look.files), size_bytes, world.now(), flat=1
        )
        world.ledger.note_loose(
            route.name, [LooseRow(file.path, file.size, file.mtime_ns, "", item.id) for file in look.files]
        )
        world.note(item, "item.seen", f"{counted(len(look.files), 'file')} were named")
    world.progress.item(item, "seen")


def freshen(world: World, route: DropRoute) -> None:
    """Let files that have come meanwhile join the items of their study; not more often than each second."""
    now = world.clock.elapsed_s()
    if now - world.sorted_at.get(route.name, -SORT_S) < SORT_S:
        return
    world.sorted_at[route.name] = now
    sort_loose(world, route, world.disk.entries(route.folder), begin=False)


def hand_over(world: World, route: DropRoute, item: ItemRow, file: FileSeen) -> int | None:
    """Let a file that was an item by itself, and turned out to hold an object, join its study; gives that item."""
    entry = DropEntry(item.path, "file", file.size, file.mtime_ns)
    study = _study_of(world, route, entry)
    if not study:
        return None
    row = LooseRow(item.path, file.size, file.mtime_ns, study, 0)
    with world.ledger.write():
        world.ledger.forget_item(item.id, world.now())
        known = world.ledger.loose(route.name)
        _assign(world, route, [row], world.ledger.flat_items(route.name), known, forgotten=set(), begin=True)
        return world.ledger.loose(route.name)[item.path].item_id


def _study_of(world: World, route: DropRoute, entry: DropEntry) -> str:
    key = (route.name, entry.name, entry.size, entry.mtime_ns)
    study = world.heads.get(key)
    if study is None:
        study = world.disk.study_of(route.folder / entry.name)
        if study and len(world.heads) < HEADS_MAX:  # one without may be written at this moment
            world.heads[key] = study
    return study


def _stands(
    route: DropRoute, item: ItemRow | None, row: LooseRow, entry: DropEntry, boxes: dict[int, set[str]]
) -> bool:
    """Tell whether a file is what is known of it, and still belongs to the item it belonged to."""
    if item is None or (row.size, row.mtime_ns) != (entry.size, entry.mtime_ns):
        return False
    if item.phase is ItemPhase.VERIFIED:
        return row.name not in boxes.get(item.id, set())  # that one was taken already: this is another
    if _has_ended(item):
        return bool(item.fingerprint) and route.lets_stay(item)
    return True


def _has_ended(item: ItemRow | None) -> bool:
    return item is None or item.phase in {ItemPhase.DONE, ItemPhase.DISMISSED}


def _is_by_itself(world: World, route: DropRoute, entry: DropEntry) -> bool:
    """Tell whether a file is a living item, or was one that is to stay as it is."""
    former = world.ledger.latest_item(route.name, "drop", entry.name)
    if former is None:
        return False
    if former.phase not in {ItemPhase.DONE, ItemPhase.DISMISSED}:
        return True
    same = former.fingerprint == fingerprint([(entry.name, entry.size, entry.mtime_ns)], [])
    return same and route.lets_stay(former)


def _boxes(world: World, route: DropRoute, items: Iterable[ItemRow]) -> dict[int, set[str]]:
    """What lies already in the boxes of items that are being filed."""
    found: dict[int, set[str]] = {}
    for item in items:
        if item.phase is ItemPhase.VERIFIED:
            look = world.disk.look(box_of(world, route, item))
            found[item.id] = {file.path for file in look.files} if look is not None else set()
    return found


def _assign(
    world: World,
    route: DropRoute,
    found: Sequence[LooseRow],
    items: dict[int, ItemRow],
    known: dict[str, LooseRow],
    *,
    forgotten: set[str],
    begin: bool,
) -> None:
    """Write down to which items files belong, all or nothing; nothing is written when nothing is new."""
    if not found and not forgotten:
        return
    goal = {
        row.study_uid: row.item_id
        for row in known.values()
        if row.item_id in items and items[row.item_id].phase in _JOINED
    }
    studies: dict[str, list[LooseRow]] = {}
    for row in found:
        studies.setdefault(row.study_uid, []).append(row)
    with world.ledger.write():
        world.ledger.forget_loose(route.name, sorted(forgotten - {row.name for row in found}))
        for study, rows in studies.items():
            number = goal.get(study)
            if number is None and not begin:
                world.ledger.forget_loose(route.name, [row.name for row in rows])
                continue
            if number is None:
                number = _begin(world, route, study, rows)
            world.ledger.note_loose(
                route.name, [LooseRow(row.name, row.size, row.mtime_ns, study, number) for row in rows]
            )


def _begin(world: World, route: DropRoute, study: str, rows: Sequence[LooseRow]) -> int:
    item = world.ledger.new_item(
        route.name,
        "drop",
        _free_name(world, route, study),
        fingerprint([(row.name, row.size, row.mtime_ns) for row in rows], []),
        len(rows),
        sum(row.size for row in rows),
        world.now(),
        flat=1,
    )
    world.note(item, "item.seen", f"a study without a folder was dropped: {counted(len(rows), 'file')} so far")
    world.progress.item(item, "seen")
    return item.id


def _free_name(world: World, route: DropRoute, study: str) -> str:
    """Name an item without a folder: no entry of the drop folder has a name with a slash."""
    name = study if is_uid(study) else hashlib.sha256(study.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    number, free = 1, f"{FLAT}/{name}"
    while world.ledger.find_item(route.name, "drop", free) is not None:
        number += 1
        free = f"{FLAT}/{name}.{number}"
    return free
