"""Questions of people: the tables of a ledger and rows by SQL, through sqlite-utils.  Nothing can be written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from xnatsync.core.errors import Usage
from xnatsync.ledger.connection import FAILURES, translated
from xnatsync.ledger.ledger import Ledger

_READING = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})
_LISTING = frozenset({"table_info", "table_xinfo"})  # pragmas that list columns, as sqlite-utils asks for them
_STEPS = 100_000  # of SQLite's machine between two looks for a signal: some milliseconds
_OURS_TO_ANSWER = {
    sqlite3.SQLITE_AUTH: "a question may only read: begin it with `select` or `with`",
    sqlite3.SQLITE_READONLY: "a question may only read: begin it with `select` or `with`",
}
_ADVICE = "`xnatsync ledger list` shows the tables and their columns; docs/ledger.md says what they mean."
_UNREADABLE = "Could not decode"

Cell = str | int | float | None


@dataclass(frozen=True, slots=True)
class TableSize:
    """A table of the ledger: its name, how many rows it has, and its columns in their order."""

    name: str
    rows: int
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows of an answer, read one by one.  `columns` are distinct."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[Cell, ...]]


@contextmanager
def questions(ledger: Ledger) -> Iterator[Ledger]:
    """Hold the ledger as it is now: each answer inside is of this state, and no statement can change anything.

    A signal ends a question that takes long: KeyboardInterrupt.
    """
    raw = ledger.database.conn
    raw.execute("begin")
    raw.set_authorizer(_may)
    raw.set_progress_handler(_go_on, _STEPS)
    try:
        yield ledger
    finally:
        raw.set_progress_handler(None, 0)
        raw.set_authorizer(None)
        raw.execute("rollback")


def tables(ledger: Ledger) -> list[TableSize]:
    """Return the tables by name."""
    found = [table for table in ledger.database.tables if not table.name.startswith("sqlite_")]
    sizes = [TableSize(table.name, table.count, tuple(column.name for column in table.columns)) for table in found]
    return sorted(sizes, key=lambda size: size.name)


def rows_of(ledger: Ledger, table: str) -> Answer:
    """Return all rows of a table, in the order in which they were written; Usage when there is no such table."""
    if table not in ledger.database.table_names():
        raise Usage(f"the ledger has no table `{table}`", advice=_ADVICE)
    return ask(ledger, f'select * from "{table}"')


def ask(ledger: Ledger, sql: str) -> Answer:
    """Return the answer to one statement that only reads.  Bytes are written as hexadecimal digits.

    Usage: it is no SQL, names what does not exist, would write, or returns no rows.
    """
    with _answered():
        cursor = ledger.database.conn.execute(sql)
    if cursor.description is None:
        raise Usage("the question returns no rows", advice=_ADVICE)
    return Answer(_distinct([str(column[0]) for column in cursor.description]), _rows(cursor))


def _rows(cursor: sqlite3.Cursor) -> Iterator[tuple[Cell, ...]]:
    while True:
        with _answered():
            row = cursor.fetchone()
        if row is None:
            return
        yield tuple(value.hex() if isinstance(value, bytes) else value for value in row)


@contextmanager
def _answered() -> Iterator[None]:
    """Say of a failure whether the question or the ledger is at fault."""
    try:
        yield
    except FAILURES as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code == sqlite3.SQLITE_INTERRUPT:
            raise KeyboardInterrupt from None
        text = str(error)
        if code in _OURS_TO_ANSWER:
            raise Usage(_OURS_TO_ANSWER[code], advice=_ADVICE) from error
        if code in {sqlite3.SQLITE_ERROR, None} and not text.startswith(_UNREADABLE):
            raise Usage(f"the question cannot be answered: {text}", advice=_ADVICE) from error
        raise translated(error) from error


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names with a number behind each that stands there already: `id`, `id_2`."""
    found: list[str] = []
    for name in names:
        number, free = 1, name
        while free in found:
            number += 1
            free = f"{name}_{number}"
        found.append(free)
    return tuple(found)


def _may(action: int, one: str | None, *_: str | None) -> int:
    if action == sqlite3.SQLITE_PRAGMA and one in _LISTING:
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY


def _go_on() -> int:
    """Run a step of Python: only then a handler of a signal can."""
    return 0
