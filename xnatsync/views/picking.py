"""What of a listing is shown: which columns and rows, in which order, and how many.

It is done here and not by the server, so it means the same for every listing, and a field is one of the JSON rows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from xnatsync.core.errors import Usage

if TYPE_CHECKING:
    from xnatsync.core.selection import Patterns

Row = Mapping[str, object]
_DIGITS = re.compile(r"([0-9]+)")


@dataclass(frozen=True, slots=True)
class Picking:
    """Rows that every filter takes, sorted, cut after `limit`, with some columns only."""

    columns: tuple[str, ...] = ()  # none: those of the command
    sort_by: str = ""
    descending: bool = False
    limit: int | None = None
    filters: tuple[tuple[str, Patterns], ...] = ()
    has_headings: bool = True

    @classmethod
    def parse(
        cls,
        columns: str | None = None,
        sort_by: str | None = None,
        limit: int | None = None,
        filters: Sequence[str] = (),
        *,
        has_headings: bool = True,
    ) -> Self:
        """Read the options as they are written: `a,b`, `FIELD[:desc]`, a number, `FIELD:GLOB`."""
        names = tuple(dict.fromkeys(name.strip() for name in (columns or "").split(",")))
        if columns is not None and not all(names):
            raise Usage(f"--columns {columns}: write the fields with a comma between two, as in `id,label`")
        field, _, order = (sort_by or "").partition(":")
        if sort_by is not None and (not field or order not in {"", "asc", "desc"}):
            raise Usage(f"--sort-by {sort_by}: write a field, or a field with `:desc`, as in `date:desc`")
        if limit is not None and limit < 0:
            raise Usage(f"--limit {limit}: write a number from 0 on")
        return cls(
            names if columns is not None else (),
            field,
            order == "desc",
            limit,
            tuple(map(_filter, filters)),
            has_headings,
        )

    @property
    def is_asked(self) -> bool:
        """Return whether anything but the listing as it is was asked for."""
        return bool(self.columns or self.sort_by or self.filters or self.limit is not None or not self.has_headings)

    def check(self, fields: Sequence[str]) -> None:
        """Raise Usage for a field that the listing does not have; it names those that there are."""
        named = [("--columns", name) for name in self.columns]
        named += [("--sort-by", self.sort_by)] if self.sort_by else []
        named += [("--filter", name) for name, _ in self.filters]
        for option, name in named:
            if name not in fields:
                raise Usage(f"{option}: there is no field {name} here", advice=f"The fields are: {', '.join(fields)}.")

    def rows(self, rows: Iterable[Row]) -> list[Row]:
        """Return what is to be shown, with all its fields."""
        found = [row for row in rows if all(patterns.match(as_text(row[name])) for name, patterns in self.filters)]
        if self.sort_by:
            known = [row for row in found if as_text(row[self.sort_by])]
            unknown = [row for row in found if not as_text(row[self.sort_by])]
            known.sort(key=lambda row: _order(row[self.sort_by]), reverse=self.descending)
            found = known + unknown  # what is not known is last in either order
        return found if self.limit is None else found[: self.limit]

    def narrowed(self, row: Row) -> Row:
        """Return a row with the columns that were asked for, in their order; the whole row when none were."""
        return {name: row[name] for name in self.columns} if self.columns else row


def as_text(value: object) -> str:
    """Return a value as a filter reads it: as in CSV, what is not known is empty."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int() | float():
            return str(value)
        case _:
            return json.dumps(value, ensure_ascii=False)


def _filter(text: str) -> tuple[str, Patterns]:
    from xnatsync.core.selection import Patterns  # few listings are filtered

    field, colon, pattern = text.partition(":")
    words = "it names no field"
    if colon and field:
        try:
            return field, Patterns.parse([pattern]) if pattern else Patterns(("",))
        except ValueError as error:
            words = str(error)
    raise Usage(
        f"--filter {text}: {words}", advice="Write FIELD:GLOB, as in `label:S1_*`; `label:!S1_*` takes the others."
    )


def _order(value: object) -> tuple[object, ...]:
    """Return what sorts as people expect it: numbers by value, and 2 before 10 in texts as well."""
    if isinstance(value, int | float):
        return (0, value)
    return (1, *(_piece(part) for part in _DIGITS.split(as_text(value).casefold())), as_text(value))


def _piece(part: str) -> tuple[int, int, str]:
    if not part.isascii() or not part.isdigit():
        return (1, 0, part)
    number = part.lstrip("0")
    return (0, len(number), number)  # as long as they are: such a number may have thousands of digits
