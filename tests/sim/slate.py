"""Ledgers in memory for thousands of histories: real SQLite with the product's own schema, wiped clean between two.

A fresh connection would parse the schema and prepare every statement anew, which costs more than most histories.  So
one stays, on a database that a second connection fills with an empty ledger again; the number of its schema, which
the copy would change, is put back, and what was prepared stays good.
"""

from __future__ import annotations

import itertools
import sqlite3
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from xnatsync.ledger.open import copy_apart

_names = itertools.count()
_free: list[Slate] = []


@lru_cache(maxsize=1)
def empty() -> sqlite3.Connection:
    """An empty ledger, as the product makes one."""
    return copy_apart(Path("/nowhere/at/all"))._raw


@dataclass(slots=True)
class Slate:
    """A connection with its own empty ledger, until it is given back."""

    raw: sqlite3.Connection
    beside: sqlite3.Connection
    schema: int

    def wipe(self) -> None:
        """Makes the ledger an empty one again."""
        if self.raw.in_transaction:
            self.raw.execute("rollback")
        self.put(None)

    def put(self, ledger: sqlite3.Connection | None) -> None:
        """Puts another ledger in its place, or an empty one."""
        (ledger or empty()).backup(self.beside)
        self.beside.execute(f"pragma schema_version = {self.schema}")


def take() -> Slate:
    """Gives a clean one."""
    slate = _free.pop() if _free else _make()
    slate.wipe()
    return slate


def give_back(slate: Slate) -> None:
    """Lets another history have it."""
    _free.append(slate)


def _make() -> Slate:
    name = f"file:/ledger{next(_names)}?vfs=memdb"  # several connections of this process see the same one
    raw, beside = (sqlite3.connect(name, uri=True, isolation_level=None, check_same_thread=False) for _ in range(2))
    empty().backup(beside)
    raw.execute("pragma foreign_keys = on")
    return Slate(raw, beside, int(beside.execute("pragma schema_version").fetchone()[0]))
