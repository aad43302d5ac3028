"""A stand-in XNAT with a small known archive, and a public client of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from noun_world import PASSWORD, USER, NounWorld, furnish, here
from xnatsync import XNATClient


@pytest.fixture
def far(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[NounWorld]:
    """Two MR sessions of SUB001 and a PET session of SUB002, in project NEUROIMAGING."""
    with here(tmp_path, capsys, monkeypatch) as found:
        furnish(found)
        yield found


@pytest.fixture
def client(far: NounWorld) -> Iterator[XNATClient]:
    """Logged in as the administrator that made the archive."""
    with XNATClient(far.server.url, USER, PASSWORD) as found:
        yield found
