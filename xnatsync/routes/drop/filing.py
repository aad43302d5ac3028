"""Filing: the custody dance that takes a proven item out of the drop folder and never takes anything else.

1. One atomic rename takes the item into `.xnatsync/custody/<id>/`, where nobody else writes.
2. It is looked at again there: what the manifest vouches for is filed under `done/<date>/` (or removed);
   whatever else is found stays where it is and becomes an item of its own, never put back by name.
After a crash nothing is resumed: where the bytes lie tells what is left to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath

from xnatsync.core.errors import SourceChanged, SourceDamaged
from xnatsync.core.moment import parse, seconds_between
from xnatsync.core.phases import ItemPhase, UnitPhase
from xnatsync.core.settle import settles_at
from xnatsync.core.wording import counted
from xnatsync.engine.result import Due, Rest, Result
from xnatsync.ledger.rows import FileRow, ItemRow
from xnatsync.ports.drop import ItemLook
from xnatsync.routes.drop.custody import box_of, claim
from xnatsync.routes.drop.done_folders import mark_done
from xnatsync.routes.drop.settings import DropRoute
from xnatsync.routes.drop.source import away, look_at_loose, own_folder_is_there, print_of
from xnatsync.routes.drop.world import World

RACY_NS = 2_000_000_000  # the coarsest time stamp of a file system in use (FAT): younger files are read again
COPIES_MAX = 100  # so often the same item may be put back on the day on which it is filed


@dataclass(frozen=True, slots=True)
class _Box:
    """A custody box and what is in it."""

    place: Path  # where the item lies in the box
    goal: Path  # where it shall be filed
    look: ItemLook
    vouched: tuple[str, ...]  # paths that are exactly what the manifest says; "" = the item itself, as a whole
    folder: bool  # else the item is a single file


def file_away(world: World, route: DropRoute, item: ItemRow) -> Result:
    """Bring a verified item to its end, one rename (or one box) a step."""
    if route.after == "keep":
        return _done(world, route, item, None)
    place = box_of(world, route, item)
    name = place.name
    if item.flat and (loose := _loose(world, route, item, place)):
        return _gather(world, route, item, place, loose)
    if not world.disk.exists(place):
        look = None if item.flat else _present(world, route, route.source(item))
        if look is not None:
            return _take_into_custody(world, route, item, route.source(item), place, look)
        filed_as = _filed_before(world, route, item, name)
        world.disk.settle(place.parent)
        _settle_filed(world, route, filed_as)
        _clear(world, route, item, place)
        return _done(world, route, item, filed_as)
    box = _open_box(world, route, item, place)
    mark_done(world, route)
    if route.after == "delete":
        _remove_delivered(world, route, item, box)
    else:
        _move_vouched(world, box)
    _clear(world, route, item, place)
    filed_as = _relative(route, box.goal) if world.disk.exists(box.goal) else None
    if box.vouched != ("",):  # some of it may have been filed before
        _settle_filed(world, route, filed_as)
    if _holds_anything(_present(world, route, place)):  # found in the box, or come while it was emptied
        strangers = place.relative_to(route.custody).as_posix()
        return _done(world, route, item, filed_as, strangers=strangers)
    return _done(world, route, item, filed_as)


def _settle_filed(world: World, route: DropRoute, filed_as: str | None) -> None:
    """Flush what a former life filed, piece by piece: it may have been killed between a change and its flush."""
    if filed_as is None:
        return
    goal = route.done / filed_as
    look = world.disk.look(goal)
    inner = {folder for path in _paths(look) for folder in PurePosixPath(path).parents} if look is not None else set()
    for folder in sorted({goal.parent, *(goal / one for one in inner)}):
        world.disk.settle(folder)


def _present(world: World, route: DropRoute, path: Path) -> ItemLook | None:
    """Look at an item or a box; None only while the folder is there with our own folder in it.

    Without its disk the folder may be an empty mount point, in which nothing was ever taken away.
    """
    look = world.disk.look(path)
    if look is None and not own_folder_is_there(world, route):
        raise away(route, path)
    return look


def is_back(world: World, route: DropRoute, item: ItemRow) -> bool:
    """Return whether filing can go on with an item that was gone: it is there, or it is certain that it is not."""
    if item.flat:
        return look_at_loose(world, route, item) is not None or own_folder_is_there(world, route)
    return world.disk.exists(route.source(item)) or own_folder_is_there(world, route)


def _loose(world: World, route: DropRoute, item: ItemRow, place: Path) -> list[str]:
    """List the files of an item without a folder that still lie at the top as they were proven.

    One that is another by now, or comes where one was taken from, belongs to another item.
    """
    look = look_at_loose(world, route, item)
    if look is None:
        if not own_folder_is_there(world, route):
            raise away(route, route.folder / item.path)
        return []
    here = world.disk.look(place)
    taken = _paths(here) if here is not None else set()
    rows = {row.name: (row.size, row.mtime_ns) for row in world.ledger.loose_of(item.id)}
    return [
        file.path for file in look.files if file.path not in taken and rows.get(file.path) == (file.size, file.mtime_ns)
    ]


def _gather(world: World, route: DropRoute, item: ItemRow, place: Path, names: Sequence[str]) -> Result:
    """Take the files of an item without a folder into its box; from then on it is a folder like any other."""
    claim(world, route)
    world.disk.gather(route.folder, names, place)
    world.ledger.forget_loose(route.name, names)
    return Due()


def _take_into_custody(
    world: World, route: DropRoute, item: ItemRow, source: Path, place: Path, look: ItemLook
) -> Result:
    """Rename the item into its box; an item that has changed is left alone until it is quiet again.

    Its fingerprint stays what the manifest was made of, or the box could not tell what was proven from what came later:
    what it looks like meanwhile is known to this process alone, and another begins to wait anew.
    """
    seen, now = print_of(look), world.now()
    if seen != item.fingerprint:
        before, since = world.restless.get(item.id, ("", now))
        if seen != before:
            world.restless[item.id] = (seen, now)
            since = now
        wait_s = seconds_between(now, settles_at(since, route.settle_s, now))
        if wait_s > 0:
            return Due(wait_s, "it changed after it was proven")
    claim(world, route)
    world.disk.move(source, place)
    return Due()


def _clear(world: World, route: DropRoute, item: ItemRow, place: Path) -> None:
    """Remove the empty box, and the one in which an item of strangers was found."""
    world.disk.prune(place.parent)
    if item.place == "custody":
        world.disk.prune(route.source(item).parent)


def _filed_before(world: World, route: DropRoute, item: ItemRow, name: str) -> str | None:
    """Find where a former life filed it, by its name and its looks; None when somebody took it away."""
    numbered, plain = _goal(route, item, f"{name}.{item.id}"), _goal(route, item, name)
    if world.disk.exists(numbered):
        return _relative(route, numbered)
    look = world.disk.look(plain)
    if look is None:
        return None
    files = world.ledger.files(item.id)
    return _relative(route, plain) if print_of(look) == item.fingerprint or _only_ours(look, files) else None


def _goal(route: DropRoute, item: ItemRow, name: str) -> Path:
    return route.done / item.moved_at[:10] / name


def _relative(route: DropRoute, goal: Path) -> str:
    return goal.relative_to(route.done).as_posix()


def _open_box(world: World, route: DropRoute, item: ItemRow, place: Path) -> _Box:
    look = _present(world, route, place)
    if look is None:
        raise SourceChanged(f"the custody box of item {item.id} was taken away while it was opened")
    vouched = _judge(world, item, place, look)
    goal = _choose_goal(world, route, item, place.name, look, vouched)
    kinds = {entry.name: entry.kind for entry in world.disk.entries(place.parent)}
    return _Box(place, goal, look, vouched, folder=kinds.get(place.name) == "folder")


def _choose_goal(
    world: World, route: DropRoute, item: ItemRow, name: str, here: ItemLook, vouched: tuple[str, ...]
) -> Path:
    """Choose a free place under done, or the folder that a former life began to fill with single files of the item."""
    plain, numbered = _goal(route, item, name), _goal(route, item, f"{name}.{item.id}")
    if vouched != ("",):
        files = world.ledger.files(item.id)
        for goal in (numbered, plain):
            look = world.disk.look(goal)
            if look is not None and _only_ours(look, files) and not _paths(look) & _paths(here):
                return goal
    again = (_goal(route, item, f"{name}.{item.id}.{number}") for number in range(2, COPIES_MAX))
    return next((goal for goal in chain((plain, numbered), again) if not world.disk.exists(goal)), numbered)


def _only_ours(look: ItemLook, files: Sequence[FileRow]) -> bool:
    """Return whether nothing is there but files of this item.  Another item may have had the very same ones."""
    ours = {(file.path, file.stored_size, file.mtime_ns) for file in files}
    links = {file.path for file in files if not _has_content(file)}
    return all((file.path, file.size, file.mtime_ns) in ours for file in look.files) and all(
        problem.path in links for problem in look.problems
    )


def _paths(look: ItemLook) -> set[str]:
    return {file.path for file in look.files} | {problem.path for problem in look.problems}


def _judge(world: World, item: ItemRow, place: Path, look: ItemLook) -> tuple[str, ...]:
    """List what the manifest vouches for; whatever else is in the box is a stranger."""
    files = world.ledger.files(item.id)
    planned_at = min((unit.planned_at for unit in world.ledger.units(item_id=item.id)), default=item.moved_at)
    racy_ns = int(parse(planned_at).timestamp() * 1e9) - RACY_NS
    racy = any(file.mtime_ns >= racy_ns for file in look.files)
    read = _read_again(world, place) if racy else None
    if print_of(look) == item.fingerprint and (
        read is None or read == {file.path: file.sha256 for file in files if _has_content(file)}
    ):
        return ("",)
    known = {file.path: (file.stored_size, file.mtime_ns, file.sha256) for file in files}
    links = {file.path for file in files if not _has_content(file)}
    vouched = [problem.path for problem in look.problems if problem.path in links]
    for file in look.files:
        expected = known.get(file.path)
        same = expected is not None and expected[:2] == (file.size, file.mtime_ns)
        if same and read is not None:
            same = expected is not None and read.get(file.path) == expected[2]
        if same:
            vouched.append(file.path)
    return tuple(vouched)


def _has_content(file: FileRow) -> bool:
    """Return whether its content is known; links and special files are in the manifest by name alone."""
    return file.sha256 != bytes(32)


def _read_again(world: World, place: Path) -> dict[str, bytes]:
    try:
        read = world.disk.read_manifest(place, tags=frozenset(), pixels=False, stop=world.stopping)
    except SourceDamaged:  # an archive that was torn since it was proven: nothing of it is what was proven
        return {}
    return {file.path: file.sha256 for file in read}


def _holds_anything(look: ItemLook | None) -> bool:
    return look is not None and bool(look.files or look.problems)


def _move_vouched(world: World, box: _Box) -> None:
    if box.vouched == ("",):
        _move_whole(world, box)
        return
    for path in box.vouched:
        world.disk.move(box.place / path, box.goal / path)


def _move_whole(world: World, box: _Box) -> None:
    """File the item by one rename, and take back into the box what came into it after it was looked at."""
    world.disk.move(box.place, box.goal)
    filed = world.disk.look(box.goal) if box.folder else None
    if filed is None:
        return
    seen = {(file.path, file.size, file.mtime_ns) for file in box.look.files}
    late = [file.path for file in filed.files if (file.path, file.size, file.mtime_ns) not in seen]
    late += sorted({problem.path for problem in filed.problems} - _paths(box.look))
    for path in late:
        world.disk.move(box.goal / path, box.place / path)


def _remove_delivered(world: World, route: DropRoute, item: ItemRow, box: _Box) -> None:
    """Remove the files of which the evidence allows it, one by one; everything else is filed like under `move`."""
    files = {file.path: file for file in world.ledger.files(item.id)}
    delivered = world.ledger.removable(item.id)
    whole = box.vouched == ("",)
    on_disk = {file.path for file in box.look.files} | {problem.path for problem in box.look.problems}
    if whole and not _only_ours(box.look, list(files.values())):  # an archive: its members are in the manifest
        if set(files) <= set(delivered):
            world.ledger.announce_removals(item.id, delivered.values(), world.now())
            world.disk.remove(box.place)
        else:
            _move_whole(world, box)
        return
    here = sorted(on_disk if whole else set(box.vouched))
    world.ledger.announce_removals(item.id, [delivered[path] for path in here if path in delivered], world.now())
    for path in here:
        where = box.place / path if box.folder else box.place
        if path in delivered:
            world.disk.remove(where)
        else:
            world.disk.move(where, box.goal / path if box.folder else box.goal)


def _done(world: World, route: DropRoute, item: ItemRow, filed_as: str | None, strangers: str | None = None) -> Result:
    """Write the end down: units closed, item done; strangers begin as an item of their own in the same transaction.

    They may be one already: a ledger from yesterday knows the item of a box, and found strangers in it by looking.
    """
    now = world.now()
    if strangers is not None and world.ledger.find_item(route.name, "custody", strangers) is not None:
        strangers = None
    found = _present(world, route, route.custody / strangers) if strangers is not None else None
    with world.ledger.write():
        for unit in world.ledger.units(item_id=item.id):
            if unit.phase is UnitPhase.VERIFIED:
                world.ledger.move_unit(unit.id, UnitPhase.CLOSED, now)
        world.ledger.move_item(
            item.id, ItemPhase.DONE, now, filed_as, str(route.done) if filed_as is not None else None
        )
        world.note(item, "item.done", f"item {item.id} is done")
        if strangers is not None and found is not None and (found.files or found.problems):
            size_bytes = sum(file.size for file in found.files)
            other = world.ledger.new_item(
                route.name, "custody", strangers, print_of(found), len(found.files), size_bytes, now
            )
            world.note(
                other,
                "custody.strangers",
                f"item {other.id}: {counted(len(found.files), 'file')} came while item {item.id} was filed",
                level="warning",
            )
    world.progress.item(world.ledger.item(item.id), "done")
    return Due() if strangers is not None else Rest()
