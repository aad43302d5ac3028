"""What a person assigns: a study that no rule took, or that is held for its labels, goes where they say.

The word is kept in the ledger for the study, so it counts in every run, and for parts of the study that come later.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from xnatsync.app.lookup import look_up, one_item
from xnatsync.app.mailbox import either
from xnatsync.config.values import is_name
from xnatsync.core.errors import ASSIGNABLE, Usage
from xnatsync.core.group import Assigned
from xnatsync.core.labels import is_valid_label
from xnatsync.core.moment import stamp
from xnatsync.core.pasting import command_line
from xnatsync.core.wording import counted
from xnatsync.engine.diary import Diary
from xnatsync.ledger.rows import ItemRow, UnitRow
from xnatsync.routes.drop.release import release_unit

if TYPE_CHECKING:
    from xnatsync.config.model import Config
    from xnatsync.ledger.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Assignment:
    """Studies of an item that were held, and where a person said that they belong."""

    item: ItemRow
    units: tuple[UnitRow, ...]
    to: Assigned


def proposed(config: Config, name: str, to: Assigned) -> Assignment:
    """Tell what would be assigned; nothing is changed.  Usage for what does not wait to be assigned, or a bad label."""
    from xnatsync.app.status import reading

    with reading(config) as ledger:
        return _proposed(config, ledger, name, to)


def assign(config: Config, name: str, to: Assigned) -> Assignment:
    """Write down where a study belongs; the next run, or the agent, sends it there."""
    before = proposed(config, name, to)
    return either(
        config, "assign", {"name": name, "project": to.project, "subject": to.subject, "session": to.session},
        lambda: _assign_alone(config, name, to), lambda answer: before,
    )  # fmt: skip


def _assign_alone(config: Config, name: str, to: Assigned) -> Assignment:
    from xnatsync.ledger.lock import hold
    from xnatsync.ledger.open import open_ledger

    with hold(config.ledger.path), closing(open_ledger(config.ledger.path)) as ledger:
        return assign_in(config, ledger, name, to)


def assign_in(config: Config, ledger: Ledger, name: str, to: Assigned) -> Assignment:
    """Write down where a study belongs, in a ledger that is ours."""
    with ledger.write():
        found = _proposed(config, ledger, name, to)
        _write(ledger, found, stamp(datetime.now(UTC)))
    return found


def _proposed(config: Config, ledger: Ledger | None, name: str, to: Assigned) -> Assignment:
    _check(to)
    if ledger is None:
        raise Usage("there is no ledger yet: nothing is held", advice="`xnatsync sync` begins one.")
    unit = look_up(config, ledger, name).unit
    item = ledger.item(unit.item_id) if unit is not None else one_item(config, ledger, name, "assign")
    asked = [unit] if unit is not None else ledger.units(item_id=item.id)
    units = tuple(one for one in asked if one.hold == "person" and one.code in ASSIGNABLE)
    if not units:
        why = command_line("why", str(item.id))
        raise Usage(
            f"no study of item {item.id} ({item.path}) waits to be assigned", advice=f"`{why}` says what holds it."
        )
    if len(units) > 1 and to.session is not None:
        names = ", ".join(f"u{one.id}" for one in units)
        raise Usage(
            f"{counted(len(units), 'study')} of item {item.id} wait, and one session holds one study",
            advice=f"Assign them one by one: {names}. Or leave `--session` out.",
        )
    return Assignment(item, units, to)


def _check(to: Assigned) -> None:
    if not is_name(to.project):
        raise Usage("that cannot be a project's ID: A-Z a-z 0-9 _ -", advice="Name the ID, not the title.")
    for what, label in (("subject", to.subject), ("session", to.session)):
        if label is not None and not (label and is_valid_label(label)):
            raise Usage(f"XNAT would not keep that label of a {what}: A-Z a-z 0-9 _ -")


def _write(ledger: Ledger, found: Assignment, now: str) -> None:
    item = found.item
    for unit in found.units:
        ledger.assign(item.route, unit.study_uid, found.to, now)
    for unit in found.units:
        if release_unit(ledger, ledger.item(item.id), unit, now):
            break  # the whole item is planned anew
    Diary(ledger, lambda: now).note(
        "item.assigned", f"item {item.id}: a person said where {counted(len(found.units), 'study')} of it belong",
        level="warning", route=item.route, item_id=item.id, data={"studies": len(found.units)},
    )  # fmt: skip
