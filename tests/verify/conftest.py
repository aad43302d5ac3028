"""Worlds in which something was delivered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from drop_world import DropWorld
from mirror_world import MirrorWorld


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DropWorld]:
    """A drop folder and a server, and nothing delivered yet."""
    made = DropWorld(tmp_path, monkeypatch)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def world(empty: DropWorld) -> DropWorld:
    """One study of five objects, delivered, proven by names and filed."""
    empty.study()
    assert empty.sync().exit_code == 0
    return empty


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MirrorWorld]:
    """A project and a mirror of it, and nothing in either."""
    made = MirrorWorld(tmp_path, monkeypatch)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def pulled(tree: MirrorWorld) -> MirrorWorld:
    """A mirror that agrees with a session of two scans with three files each."""
    tree.number = tree.session_with()
    tree.fill(tree.number)
    assert tree.mirror().exit_code == 0
    return tree
