"""What we do to our own disk is complete or not done, and never done over something."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from xnatsync.core.errors import (
    DiskError,
    DiskFull,
    DiskRefused,
    DiskUnwell,
    PlaceTaken,
    SourceChanged,
    SourceError,
    SourceUnreadable,
)
from xnatsync.disk import renaming
from xnatsync.disk.failures import our_disk, their_file
from xnatsync.disk.local import LocalDisk
from xnatsync.disk.space import free_bytes


@pytest.fixture(params=["kernel", "by hand"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to rename: the kernel's, and ours for file systems that offer none."""
    if request.param == "by hand":
        monkeypatch.setattr(renaming, "_kernel_rename", lambda *names: False)
    return str(request.param)


@pytest.mark.usefixtures("way")
def test_moving_makes_the_folder_and_keeps_the_content(disk: LocalDisk, tmp_path: Path) -> None:
    """Files and folders, into a place whose folders do not exist yet."""
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "item").mkdir()
    (tmp_path / "item" / "inner").write_bytes(b"y")
    disk.move(tmp_path / "file", tmp_path / "a" / "b" / "file")
    disk.move(tmp_path / "item", tmp_path / "c" / "item")
    assert (tmp_path / "a" / "b" / "file").read_bytes() == b"x"
    assert (tmp_path / "c" / "item" / "inner").read_bytes() == b"y"
    assert sorted(os.listdir(tmp_path)) == ["a", "c"]


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("kind", ["file", "folder", "empty", "link"])
@pytest.mark.parametrize("moved", ["file", "folder"])
def test_nothing_is_ever_overwritten(disk: LocalDisk, tmp_path: Path, kind: str, moved: str) -> None:
    """Whatever lies at the target, even an empty folder or a dangling link, stays, and so does the source."""
    source, target = tmp_path / "source", tmp_path / "target"
    if moved == "file":
        source.write_bytes(b"new")
    else:
        source.mkdir()
        (source / "x").write_bytes(b"new")
    match kind:
        case "file":
            target.write_bytes(b"old")
        case "link":
            target.symlink_to("nowhere")
        case _:
            target.mkdir()
            if kind == "folder":
                (target / "x").write_bytes(b"old")
    before = (target.lstat().st_ino, target.lstat().st_mtime_ns)
    with pytest.raises(PlaceTaken, match="already there"):
        disk.move(source, target)
    assert (target.lstat().st_ino, target.lstat().st_mtime_ns) == before
    assert source.exists()


@pytest.mark.usefixtures("way")
def test_a_source_that_is_gone_is_said_to_be(disk: LocalDisk, tmp_path: Path) -> None:
    """It is looked at anew, and no folder is left behind for it."""
    with pytest.raises(SourceChanged, match="is gone"):
        disk.move(tmp_path / "nowhere", tmp_path / "a" / "b")
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(sys.platform != "linux", reason="needs a second file system")
def test_another_file_system_is_an_error_with_advice(disk: LocalDisk, tmp_path: Path) -> None:
    """A rename cannot get there, and copying would not be one effect."""
    other = Path("/dev/shm")
    if not os.access(other, os.W_OK) or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system here")
    (tmp_path / "file").write_bytes(b"x")
    target = other / f"xnatsync-test-{os.getpid()}"
    with pytest.raises(DiskRefused) as caught:
        disk.move(tmp_path / "file", target)
    assert "file system" in caught.value.remedy
    assert not disk.same_device(tmp_path, target)
    assert (tmp_path / "file").exists()
    assert not target.exists()


def test_the_nearest_existing_folder_decides_about_the_device(disk: LocalDisk, tmp_path: Path) -> None:
    """A done folder that does not exist yet will be where its parent is."""
    assert disk.same_device(tmp_path, tmp_path / "not" / "yet")
    assert free_bytes(tmp_path / "not" / "yet") > 0


def test_removing_takes_one_file_and_can_be_repeated(disk: LocalDisk, tmp_path: Path) -> None:
    """After a crash it is done again; a folder is never removed as a file."""
    (tmp_path / "file").touch()
    disk.remove(tmp_path / "file")
    disk.remove(tmp_path / "file")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DiskRefused):
        disk.remove(tmp_path / "folder")
    assert (tmp_path / "folder").is_dir()


def test_removing_a_link_leaves_what_it_points_to(disk: LocalDisk, tmp_path: Path) -> None:
    """Only the name goes."""
    (tmp_path / "kept").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    disk.remove(tmp_path / "link")
    assert (tmp_path / "kept").read_bytes() == b"x"
    assert not disk.exists(tmp_path / "link")


def test_pruning_takes_empty_folders_only(disk: LocalDisk, tmp_path: Path) -> None:
    """A file keeps its folders; links are neither followed nor removed."""
    root = tmp_path / "root"
    (root / "a" / "b" / "c").mkdir(parents=True)
    (root / "d" / "e").mkdir(parents=True)
    (root / "d" / "file").touch()
    outside = tmp_path / "outside" / "empty"
    outside.mkdir(parents=True)
    (root / "f").mkdir()
    (root / "f" / "link").symlink_to(outside.parent, target_is_directory=True)
    disk.prune(root)
    assert sorted(path.relative_to(root).as_posix() for path in root.rglob("*")) == ["d", "d/file", "f", "f/link"]
    assert outside.is_dir()
    disk.prune(root / "f" / "link")
    assert outside.is_dir()
    (root / "d" / "file").unlink()
    (root / "f" / "link").unlink()
    disk.prune(root)
    assert not root.exists()
    disk.prune(root)


def test_a_dangling_link_exists(disk: LocalDisk, tmp_path: Path) -> None:
    """Its name is taken; below a file there is nothing."""
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "file").touch()
    assert disk.exists(tmp_path / "link")
    assert not disk.exists(tmp_path / "file" / "x")
    assert not disk.exists(tmp_path / "nowhere")


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_every_error_number_means_something(number: int) -> None:
    """The mapping is total: on our own disk a DiskError, on a dropped file a SourceError."""
    error = OSError(number, os.strerror(number))
    assert isinstance(our_disk(error, "moving"), DiskError)
    assert isinstance(their_file(error, "a/b"), SourceError)
    assert "a/b" in str(their_file(error, "a/b"))


def test_the_numbers_that_matter_are_told_apart() -> None:
    """Full, read-only, failing: for us a pause; for a dropped file something its owner can mend."""
    for number in (errno.ENOSPC, errno.EDQUOT):
        assert type(our_disk(OSError(number, ""), "x")) is DiskFull
    for number in (errno.EROFS, errno.EIO, errno.EACCES):
        assert type(our_disk(OSError(number, ""), "x")) is DiskUnwell
        assert type(their_file(OSError(number, ""), "x")) is SourceUnreadable
    assert type(their_file(OSError(errno.ENOENT, ""), "x")) is SourceChanged
    assert type(our_disk(OSError(errno.ENOTEMPTY, ""), "x")) is PlaceTaken
    assert "None" not in str(our_disk(OSError("no number"), "x"))
