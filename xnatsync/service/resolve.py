"""What a person decides about something that is held: try it again, or give it up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from xnatsync.core.errors import (
    NothingFound,
    ServerBusy,
    Usage,
)
from xnatsync.core.moment import stamp
from xnatsync.core.pasting import command_line, operand
from xnatsync.core.remote import PrearchiveState
from xnatsync.engine.release import release_unit, unsure_s
from xnatsync.ledger.rows import ItemRow, UnitRow
from xnatsync.ledger.tree_rows import OwnerRow
from xnatsync.service.lookup import look_up, one_item

if TYPE_CHECKING:
    from xnatsync.config.model import Config
    from xnatsync.ledger.ledger import Ledger
    from xnatsync.service.app import App

_ENDED = {"verified", "done", "dismissed"}


@dataclass(frozen=True, slots=True)
class Released:
    """Something that was released.  `name` is how commands call it; `anew`: its item is planned from the start."""

    name: str
    item: ItemRow
    unit: UnitRow | None
    code: str | None  # why it was held; None: it was not
    anew: bool = False


@dataclass(frozen=True, slots=True)
class Reminded:
    """An owner of a tree that somebody asked to try again.  One that waits for a person is looked at in every run."""

    owner: OwnerRow
    soon: bool  # it would have waited longer, and is tried again in the next run


@dataclass(frozen=True, slots=True)
class Release:
    """What `retry` did."""

    released: tuple[Released, ...]
    reminded: tuple[Reminded, ...]


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a dismissal would give up."""

    item: ItemRow
    units: tuple[UnitRow, ...]
    prearchive: tuple[str, ...]  # URIs of what we left in the prearchive


@dataclass(frozen=True, slots=True)
class Dismissed:
    """What was given up, and which prearchive sessions were deleted."""

    item: ItemRow
    deleted: tuple[str, ...]
    left: tuple[str, ...]  # still in the prearchive


def release(config: Config, names: Sequence[str], *, everything: bool = False) -> Release:
    """Release the holds of what is named, or all; the next run tries again.  NothingFound for a name that is not known.

    An owner of a tree stays held until the next run has looked, which it does at once.  ServerBusy while an upload
    without an answer may still arrive for an item that must be planned anew.
    """
    if bool(names) is everything:
        raise Usage(
            "name what to release, or say --all" + (", not both" if names else ""),
            advice="`xnatsync status` lists what is held; `xnatsync retry --all` releases everything.",
        )
    from xnatsync.ledger.lock import hold
    from xnatsync.ledger.open import open_ledger

    with hold(config.ledger.path):
        ledger = open_ledger(config.ledger.path)
        try:
            with ledger.write():
                keys = [key for name in names for key in _keys(config, ledger, name)] or _all_held(ledger, everything)
                keys = list(dict.fromkeys(keys))
                released = [_release(ledger, kind, number) for kind, number in keys if kind != "owner"]
                reminded = [_remind(ledger, number) for kind, number in keys if kind == "owner"]
        finally:
            ledger.close()
    return Release(tuple(part for parts in released for part in parts), tuple(reminded))


def all_held(config: Config) -> tuple[str, ...]:
    """Return the names of everything that is held, as commands take them."""
    from xnatsync.service.status import reading

    letters = {"item": "", "owner": "o"}
    with reading(config) as ledger:
        return tuple(f"{letters[kind]}{number}" for kind, number in _all_held(ledger, True)) if ledger else ()


def _keys(config: Config, ledger: Ledger, name: str) -> list[tuple[str, int]]:
    """Return what a name means to `retry`: whatever `why` tells of that has not come to its end."""
    found = look_up(config, ledger, name)
    if found.unit is not None:
        return [("unit", found.unit.id)]
    owners = [row.id for row in found.owners] + [rows[-1].owner_id for rows in found.versions]
    keys = [("item", item.id) for item in found.meant]
    keys += [] if found.numbered and found.items else [("owner", number) for number in owners]
    if not keys:
        raise Usage(
            f"{name} is not held: it is looked at in every run", advice=f"`{command_line('why', *operand(name))}`."
        )
    return keys


def _remind(ledger: Ledger, number: int) -> Reminded:
    """Lets an owner that waits for its next try have it now; the hold itself is what makes the next run look."""
    row = ledger.owner(number)
    if row.hold == "retry" and row.code is not None:
        ledger.hold_owner(
            number, hold="retry", code=row.code, detail=row.detail or "", advice=row.advice or "",
            retry_at=stamp(datetime.now(UTC)), tries=0,
        )  # fmt: skip
    return Reminded(row, row.hold == "retry")


def _all_held(ledger: Ledger, everything: bool) -> list[tuple[str, int]]:
    if not everything:
        return []
    return [
        ("item", item.id)
        for item in ledger.items()
        if item.hold is not None or any(unit.hold is not None for unit in ledger.units(item_id=item.id))
    ] + [("owner", row.id) for row in ledger.owners() if row.hold is not None]


