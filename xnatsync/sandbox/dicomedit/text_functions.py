"""Functions of texts: no object is needed for them."""

from __future__ import annotations

import hashlib
import re
import secrets
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote_plus

from xnatsync.sandbox.dicomedit.syntax import ScriptError

_DATE: Final = "%Y%m%d"
_MOMENT: Final = re.compile(r"(?P<digits>\d{4,14})(?P<fraction>\.\d{1,6})?(?P<zone>[+-]\d{4})?")
_PRECISIONS: Final = {4: "%Y", 6: "%Y%m", 8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}

Function = Callable[[Sequence[str]], str]


def hashed_uid(text: str) -> str:
    """Return the UID that replaces each value: 2.25 and half of its SHA-1 as a UUID of version 5."""
    return "\\".join(_hashed(part) for part in text.split("\\")) if text else ""


def _hashed(text: str) -> str:
    return f"2.25.{uuid.UUID(bytes=hashlib.sha1(text.encode(), usedforsecurity=False).digest()[:16], version=5).int}"


def mapped_uid(root: str, text: str) -> str:
    """Return a UID under a root for a UID, always the same one."""
    number = int.from_bytes(hashlib.sha1(text.encode(), usedforsecurity=False).digest()[:15], "big")
    return f"{root.rstrip('.')}.{number}"[:64].rstrip(".")


def shifted_date(text: str, days: str) -> str:
    """Return a date some days later; what is no date stays as it is."""
    try:
        return (datetime.strptime(text, _DATE) + timedelta(days=_number(days))).strftime(_DATE)  # noqa: DTZ007
    except ValueError:
        return text


def shifted_moment(text: str, seconds: str) -> str:
    """Return a date and time some seconds later, as precise as it was, in its own zone."""
    match = _MOMENT.fullmatch(text.strip())
    form = _PRECISIONS.get(len(match["digits"])) if match is not None else None
    if match is None or form is None:
        return text
    try:
        moment = datetime.strptime(match["digits"], form)  # noqa: DTZ007
    except ValueError:
        return text
    later = moment + timedelta(seconds=_number(seconds))
    return later.strftime(form) + (match["fraction"] or "") + (match["zone"] or "")


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise ScriptError(f"{text!r} is no whole number") from error


def _format(values: Sequence[str]) -> str:
    def part(match: re.Match[str]) -> str:
        number = int(match[1]) + 1
        if number >= len(values):
            raise ScriptError(f"format has no value {match[0]}")
        return values[number]

    return re.sub(r"\{(\d+)\}", part, values[0])


def _substring(values: Sequence[str]) -> str:
    return values[0][_number(values[1]) : _number(values[2])]


def _match(values: Sequence[str]) -> str:
    found = regex(values[1]).fullmatch(values[0])
    return "" if found is None else found[_number(values[2]) if len(values) > 2 else 0] or ""


def regex(text: str) -> re.Pattern[str]:
    """Return a regular expression; a ScriptError for what is none."""
    try:
        return re.compile(text)
    except re.error as error:
        raise ScriptError(f"{text!r} is no regular expression") from error


def _normalized(values: Sequence[str]) -> str:
    instead = values[1] if len(values) > 1 else "_"
    return "".join(one if one.isascii() else instead for one in values[0])


def _new_uid(values: Sequence[str]) -> str:
    return f"2.25.{uuid.UUID(bytes=secrets.token_bytes(16), version=4).int}"


TEXT_FUNCTIONS: Final[dict[str, tuple[Function, int, int]]] = {  # name: function, fewest and most arguments
    "concatenate": ("".join, 1, 99),
    "format": (_format, 1, 99),
    "hashuid": (lambda values: hashed_uid(values[0]), 1, 1),
    "ismatch": (lambda values: str(regex(values[1]).fullmatch(values[0]) is not None).lower(), 2, 2),
    "lowercase": (lambda values: values[0].lower(), 1, 1),
    "match": (_match, 2, 3),
    "newuid": (_new_uid, 0, 0),
    "normalizestring": (_normalized, 1, 2),
    "replace": (lambda values: values[0].replace(values[1], values[2]), 3, 3),
    "shiftdatebyincrement": (lambda values: shifted_date(values[0], values[1]), 2, 2),
    "shiftdatetimebyincrement": (lambda values: shifted_moment(values[0], values[1]), 2, 2),
    "substring": (_substring, 3, 3),
    "uppercase": (lambda values: values[0].upper(), 1, 1),
    "urlencode": (lambda values: quote_plus(values[0]), 1, 1),
    "true": (lambda values: "true", 0, 0),
    "false": (lambda values: "false", 0, 0),
}
