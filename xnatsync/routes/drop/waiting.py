"""What an item waits for before it is read for good: quiet, markers, and objects that its scanner announced."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from xnatsync.core.announced import Series, cut_off, series_of
from xnatsync.core.completeness import Ask, Count, Go, Waits, blocked_by, expanded, verdict
from xnatsync.core.errors import FolderMissing, NotComplete
from xnatsync.core.manifest import ManifestFile
from xnatsync.core.moment import clock_words, later, seconds_between
from xnatsync.engine.result import Due
from xnatsync.ledger.items import COMPLETE
from xnatsync.ledger.rows import ItemRow
from xnatsync.ports.drop import ItemLook
from xnatsync.routes.drop.ruled import folder_of
from xnatsync.routes.drop.settings import DropRoute
from xnatsync.routes.drop.usual import not_yet
from xnatsync.routes.drop.world import World


def judge(
    world: World, route: DropRoute, item: ItemRow, look: ItemLook, read: Sequence[ManifestFile] | None = None
) -> Due | Go | Count:
    """Say whether an item is complete; NotComplete when a person must.  What it waits for is written down.

    `read`: its files, when they were read to be counted.
    """
    if read is not None:
        world.counted[item.id] = (item.fingerprint, series_of(read), cut_off(read), not_yet(world, route, read))
    series, growing, absent = _counted(world, item)
    steady_s = max(0.0, seconds_between(item.steady_at, world.now()))
    blocked = blocked_now(world, route, item, look)
    found = verdict(
        route.patience, steady_s, blocked, series, accepted=bool(blocked) and is_accepted(world, item),
        cut_off=growing, not_yet=absent,
    )  # fmt: skip
    match found:
        case Waits():
            return _wait(world, item, found)
        case Ask(why):
            raise NotComplete(f"{why}, and nothing of it has changed since {clock_words(item.steady_at)}")
        case _:
            return found


def blocked_now(world: World, route: DropRoute, item: ItemRow, look: ItemLook) -> tuple[str, ...]:
    """Say which markers are not as they must be; what is in custody was complete once, and a command waits for none."""
    patience = route.patience
    if not patience.marks or route.given is not None or not route.heeds_markers or item.place == "custody":
        return ()
    names = {file.path for file in look.files} if item.flat else {item.path}
    return blocked_by(patience, names, _paths(world, route, item, look, names))


def is_accepted(world: World, item: ItemRow) -> bool:
    """Return whether a person said that no marker is to be waited for."""
    return any(reason == COMPLETE for _, _, reason in world.ledger.accepted(item.id))


def _paths(world: World, route: DropRoute, item: ItemRow, look: ItemLook, names: set[str]) -> set[str]:
    """List what is there: the files of the item, and, in the folders where markers may be, entries of every kind."""
    folder = folder_of(item)
    found = {f"{folder}/{file.path}" if folder not in {"", file.path} else file.path for file in look.files}
    parents = {str(PurePosixPath(one).parent) for pattern in route.patience.marks for one in expanded(pattern, names)}
    for parent in sorted(parents):
        if parent not in found and not any(sign in parent for sign in "*?["):
            found |= _entries(world, route, parent)
    return found


def _entries(world: World, route: DropRoute, parent: str) -> set[str]:
    """List a folder in the drop folder, itself for `.`; nothing where there is none.

    FolderMissing when it cannot be listed: what is not seen may be a lock, and is never taken to be gone.
    """
    try:
        entries = world.disk.entries(route.folder / parent)
    except FolderMissing:
        if parent == "." or world.disk.exists(route.folder / parent):
            raise
        world.disk.entries(route.folder)  # the drop folder itself is there
        return set()
    return {entry.name if parent == "." else f"{parent}/{entry.name}" for entry in entries}


def _counted(world: World, item: ItemRow) -> tuple[tuple[Series, ...] | None, tuple[str, ...], str]:
    """Return its series, what is cut off and what usually comes, as seen in this run, if it has not changed since."""
    known = world.counted.get(item.id)
    return known[1:] if known is not None and known[0] == item.fingerprint else (None, (), "")


def _wait(world: World, item: ItemRow, found: Waits) -> Due:
    until = later(item.steady_at, found.until_s) if found.until_s is not None else None
    if found.why:
        world.ledger.note_wait(item.id, found.why, until)
    if not found.why:
        world.progress.item(item, f"settles after {clock_words(until or world.now())}")
    else:
        then = "a person is asked after" if found.asks else "goes even so after"
        world.progress.item(item, f"waiting: {found.why}" + (f"; {then} {clock_words(until)}" if until else ""))
    return Due(max(0.001, found.seconds), "settling")
