"""One connection to the ledger: transactions that begin immediately, and rows as frozen facts."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from xnatsync.core.errors import (
    Bug,
    DiskFull,
    DiskUnwell,
    LedgerDamaged,
    LedgerError,
    LedgerHeld,
    LedgerMoved,
    XnatsyncError,
)

if TYPE_CHECKING:
    from sqlite_utils import Database

Row = TypeVar("Row")
Value = str | int | float | bytes | None
ROWS_AT_ONCE = 60  # of up to 16 columns: older versions of SQLite take 999 values in a statement
Values = Sequence[Value] | Mapping[str, Value]


class Connection:
    """A SQLite connection that several threads share.  Every write is one `BEGIN IMMEDIATE` transaction.

    A deferred transaction that turns into a write fails at once when another process is writing, busy timeout or not.
    """

    def __init__(self, raw: sqlite3.Connection, path: Path | None = None) -> None:
        self._raw = raw
        self._path = path  # of the file that is written to; None: memory, or only read
        self._file = path.stat() if path is not None else None
        self._log_path = path.resolve().with_name(f"{path.resolve().name}-wal") if path is not None else None
        self._log: os.stat_result | None = None  # the log that SQLite has open, as it was first seen
        self._lock = threading.RLock()
        self._depth = 0
        self._after: list[Callable[[], None]] = []  # what the open transaction does once it is committed

    @cached_property
    def database(self) -> Database:
        """The same connection as sqlite-utils shows it, for whoever examines a ledger; a run does without."""
        from sqlite_utils import Database

        return Database(self._raw)

    @contextmanager
    def write(self) -> Iterator[None]:
        """Open a write transaction, or joins the one that this thread has open; the outermost commits.

        What fails inside is undone by itself: whoever catches the error in an outer transaction has nothing half-done.
        """
        committed: list[Callable[[], None]] = []
        with self._lock:
            mark, begun = f"inner_{self._depth}", len(self._after)
            self._run("begin immediate" if self._depth == 0 else f"savepoint {mark}")
            self._depth += 1
            try:
                if self._depth == 1:
                    self._refuse_moved()
                yield
                self._refuse_after_collapse()
            except BaseException:
                self._depth -= 1
                del self._after[begun:]
                self._undo(mark)
                raise
            self._depth -= 1
            if self._depth == 0:
                committed, self._after = self._after, []
                self._commit()
            else:
                self._run(f"release {mark}")
        for call in committed:  # nobody waits for the ledger meanwhile
            call()

    def after_commit(self, call: Callable[[], None]) -> None:
        """Call something once the outermost transaction of this thread is committed; never if it is rolled back."""
        with self._lock:
            if self._depth == 0:
                raise Bug("there is no transaction that could be committed")
            self._after.append(call)

    def _undo(self, mark: str) -> None:
        """Roll back to a mark.  A full or failing disk has made SQLite roll everything back already."""
        if not self._raw.in_transaction:
            return
        if self._depth == 0:
            self._raw.execute("rollback")
        else:
            self._raw.execute(f"rollback to {mark}")
            self._raw.execute(f"release {mark}")

    def close(self) -> None:
        """Close the connection; the write-ahead log is folded into the file."""
        with self._lock:
            self._raw.close()

    def _commit(self) -> None:
        try:
            self._refuse_moved()
            self._run("commit")
        except XnatsyncError:
            if self._raw.in_transaction:
                self._raw.execute("rollback")
            raise

    def _refuse_moved(self) -> None:
        """Refuse to write to a file that lies elsewhere now: what is written there would be known to nobody."""
        if self._path is None or self._file is None:
            return
        try:
            there = self._path.stat()
        except OSError:
            there = None
        if there is None or not os.path.samestat(there, self._file):
            raise LedgerMoved(f"{self._path} was moved, removed or replaced while this process works with it")
        self._refuse_other_log()

    def _refuse_other_log(self) -> None:
        """Refuse to write when the log lost its name: a kill would take along all that it holds.

        SQLite keeps it open and in its place as long as it works; closing it brings what it holds into the ledger.
        """
        if self._log_path is None:
            return
        try:
            there = self._log_path.stat()
        except OSError:
            there = None
        if self._log is None:
            self._log = there
        elif there is None or not os.path.samestat(there, self._log):
            raise LedgerMoved(
                f"{self._log_path} was moved, removed or replaced while this process works with it",
                advice="Run it again: the log was written into the ledger when this process ended. Leave the "
                "files beside a ledger alone while xnatsync runs.",
            )

    def _run(self, sql: str, values: Values = ()) -> sqlite3.Cursor:
        with self._lock:
            self._refuse_after_collapse()
            try:
                return self._raw.execute(sql, values)
            except FAILURES as error:
                raise translated(error) from error

    def _refuse_after_collapse(self) -> None:
        """A full or failing disk makes SQLite roll the whole transaction back: what follows must not be saved alone."""
        if self._depth > 0 and not self._raw.in_transaction:
            raise its_disk(DiskUnwell("the ledger could not be written, and the whole transaction was undone"))

    def _fetch(self, sql: str, values: Values = ()) -> list[tuple[Any, ...]]:
        """Return all rows.  Damage shows while they are read, not when the question is asked."""
        with self._lock:
            try:
                return self._raw.execute(sql, values).fetchall()
            except FAILURES as error:
                raise translated(error) from error

    def _run_many(self, sql: str, rows: Iterator[Sequence[Value]]) -> None:
        with self._lock:
            self._refuse_after_collapse()
            try:
                self._raw.executemany(sql, rows)
            except FAILURES as error:
                raise translated(error) from error

    def _insert_rows(self, table: str, rows: Sequence[Sequence[Value]]) -> None:
        """Insert many rows, some with each statement: a table with triggers makes SQLite keep a journal for each."""
        for first in range(0, len(rows), ROWS_AT_ONCE):
            part = rows[first : first + ROWS_AT_ONCE]
            marks = ", ".join(f"({', '.join('?' * len(row))})" for row in part)
            self._run(f"insert into {table} values {marks}", [value for row in part for value in row])

    def _all(self, make: Callable[..., Row], sql: str, values: Values = ()) -> list[Row]:
        return [make(*row) for row in self._fetch(sql, values)]

    def _one(self, make: Callable[..., Row], sql: str, values: Sequence[Value] = ()) -> Row | None:
        found = self._all(make, sql, values)
        return found[0] if found else None

    def _insert(self, table: str, **values: Value) -> int:
        names = ", ".join(values)
        marks = ", ".join("?" for _ in values)
        cursor = self._run(f"insert into {table} ({names}) values ({marks})", list(values.values()))
        return int(cursor.lastrowid or 0)

    def _scalar(self, sql: str, values: Values = ()) -> Any:
        rows = self._fetch(sql, values)
        return rows[0][0] if rows else None


# What SQLite says of a file that is not as we wrote it, with the same number as of a statement of ours that is wrong.
_CHANGED = ("no such table", "no such column", "has no column named", "unknown function", "no such collation sequence")
_NO_TEXT = "Could not decode to UTF-8"  # and then the text, which may be a label
NO_ROOM_TO_SHARE = sqlite3.SQLITE_IOERR_SHMSIZE  # the shared memory beside the file cannot grow: its disk is full
FAILURES = (sqlite3.Error, UnicodeDecodeError)  # the second: a message that repeats damaged text


Told = TypeVar("Told", DiskFull, DiskUnwell)


def its_disk(error: Told) -> Told:
    """Say that the disk is that of the ledger."""
    error.of_ledger = True
    return error


def translated(error: sqlite3.Error | UnicodeDecodeError) -> LedgerError | DiskFull | DiskUnwell | Bug:
    """Turn a failure of SQLite into one of ours.

    A constraint or a trigger that refuses is our own mistake: the ledger was asked for something it must never hold.
    """
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if isinstance(code, int) else None
    text = str(error)
    if code == NO_ROOM_TO_SHARE:  # SQLite calls it an I/O error
        return its_disk(DiskFull("the ledger cannot be opened for writing: no space left on its disk"))
    match primary:
        case sqlite3.SQLITE_CONSTRAINT:
            return Bug(f"the ledger refused a write: {text}")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return LedgerHeld("another process is writing to the ledger")
        case sqlite3.SQLITE_FULL:
            return its_disk(DiskFull("the ledger cannot grow: no space left on its disk"))
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_IOERR | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return its_disk(DiskUnwell(f"the ledger cannot be written: {text}"))
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return LedgerDamaged(f"the ledger is damaged: {text}")
        case _ if isinstance(error, UnicodeDecodeError) or text.startswith(_NO_TEXT):
            return LedgerDamaged("the ledger is damaged: it holds invalid text")
        case _ if any(sign in text for sign in _CHANGED):
            return LedgerDamaged(f"the ledger is damaged: {text}")
        case _:
            return Bug(f"the ledger did not understand us: {text}")
