"""A lookup table: rows of a CSV file, text and nothing else, found by what stands in some of its columns.

`007` stays `007`: nothing is turned into a number.  One that contradicts itself is no table, because nobody can say
which of two rows is meant.  No message repeats what stands in a cell, which may identify a patient: it names the line.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

SEPARATORS = ",;\t"
CELL_MAX = 1000  # characters
_NEAR_MAX = 3  # lines that are named


class TableInvalid(ValueError):
    """A text is no table that can be used; the message says why, and in which line."""


@dataclass(frozen=True, slots=True)
class TableUse:
    """What the rules of a route want of one file: columns by which rows are found, and columns that are read."""

    file: str
    keys: frozenset[tuple[str, ...]]
    columns: frozenset[str]

    def read(self, text: str) -> Table:
        """Read a text as this table; TableInvalid when it cannot be used so."""
        return read_table(text, keys=self.keys, wanted=self.columns)


@dataclass(frozen=True, slots=True)
class TableSeen:
    """A table as it is in force: the file's own, or the last good one while `refused` says what is wrong with that."""

    table: Table | None  # None: there never was a good one
    digest: str = ""  # of what is in force
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A row, and the line of the file in which it ends."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Near:
    """No row is meant, and these lines hold nearly what was looked for."""

    lines: tuple[int, ...]


@dataclass(frozen=True)
class Table:
    """Rows under the names of their columns."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    @cached_property
    def _indices(self) -> dict[tuple[str, ...], dict[tuple[str, ...], Row]]:
        return {}

    def find(self, wanted: Mapping[str, str]) -> Mapping[str, str] | Near | None:
        """Return the row in which these columns hold these texts; lines that nearly do; None when none does.

        TableInvalid where the columns do not tell one row from another.
        """
        names = tuple(sorted(wanted))
        key = tuple(wanted[name].strip() for name in names)
        row = self.index(names).get(key)
        if row is not None and all(key):
            return dict(zip(self.columns, row.cells, strict=True))
        alike = tuple(map(_plain, key))
        near = [row.line for other, row in self.index(names).items() if tuple(map(_plain, other)) == alike]
        return Near(tuple(sorted(near)[:_NEAR_MAX])) if near and any(alike) else None

    def index(self, names: Sequence[str]) -> Mapping[tuple[str, ...], Row]:
        """Return the rows by what stands in some columns; TableInvalid where two of one key say different things."""
        names = tuple(sorted(names))
        if (known := self._indices.get(names)) is not None:
            return known
        if missing := [name for name in names if name not in self.columns]:
            raise TableInvalid(f"it has no column {missing[0]}; it has {', '.join(self.columns)}")
        places = [self.columns.index(name) for name in names]
        found: dict[tuple[str, ...], Row] = {}
        for row in self.rows:
            key = tuple(row.cells[place] for place in places)
            if not all(key):
                empty = names[key.index("")]
                raise TableInvalid(f"line {row.line} says nothing in the column {empty}, by which rows are found")
            first = found.setdefault(key, row)
            if first.cells != row.cells:
                raise TableInvalid(
                    f"lines {first.line} and {row.line} are the same in {', '.join(names)}, and differ otherwise"
                )
        self._indices[names] = found
        return found


def read_table(text: str, *, keys: Collection[Sequence[str]] = (), wanted: Collection[str] = ()) -> Table:
    """Read a table; TableInvalid when it cannot be used by the keys and for the columns that are wanted of it."""
    text = text.removeprefix("\ufeff")
    if "\0" in text:
        raise TableInvalid("it holds zero bytes: it is no text")
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text), strict=True)
    columns: tuple[str, ...] | None = None
    rows: list[Row] = []
    try:
        for cells in lines:
            stripped = tuple(cell.strip() for cell in cells)
            if not any(stripped):
                continue
            if columns is None:
                columns = _columns(stripped)
                continue
            rows.append(_row(stripped, columns, lines.line_num))
    except csv.Error as error:
        raise TableInvalid(f"line {lines.line_num}: {error}") from None
    if columns is None:
        raise TableInvalid("it is empty: its first line names the columns")
    table = Table(columns, tuple(rows))
    if missing := sorted(set(wanted) - set(columns)):
        raise TableInvalid(f"it has no column {missing[0]}; it has {', '.join(columns)}")
    for key in keys:
        table.index(key)
    return table


def _separator(text: str) -> str:
    """Tell by the first line, in which names stand: spreadsheets write what their country separates lists by."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return max(SEPARATORS, key=lambda sign: (first.count(sign), -SEPARATORS.index(sign)))


def _columns(cells: tuple[str, ...]) -> tuple[str, ...]:
    while cells and not cells[-1]:  # a spreadsheet writes empty columns behind the last one
        cells = cells[:-1]
    if not all(cells):
        raise TableInvalid(f"its column {cells.index('') + 1} has no name")
    if twice := sorted({name for name in cells if cells.count(name) > 1}):
        raise TableInvalid(f"two of its columns are called {twice[0]}")
    return cells


def _row(cells: tuple[str, ...], columns: tuple[str, ...], line: int) -> Row:
    more = len(cells) - len(columns)
    if more > 0 and any(cells[len(columns) :]):
        raise TableInvalid(f"line {line} has more cells than there are columns")
    if any(len(cell) > CELL_MAX for cell in cells):
        raise TableInvalid(f"line {line} has a cell of more than {CELL_MAX} characters: a quote may not be closed")
    if more < 0:
        raise TableInvalid(f"line {line} has fewer cells than there are columns")
    return Row(line, cells[: len(columns)])


def _plain(text: str) -> str:
    """Make alike what spreadsheets and people write differently: case, leading zeros, blanks, punctuation, `7.0`."""
    signs = "".join(char for char in text.casefold().removesuffix(".0") if char.isalnum())
    return signs.lstrip("0") or signs
