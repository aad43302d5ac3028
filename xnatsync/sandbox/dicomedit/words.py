"""A script as a row of words, without comments and with the lines that are continued joined."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from xnatsync.sandbox.dicomedit.syntax import ScriptError

_DIGITS: Final = r"[0-9A-Fa-fXx@#]"
TAG: Final = re.compile(
    rf"\(\s*(?P<group>{_DIGITS}{{4}})\s*,\s*"
    rf"(?:\{{(?P<creator>[^}}]*)\}}\s*(?P<private>{_DIGITS}{{2}})|(?P<element>{_DIGITS}{{4}}))\s*\)"
)
_WORD: Final = re.compile(
    rf"(?P<blank>[ \t\r\f\ufeff]+|\\\r?\n|//[^\n]*)|(?P<line>\n)|(?P<tag>{re.sub(r'[?]P<[a-z]+>', '?:', TAG.pattern)})"
    r'|(?P<text>"(?:[^"\\]|\\.)*")|(?P<name>[A-Za-z_]\w*)|(?P<number>\d+)'
    r"|(?P<sign>:=|\?=|==|!=|!~|[-=~?:{}()\[\],/*+.%])",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Word:
    """One word: its kind (tag, text, name, number, sign, line, end), its spelling, the line it is in."""

    kind: str
    text: str
    line: int


def words(script: str) -> list[Word]:
    """Split a script into words; a ScriptError names the line that holds something else."""
    found: list[Word] = []
    pos, line = 0, 1
    while pos < len(script):
        match = _WORD.match(script, pos)
        if match is None:
            rest = script[pos:].splitlines()[0]
            raise ScriptError(f"cannot understand {rest!r} in line {line}")
        kind, text = match.lastgroup or "", match.group()
        if kind != "blank":
            found.append(Word(kind, text, line))
        line += text.count("\n")
        pos = match.end()
    found.append(Word("end", "", line))
    return found


def unquoted(text: str) -> str:
    """Return what a literal stands for: a backslash joins lines before a newline, protects any other character."""
    return re.sub(
        r"\\(\r?\n|.)", lambda match: "" if match[1].endswith("\n") else match[1], text[1:-1], flags=re.DOTALL
    )
