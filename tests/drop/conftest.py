"""One world for each test of the drop route."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from drop_world import DropWorld


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DropWorld]:
    made = DropWorld(tmp_path, monkeypatch)
    yield made
    made.close()
