"""Repair of a drop route: the filed copy of what the server lost goes back into the drop folder.

There it is an item like any other, and the engine sends what is missing, and only that.  Nothing is put over anything,
here or on a server, and a copy that is not whole is never sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Final

from xnatsync.core.errors import PlaceTaken, XnatsyncError
from xnatsync.core.given import given_route, upload_words
from xnatsync.core.manifest import Kind, Level
from xnatsync.core.pasting import command_line
from xnatsync.core.verification import DIFFERENCES, Looked, Repair, Target, Verdict
from xnatsync.core.wording import counted
from xnatsync.ledger.rows import ItemRow
from xnatsync.routes.drop.settings import DropRoute, attached_key
from xnatsync.verify.examiner import Looking
from xnatsync.verify.filed_copies import examine_copy, filed_place

BACK: Final = "item.redelivered"  # codes of the diary
KEPT: Final = "item.kept"
NAMES_MAX: Final = 100  # so many names are tried when the item's own is taken in the drop folder
_ONLY_A_PERSON: Final = (
    "nothing is overwritten on a server: remove what is wrong there, then verify with --repair again"
)


def redeliver(
    looking: Looking, route: DropRoute, looked: Looked, back: set[int], *, rehearse: bool
) -> Iterator[Repair]:
    """Put back the filed copies of items of which something is missing on the server: as few as hold all of it.

    `back` are the items that were put back in this run already: one may have brought several studies.
    """
    target = looked.target
    server = [found for found in looked.findings if found.side == "server"]
    for found in server:
        if found.verdict is Verdict.DIFFERS:
            yield Repair(target, found.key, "person", _ONLY_A_PERSON)
    missing = {found.key for found in server if found.verdict is Verdict.MISSING}
    if missing:
        yield from _put_back(looking, route, target, list(_items(looking, target, missing)), back, rehearse=rehearse)
        return
    damaged = [found for found in looked.findings if found.side == "filed" and found.verdict in DIFFERENCES]
    if damaged:
        yield Repair(
            target, damaged[0].key, "person",
            f"the filed copy is damaged or incomplete ({counted(len(damaged), 'finding')}), and the server may have "
            "rewritten heads: download the session if you need one, or restore the copy from a backup",
        )  # fmt: skip


def _items(looking: Looking, target: Target, missing: set[str | None]) -> Iterator[tuple[ItemRow, set[str]]]:
    """The items that brought something of what is missing, the newest first, with what they brought of it."""
    for number in sorted(target.ids, reverse=True):
        unit = looking.ledger.unit(number)
        files = looking.ledger.files(unit.item_id, unit_id=unit.id)
        brought = {file.key if file.kind == Kind.DICOM else attached_key(file.member) for file in files}
        mine = brought if None in missing else {key for key in brought if key in missing}
        if mine:
            yield looking.ledger.item(unit.item_id), mine


def _put_back(
    looking: Looking,
    route: DropRoute,
    target: Target,
    items: Sequence[tuple[ItemRow, set[str]]],
    back: set[int],
    *,
    rehearse: bool,
) -> Iterator[Repair]:
    left = {key for _, brought in items for key in brought}
    failed: list[tuple[set[str], Repair]] = []
    for item, brought in items:
        if not brought & left:
            continue
        if item.id not in back:
            repair = _one(looking, route, target, item, rehearse)
            if repair.action == "person":
                failed.append((brought, repair))
                continue
            back.add(item.id)
            yield repair
        left -= brought
    yield from (repair for brought, repair in failed if brought & left)


def _one(looking: Looking, route: DropRoute, target: Target, item: ItemRow, rehearse: bool) -> Repair:
    if item.filed_as is None or route.after == "delete":  # then what was filed is what was not delivered
        if given_route(item.route) is not None:
            return Repair(target, None, "person", f"item {item.id}: {_upload_again(looking, item)}")
        why = "it was kept in its place" if route.after == "keep" else "there is no filed copy of it"
        return Repair(target, None, "person", f"item {item.id}: {why}: drop it again to have it sent")
    if looking.ledger.let_go_of(item.id):
        why = "its filed copy was let go when its time was over: drop it again, from wherever it was kept"
        return Repair(target, None, "person", f"item {item.id}: {why}")
    copy = examine_copy(looking, route, item, looking.ledger.files(item.id), Level.BYTES, contents=False)
    if copy.gone:
        why = f"its filed copy {item.filed_as} is no longer kept: drop it again, from wherever it was kept"
        return Repair(target, None, "person", f"item {item.id}: {why}")
    if copy.findings:
        why = copy.findings[0].detail or str(copy.findings[0].verdict)
        return Repair(target, None, "person", f"item {item.id}: its filed copy {item.filed_as} is not whole: {why}")
    source = filed_place(looking, route, item)
    assert source is not None
    goal = _free(looking, route, PurePosixPath(item.filed_as).name, item.id)
    text = f"item {item.id} goes back into the drop folder as {goal.name}; the next sync sends what is missing"
    if rehearse:
        return Repair(target, None, "redeliver", text)
    _note(looking, item, BACK, f"item {item.id} goes back into the drop folder: the server had lost something of it")
    try:
        looking.disk.move(source, goal)
    except XnatsyncError as error:
        _note(looking, item, KEPT, f"item {item.id} stays where it was filed")
        return Repair(target, None, "person", f"item {item.id}: {error}")
    looking.ledger.unfile_item(item.id)
    return Repair(target, None, "redeliver", text, done=True)


def _upload_again(looking: Looking, item: ItemRow) -> str:
    """Return the command that sends what is missing of an upload, whose source stays where it is."""
    units = looking.ledger.units(item_id=item.id, living=False)
    unit = next((one for one in units if one.session), None)
    words = upload_words(item.route, item.path, unit.subject, unit.session) if unit is not None else ()
    return f"`{command_line(*words)}` sends what is missing" if words else "the same upload once more sends it"


def _note(looking: Looking, item: ItemRow, code: str, text: str) -> None:
    """Announced before it is done: a copy that is gone afterwards is on its way, and not lost."""
    looking.diary.note(code, text, level="warning", route=item.route, item_id=item.id)


def went_back(looking: Looking, route: DropRoute, item: ItemRow) -> bool:
    """Return whether a filed copy that is gone was put back by a run that died before it could write that down."""
    filed = filed_place(looking, route, item)
    if filed is None or looking.disk.exists(filed):
        return False
    said = [event.code for event in looking.ledger.events(item_id=item.id) if event.code in {BACK, KEPT}]
    return said[-1:] == [BACK]


def _free(looking: Looking, route: DropRoute, name: str, number: int) -> Path:
    names = chain((name, f"{name}.{number}"), (f"{name}.{number}.{again}" for again in range(2, NAMES_MAX)))
    goal = next((route.folder / one for one in names if not looking.disk.exists(route.folder / one)), None)
    if goal is None:
        raise PlaceTaken(f"every name for {name} is taken in the drop folder")
    return goal
