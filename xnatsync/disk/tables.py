"""Lookup tables as they lie on the disk, each read again when it changes.

One that cannot be read, or contradicts itself, is refused: then the last good one stays in force.  That one is kept in
a private folder beside the ledger, so that a process that begins anew has it too.  Names of patients may be in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from xnatsync.core.encoding import not_utf8, wide_encoding
from xnatsync.core.lookup_table import Table, TableInvalid, TableSeen, TableUse
from xnatsync.disk.private import NotPrivate, PrivateFolder
from xnatsync.disk.table_text import read_table

TABLE_MAX = 64 << 20  # bytes
_Look = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _Known:
    look: _Look | None  # None: it could not be looked at
    seen: TableSeen


class LocalTables:
    """The tables of the rules of this process; `keeps`: a good one is kept for the next."""

    def __init__(self, folder: Path, *, keeps: bool = True) -> None:
        self._kept = PrivateFolder(folder)
        self._keeps = keeps
        self._known: dict[TableUse, _Known] = {}

    def __call__(self, use: TableUse) -> TableSeen:
        """Return a table as it is in force; its file is read only when it looks different."""
        look = _look(use)
        known = self._known.get(use)
        if known is None or known.look != look or look is None:
            seen = self._read(use, known.seen if known is not None else None)
            self._known[use] = known = _Known(look, seen)
        return known.seen

    def _read(self, use: TableUse, before: TableSeen | None) -> TableSeen:
        try:
            raw = _bytes(use)
            seen = TableSeen(_table(use, raw), hashlib.sha256(raw).hexdigest())
        except TableInvalid as error:
            last = before if before is not None and before.table is not None else self._last_good(use)
            return (
                TableSeen(last.table, last.digest, str(error)) if last is not None else TableSeen(None, "", str(error))
            )
        if self._keeps and (before is None or before.digest != seen.digest):
            _if_possible(lambda: self._kept.write(_name(use), raw))
        return seen

    def _last_good(self, use: TableUse) -> TableSeen | None:
        try:
            raw = self._kept.read(_name(use), TABLE_MAX)
            return None if raw is None else TableSeen(_table(use, raw), hashlib.sha256(raw).hexdigest())
        except (OSError, NotPrivate, TableInvalid):
            return None


def kept_beside(ledger: Path) -> Path:
    """Return the folder in which the last good tables of a ledger are kept."""
    return ledger.with_name(f"{ledger.name}.tables")


def _look(use: TableUse) -> _Look | None:
    try:
        seen = Path(use.file).stat()
    except OSError:
        return None
    return seen.st_ino, seen.st_size, seen.st_mtime_ns


def _bytes(use: TableUse) -> bytes:
    try:
        with Path(use.file).open("rb") as file:
            raw = file.read(TABLE_MAX + 1)
    except OSError as error:
        raise TableInvalid(f"it cannot be read: {error.strerror or type(error).__name__}") from None
    if len(raw) > TABLE_MAX:
        raise TableInvalid(f"it is larger than {TABLE_MAX >> 20} MiB")
    return raw


def _table(use: TableUse, raw: bytes) -> Table:
    return read_table(_text(raw), keys=use.keys, wanted=use.columns)


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-16" if raw[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig")
    except UnicodeDecodeError:
        wide = wide_encoding(raw)
        raise TableInvalid(not_utf8(raw) if wide is None else f"it is written in {wide}, and damaged") from None


def _name(use: TableUse) -> str:
    return hashlib.sha256(use.file.encode("utf-8", "surrogateescape")).hexdigest()[:32] + ".csv"


def _if_possible(act: Callable[[], None]) -> None:
    """Keep a copy where that can be done: the table itself is good without it."""
    try:
        act()
    except (OSError, NotPrivate):
        return
