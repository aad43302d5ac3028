"""Anonymisation scripts: the part of DicomEdit 6 that sites use to route and to rename (import.md §2.9).

    version "6.1"
    project != "Unassigned" ? (0008,1030) := project
    (0010,0010) := subject
    - (0010,0030)
    (0010,0020) == "KEEP-OUT" ? reject

Pixels and UIDs are never touched unless a script names them.  A script that is not understood fails for every object.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Final

from xnatsync.sandbox.model.dicomhead import Head

DEFAULT_SITE_SCRIPT: Final = """//
// Default XNAT anonymization script
//
version "6.1"
project != "Unassigned" ? (0008,1030) := project
(0010,0010) := subject
(0010,0020) := session
"""

DEFAULT_PROJECT_SCRIPT: Final = 'version "6.1"\n(0010,0010) := subject\n(0010,0020) := session\n'


class ScriptError(ValueError):
    """A script that cannot be understood."""


class RejectedError(Exception):
    """The script refuses this object."""


@dataclass(frozen=True, slots=True)
class Names:
    """What a script may say of an object's destination."""

    project: str
    subject: str
    session: str


@dataclass(frozen=True, slots=True)
class _Operand:
    kind: str  # text | name | tag
    value: str


@dataclass(frozen=True, slots=True)
class _Statement:
    action: str  # set | remove | reject
    tag: int = 0
    operand: _Operand | None = None
    condition: tuple[_Operand, str, _Operand] | None = None


_TAG: Final = r"\(\s*([0-9A-Fa-f]{4})\s*,\s*([0-9A-Fa-f]{4})\s*\)"
_OPERAND: Final = rf'(?:"(?:[^"\\]|\\.)*"|project|subject|session|{_TAG})'
_CONDITION: Final = re.compile(rf"^\s*(?P<left>{_OPERAND})\s*(?P<how>==?|!=|~)\s*(?P<right>{_OPERAND})\s*\?\s*")
_SET: Final = re.compile(rf"^\s*{_TAG}\s*:=\s*(?P<operand>{_OPERAND})\s*$")
_REMOVE: Final = re.compile(rf"^\s*-\s*{_TAG}\s*$")
_REJECT: Final = re.compile(r"^\s*reject(\s*\[\s*\])?\s*$")
_VERSION: Final = re.compile(r'^\s*version\s+"[\d.]+"\s*$')


def changes(script: str, head: Head, names: Names) -> dict[int, str | None]:
    """Gives what a script changes in an object: new texts by tag, None for removals; may raise RejectedError."""
    found: dict[int, str | None] = {}
    for statement in parsed(script):
        if statement.condition is not None and not _holds(statement.condition, head, names, found):
            continue
        if statement.action == "reject":
            raise RejectedError
        new = None if statement.operand is None else _value(statement.operand, head, names, found)
        if statement.tag in found or new is not None or statement.tag in head.spans:
            found[statement.tag] = new
    return {tag: new for tag, new in found.items() if new is None or new != head.text(tag) or tag not in head.spans}


def highest_tag(script: str) -> int:
    """Gives the highest tag a script speaks of, so that the head is read at least as far."""
    tags = [statement.tag for statement in parsed(script)]
    return max(tags, default=0)


@functools.lru_cache(maxsize=64)
def parsed(script: str) -> tuple[_Statement, ...]:
    """Reads a script; raises ScriptError for a line that is not understood."""
    lines = [line.partition("//")[0].strip() for line in script.splitlines()]
    return tuple(_statement(line) for line in lines if line and not _VERSION.match(line))


def _statement(line: str) -> _Statement:
    condition = None
    if match := _CONDITION.match(line):
        condition = (_operand(match["left"]), match["how"], _operand(match["right"]))
        line = line[match.end() :]
    if match := _SET.match(line):
        return _Statement("set", int(match[1] + match[2], 16), _operand(match["operand"]), condition)
    if match := _REMOVE.match(line):
        return _Statement("remove", int(match[1] + match[2], 16), None, condition)
    if _REJECT.match(line):
        return _Statement("reject", condition=condition)
    raise ScriptError(f"cannot understand {line!r}")


def _operand(text: str) -> _Operand:
    if text.startswith('"'):
        return _Operand("text", re.sub(r"\\(.)", r"\1", text[1:-1]))
    if text.startswith("("):
        return _Operand("tag", re.sub(r"[\s(),]", "", text))
    return _Operand("name", text)


def _value(operand: _Operand, head: Head, names: Names, found: dict[int, str | None]) -> str:
    if operand.kind == "text":
        return operand.value
    if operand.kind == "tag":
        tag = int(operand.value, 16)
        return found[tag] or "" if tag in found else head.text(tag)
    value: str = getattr(names, operand.value)
    return value


def _holds(condition: tuple[_Operand, str, _Operand], head: Head, names: Names, found: dict[int, str | None]) -> bool:
    left, right = (_value(operand, head, names, found) for operand in (condition[0], condition[2]))
    if condition[1] == "~":
        return re.search(right, left) is not None
    return (left == right) == (condition[1] != "!=")
