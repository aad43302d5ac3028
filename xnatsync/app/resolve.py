"""What a person decides about something that is held: try it again.  (Giving it up: `giving_up`.)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from xnatsync.app.lookup import look_up
from xnatsync.app.mailbox import either
from xnatsync.app.uploads_known import again_words, is_upload
from xnatsync.core.errors import Usage
from xnatsync.core.hold import Hold
from xnatsync.core.moment import stamp
from xnatsync.core.pasting import command_line, operand
from xnatsync.core.phases import UnitPhase
from xnatsync.engine.diary import Diary
from xnatsync.ledger.rows import ItemRow, UnitRow
from xnatsync.ledger.tree_rows import OwnerRow
from xnatsync.routes.drop.release import release_unit

if TYPE_CHECKING:
    from xnatsync.config.model import Config
    from xnatsync.ledger.ledger import Ledger


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
    uploads: tuple[str, ...] = ()  # the commands that try again what no route of the configuration does


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
    return either(
        config,
        "retry",
        {"names": list(names), "all": everything},
        lambda: _release_alone(config, names, everything),
        lambda answer: _told(config, answer),
    )


def _release_alone(config: Config, names: Sequence[str], everything: bool) -> Release:
    from xnatsync.ledger.lock import hold
    from xnatsync.ledger.open import open_ledger

    with hold(config.ledger.path), closing(open_ledger(config.ledger.path)) as ledger:
        return release_in(ledger, held_keys(config, ledger, names, everything=everything))


def held_keys(config: Config, ledger: Ledger, names: Sequence[str], *, everything: bool) -> list[tuple[str, int]]:
    """Return what is to be released, each once: `item`, `unit` or `owner` and its number."""
    keys = [key for name in names for key in _keys(config, ledger, name)] or _all_held(ledger, everything)
    return list(dict.fromkeys(keys))


def release_in(ledger: Ledger, keys: Sequence[tuple[str, int]]) -> Release:
    """Release what is held, all or nothing, in a ledger that is ours."""
    with ledger.write():
        released = [_release(ledger, kind, number) for kind, number in keys if kind != "owner"]
        reminded = [_remind(ledger, number) for kind, number in keys if kind == "owner"]
    parts = tuple(part for several in released for part in several)
    return Release(parts, tuple(reminded), _uploads(ledger, parts))


def _uploads(ledger: Ledger, parts: Sequence[Released]) -> tuple[str, ...]:
    """Return the command of each upload that something was released of."""
    items = {part.item.id: part.item for part in parts if is_upload(part.item)}
    words = (again_words(item, ledger.units(item_id=number, living=False)) for number, item in items.items())
    return tuple(dict.fromkeys(command_line(*each) for each in words if each))


def as_answer(done: Release) -> dict[str, object]:
    """Write down what was released, for whoever asked the agent."""
    return {
        "released": [
            [part.name, part.item.id, part.unit.id if part.unit is not None else None, part.code, part.anew]
            for part in done.released
        ],
        "reminded": [[part.owner.id, part.soon] for part in done.reminded],
    }


def _told(config: Config, answer: Mapping[str, Any]) -> Release:
    """Read it, with the rows as they are now: the agent may have gone on already."""
    from xnatsync.app.status import reading

    with reading(config) as ledger:
        assert ledger is not None
        released = tuple(
            Released(name, ledger.item(item), ledger.unit(unit) if unit is not None else None, code, anew)
            for name, item, unit, code, anew in answer["released"]
        )
        reminded = tuple(Reminded(ledger.owner(owner), soon) for owner, soon in answer["reminded"])
        return Release(released, reminded, _uploads(ledger, released))


def all_held(config: Config) -> tuple[str, ...]:
    """Return the names of everything that is held, as commands take them."""
    from xnatsync.app.status import reading

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
    """Let an owner that waits for its next try have it now; the hold itself is what makes the next run look."""
    row = ledger.owner(number)
    if row.hold == "retry" and row.code is not None:
        ledger.hold_owner(
            number,
            Hold(
                kind="retry",
                code=row.code,
                detail=row.detail or "",
                advice=row.advice or "",
                retry_at=stamp(datetime.now(UTC)),
            ),
        )
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
        if ledger.unit(unit.id).phase is UnitPhase.DISMISSED:  # its item was just reset because of another of its units
            released.append(Released(f"u{unit.id}", item, unit, unit.code, anew=True))
        else:
            released.append(_release_unit(ledger, item, unit))
    return released


def _release_unit(ledger: Ledger, item: ItemRow, unit: UnitRow) -> Released:
    now = stamp(datetime.now(UTC))
    anew = release_unit(ledger, item, unit, now)
    if unit.hold is not None:
        Diary(ledger, lambda: now).note(
            "unit.released", f"unit {unit.id} is tried again, as a person asked",
            route=unit.route, item_id=item.id, unit_id=unit.id,
        )  # fmt: skip
    return Released(f"u{unit.id}", item, unit, unit.code, anew)
