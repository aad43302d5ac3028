"""What a name means: the one reader of the names that `why`, `retry` and `dismiss` take.

A number is the item of that number, `u7` a session under way, `o3` something that a tree keeps: what a command prints
means the same when it is pasted.  Anything else is a name, a path, a UID or a label, and may mean several things.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xnatsync.core.errors import NothingFound, Usage
from xnatsync.core.pasting import command_line, operand
from xnatsync.disk.spelling import shown, told
from xnatsync.ledger.rows import ItemRow, UnitRow
from xnatsync.ledger.tree_rows import OwnerRow, UnplacedRow, VersionRow

if TYPE_CHECKING:
    from xnatsync.config.model import Config
    from xnatsync.ledger.ledger import Ledger

_DIGITS_MAX = 18  # more is no number of SQLite's
ENDED = frozenset({"done", "dismissed"})


@dataclass(frozen=True, slots=True)
class Found:
    """Everything that a name can mean, the newest items first."""

    asked: str
    items: tuple[ItemRow, ...] = ()
    unit: UnitRow | None = None  # the name is its number
    versions: tuple[tuple[VersionRow, ...], ...] = ()  # of trees, each path's in the order of time
    owners: tuple[OwnerRow, ...] = ()
    unplaced: tuple[UnplacedRow, ...] = ()
    numbered: bool = False  # the name is the number of the first item, of the unit, or of the owner

    @property
    def is_empty(self) -> bool:
        """Return whether the ledger knows nothing of that name."""
        return not (self.items or self.versions or self.owners or self.unplaced)

    @property
    def meant(self) -> tuple[ItemRow, ...]:
        """The items that an order is about: the one of that number, else those that have not come to their end."""
        if self.numbered or len(self.items) < 2:
            return self.items[:1]
        return tuple(item for item in self.items if item.phase not in ENDED) or self.items[:1]


def look_up(config: Config, ledger: Ledger, name: str) -> Found:
    """Find everything that a name can mean; NothingFound when the ledger knows nothing of it."""
    name, typed = told(name), shown(name)  # as we print it, or as a name with private characters is typed
    if (number := _number("u", name)) is not None and ledger.has_unit(number):
        unit = ledger.unit(number)
        return Found(name, (ledger.item(unit.item_id),), unit, numbered=True)
    if (number := _number("o", name)) is not None and ledger.has_owner(number):
        return Found(name, owners=(ledger.owner(number),), numbered=True)
    items = tuple(ledger.find(name) or (ledger.find(typed) if typed != name else ()))
    number = _number("", name.removeprefix("#"))
    versions = _versions(config, ledger, name)
    owners = [] if versions else _owners(ledger, name)
    found = Found(
        name,
        items,
        versions=tuple(tuple(rows) for rows in versions),
        owners=tuple(owners),
        unplaced=tuple(_unplaced(config, ledger, name)),
        numbered=bool(items) and items[0].id == number,
    )
    if found.is_empty:
        raise NothingFound(f"the ledger knows nothing called {name}")
    return found


def one_item(config: Config, ledger: Ledger, name: str, order: str) -> ItemRow:
    """Find the one item that an order (`dismiss`) is about; Usage names the commands where it could be several."""
    found = look_up(config, ledger, name)
    if found.unit is not None:
        item = found.items[0]
        raise Usage(
            f"u{found.unit.id} is one session of item {item.id}, and a whole item is meant",
            advice=f"`{command_line(order, str(item.id))}` names it.",
        )
    if len(found.meant) > 1:
        lines = ", ".join(f"`{command_line(order, str(item.id))}` ({item.path})" for item in found.meant)
        raise Usage(f"{len(found.meant)} items are called {found.asked}", advice=f"Name one of them: {lines}.")
    if not found.meant:
        raise Usage(
            f"{found.asked} is not a dropped item: what a tree keeps is looked at in every run",
            advice=f"`{command_line('why', *operand(found.asked))}` says how it stands and what to do.",
        )
    return found.meant[0]


def _number(letter: str, name: str) -> int | None:
    pattern = rf"{letter}([0-9]{{1,{_DIGITS_MAX}}})"
    found = re.fullmatch(pattern, name, re.IGNORECASE)
    return int(found[1]) if found is not None else None


# --- trees -------------------------------------------------------------------------------------------------------


def _versions(config: Config, ledger: Ledger, what: str) -> list[list[VersionRow]]:
    """Find the versions by path, each path's in the order of time."""
    tail, routes = _place(config, what)
    groups: dict[tuple[str, str], list[VersionRow]] = {}
    for row in ledger.find_versions(tail) if tail else ():
        if routes is None or row.route in routes:
            groups.setdefault((row.route, row.path), []).append(row)
    return list(groups.values())


def _place(config: Config, what: str) -> tuple[str, set[str] | None]:
    """Read an absolute path in a tree: relative, with the routes that keep files there; else None: of any route."""
    tail = what.rstrip("/")
    for route in config.tree_routes.values():
        if tail.startswith(f"{route.folder}/"):
            names = {name for name, part in config.tree_routes.items() if part.folder == route.folder}
            return tail[len(str(route.folder)) + 1 :], names
    return tail, None


def _unplaced(config: Config, ledger: Ledger, what: str) -> list[UnplacedRow]:
    tail, routes = _place(config, what)
    return [row for row in ledger.find_unplaced(tail) if routes is None or row.route in routes]


def _owners(ledger: Ledger, what: str) -> list[OwnerRow]:
    rows = ledger.owners()
    found = [
        row
        for row in rows
        if what == row.server_id
        or (row.kind == "session" and what == row.session)
        or (row.kind == "subject" and what == row.subject)
    ]
    if found or not what.strip("/"):
        return found
    once = ledger.owners_in(what.strip("/"))  # a folder, or a label that it had once
    return [row for row in rows if row.id in once]
