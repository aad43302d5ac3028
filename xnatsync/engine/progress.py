"""Who watches a run of drop routes, and who watches nothing."""

from __future__ import annotations

from typing import Protocol

from xnatsync.ledger.rows import ItemRow, UnitRow


class Progress(Protocol):
    """Who watches: told of everything a person would like to see while it happens.  Never decides anything."""

    def item(self, item: ItemRow, note: str) -> None:
        """An item came to a new point."""
        ...

    def unit(self, unit: UnitRow, note: str) -> None:
        """A unit came to a new point."""
        ...

    def read(self, what: str, number: int, files: int, size_bytes: int) -> None:
        """So much of an `item`, or of an `owner` of a tree, has been read."""
        ...

    def sent(self, unit_id: int, size_bytes: int) -> None:
        """So many more bytes of a unit went out."""
        ...

    def fetched(self, size_bytes: int) -> None:
        """So many more bytes came back for a proof, or for a tree."""
        ...

    def owner(self, owner_id: int, name: str, note: str) -> None:
        """An owner of a mirror came to a new point."""
        ...

    def goal(self, size_bytes: int) -> None:
        """So many more bytes are to be fetched."""
        ...

    def waiting(self, seconds: float, why: str) -> None:
        """Nothing else can be done for so long."""
        ...

    def failed(self, code: str, what: str) -> None:
        """Something met a failure of that code: `unit 7`, `owner 3`, `server prod`."""
        ...


class Silent:
    """Nobody watches."""

    def item(self, item: ItemRow, note: str) -> None:
        """Ignored."""

    def unit(self, unit: UnitRow, note: str) -> None:
        """Ignored."""

    def read(self, what: str, number: int, files: int, size_bytes: int) -> None:
        """Ignored."""

    def sent(self, unit_id: int, size_bytes: int) -> None:
        """Ignored."""

    def fetched(self, size_bytes: int) -> None:
        """Ignored."""

    def owner(self, owner_id: int, name: str, note: str) -> None:
        """Ignored."""

    def goal(self, size_bytes: int) -> None:
        """Ignored."""

    def waiting(self, seconds: float, why: str) -> None:
        """Ignored."""

    def failed(self, code: str, what: str) -> None:
        """Ignored."""
