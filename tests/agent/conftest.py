"""One agent with its drop folder and its server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_world import AgentWorld


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AgentWorld]:
    found = AgentWorld(tmp_path, monkeypatch)
    yield found
    found.close()
