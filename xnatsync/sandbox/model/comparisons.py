"""The comparisons of searches, and the order of values by their types (hierarchy.md §15.2)."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping, Sequence

from xnatsync.sandbox.model.searchdocument import BadSearch

_Ordered = tuple[int, float, str]
_NUMBERS = frozenset({"xs:integer", "xs:float", "xs:double", "xs:long"})
_AMERICAN = re.compile(r"(\d{2})/(\d{2})/(\d{4})")
_MOMENT = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2}:\d{2})(?:\.(\d+))?Z?)?")
_CLOCK = re.compile(r"(\d{2}:\d{2}:\d{2})(?:\.(\d+))?Z?")
_ORDER: Mapping[str, Callable[[_Ordered, _Ordered], bool]] = {
    ">": lambda left, right: left > right,
    "<": lambda left, right: left < right,
    ">=": lambda left, right: left >= right,
    "<=": lambda left, right: left <= right,
}


def comparison(name: str, wanted: str, kind: str) -> Callable[[str], bool]:
    """Return the test of one value by a comparison of a search; empty values are NULL, which has no order."""
    if name in {"IS NULL", "IS"}:
        return lambda value: value == ""
    if name in {"IS NOT NULL", "IS NOT"}:
        return lambda value: value != ""
    if name == "LIKE":
        pattern = "".join(".*" if char in "*%" else re.escape(char) for char in wanted)
        like = re.compile(pattern, re.IGNORECASE | re.DOTALL)
        return lambda value: like.fullmatch(value) is not None
    if name == "IN":
        members = {ordered(part.strip(), kind) for part in wanted.split(",")}
        return lambda value: ordered(value, kind) in members
    if name == "BETWEEN":
        low, joined, high = wanted.partition(" AND ")
        if not joined:
            raise BadSearch(f"BETWEEN takes two values joined by AND: {wanted}")
        first, last = ordered(low.strip(), kind), ordered(high.strip(), kind)
        return lambda value: value != "" and first <= ordered(value, kind) <= last
    right = ordered(wanted, kind)
    if name in {"=", "!="}:
        return lambda value: (ordered(value, kind) == right) == (name == "=")
    if name not in _ORDER:
        raise BadSearch(f"Unknown comparison {name}")
    order = _ORDER[name]
    return lambda value: value != "" and order(ordered(value, kind), right)


def ordered(value: str, kind: str) -> _Ordered:
    """Bring a value into an order: numbers as numbers, dates and times by the moment, American dates as ISO."""
    if kind in _NUMBERS:
        with contextlib.suppress(ValueError):
            return (0, float(value), "")
    if match := _AMERICAN.fullmatch(value):
        value = f"{match[3]}-{match[1]}-{match[2]}"
    if kind == "xs:time" and (match := _CLOCK.fullmatch(value)):
        return (1, 0.0, f"{match[1]}.{(match[2] or '').ljust(9, '0')}")
    if kind == "xs:dateTime" and (match := _MOMENT.fullmatch(value)):
        return (1, 0.0, f"{match[1]} {match[2] or '00:00:00'}.{(match[3] or '').ljust(9, '0')}")
    return (1, 0.0, value)


def sorted_by(rows: Sequence[dict[str, str]], key: str, kind: str, *, descending: bool) -> list[dict[str, str]]:
    """Sort rows by one column and its type; NULL is the largest of all, as in PostgreSQL."""
    filled = sorted((row for row in rows if row.get(key)), key=lambda row: ordered(row[key], kind), reverse=descending)
    empty = [row for row in rows if not row.get(key)]
    return [*empty, *filled] if descending else [*filled, *empty]
