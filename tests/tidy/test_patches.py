"""Only ports are ever replaced, and where the application makes them: no class of ours is patched under a test."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PLANTED = {  # bugs on purpose, so that a judge is seen to catch them: no test of the product itself
    "cli/test_demo.py",
    "fuzz/test_corpus.py",
    "hostile/test_drop.py",
    "sim/catches.py",
    "sim/transfer_catches.py",
    "sim/tree_catches.py",
}


def patch_findings(name: str, text: str) -> list[str]:
    """Patches of classes of the product: `setattr`, `patch`, `patch.object`, and assignments to their attributes."""
    tree = ast.parse(text)
    ours = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "xnatsync"
        for alias in node.names
        if _is_class(alias.name)
    }
    return [f"{name} line {line} patches {what}" for line, what in _patched(tree) if _is_of(what, ours)]


def _patched(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and _patches(ast.unparse(node.func)):
            first = node.args[0]
            text = isinstance(first, ast.Constant) and isinstance(first.value, str)
            yield node.lineno, str(first.value) if text and isinstance(first, ast.Constant) else ast.unparse(first)
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if _changes(node) else []
        for target in targets:
            if isinstance(target, ast.Attribute):
                yield target.lineno, ast.unparse(target.value)


def _changes(node: ast.AST) -> bool:
    return isinstance(node, ast.AugAssign | ast.AnnAssign)


def _patches(called: str) -> bool:
    return called.split(".")[-1] in {"setattr", "patch"} or called.endswith(("patch.object", "patch.multiple"))


def _is_of(what: str, ours: set[str]) -> bool:
    parts = what.split(".")
    return parts[0] in ours or (parts[0] == "xnatsync" and any(map(_is_class, parts[1:])))


def _is_class(name: str) -> bool:
    return name[:1].isupper() and not name.isupper()


def test_no_class_of_ours_is_patched() -> None:
    """What a test wants to go wrong has a real cause, or a port stands between; see `ports_between`."""
    found = []
    for path in sorted(TESTS.rglob("*.py")):
        name = path.relative_to(TESTS).as_posix()
        if name not in PLANTED:
            found += patch_findings(name, path.read_text("utf-8"))
    assert found == []


def test_those_that_plant_bugs_do() -> None:
    """The list of exceptions does not outlive its reasons."""
    assert [name for name in sorted(PLANTED) if not patch_findings(name, (TESTS / name).read_text("utf-8"))] == []


@pytest.mark.parametrize(
    "text",
    [
        "from xnatsync.disk.tree import LocalTree\nmonkeypatch.setattr(LocalTree, 'read', f)",
        "def test(m):\n    from xnatsync.ledger.ledger import Ledger as L\n    m.setattr(L, 'x', f)",
        "monkeypatch.setattr('xnatsync.disk.local.LocalDisk.same_device', f)",
        "from xnatsync.xnat.server import XnatServer\nwith patch.object(XnatServer, 'close', f): pass",
        "from unittest import mock\nmock.patch('xnatsync.xnat.server.XnatServer.close')",
        "from xnatsync.app.clock import SystemClock\nSystemClock.now = f",
        "from xnatsync.disk.local import LocalDisk\nsetattr(LocalDisk, name, f)",
        "import xnatsync.disk.local\nmonkeypatch.setattr(xnatsync.disk.local.LocalDisk, 'move', f)",
    ],
)
def test_a_planted_one_is_caught(text: str) -> None:
    """However it is written."""
    assert patch_findings("a.py", text)


@pytest.mark.parametrize(
    "text",
    [
        "monkeypatch.setattr('xnatsync.core.verification.FINDINGS_MAX', 3)",
        "from xnatsync.disk import atomic\nmonkeypatch.setattr(atomic, '_kernel_rename', f)",
        "from xnatsync.disk.local import LocalDisk\nBetween(LocalDisk(), move=f)",
        "class Hurried(SystemClock): ...\nHurried.gone_s += 1",
        "world.make_app = HurriedApp",
        "monkeypatch.setattr('sys.stdin', Answers('y'))",
    ],
)
def test_and_what_is_allowed_is_not(text: str) -> None:
    """Constants and functions of a module, ports that are handed in, what is not ours."""
    assert patch_findings("a.py", text) == []
