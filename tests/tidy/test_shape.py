"""Modules are one idea and have a name, functions fit a screen, and what is public says what it promises."""

from __future__ import annotations

import pytest

from tidy.house import FUNCTION_MAX, LINES_MAX, docstring_findings, modules, shape_findings

MODULES = dict(modules())


def test_modules_and_functions_are_short_and_named_by_a_noun() -> None:
    """Nobody has to scroll to understand, and nothing gathers in a drawer without a label."""
    assert [finding for name, text in MODULES.items() for finding in shape_findings(name, text)] == []


def test_public_names_say_what_they_promise() -> None:
    """Modules, classes, functions and methods."""
    assert [finding for name, text in MODULES.items() for finding in docstring_findings(name, text)] == []


@pytest.mark.parametrize("name", ["xnatsync.disk.utils", "xnatsync.common.paths", "xnatsync.xnat.manager"])
def test_a_planted_drawer_is_caught(name: str) -> None:
    """As a module and as a package."""
    assert shape_findings(name, "")


def test_a_planted_monster_is_caught() -> None:
    """One line too long is too long."""
    function = "def f():\n" + "    x = 1\n" * FUNCTION_MAX
    method = "class A:\n    async def f(self):\n" + "        x = 1\n" * FUNCTION_MAX

    assert shape_findings("xnatsync.disk.scan", function)
    assert shape_findings("xnatsync.disk.scan", method)
    assert shape_findings("xnatsync.disk.scan", "x = 1\n" * (LINES_MAX + 1))
    assert shape_findings("xnatsync.disk.scan", function.removesuffix("    x = 1\n")) == []
    assert shape_findings("xnatsync.disk.scan", "x = 1\n" * LINES_MAX) == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("x = 1", 1),
        ('"""M."""\ndef f(): ...', 1),
        ('"""M."""\nclass A:\n    """A."""\n    def f(self): ...\n    def _g(self): ...', 1),
        ('"""M."""\nclass A:\n    def f(self): ...', 2),
        ('"""M."""\ndef _f(): ...\nclass _A:\n    def f(self): ...', 0),
    ],
)
def test_a_planted_silence_is_caught(text: str, count: int) -> None:
    """What is private may be silent."""
    assert len(docstring_findings("xnatsync.disk.scan", text)) == count
