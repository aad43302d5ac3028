"""Giving an item up: what is there is looked at first, and only what is certainly ours is deleted, if asked to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from xnatsync.app.lookup import one_item
from xnatsync.app.mailbox import either
from xnatsync.core.errors import NothingFound, NotOurs, NotThere, ServerBusy, Usage, XnatsyncError
from xnatsync.core.manifest import Kind, Level
from xnatsync.core.moment import stamp
from xnatsync.core.pasting import command_line
from xnatsync.core.receipt import examine
from xnatsync.core.remote import FileListing, PrearchiveSeen, PrearchiveState
from xnatsync.core.tree import Tree
from xnatsync.core.wording import counted
from xnatsync.engine.diary import Diary
from xnatsync.ledger.rows import FileRow, ItemRow, UnitRow
from xnatsync.routes.drop.release import unsure_s
from xnatsync.routes.drop.settings import OWN_FOLDER, object_key, source_tree, target_tree

if TYPE_CHECKING:
    from xnatsync.app.app import App
    from xnatsync.config.model import Config
    from xnatsync.ledger.ledger import Ledger
    from xnatsync.ports.drop import Xnat

_ENDED = {"verified", "done", "dismissed"}


@dataclass(frozen=True, slots=True)
class Archived:
    """A session of the archive that holds objects of an item: they stay there."""

    session: str  # label
    session_id: str
    objects: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A prearchive session that uploads of an item made, and that is there.  `kept`: why it is not ours to delete."""

    server: str
    uri: str
    status: str
    kept: str = ""


