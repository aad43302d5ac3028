"""What people read uses the words of the field: a list of phrases that it does not use, each with the word instead."""

from __future__ import annotations

import ast
import re

import pytest

from tidy.house import modules

INSTEAD = {
    r"\b(lies|lay|lying)\b": "is, was, exists",
    r"\b(is|are|was|were) none\b(?! of)": "is not a ..., is invalid",
    r"\b(tells?|told|telling)\b": "shows, says, reports, lists",
    r"\b(brings?|brought|bringing) (a|an|the|it|them|some|no|\d)?\b": "fetches, sends, delivers",
    r"\b(brought|bringing)\b": "fetched, sent, delivered",
    r"\bmoments?\b": "timestamp, time",
    r"\bmade? due\b": "queued",
    r"\b(nobody|somebody|whoever)\b": "the account, the administrator, another client, or the passive",
    r"\bowners?\b(?! of the project)": "session, subject, project, folder, entity",
    r"\bso many\b": "how many, a number",
    r"\ba (long|short) while\b": "a duration",
    r"\bsettled down\b": "unchanged",
    r"\bcame into being\b": "was created",
}


def texts_of(module: str) -> list[tuple[int, str]]:
    """The sentences of a module that a person may see: each literal with a space, and the help of each command."""
    tree = ast.parse(module)
    silent: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if isinstance(node, ast.FunctionDef) and _is_command(node):
                continue
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                silent.add(id(first.value))
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent
        if " " in node.value
    ]


def _is_command(node: ast.FunctionDef) -> bool:
    """Typer makes the help of a command from its docstring."""
    return any("command" in ast.unparse(each) for each in node.decorator_list)


def faults(text: str) -> list[str]:
    """Each phrase that the field says otherwise, with what to say instead."""
    return [
        f"{found[0]!r}: say {instead}"
        for phrase, instead in INSTEAD.items()
        if (found := re.search(phrase, text, re.IGNORECASE))
    ]


def test_texts_use_the_words_of_the_field() -> None:
    """Help, errors, advice, output and the diary.  The sandbox answers as XNAT does, in XNAT's words."""
    ours = [(name, text) for name, text in modules() if ".sandbox" not in name]
    found = [
        f"{name}:{line}: {fault} ({sentence[:60]!r})"
        for name, text in ours
        for line, sentence in texts_of(text)
        if not _is_sql(sentence)
        for fault in faults(sentence)
    ]

    assert found == []


def _is_sql(sentence: str) -> bool:
    """The tables of the ledger keep their names."""
    return re.search(r"owner_id|\b(from|join|update) owner\b|^owner \(", sentence) is not None


@pytest.mark.parametrize(
    "sentence",
    ["something lies there already", "the level is none", "`why` tells more", "12 files brought", "there at a moment",
     "somebody deleted it", "3 of 40 owners looked at", "so many of each route", "made due for the next sync"],
)  # fmt: skip
def test_a_mannered_phrase_is_found(sentence: str) -> None:
    """What the reviewers read, and its like: in a literal, in the help of a command."""
    literal = f"x = {sentence!r}"
    command = f"@program.command()\ndef ls() -> None:\n    {sentence!r}\n"

    assert [faults(text) != [] for _, text in texts_of(literal)] == [True]
    assert [faults(text) != [] for _, text in texts_of(command)] == [True]


def test_a_docstring_is_no_text_for_people() -> None:
    """Only of a command: its docstring is its help."""
    assert texts_of('"""Something lies here."""\ndef f() -> None:\n    """Somebody told it."""\n') == []


def test_every_phrase_is_worth_its_line() -> None:
    """A pattern that matches nothing at all would be a slip of the pen."""
    listed = "it lies|it is none|it tells|brings a|brought|moment|made due|nobody|owners|so many|a long while"
    examples = [*listed.split("|"), "settled down", "came into being"]

    assert [phrase for phrase, text in zip(INSTEAD, examples, strict=True) if not re.search(phrase, text)] == []
