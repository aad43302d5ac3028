"""Where in a TOML text does a key stand, and its value?  tomllib does not tell; a person wants the line.

The scanner is for texts that tomllib has read already, so it only has to find its way, never to judge.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache

Key = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_TEXT = re.compile(
    r'''
      """(?:\\.|[^\\])*?"{3,5}(?!")  # a text of several lines, with escapes
    | \'{3}.*?\'{3,5}(?!\')         # ... without
    | "(?:\\.|[^"\\\n])*"
    | \'[^\'\n]*\'
    ''',
    re.DOTALL | re.VERBOSE,
)
_PLAIN = re.compile(r"[^,\]}\n#]+")


def find_line(text: str, path: Sequence[str | int]) -> int:
    """Return the line (from 1) of the key at a path, else of the nearest thing around it, else 1."""
    lines = key_lines(text)
    for depth in range(len(path), 0, -1):
        if (found := lines.get(tuple(path[:depth]))) is not None:
            return found
    return 1


@lru_cache(maxsize=1)  # every problem of a file asks
def key_lines(text: str) -> dict[Key, int]:
    """Return the line of every key, table and element of a list in a text that is valid TOML."""
    return _Scanner(text).lines


def value_places(text: str) -> dict[Key, tuple[int, int]]:
    """Give where the value of every key begins and ends in a text that is valid TOML."""
    return _Scanner(text).values


class _Scanner:
    """Walks through the text once and notes where it met each key for the first time."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Key, int] = {}
        self.values: dict[Key, tuple[int, int]] = {}
        self._counts: dict[Key, int] = {}  # of [[tables]]
        self._ends = [found.start() for found in re.finditer("\n", text)]
        table: Key = ()
        self._skip()
        while self.at < len(text):
            if text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip()

    def _skip(self) -> None:
        found = _BLANK.match(self.text, self.at)
        assert found is not None
        self.at = found.end()

    def _note(self, key: Key, at: int) -> None:
        self.lines.setdefault(key, bisect_right(self._ends, at) + 1)

    def _header(self) -> Key:
        at = self.at
        repeated = self.text.startswith("[[", at)
        self.at += 2 if repeated else 1
        *above, last = self._names()
        key: Key = ()
        for name in above:
            self._note((*key, name), at)
            key = self._within((*key, name))
        key = (*key, last) if repeated else self._within((*key, last))
        self.at = self.text.index("]", self.at) + (2 if repeated else 1)
        if repeated:
            self._note(key, at)
            self._counts[key] = self._counts.get(key, -1) + 1
            key = (*key, self._counts[key])
        self._note(key, at)
        return key

    def _within(self, key: Key) -> Key:
        """A name of [[tables]] means the newest of them."""
        return (*key, self._counts[key]) if key in self._counts else key

    def _names(self) -> list[str]:
        names = []
        while True:
            self._skip()
            if (bare := _BARE.match(self.text, self.at)) is not None:
                names.append(bare.group())
                self.at = bare.end()
            else:
                names.append(tomllib.loads(f"key = {self._quoted()}")["key"])
            self._skip()
            if not self.text.startswith(".", self.at):
                return names
            self.at += 1

    def _quoted(self) -> str:
        found = _TEXT.match(self.text, self.at)
        assert found is not None, "not valid TOML"
        self.at = found.end()
        return found.group()

    def _pair(self, table: Key) -> None:
        at, key = self.at, table
        for name in self._names():
            key = (*key, name)
            self._note(key, at)
        self.at += 1  # the sign
        self._skip()
        self._value(key)

    def _value(self, key: Key) -> None:
        begins = self.at
        self._pass_value(key)
        self.values[key] = (begins, begins + len(self.text[begins : self.at].rstrip()))

    def _pass_value(self, key: Key) -> None:
        match self.text[self.at]:
            case "[":
                self._several(key, "]")
            case "{":
                self._several(key, "}")
            case '"' | "'":
                self._quoted()
            case _:
                found = _PLAIN.match(self.text, self.at)
                assert found is not None, "not valid TOML"
                self.at = found.end()

    def _several(self, key: Key, end: str) -> None:
        self.at += 1
        number = 0
        self._skip()
        while self.text[self.at] != end:
            if end == "}":
                self._pair(key)
            else:
                self._note((*key, number), self.at)
                self._value((*key, number))
            number += 1
            self._skip()
            if self.text[self.at] == ",":
                self.at += 1
                self._skip()
        self.at += 1
