"""The world in which the commands are run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli_world import PASSWORD, World, world
from mirror_box import MirrorBox, mirror_box


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("XNATSYNC_CONFIG", raising=False)
    monkeypatch.setenv("XNATSYNC_BOX_PASSWORD", PASSWORD)


@pytest.fixture
def box(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[World]:
    """A drop folder, a configuration and a stand-in XNAT."""

    def read() -> tuple[str, str]:
        captured = capsys.readouterr()
        return captured.out, captured.err

    with world(tmp_path, read) as found:
        yield found


@pytest.fixture
def trees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[MirrorBox]:
    """A site with a project, a mirror of it, and the commands."""
    with mirror_box(tmp_path, monkeypatch, capsys) as found:
        yield found
