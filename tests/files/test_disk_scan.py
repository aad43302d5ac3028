"""A look at the drop folder sees everything, follows nothing, and never takes unreadable for absent."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from xnatsync.core.errors import FolderMissing
from xnatsync.disk.local import LocalDisk
from xnatsync.ports.drop import DropEntry, ItemLook

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX names and kinds")


def test_top_level_entries_are_listed_sorted_with_their_kind(disk: LocalDisk, tmp_path: Path) -> None:
    """Archives by suffix in any case, everything else by what it is; hidden files too."""
    for name in ("b.ZIP", "a.tar.gz", "c.tgz", "d.tar", "e.gz", ".hidden", "f.dcm"):
        (tmp_path / name).touch()
    (tmp_path / "folder.zip").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "f.dcm")
    (tmp_path / "f.dcm").write_bytes(b"seven b")
    os.utime(tmp_path / "f.dcm", ns=(5, 5))
    listed = disk.entries(tmp_path)
    assert [(entry.name, entry.kind) for entry in listed] == [
        (".hidden", "file"),
        ("a.tar.gz", "archive"),
        ("b.ZIP", "archive"),
        ("c.tgz", "archive"),
        ("d.tar", "archive"),
        ("e.gz", "file"),
        ("f.dcm", "file"),
        ("folder.zip", "folder"),
        ("link", "special"),
    ]
    assert listed[6] == DropEntry("f.dcm", "file", 7, 5)  # of a plain file, what tells whether it is another by now


@posix
def test_pipes_sockets_and_links_are_special(disk: LocalDisk, tmp_path: Path) -> None:
    """They are reported at the top level and inside an item, with a reason, and never opened."""
    item = tmp_path / "item"
    item.mkdir()
    for place in (tmp_path, item):
        os.mkfifo(place / "pipe")
        (place / "gone").symlink_to("nowhere")
    here = Path.cwd()
    os.chdir(item)  # the name of a socket has to be short
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("socket")
    finally:
        os.chdir(here)
    (item / "file").write_bytes(b"x")
    assert [(entry.name, entry.kind) for entry in disk.entries(tmp_path)] == [
        ("gone", "special"),
        ("item", "folder"),
        ("pipe", "special"),
    ]
    look = disk.look(item)
    assert look is not None
    assert [file.path for file in look.files] == ["file"]
    assert [(problem.path, problem.reason.split(":")[0], problem.unreadable) for problem in look.problems] == [
        ("gone", "it is a link", False),
        ("pipe", "it is a named pipe", False),
        ("socket", "it is a socket", False),
    ]
    assert [problem.path for problem in (disk.look(tmp_path / "pipe") or ItemLook(())).problems] == ["pipe"]


def test_links_are_never_followed(disk: LocalDisk, tmp_path: Path) -> None:
    """Neither to a file, nor to a folder, nor round in a circle."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("x")
    item = tmp_path / "item"
    item.mkdir()
    (item / "loop").symlink_to(item, target_is_directory=True)
    (item / "folder").symlink_to(outside, target_is_directory=True)
    (item / "file").symlink_to(outside / "secret")
    look = disk.look(item)
    assert look is not None
    assert look.files == ()
    assert [problem.path for problem in look.problems] == ["file", "folder", "loop"]


def test_a_missing_folder_halts(disk: LocalDisk, tmp_path: Path) -> None:
    """An unmounted disk is not an empty one; neither is a file in its place."""
    (tmp_path / "file").touch()
    for name in ("nowhere", "file"):
        with pytest.raises(FolderMissing, match=name):
            disk.entries(tmp_path / name)


def test_a_look_sees_names_sizes_and_times_at_any_depth(disk: LocalDisk, tmp_path: Path) -> None:
    """Relative POSIX paths in order; deep nesting is no recursion."""
    deep = tmp_path / "item"
    for number in range(150):
        deep /= f"d{number}"
    deep.mkdir(parents=True)
    (deep / "x").write_bytes(b"12345")
    (tmp_path / "item" / "a").write_bytes(b"1")
    look = disk.look(tmp_path / "item")
    assert look is not None
    assert [(file.path.count("/"), file.size) for file in look.files] == [(0, 1), (150, 5)]
    assert look.files[0].mtime_ns == (tmp_path / "item" / "a").stat().st_mtime_ns


def test_an_absent_item_and_an_empty_one_differ(disk: LocalDisk, tmp_path: Path) -> None:
    """None means absent; an empty folder is there."""
    assert disk.look(tmp_path / "nowhere") is None
    assert disk.look(tmp_path) == ItemLook(())
    (tmp_path / "file").touch()
    assert disk.look(tmp_path / "file" / "below") is None
    assert [file.path for file in (disk.look(tmp_path / "file") or ItemLook(())).files] == ["file"]


def test_an_unreadable_folder_is_a_problem_and_not_empty(
    disk: LocalDisk, open_folder: Path, as_nobody: Callable[[], AbstractContextManager[None]]
) -> None:
    """What cannot be listed may hold data: the item waits for a person."""
    closed = open_folder / "item" / "closed"
    closed.mkdir(parents=True)
    (closed / "x").touch()
    closed.chmod(0)
    with as_nobody():
        look = disk.look(open_folder / "item")
        with pytest.raises(FolderMissing, match="cannot be listed"):
            disk.entries(closed)
    assert look is not None
    assert [(problem.path, problem.unreadable) for problem in look.problems] == [("closed", True)]


@posix
def test_names_that_are_no_text_are_shown_and_found_again(disk: LocalDisk, tmp_path: Path) -> None:
    """A Latin-1 name from an old disk can be stored as text, read, moved and removed."""
    folder = os.fsencode(tmp_path) + b"/M\xfcller"
    try:
        os.mkdir(folder)
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    with open(folder + b"/\xe9.txt", "wb") as file:
        file.write(b"x")
    entry = disk.entries(tmp_path)[0]
    entry.name.encode()  # no lone surrogates
    look = disk.look(tmp_path / entry.name)
    assert look is not None
    look.files[0].path.encode()
    files = disk.read_manifest(tmp_path / entry.name, tags=frozenset(), pixels=False)
    assert [(file.path, file.size) for file in files] == [(look.files[0].path, 1)]
    assert [b"".join(content) for _, content in disk.stream(tmp_path / entry.name, files)] == [b"x"]
    disk.move(tmp_path / entry.name, tmp_path / "done" / entry.name)
    assert disk.exists(tmp_path / "done" / entry.name)
    assert os.listdir(os.fsencode(tmp_path / "done")) == [b"M\xfcller"]
    disk.remove(tmp_path / "done" / entry.name / files[0].path)
    disk.prune(tmp_path / "done" / entry.name)
    assert os.listdir(tmp_path / "done") == []
