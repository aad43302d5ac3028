"""What happens in a run, as values, and the one way on which observers are told.

An observer is a function of one happening.  It decides nothing, and cannot stop the work: what it raises ends here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xnatsync.engine.observers import tell
from xnatsync.ledger.rows import EventRow, ItemRow, UnitRow


@dataclass(frozen=True, slots=True)
class ItemAt:
    """An item came to a new point."""

    item: ItemRow
    note: str


@dataclass(frozen=True, slots=True)
class UnitAt:
    """A unit came to a new point."""

    unit: UnitRow
    note: str


@dataclass(frozen=True, slots=True)
class OwnerAt:
    """A session, subject or project of a tree came to a new point."""

    number: int
    name: str
    note: str


@dataclass(frozen=True, slots=True)
class Read:
    """So much of an `item`, or of an `owner` of a tree, has been read."""

    what: str
    number: int
    files: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Sent:
    """So many more bytes of a unit went out."""

    unit_id: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """So many more bytes came, for a proof or for a tree."""

    size_bytes: int


@dataclass(frozen=True, slots=True)
class Goal:
    """So many more bytes are to be brought."""

    size_bytes: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing else can be done for so long."""

    seconds: float
    why: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Something met a failure of that code: `unit 7`, `owner 3`, `server prod`."""

    code: str
    what: str


@dataclass(frozen=True, slots=True)
class Noted:
    """A line of the diary was committed."""

    event: EventRow


Happening = ItemAt | UnitAt | OwnerAt | Read | Sent | Fetched | Goal | Waiting | Failed | Noted
Observer = Callable[[Happening], object]


class Progress:
    """Tells every observer of a run what happens in it; `Progress()` has none."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def tell(self, happening: Happening) -> None:
        """Tell every observer, whatever the others do with it."""
        for observer in self._observers:
            tell(observer, happening)

    def item(self, item: ItemRow, note: str) -> None:
        """Tell where an item is."""
        self.tell(ItemAt(item, note))

    def unit(self, unit: UnitRow, note: str) -> None:
        """Tell where a unit is."""
        self.tell(UnitAt(unit, note))

    def owner(self, number: int, name: str, note: str) -> None:
        """Tell where a session, subject or project of a tree is."""
        self.tell(OwnerAt(number, name, note))

    def read(self, what: str, number: int, files: int, size_bytes: int) -> None:
        """Tell how much of something has been read."""
        self.tell(Read(what, number, files, size_bytes))

    def sent(self, unit_id: int, size_bytes: int) -> None:
        """Tell that bytes of a unit went out."""
        self.tell(Sent(unit_id, size_bytes))

    def fetched(self, size_bytes: int) -> None:
        """Tell that bytes came."""
        self.tell(Fetched(size_bytes))

    def goal(self, size_bytes: int) -> None:
        """Tell that more bytes are to be brought."""
        self.tell(Goal(size_bytes))

    def waiting(self, seconds: float, why: str) -> None:
        """Tell what is waited for."""
        self.tell(Waiting(seconds, why))

    def failed(self, code: str, what: str) -> None:
        """Tell that something met a failure."""
        self.tell(Failed(code, what))
