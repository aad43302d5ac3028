"""Reads docs/json.md and holds documents against it."""

from __future__ import annotations

import re
from typing import Any

from cli_world import REPOSITORY

_BASIC = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None)}


def described() -> dict[str, dict[str, str]]:
    """Gives name → field → type; `Everything of` another is included."""
    tables: dict[str, dict[str, str]] = {}
    name = ""
    for line in (REPOSITORY / "docs" / "json.md").read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"### `(.+)`", line):
            name = heading.group(1)
            tables[name] = {}
        elif base := re.fullmatch(r"Everything of `(.+)`, and:", line):
            tables[name] |= tables[base.group(1)]
        elif row := re.fullmatch(r"\| `(.+?)` \| (.+?) \| .+ \|", line):
            tables[name][row.group(1)] = row.group(2)
    return tables


TABLES = described()


def faults(value: Any, kind: str, where: str = "$") -> list[str]:
    """Lists where a value is not what its type says; the fields of an object are exactly those described."""
    if kind == "any":
        return []
    if " or " in kind:
        found = [faults(value, part, where) for part in kind.split(" or ")]
        return [] if [] in found else found[0]
    if kind in _BASIC:
        right = isinstance(value, _BASIC[kind]) and (kind == "boolean" or not isinstance(value, bool))  # type: ignore[arg-type]
        return [] if right else [f"{where}: {value!r} is no {kind}"]
    if kind.startswith("list of "):
        if not isinstance(value, list):
            return [f"{where}: no list"]
        return [fault for n, part in enumerate(value) for fault in faults(part, kind[8:], f"{where}[{n}]")]
    if not isinstance(value, dict):
        return [f"{where}: no object"]
    if kind.startswith("map of "):
        return [fault for key, part in value.items() for fault in faults(part, kind[7:], f"{where}.{key}")]
    fields = TABLES[kind]
    odd = [f"{where}.{key}: {'missing' if key in fields else 'not described'}" for key in sorted({*fields} ^ {*value})]
    return odd + [
        fault for key in fields if key in value for fault in faults(value[key], fields[key], f"{where}.{key}")
    ]


def document_faults(document: dict[str, Any]) -> list[str]:
    """Holds a whole document against the page."""
    rest = {key: value for key, value in document.items() if key != "schema"}
    if set(rest) == {"error"}:
        return faults(rest["error"], "error")
    return faults(rest, document["schema"])
