"""One sandbox and one fork server for the crash tests of a worker; and, where the server is killed too, one of each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from crash.crash_world import Arena, CrashWorld
from crash.processes import PASSWORD, Processes
from crash.real_world import SandboxProcess


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    with Arena(tmp_path_factory.mktemp("arena")) as made:
        yield made


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[SandboxProcess]:
    made = SandboxProcess(tmp_path / "site")
    yield made
    made.stop()


@pytest.fixture
def world(sandbox: SandboxProcess, tmp_path: Path) -> Iterator[CrashWorld]:
    (tmp_path / "world").mkdir()
    url = sandbox.start()
    with (
        httpx.Client(base_url=url, auth=("agent", PASSWORD), timeout=60) as client,
        Processes(tmp_path) as processes,
    ):
        made = CrashWorld(tmp_path / "world", "P1", client, sandbox.log, processes, "plain")
        made.http("PUT", "/data/projects/P1")
        yield made
