"""A sandbox on a real socket, with an administrator, for one test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from xnatsync.sandbox.http.server import SandboxServer
from xnatsync.sandbox.model.site import Site


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def site(tmp_path: Path, clock: Clock) -> Iterator[Site]:
    made = Site.on_disk(tmp_path / "sandbox", clock)
    made.accounts.add("admin", "secret", admin=True)
    yield made
    made.close()


@pytest.fixture
def server(site: Site, tmp_path: Path) -> Iterator[SandboxServer]:
    with SandboxServer(site, folder=tmp_path / "sandbox") as running:
        yield running


@pytest.fixture
def anonymous(server: SandboxServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield client


@pytest.fixture
def admin(server: SandboxServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, auth=("admin", "secret"), timeout=30) as client:
        yield client


@pytest.fixture
def session(admin: httpx.Client) -> str:
    """A session E1 of subject S1 in project P1, with scan 4: its flat URL."""
    admin.put("/data/projects/P1").raise_for_status()
    created = admin.put("/data/projects/P1/subjects/S1/experiments/E1?xsiType=xnat:mrSessionData")
    assert created.status_code == 201
    url = f"/data/experiments/{created.text}"
    admin.put(f"{url}/scans/4?xsiType=xnat:mrScanData&xnat:mrScanData/type=T1 mpr").raise_for_status()
    return url
