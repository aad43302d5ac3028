"""Whose a custody box is: its name tells which ledger made it, and a mark beside the boxes where that ledger is."""

from __future__ import annotations

import re
from dataclasses import dataclass

_BOX = re.compile(r"[0-9]+-([0-9a-f]{8})")
_NUMBER = re.compile(r"([0-9]{1,15})(?:-[0-9a-f]{8})?")  # an older version named its boxes by the number alone


def box_name(item_id: int, ledger: str) -> str:
    """Return the name of the box in which an item of a ledger is filed."""
    return f"{item_id}-{ledger}"


def ledger_of(box: str) -> str | None:
    """Return the name of the ledger that made a box; None for a box of an older version, or of nobody."""
    named = _BOX.fullmatch(box)
    return named.group(1) if named is not None else None


def number_of(box: str) -> int:
    """Return the number of the item for which a box was made; 0 for what no version of ours names so."""
    named = _NUMBER.fullmatch(box)
    return int(named.group(1)) if named is not None else 0


@dataclass(frozen=True, slots=True)
class Claim:
    """Where a ledger lies that has boxes in a custody folder."""

    ledger: str  # its name
    host: str
    path: str

    def text(self) -> str:
        """Return it as a mark says it."""
        return f"{self.ledger}\n{self.host}\n{self.path}\n"

    @classmethod
    def parse(cls, ledger: str, text: str | None) -> Claim | None:
        """Read a mark; None when it says nothing that could be looked for."""
        said = (text or "").split("\n")
        return cls(*said[:3]) if len(said) == 4 and said[0] == ledger and all(said[:3]) else None
