"""Small drops of real files."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from xnatsync.core.manifest import ManifestFile
from xnatsync.dicom.make import SeriesPlan, StudyPlan, make_study
from xnatsync.disk.local import LocalDisk

PLAN = StudyPlan("P1", "Nobody^Nina", "20240102", (SeriesPlan(1, "a", 3), SeriesPlan(2, "b", 2)), size=(16, 16))


@pytest.fixture
def disk() -> LocalDisk:
    return LocalDisk()


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    """A folder with five objects in two series, and a text."""
    folder = tmp_path / "drop" / "visit"
    make_study(folder, PLAN, seed=1)
    (folder / "readme.txt").write_text("hello")
    return folder


@pytest.fixture
def read(disk: LocalDisk) -> Callable[[Path], tuple[ManifestFile, ...]]:
    return lambda path: disk.read_manifest(path, tags=frozenset({"PatientID"}), pixels=False)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach; pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    for inner in folder.rglob("*"):
        if inner.is_dir():
            inner.chmod(0o755)
    shutil.rmtree(folder)


@contextlib.contextmanager
def without_privileges() -> Iterator[None]:
    """Permissions mean nothing to root: where tests run as root, they become nobody for a moment."""
    if sys.platform == "win32":
        pytest.skip("permissions are not modes there")
    elif os.geteuid() != 0:
        yield
    else:
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)


@pytest.fixture
def as_nobody() -> Callable[[], contextlib.AbstractContextManager[None]]:
    return without_privileges
