"""Two runs in one folder: one goes on with what waits there, others keep to themselves, the dead leave nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from xnatsync.app.download_folder import Folder
from xnatsync.core.errors import LinkInOurWay
from xnatsync.disk import locks
from xnatsync.disk.failures import LinkOnTheWay
from xnatsync.disk.tree import LocalTree

ROOT = Path(__file__).parents[2]
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="links and signals of POSIX")
STAGING = """
import sys
from pathlib import Path
from xnatsync.disk.tree import LocalTree
from xnatsync.app.download_folder import Folder
folder = Folder(LocalTree(), Path(sys.argv[1]), "E1")
with folder.staging() as staging:
    folder.disk.stage(folder.root, staging.prefix + "1", iter([b"x"]))
    print(staging.prefix, flush=True)
    sys.stdin.read()
"""


def staged(root: Path) -> list[str]:
    return sorted(path.name for path in (root / ".xnatsync" / "staging").iterdir())


def download(root: Path) -> tuple[subprocess.Popen[str], str]:
    """Another process that has begun to download into a folder; and what its files in staging begin with."""
    child = subprocess.Popen(
        [sys.executable, "-c", STAGING, str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert child.stdout is not None
    return child, child.stdout.readline().strip()


@POSIX
def test_the_dead_leave_nothing_and_the_living_keep_theirs(tmp_path: Path) -> None:
    """A run beside another that was killed is cleared up after; one that lives is left alone."""
    root = tmp_path / "out"
    (main, prefix), (dead, lost), (living, kept) = download(root), download(root), download(root)
    assert (prefix, lost[:7], kept[:7]) == ("download-", "beside-", "beside-")
    for child in (main, dead):
        child.kill()
        child.communicate()
    try:
        with Folder(LocalTree(), root, "E1").staging() as staging:
            assert staging.prefix == "download-"
            assert staged(root) == sorted([f"{kept}1", "download-1"])
        assert staged(root) == [f"{kept}1"]
    finally:
        living.communicate("")
    assert staged(root) == []
    assert sorted(path.name for path in (root / ".xnatsync").iterdir()) == ["sentinel", "staging"]


@POSIX
def test_a_lock_is_never_taken_through_a_link(tmp_path: Path) -> None:
    """Neither of our folder, nor of the file in it: nothing behind them is made or truncated."""
    root, outside = tmp_path / "out", tmp_path / "outside"
    outside.mkdir()
    root.mkdir()
    (root / ".xnatsync").symlink_to(outside)
    with pytest.raises(LinkInOurWay), Folder(LocalTree(), root, "E1").staging():
        pass
    assert list(outside.iterdir()) == []

    (root / ".xnatsync").unlink()
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    LocalTree().mark(root, "")
    (root / ".xnatsync" / "download.lock").symlink_to(precious)
    with locks.alone_in(root, "download") as alone:
        assert alone
    assert precious.read_bytes() == b"precious"


@POSIX
def test_where_folders_know_no_locks_a_file_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows and some network disks; through a link it is not."""
    LocalTree().mark(tmp_path, "")
    monkeypatch.setattr(locks, "BY_HANDLE", False)
    with locks.alone_in(tmp_path, "download") as first, locks.alone_in(tmp_path, "download") as second:
        assert (first, second) == (True, False)
    lock = tmp_path / ".xnatsync" / "download.lock"
    lock.unlink()
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    lock.symlink_to(precious)
    with pytest.raises(LinkOnTheWay), locks.alone_in(tmp_path, "download"):
        pass
    assert precious.read_bytes() == b"precious"
