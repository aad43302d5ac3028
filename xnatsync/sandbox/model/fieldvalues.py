"""The values of fields: what a type takes, and the form in which XNAT stores it (hierarchy.md §4.3)."""

from __future__ import annotations

import re

from xnatsync.sandbox.model.creation import ModelError
from xnatsync.sandbox.model.schema import Element, Field

_AMERICAN_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")
_PLAIN_DATE = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})")
_TIME = re.compile(r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?Z?")
_STAMP = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2}:\d{2})(\.\d+)?Z?)?")
_FORMS = {
    "xs:integer": re.compile(r"[+-]?\d+"),
    "xs:long": re.compile(r"[+-]?\d+"),
    "xs:float": re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|NaN|-?INF"),
    "xs:double": re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|NaN|-?INF"),
    "xs:boolean": re.compile(r"true|false|0|1"),
    "xs:time": _TIME,
}
_SAME = {"M": "male", "F": "female"}


def checked(described: Element, path: str, value: str) -> str:
    """Bring a value into the form XNAT stores; one that its type does not take is 400."""
    found = described.fields.get(path)
    return checked_field(found, value) if found is not None else value


def checked_field(found: Field, value: str) -> str:
    """Bring the value of a field into its form: dates as ISO, whatever the spelling; empty ones stay empty."""
    if value in {"", "NULL"}:
        return value
    if found.type == "xs:date":
        return _date(found, value)
    if found.type == "xs:dateTime":
        if not (match := _STAMP.fullmatch(value)):
            raise _refused(found)
        return f"{match[1]}T{match[2] or '00:00:00'}{(match[3] or '').rstrip('0').rstrip('.')}"
    if (form := _FORMS.get(found.type)) is not None and not form.fullmatch(value):
        raise _refused(found)
    if found.choices and value not in found.choices:
        raise _refused(found)
    if found.longest and len(value) > found.longest:
        raise ModelError(400, f"The value of {found.path} is longer than {found.longest} characters.")
    return _SAME.get(value, value) if found.choices else value


def _date(found: Field, value: str) -> str:
    if match := _AMERICAN_DATE.fullmatch(value):
        return f"{match[3]}-{int(match[1]):02d}-{int(match[2]):02d}"
    if match := _PLAIN_DATE.match(value):
        return f"{match[1]}-{match[2]}-{match[3]}"
    raise _refused(found)


def _refused(found: Field) -> ModelError:
    return ModelError(400, f"The field {found.path} takes no such value: it is of the type {found.type}.")
