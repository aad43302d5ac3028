"""Who may know whom (docs/architecture.md), read from the imports."""

from __future__ import annotations

import pytest

from tidy.house import LAYERS, layer_findings, modules, package_of, purity_findings

MODULES = dict(modules())


def test_imports_follow_the_layers() -> None:
    """cli → views → app → verify → routes → engine → ledger → disk → ports → core; the sandbox knows none of them."""
    assert [finding for name, text in MODULES.items() for finding in layer_findings(name, text)] == []


def test_the_core_does_no_io() -> None:
    """It imports itself and a short list of modules that cannot reach the outside world."""
    assert [finding for name, text in MODULES.items() for finding in purity_findings(name, text)] == []


def test_every_package_has_its_place() -> None:
    """A new one is put into the table, deliberately, and the table names none that is gone."""
    assert {package_of(name) for name in MODULES} == set(LAYERS)


def test_the_layers_have_no_circles() -> None:
    """The table itself leads down."""
    left = {name: set(below) for name, below in LAYERS.items()}
    while left:
        free = {name for name, below in left.items() if not below & set(left)}
        assert free, left
        left = {name: below for name, below in left.items() if name not in free}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("xnatsync.core.diff3", "from xnatsync.ledger.rows import UnitRow"),
        ("xnatsync.ledger.units", "import xnatsync.engine.dispatcher"),
        ("xnatsync.xnat.client", "def f():\n    from xnatsync.disk import atomic"),
        ("xnatsync.sandbox.model.site", "from xnatsync.core.labels import clean_label"),
        ("xnatsync.routes.drop.settings", "from xnatsync import app"),
        ("xnatsync.disk.local", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import xnatsync.cli.render"),
        ("xnatsync.routes.drop.items", "from xnatsync.routes.tree.world import TreeWorld"),
        ("xnatsync.routes.tree.run", "from xnatsync.routes import drop"),
        ("xnatsync.views.sync", "from xnatsync.cli.render import Screen"),
        ("xnatsync.web.page", "from xnatsync.core.errors import Bug"),
    ],
)
def test_a_planted_import_is_caught(name: str, text: str) -> None:
    """At the top, in a function, for the types alone, or in a package that has no place yet."""
    assert layer_findings(name, text)


@pytest.mark.parametrize(
    "text",
    [
        "import os",
        "from pathlib import Path",
        "import pathlib",
        "def f():\n    import sqlite3",
        "import time",
        "from random import random",
        "import logging",
        "import httpx",
        "from concurrent.futures import Future",
    ],
)
def test_planted_io_in_the_core_is_caught(text: str) -> None:
    """Files, clocks, chance, logs, networks, threads."""
    assert purity_findings("xnatsync.core.diff3", text)
    assert purity_findings("xnatsync.disk.scan", text) == []
