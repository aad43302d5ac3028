"""Filters of listings: what one query value accepts, by the type of its column (hierarchy.md §3.4)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from typing import TypeVar

Accepts = Callable[[str], bool]
Ordered = TypeVar("Ordered", float, date)
_NUMBERS = frozenset({"xs:integer", "xs:float", "xs:double"})
_DATES = frozenset({"xs:date", "xs:dateTime"})
_TEXTS = frozenset({"xs:string", "xs:anyURI", ""})
_DATE_FORMATS = ("%m/%d/%Y", "%Y%m%d", "%Y-%m-%d", "%Y/%m/%d")


class BadFilter(Exception):
    """A value that XNAT's parser cannot read for this type, e.g. an ISO date, which it splits at its first dash."""


def accepts(kind: str, text: str) -> Accepts | None:
    """Return the test of one filter value, or None when XNAT has no case for the type and ignores the filter.

    A comma means OR.  Text is compared exactly, or as LIKE when it holds `*` or `%`; numbers and dates are compared
    as such and know inclusive ranges, split at the first dash: ISO dates and negative numbers are mis-split.
    """
    if kind in _TEXTS:
        one = _text
    elif kind in _NUMBERS:
        one = _number
    elif kind in _DATES:
        one = _date
    elif kind == "xs:boolean":
        one = _boolean
    else:
        return None
    tests = [one(part) for part in text.split(",")]
    return lambda value: any(test(value) for test in tests)


def _text(wanted: str) -> Accepts:
    if "*" not in wanted and "%" not in wanted:
        return lambda value: value == wanted
    pattern = "".join(".*" if char in "*%" else "." if char == "_" else re.escape(char) for char in wanted)
    like = re.compile(pattern, re.IGNORECASE | re.DOTALL)
    return lambda value: like.fullmatch(value) is not None


def _between(wanted: str, limit: Callable[[str], Ordered], of: Callable[[str], Ordered]) -> Accepts:
    """Accept the values between two limits, or equal to one; the first `-` parts them (§3.4)."""
    low, dash, high = wanted.partition("-")
    least = limit(low)
    most = limit(high) if dash else least

    def test(value: str) -> bool:
        try:
            return least <= of(value) <= most
        except ValueError:
            return False

    return test


def _number(wanted: str) -> Accepts:
    return _between(wanted, _as_number, float)


def _as_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadFilter(text) from None


def _date(wanted: str) -> Accepts:
    return _between(wanted, _as_date, lambda value: date.fromisoformat(value[:10]))


def _as_date(text: str) -> date:
    for form in _DATE_FORMATS:
        try:
            return datetime.strptime(text.strip(), form).date()  # noqa: DTZ007 - a calendar day has no zone
        except ValueError:
            continue
    raise BadFilter(text)


def _boolean(wanted: str) -> Accepts:
    truth = wanted.lower() in {"true", "1"}
    return lambda value: (value.lower() in {"true", "1"}) == truth
