"""Where a value lives: from XNAT's paths (`xnat:mrSessionData/fields/field[name=x]/field`) to the stored keys."""

from __future__ import annotations

import re
from dataclasses import dataclass

from xnatsync.sandbox.model.schema import Field, element, field_of

_VARIABLE = re.compile(r"^(?:fields|variables)/(?:field|variable)\[(?:@?name)=([^\]]+)\](?:/(field|variable|name))?$")
_CONDITION = re.compile(r"\[[^\]]*\]")
_INVESTIGATOR = {
    "pi/firstname": "pi_firstname",
    "pi/lastname": "pi_lastname",
    "investigator/firstname": "pi_firstname",
    "investigator/lastname": "pi_lastname",
}
_STORED = {"pi_firstname": "investigator/firstname", "pi_lastname": "investigator/lastname"}
_USUAL = {"demographics": "xnat:demographicData", "metadata": "xnat:subjectMetadata"}


@dataclass(frozen=True, slots=True)
class Place:
    """The place of one value: the type it was addressed with, and either a stored key or a custom variable's name."""

    element: str  # as written, e.g. xnat:mrSessionData; "" when the path had no type
    key: str  # key of `fields` (or ID, label, project, subject_ID); "" for a custom variable
    variable: str = ""


def locate(xpath: str) -> Place:
    """Split a path as clients send it; a path without a type is taken relative to the item.

    Demographics of a subject are stored by their bare name (`gender`), investigators as `pi_firstname` and
    `pi_lastname`, everything else by its path in the schema's own spelling (`parameters/tr`, `scanner/model`).
    """
    head, slash, rest = xpath.partition("/")
    name, path = (head, rest) if ":" in head and slash else ("", xpath)
    if match := _VARIABLE.match(path):
        return Place(name, "", match.group(1).strip("'\""))
    return Place(name, stored_key(name, _CONDITION.sub("", path)))


def stored_key(name: str, path: str) -> str:
    """Return the key under which the model keeps a field of a type."""
    lowered = path.lower()
    if lowered in _INVESTIGATOR:
        return _INVESTIGATOR[lowered]
    if lowered.startswith("demographics/"):
        name, path = "xnat:demographicData", path[len("demographics/") :]
    found = field_of(name, path) or field_of(name, path.lower())
    return found.path if found else path


def field_at(name: str, path: str) -> Field | None:
    """Find the field of a type that a path means; parts of a type of their own count by their usual type."""
    head, _, rest = path.partition("/")
    if (usual := _USUAL.get(head.lower())) is not None and rest:
        name, path = usual, rest
    elif path.lower() in _STORED:
        path = _STORED[path.lower()]
    return field_of(name, path) or field_of(name, path.lower())


def known_field(name: str, path: str) -> bool:
    """Return whether a type declares a field; unknown types are taken at their word."""
    return element(name) is None or field_at(name, path) is not None