@dataclass(frozen=True, slots=True)
class Remains:
    """What is there of an item, as one look showed it."""

    archived: tuple[Archived, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    source_gone: bool = False
    unknown: str = ""  # why a server could not be looked at


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a dismissal would give up."""

    item: ItemRow
    units: tuple[UnitRow, ...]
    remains: Remains


@dataclass(frozen=True, slots=True)
class Dismissed:
    """What was given up, which prearchive sessions were deleted, and what is still there."""

    item: ItemRow
    deleted: tuple[str, ...]
    remains: Remains


def prospect(app: App, name: str, *, prearchive: bool = False) -> Prospect:
    """Say what a dismissal would give up, and what is there of it; Usage where nothing is left to give up.

    With `prearchive`, NotOurs where something there is not certainly ours.
    """
    from xnatsync.app.status import reading

    with reading(app.config) as ledger:
        if ledger is None:
            raise NothingFound("there is no ledger yet: nothing was ever synchronised")
        item = one_item(app.config, ledger, name, "dismiss")
        _refuse_ended(item)
        remains = look(app, ledger, item, surely=prearchive)
        return Prospect(item, tuple(ledger.units(item_id=item.id)), remains)


def dismiss(app: App, item_id: int, *, prearchive: bool = False) -> Dismissed:
    """Give an item up: its source stays untouched.  With `prearchive`, what we left there is deleted first.

    Everything is looked at once more.  NotOurs where something else is in it than objects of this item that the server
    had acknowledged to us, or where another unit counts on it; ServerBusy while the server is at work on it.  Then
    nothing is given up, and nothing deleted.
    """
    return either(
        app.config,
        "dismiss",
        {"item": item_id, "prearchive": prearchive},
        lambda: _dismiss_alone(app, item_id, prearchive=prearchive),
        lambda answer: _told(app.config, item_id, answer),
    )


def _dismiss_alone(app: App, item_id: int, *, prearchive: bool) -> Dismissed:
    from xnatsync.ledger.lock import hold

    with hold(app.config.ledger.path):
        ledger = app.make_ledger()
        try:
            return dismiss_in(app, ledger, item_id, prearchive=prearchive)
        finally:
            app.close()
            ledger.close()


def dismiss_in(app: App, ledger: Ledger, item_id: int, *, prearchive: bool) -> Dismissed:
    """Give an item up, in a ledger that is ours, while nothing steps it; one that has come to its end stays so."""
    item = ledger.item(item_id)
    _refuse_ended(item)
    _refuse_while_unsure(ledger, ledger.units(item_id=item_id), stamp(app.make_clock().now()))
    remains = look(app, ledger, item, surely=prearchive)
    deleted = remains.waiting if prearchive else ()
    for row in deleted:
        app.server(row.server).delete_prearchive(row.uri, request_id=app.make_ids().request_id())
    now = stamp(app.make_clock().now())
    with ledger.write():
        ledger.dismiss_item(item_id, now)
        item = ledger.item(item_id)
        Diary(ledger, lambda: now).note(
            "item.dismissed", f"item {item_id} was dismissed by a person", level="warning",
            route=item.route, item_id=item_id, data={"prearchive_deleted": len(deleted)},
        )  # fmt: skip
    left = Remains(remains.archived, () if prearchive else remains.waiting, remains.source_gone, remains.unknown)
    return Dismissed(item, tuple(row.uri for row in deleted), left)


def as_answer(done: Dismissed) -> dict[str, object]:
    """Write down what was given up, for whoever asked the agent."""
    return {"deleted": list(done.deleted), "remains": asdict(done.remains)}


def _told(config: Config, item_id: int, answer: Mapping[str, Any]) -> Dismissed:
    from xnatsync.app.status import reading

    told = answer["remains"]
    remains = Remains(
        tuple(Archived(**row) for row in told["archived"]),
        tuple(Waiting(**row) for row in told["waiting"]),
        told["source_gone"],
        told["unknown"],
    )
    with reading(config) as ledger:
        assert ledger is not None
        return Dismissed(ledger.item(item_id), tuple(answer["deleted"]), remains)


def _refuse_ended(item: ItemRow) -> None:
    if item.phase in _ENDED:
        raise Usage(
            f"item {item.id} is {item.phase}: there is nothing to give up",
            advice=f"`{command_line('why', str(item.id))}` shows its history.",
        )


def _refuse_while_unsure(ledger: Ledger, units: Sequence[UnitRow], now: str) -> None:
    """A late upload must not land on a target that nobody watches any more."""
    wait_s = max((unsure_s(ledger, unit.item_id, now) for unit in units), default=0.0)
    if wait_s > 0:
        raise ServerBusy(
            "an upload of this item without an answer may still arrive", advice=f"Ask again in {wait_s:.0f} seconds."
        )


# --- what is there -----------------------------------------------------------------------------------------------


def look(app: App, ledger: Ledger, item: ItemRow, *, surely: bool) -> Remains:
    """Look at disk and server.  `surely`: something is going to be deleted, so a failure or a doubt is raised.

    Otherwise a server that does not answer is told, and keeps nobody from giving up.
    """
    archived, waiting, unknown = list[Archived](), list[Waiting](), ""
    for unit in ledger.units(item_id=item.id):
        try:
            server = app.server(unit.server)
            if unit.project and unit.session:
                archived += _archived(server, ledger, unit)
            waiting += _waiting(server, ledger, unit, surely=surely)
        except XnatsyncError as error:
            if surely:
                raise
            unknown = str(error)
    kept = [row for row in waiting if row.kept]
    if surely and kept:
        raise NotOurs(f"{kept[0].uri} is not deleted: {kept[0].kept}")
    return Remains(tuple(archived), tuple(waiting), _source_gone(app, item), unknown)


def _source_gone(app: App, item: ItemRow) -> bool:
    """Return whether the item is gone from where it lay, as far as its disk is there."""
    config = app.config.routes.get(item.route)
    folder = getattr(config, "folder", None)
    if folder is None:
        return False
    from pathlib import Path

    disk, drop = app.make_disk(), Path(folder)
    place = drop if item.place == "drop" else drop / OWN_FOLDER / "custody"
    return disk.exists(drop / OWN_FOLDER) and not disk.exists(place / item.path)


def _archived(server: Xnat, ledger: Ledger, unit: UnitRow) -> list[Archived]:
    files = _objects(ledger, unit)
    members = {file.member: file.key for file in files}
    ours = {file.key for file in files}
    seen = {one.id: one for one in server.sessions(unit.project, study_uid=unit.study_uid)}
    seen |= {one.id: one for one in server.sessions(unit.project, label=unit.session)}
    found = []
    for one in seen.values():
        held = len(ours & set(target_tree(server.session_files(one.id), members)))
        if held:
            found.append(Archived(one.label, one.id, held))
    return found


def _waiting(server: Xnat, ledger: Ledger, unit: UnitRow, *, surely: bool) -> list[Waiting]:
    """Find the row that this unit made.  What was proven there is delivered: it waits for a person, and stays."""
    if unit.prearchive is None or ledger.receipt(unit.id) is not None:
        return []
    row = next((one for one in server.prearchive(unit.project) if one.uri == unit.prearchive), None)
    if row is None:
        return []
    return [Waiting(unit.server, row.uri, row.status, _why_kept(server, ledger, unit, row) if surely else "")]


def _why_kept(server: Xnat, ledger: Ledger, unit: UnitRow, row: PrearchiveSeen) -> str:
    """Say why a row is not certainly ours, "" when it is; ServerBusy while the server is at work on it."""
    if row.state is PrearchiveState.WORKING:
        raise ServerBusy(f"the server is working on {row.uri} ({row.status})", advice="Ask again in a while.")
    claims = [other for other in ledger.claims(unit.server, row.uri) if other.item_id != unit.item_id]
    if claims:
        return f"item {claims[0].item_id} counts on it"
    try:
        listing = server.prearchive_files(row.uri)
    except NotThere:
        return f"it is not built ({row.status}), so what is in it cannot be read"
    return _foreign(ledger, unit, listing)


def _foreign(ledger: Ledger, unit: UnitRow, listing: FileListing) -> str:
    """Name what in a listing is not certainly ours: an object of this item that the server acknowledged to us."""
    files = _objects(ledger, unit)
    members: Mapping[str, str] = {file.member: file.key for file in files}
    sent = ledger.acknowledged(unit)
    source = source_tree(files)
    target = target_tree(listing, members)
    others = [
        f"{file.scan}/{file.resource}/{file.name}" for file in listing.files if object_key(file, members) not in sent
    ]
    wanted = Tree((source[key] for key in target if key in source), complete=True)
    differing = examine(wanted, target, Level.NAMES, "prearchive").differs
    if others:
        return f"it holds {counted(len(others), 'file')} that this item did not send, the first is {others[0]}"
    if differing:
        return f"{counted(len(differing), 'object')} in it cannot be what was sent, the first is {differing[0]}"
    return "" if listing.complete else "not everything in it could be listed"


def _objects(ledger: Ledger, unit: UnitRow) -> list[FileRow]:
    return [file for file in ledger.files(unit.item_id, unit_id=unit.id) if file.kind == Kind.DICOM]