def _release(ledger: Ledger, kind: str, number: int) -> list[Released]:
    if kind == "unit":
        unit = ledger.unit(number)
        return [_release_unit(ledger, ledger.item(unit.item_id), unit)]
    item = ledger.item(number)
    units = [unit for unit in ledger.units(item_id=item.id) if unit.hold is not None]
    released = []
    if item.hold is not None or not units:
        released.append(Released(str(item.id), item, None, item.code))
        ledger.release_item(item.id)
    for unit in units:
        if ledger.unit(unit.id).phase == "dismissed":  # its item was just reset because of another of its units
            released.append(Released(f"u{unit.id}", item, unit, unit.code, anew=True))
        else:
            released.append(_release_unit(ledger, item, unit))
    return released


def _release_unit(ledger: Ledger, item: ItemRow, unit: UnitRow) -> Released:
    now = stamp(datetime.now(UTC))
    anew = release_unit(ledger, item, unit, now)
    if unit.hold is not None:
        ledger.event(
            "unit.released", f"unit {unit.id} is tried again, as a person asked", level="info", now=now,
            route=unit.route, item_id=item.id, unit_id=unit.id,
        )  # fmt: skip
    return Released(f"u{unit.id}", item, unit, unit.code, anew)


# --- giving up ---------------------------------------------------------------------------------------------------


def prospect(app: App, name: str) -> Prospect:
    """Tells what a dismissal would give up; NothingFound, or Usage where nothing is left to give up."""
    from xnatsync.service.status import reading

    with reading(app.config) as ledger:
        if ledger is None:
            raise NothingFound("there is no ledger yet: nothing was ever synchronised")
        item = one_item(app.config, ledger, name, "dismiss")
        if item.phase in _ENDED:
            raise Usage(
                f"item {item.id} is {item.phase}: there is nothing to give up",
                advice=f"`{command_line('why', str(item.id))}` tells its story.",
            )
        units = tuple(ledger.units(item_id=item.id))
        return Prospect(item, units, tuple(unit.prearchive for unit in units if unit.prearchive is not None))


def dismiss(app: App, item_id: int, *, prearchive: bool = False) -> Dismissed:
    """Gives an item up: its source stays untouched.  With `prearchive`, what we left there is deleted first.

    ServerBusy while the server is at work on it: then nothing is given up yet.
    """
    from xnatsync.ledger.lock import hold

    with hold(app.config.ledger.path):
        ledger = app.make_ledger()
        try:
            units = ledger.units(item_id=item_id)
            _refuse_while_unsure(ledger, units, stamp(app.make_clock().now()))
            rows = [row for unit in units for row in _ours(app, ledger, unit)] if prearchive else []
            for server, uri in rows:
                app.server(server).delete_prearchive(uri, request_id=app.make_ids().request_id())
            now = stamp(app.make_clock().now())
            with ledger.write():
                ledger.dismiss_item(item_id, now)
                item = ledger.item(item_id)
                ledger.event(
                    "item.dismissed", f"item {item_id} was dismissed by a person", level="warning", now=now,
                    route=item.route, item_id=item_id, data={"prearchive_deleted": len(rows)},
                )  # fmt: skip
        finally:
            app.close()
            ledger.close()
    deleted = tuple(uri for _, uri in rows)
    known = {unit.prearchive for unit in units if unit.prearchive is not None}
    return Dismissed(item, deleted, () if prearchive else tuple(sorted(known)))


def _refuse_while_unsure(ledger: Ledger, units: Sequence[UnitRow], now: str) -> None:
    """A late upload must not land on a target that nobody watches any more."""
    wait_s = max((unsure_s(ledger, unit.item_id, now) for unit in units), default=0.0)
    if wait_s > 0:
        raise ServerBusy(
            "an upload of this item without an answer may still arrive", advice=f"Ask again in {wait_s:.0f} seconds."
        )


def _ours(app: App, ledger: Ledger, unit: UnitRow) -> list[tuple[str, str]]:
    """Finds the rows that this unit made and that are still there; a row that any other item counts on stays."""
    mine = {unit.prearchive} if unit.prearchive is not None else set()
    others = {
        other.prearchive
        for other in ledger.units(route=unit.route, living=False)
        if other.item_id != unit.item_id and other.phase != "dismissed"
    }
    found = []
    for row in app.server(unit.server).prearchive(unit.project) if mine else ():
        if row.uri not in mine or row.uri in others or row.study_uid != unit.study_uid:
            continue
        if row.state is PrearchiveState.WORKING:
            raise ServerBusy(f"the server is working on {row.uri} ({row.status})", advice="Ask again in a while.")
        found.append((unit.server, row.uri))
    return found
