"""From the text of a CSV file to a lookup table, as spreadsheets of every country write it."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Sequence

from xnatsync.core.lookup_table import Row, Table, TableInvalid

SEPARATORS = ",;\t"
CELL_MAX = 1000  # characters


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
