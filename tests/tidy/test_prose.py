"""What was written for people is never read by the program: the facts stand beside it."""

from __future__ import annotations

import ast

import pytest

from tidy.house import modules

PROSE = {"detail", "advice", "message", "sentence", "words"}  # names and attributes that hold our own sentences
READERS = {
    "startswith",
    "endswith",
    "partition",
    "rpartition",
    "split",
    "removeprefix",
    "removesuffix",
    "find",
    "index",
}
OTHERS = {  # these read what others wrote, which says it nowhere else
    "xnatsync.xnat.failures": "the words of TLS and of XNAT",
    "xnatsync.config.cron": "the words of a person, who writes a schedule",
    "xnatsync.app.demo": "it judges, as who watches would, whether the damaged object is named",
    "xnatsync.config.moments": "the words of a person, who writes a day",
}


def readers_of_prose(text: str) -> list[int]:
    """The lines where a sentence of ours, the text of an event or an exception's message is taken apart."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in READERS:
            found += [node.lineno] if _is_prose(node.func.value) else []
        elif isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
            found += [node.lineno] if _is_prose(node.comparators[0]) else []
    return found


def _is_prose(node: ast.expr) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "str" and node.args:
        return isinstance(node.args[0], ast.Name) and node.args[0].id in {"error", "exc", "problem", "wide"}
    if isinstance(node, ast.BoolOp):
        return any(map(_is_prose, node.values))
    if isinstance(node, ast.Attribute):
        about = node.value.id if isinstance(node.value, ast.Name) else ""
        return node.attr in PROSE or (node.attr == "text" and about in {"event", "line", "sentence", "step", "check"})
    return isinstance(node, ast.Name) and node.id in PROSE


def test_no_prose_is_parsed() -> None:
    """A number, a kind or a key that a sentence tells is in a field of its own."""
    ours = [(name, text) for name, text in modules() if name not in OTHERS and ".sandbox" not in name]

    assert [(name, lines) for name, text in ours if (lines := readers_of_prose(text))] == []


def test_every_exception_is_one() -> None:
    """The list of those who read what others wrote does not outlive its reasons."""
    texts = dict(modules())

    assert [name for name in OTHERS if not readers_of_prose(texts[name])] == []


@pytest.mark.parametrize(
    "line",
    ['x = case.detail.endswith(" in all")', 'x = event.text.endswith("is held")', 'x = str(error).partition(": ")',
     'x = str(error).removeprefix(f"{key}: ")', 'x = "held" in row.detail', 'x = (row.advice or "").split(".")',
     'x = "so" not in detail'],
)  # fmt: skip
def test_parsed_prose_is_found(line: str) -> None:
    """What the reviews found, and its like."""
    assert readers_of_prose(line) == [1]


@pytest.mark.parametrize(
    "line", ['x = path.startswith("a")', 'x = line.split(" ")', "x = code in KNOWN", "x = f(row.detail)"]
)
def test_other_reading_is_none(line: str) -> None:
    """Paths, lines of files, codes."""
    assert readers_of_prose(line) == []
