"""Durations and lines of a configuration, over all of what people can write."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnatsync.config.lines import find_line, key_lines
from xnatsync.config.words import duration, seconds

# --- durations ---------------------------------------------------------------------------------------------------


@given(st.integers(0, 10**11))
def test_a_duration_that_is_written_is_read_back_to_the_millisecond(milliseconds: int) -> None:
    """Whatever was set is what `config show` says."""
    assert round(seconds(duration(milliseconds / 1000)) * 1000) == milliseconds


@given(st.integers(0, 10**9), st.sampled_from(["ms", "s", "m", "h", "d", "w"]), st.sampled_from(["", " "]))
def test_a_number_and_a_unit_are_a_duration(number: int, unit: str, gap: str) -> None:
    """With or without a blank between."""
    factor = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}[unit]

    assert seconds(f"{number}{gap}{unit}") == pytest.approx(number * factor)


@pytest.mark.parametrize(
    "text",
    ["", " ", "60", "s", "60 sec", "-5s", "1m1h", "1h1h", "5s x", "x5s", "1e3s", "1.s", ".5s", "5S", "inf", "nans"],
)
def test_anything_else_is_no_duration(text: str) -> None:
    """A number without a unit is a riddle; the answer shows how to write it."""
    with pytest.raises(ValueError, match="write 60s"):
        seconds(text)


# --- lines -------------------------------------------------------------------------------------------------------

NAMES = st.one_of(
    st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True), st.sampled_from(["a b", "q.r", "=", "[x]", "é", "#"])
)
TEXTS = st.one_of(
    st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=8),
    st.sampled_from(["]", "}", "#", "=", ",", "[t]", '"', "'", "\n[x]\na = 1\n", "a = 1", "\\", '"""', "'''"]),
)
VALUES = st.recursive(
    st.one_of(TEXTS, st.integers(-9, 9), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=2)),
    max_leaves=5,
)
TABLES = st.dictionaries(NAMES, st.dictionaries(NAMES, VALUES, max_size=4), max_size=3)


def name_of(name: str) -> str:
    return name if all(char.isascii() and (char.isalnum() or char in "_-") for char in name) else json.dumps(name)


class Writer:
    """Writes TOML in many styles and notes where it put each key: the other half of the truth."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.text = ""
        self.lines: dict[tuple[str | int, ...], int] = {}

    def put(self, text: str) -> None:
        self.text += text

    def note(self, path: tuple[str | int, ...]) -> None:
        self.lines.setdefault(path, self.text.count("\n") + 1)

    def gap(self) -> None:
        self.put(self.draw(st.sampled_from(["", "", " ", "\n", " # ] } = [t]\n", "\n\n\t"])))

    def value(self, path: tuple[str | int, ...], value: Any) -> None:
        match value:
            case bool():
                self.put(str(value).lower())
            case int():
                self.put(self.draw(st.sampled_from([str(value), "1979-05-27 07:32:00", "6.6e-3", "inf"])))
            case str():
                self.string(value)
            case list():
                self.put("[")
                for number, part in enumerate(value):
                    self.gap()
                    self.note((*path, number))
                    self.value((*path, number), part)
                    self.gap()
                    self.put(",")
                self.gap()
                self.put("]")
            case dict():
                self.put("{ ")
                for number, (name, part) in enumerate(value.items()):
                    self.put(", " if number else "")
                    self.note((*path, name))
                    self.put(f"{name_of(name)} = ")
                    self.value((*path, name), part)
                self.put(" }")

    def string(self, value: str) -> None:
        style = self.draw(st.sampled_from(["basic", "basic", "long", "literal", "long literal"]))
        if style == "long":
            body = json.dumps(value, ensure_ascii=False)[1:-1].replace("\\n", "\n").replace("\x7f", "\\u007f")
            self.put(f'"""{body}"""')
        elif style == "literal" and "'" not in value and "\n" not in value:
            self.put(f"'{value}'")
        elif style == "long literal" and "'" not in value:
            self.put(f"'''{value}'''")
        else:
            self.put(json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f"))

    def table(self, path: tuple[str | int, ...], keys: dict[str, Any]) -> None:
        for name, value in keys.items():
            self.put(self.draw(st.sampled_from(["", "  ", "# a = 1\n", "\n"])))
            self.note((*path, name))
            self.put(f"{name_of(name)} =")
            self.put(self.draw(st.sampled_from(["", " ", "\t"])))
            self.value((*path, name), value)
            self.put(self.draw(st.sampled_from(["\n", " # x\n"])))


@given(st.data(), TABLES)
def test_every_key_is_found_on_its_line(data: st.DataObject, tables: dict[str, dict[str, Any]]) -> None:
    """Whatever quotes, lists, inline tables, comments and line breaks it is written with."""
    writer = Writer(data.draw)
    for name, keys in tables.items():
        if data.draw(st.booleans()):
            writer.note((name,))
            writer.put(f"[ {name_of(name)} ]\n")
            writer.table((name,), keys)
        else:
            for number in range(2):
                writer.note((name,))
                writer.note((name, number))
                writer.put(f"[[{name_of(name)}]] # again\n")
                writer.table((name, number), keys)
    tomllib.loads(writer.text)

    assert key_lines(writer.text) == writer.lines


@given(TEXTS)
def test_a_key_that_is_not_there_is_placed_by_what_is_around_it(text: str) -> None:
    """A missing key is looked for in its table, then at the top."""
    toml = f"x = {json.dumps(text).replace(chr(127), '')}\n[a.b]\nc = 1\n"

    assert [find_line(toml, path) for path in [("a", "b", "z"), ("a", "z"), ("z",), ("a", "b", "c", 3), ()]] == [
        2,
        2,
        1,
        3,
        1,
    ]
