"""What docs/guarantees.md says is judged is judged: each name that it links to is that of a function of that file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sim import test_catches, write_figures
from sim.catches import BUGS

DOCS = Path(__file__).parents[2] / "docs"
LINK = re.compile(r"\[`(\w+)`\]\((\.\./[\w/]+\.py)\)")
PROMISE = re.compile(r"^\| ([SLO]\d+) \|.*", re.MULTILINE)
JUDGED = re.compile(r"""(?:broken|Violation)\("([SLO]\d+)\"""")


def _text() -> str:
    return (DOCS / "guarantees.md").read_text(encoding="utf-8")


def _lost(text: str) -> list[str]:
    """The names that are linked to a file which has no such function."""
    return [
        name for name, path in LINK.findall(text) if f"def {name}(" not in (DOCS / path).read_text(encoding="utf-8")
    ]


def test_every_named_judge_is_there() -> None:
    """And every promise has one, by its name."""
    text = _text()

    assert _lost(text) == []
    for line in PROMISE.finditer(text):
        assert LINK.search(line.group()), line.group()


def test_every_promise_that_is_judged_is_written_down() -> None:
    """What the simulation calls broken has a line of its own; L4 and O1 are tests that compare histories."""
    sources = [path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("*.py"))]
    judged = {name for source in sources for name in JUDGED.findall(source)}

    rows = {line.group(1) for line in PROMISE.finditer(_text())}

    assert rows <= judged | {"L4", "O1"}
    assert judged - rows <= set(re.findall(r"\((\w\d) is about mirrors", _text()))


def test_every_planted_bug_is_in_the_table_with_its_seed() -> None:
    """The table is printed by `python -m sim.run --catches`."""
    text = _text()

    for bug in BUGS:
        assert f"| {bug.replace('_', ' ')} | {test_catches.LAST[bug]} | " in text


def test_the_figures_can_be_written_into_the_documents() -> None:
    """Each mark is there once in each document, and nothing beside what stands between two of them is changed."""
    for place in (DOCS / "testing.md", DOCS / "guarantees.md"):
        text = place.read_text(encoding="utf-8")
        for kind in write_figures.KINDS:
            new = write_figures.written(text, kind.name, "NEW")
            assert "-->\nNEW\n<!--" in new
            assert write_figures.written(new, kind.name, "NEW") == new
    with pytest.raises(ValueError, match="0 times"):
        write_figures.written("no mark", "drops", "NEW")


@pytest.mark.parametrize(
    ("link", "lost"),
    [
        ("[`before_move`](../tests/sim/invariants.py)", []),
        ("[`before_moving`](../tests/sim/invariants.py)", ["before_moving"]),
        ("[`test_a_planted_bug_is_caught`](../tests/sim/test_sim.py)", ["test_a_planted_bug_is_caught"]),
    ],
)
def test_a_planted_name_is_caught(link: str, lost: list[str]) -> None:
    """A function that is not there, or that is somewhere else."""
    assert _lost(f"| S1 | … | {link} |") == lost
