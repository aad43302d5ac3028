"""A lookup table: rows of text and nothing else, found by what stands in some of their columns.

`007` stays `007`: nothing is turned into a number.  One that contradicts itself is no table, because nobody can say
which of two rows is meant.  No message repeats what stands in a cell, which may identify a patient: it names the line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_NEAR_MAX = 3  # lines that are named


class TableInvalid(ValueError):
    """A text is no table that can be used; the message says why, and in which line."""


@dataclass(frozen=True, slots=True)
class TableUse:
    """What the rules of a route want of one file: columns by which rows are found, and columns that are read."""

    file: str
    keys: frozenset[tuple[str, ...]]
    columns: frozenset[str]


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
    _indices: dict[tuple[str, ...], dict[tuple[str, ...], Row]] = field(default_factory=dict, compare=False, repr=False)

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


def _plain(text: str) -> str:
    """Make alike what spreadsheets and people write differently: case, leading zeros, blanks, punctuation, `7.0`."""
    signs = "".join(char for char in text.casefold().removesuffix(".0") if char.isalnum())
    return signs.lstrip("0") or signs
