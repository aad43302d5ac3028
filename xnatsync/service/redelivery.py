"""Repair of a drop route: the filed copy of what the server lost goes back into the drop folder.

There it is an item like any other, and the engine sends what is missing, and only that.  Nothing is put over anything,
here or on a server, and a copy that is not whole is never sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Final

from xnatsync.core.errors import PlaceTaken, XnatsyncError
from xnatsync.core.verification import DIFFERENCES, Looked, Repair, Verdict
from xnatsync.core.wording import counted
from xnatsync.ledger.rows import ItemRow
from xnatsync.routes.drop import DropRoute
from xnatsync.service.verifying import Looking

NAMES_MAX: Final = 100  # so many names are tried when the item's own is taken in the drop folder
_ONLY_A_PERSON: Final = (
    "nothing is overwritten on a server: remove what is wrong there, then verify with --repair again"
)


def redeliver(looking: Looking, route: DropRoute, looked: Looked, *, rehearse: bool) -> list[Repair]:
    """Puts back the filed copies of the items of which something is missing on the server."""
    return list(_repairs(looking, route, looked, rehearse))


def _repairs(looking: Looking, route: DropRoute, looked: Looked, rehearse: bool) -> Iterator[Repair]:
    target = looked.target
    server = [found for found in looked.findings if found.side == "server"]
    for found in server:
        if found.verdict is Verdict.DIFFERS:
            yield Repair(target, found.key, "person", _ONLY_A_PERSON)
    missing = [found for found in server if found.verdict is Verdict.MISSING]
    keys = {found.key for found in missing}
    for item in _items(looking, looked, keys) if missing else ():
        yield _put_back(looking, route, looked, item, rehearse)
    damaged = [found for found in looked.findings if found.side == "filed" and found.verdict in DIFFERENCES]
    if damaged and not missing:
        yield Repair(
            target, damaged[0].key, "person",
            f"the filed copy is damaged ({counted(len(damaged), 'finding')}), and the server may have rewritten heads: "
            "download the session if you need one, or restore the copy from a backup",
        )  # fmt: skip


def _items(looking: Looking, looked: Looked, keys: set[str | None]) -> Iterator[ItemRow]:
    """The items that hold something of what is missing, each once."""
    seen: set[int] = set()
    for number in looked.target.ids:
        unit = looking.ledger.unit(number)
        if unit.item_id in seen:
            continue
        files = looking.ledger.files(unit.item_id, unit_id=unit.id)
        if None in keys or any(file.key in keys or f"attached/{file.member}" in keys for file in files):
            seen.add(unit.item_id)
            yield looking.ledger.item(unit.item_id)


def _put_back(looking: Looking, route: DropRoute, looked: Looked, item: ItemRow, rehearse: bool) -> Repair:
    target = looked.target
    if item.filed_as is None:
        why = "it was kept in its place" if route.after == "keep" else "there is no filed copy of it"
        return Repair(target, None, "person", f"item {item.id}: {why}: drop it again to have it sent")
    harmed = [
        found
        for found in looked.findings
        if found.side == "filed"
        and found.verdict is not Verdict.SAME
        and (found.key or item.filed_as).startswith(item.filed_as)
    ]
    if harmed:
        return Repair(
            target, None, "person",
            f"item {item.id}: its filed copy {item.filed_as} is not whole: {harmed[0].detail or 'missing'}",
        )  # fmt: skip
    source = route.done / item.filed_as
    goal = _free(looking, route, PurePosixPath(item.filed_as).name, item.id)
    text = f"item {item.id} goes back into the drop folder as {goal.name}; the next sync sends what is missing"
    if rehearse:
        return Repair(target, None, "redeliver", text)
    try:
        looking.disk.move(source, goal)
    except XnatsyncError as error:
        return Repair(target, None, "person", f"item {item.id}: {error}")
    with looking.ledger.write():
        looking.ledger.unfile_item(item.id)
        looking.ledger.event(
            "item.redelivered", f"item {item.id} is back in the drop folder: the server had lost something of it",
            level="warning", now=looking.now(), route=route.name, run_id=looking.run_id, item_id=item.id,
        )  # fmt: skip
    return Repair(target, None, "redeliver", text, done=True)


def _free(looking: Looking, route: DropRoute, name: str, number: int) -> Path:
    names = chain((name, f"{name}.{number}"), (f"{name}.{number}.{again}" for again in range(2, NAMES_MAX)))
    goal = next((route.folder / one for one in names if not looking.disk.exists(route.folder / one)), None)
    if goal is None:
        raise PlaceTaken(f"every name for {name} is taken in the drop folder")
    return goal
