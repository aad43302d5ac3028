"""A world with a mirror for every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mirror_box import MirrorBox, mirror_box
from mirror_world import MirrorWorld


@pytest.fixture
def world(tmp_path: Path, monkeypatch: Any) -> Iterator[MirrorWorld]:
    """One site, one project, one mirror."""
    made = MirrorWorld(tmp_path, monkeypatch)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def trees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[MirrorBox]:
    """A site with a project, a mirror of it, and the commands."""
    with mirror_box(tmp_path, monkeypatch, capsys) as found:
        yield found
