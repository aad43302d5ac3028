"""What the blocks of a long run leave for each other."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, testrun_uid: str) -> Path:
    """A folder for what each block of a module met, shared by all workers of this run."""
    base = tmp_path_factory.getbasetemp()
    name = f"{request.module.__name__.rpartition('.')[2]}-{testrun_uid}"
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    folder.mkdir(exist_ok=True)
    return folder
