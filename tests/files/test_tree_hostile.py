"""What must never happen to a tree: leaving it, following a link, a part of a file, a lost file, a full disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pyfakefs.fake_filesystem import FakeFilesystem

from tree_acts import own_acts
from xnatsync.core.errors import DiskFull, DiskUnwell, LinkInOurWay, NameHostile, PlaceTaken, XnatsyncError
from xnatsync.disk import durable, handles, renaming, staging, tree_paths
from xnatsync.disk.tree import LocalTree
from xnatsync.ports.tree import TreeDisk

HOSTILE = [
    *("", "/", "/etc/passwd", "../a", "a/../../b", "a/..", ".", "a/./b", "a//b", "a/", "a\0b", "\ud800"),
    *(".xnatsync/sentinel", ".XnatSync/trash/x", ".xnatsync"),
]
WINDOWS = ["a\\b", "C:/a", "a/C:", "a/nul", "a/COM1.txt", "a/end.", "a/end ", "a/b:c", "what?"]


@pytest.fixture
def tree() -> TreeDisk:
    return LocalTree()


@pytest.fixture
def root(tmp_path: Path, tree: TreeDisk) -> Path:
    tree.mark(tmp_path / "mirror", "ours\n")
    tree.stage(tmp_path / "mirror", "s", iter([b"staged"]))
    return tmp_path / "mirror"


def acts(tree: TreeDisk, root: Path, path: str) -> dict[str, Callable[[], object]]:
    """Everything that goes to a path of the tree."""
    return {
        "land": lambda: tree.land(root, "s", path, replace=True),
        "land newly": lambda: tree.land(root, "s", path, replace=False),
        "read": lambda: tree.read(root, path),
        "open": lambda: b"".join(tree.open(root, path, 1)),
        "stat": lambda: tree.stat(root, path),
        "keep": lambda: tree.keep(root, path, "t"),
        "copy": lambda: tree.copy(root, "there", path),
        "discard": lambda: tree.discard(root, path, "t"),
        "rename from": lambda: tree.rename(root, path, "elsewhere"),
        "rename to": lambda: tree.rename(root, "there", path),
    }


def everything(folder: Path) -> dict[str, bytes]:
    """All files below, links told as such."""
    return {
        path.relative_to(folder).as_posix(): b"link" if path.is_symlink() else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


@pytest.mark.parametrize("path", HOSTILE)
def test_no_path_leaves_the_tree_or_reaches_what_is_ours(tree: TreeDisk, root: Path, tmp_path: Path, path: str) -> None:
    """Refused by everything, before anything is written."""
    (root / "there").write_bytes(b"1")
    before = everything(tmp_path)

    for name, act in acts(tree, root, path).items():
        with pytest.raises(PlaceTaken):
            act()
        assert everything(tmp_path) == before, name


@pytest.mark.parametrize("path", [path for path in HOSTILE if not path.lower().startswith(".xnatsync")])
def test_no_name_in_staging_or_trash_leads_out_of_them(tree: TreeDisk, root: Path, tmp_path: Path, path: str) -> None:
    """They are made by us, of what servers say."""
    (root / "there").write_bytes(b"1")
    before = everything(tmp_path)
    chances = own_acts(tree, root, path)

    for act in chances:
        with pytest.raises(PlaceTaken):
            act()

    assert everything(tmp_path) == before


@pytest.mark.parametrize("path", WINDOWS)
def test_what_windows_means_otherwise_is_refused_there(
    tree: TreeDisk, root: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """And is a name like others elsewhere."""
    if os.name != "nt":
        tree.land(root, "s", path, replace=False)
        assert list(tree.look_tree(root).files) == [path]
        tree.stage(root, "s", iter([b"staged"]))
    monkeypatch.setattr(tree_paths, "WINDOWS", True)

    with pytest.raises(PlaceTaken):
        tree.land(root, "s", path, replace=True)


@pytest.mark.parametrize("where", ["d/link", "link"])
@pytest.mark.parametrize("aim", ["outside", "inside", "nowhere"])
def test_a_link_on_the_way_is_never_followed(tree: TreeDisk, root: Path, tmp_path: Path, where: str, aim: str) -> None:
    """Wherever it leads: nothing is read, written, moved or removed behind it."""
    aims = {"outside": tmp_path / "outside", "inside": root / "inside", "nowhere": tmp_path / "nowhere"}
    for folder in (aims["outside"], aims["inside"], root / "d"):
        folder.mkdir()
    for path in (aims["outside"] / "a", aims["inside"] / "a", root / "there"):
        path.write_bytes(b"1")
    (root / where).symlink_to(aims[aim])
    before = everything(tmp_path)

    for name, act in acts(tree, root, f"{where}/a").items():
        with pytest.raises(PlaceTaken, match="link"):
            act()
        assert everything(tmp_path) == before, name
    with pytest.raises(PlaceTaken, match="link"):
        tree.settle_folders(root, [f"{where}/a"])
    look = tree.look_tree(root, [f"{where}/a", where])
    assert look.files == {}
    assert {problem.path for problem in look.problems} == {f"{where}/a", where}
    assert all(not path.startswith(f"{where}/") for path in tree.look_tree(root).files)


@pytest.mark.parametrize("how", ["its folder", "a folder above", "a folder above that was moved"])
def test_a_folder_that_becomes_a_link_a_moment_later_is_not_followed(
    tree: TreeDisk, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """The steps to a folder are not looked at again for each file; what lies at their end is."""
    tree.stage(root, "one", iter([b"1"]))
    tree.land(root, "one", "d/e/one", replace=False)
    tree.stage(root, "two", iter([b"2"]))
    outside = tmp_path / "outside"
    if how == "its folder":
        outside.mkdir()
        (root / "d/e").rename(tmp_path / "aside")
        (root / "d/e").symlink_to(outside)
    elif how == "a folder above":
        (outside / "e").mkdir(parents=True)
        (root / "d").rename(tmp_path / "aside")
        (root / "d").symlink_to(outside)
    else:  # the same folder, by another way: seen when the steps are looked at again
        (root / "d").rename(outside)
        (root / "d").symlink_to(outside)
        now = time.monotonic()
        monkeypatch.setattr(tree_paths.time, "monotonic", lambda: now + tree_paths.LOOKED_AT_S + 1)
    before = everything(tmp_path)

    with pytest.raises(PlaceTaken, match="link"):
        tree.land(root, "two", "d/e/two", replace=False)

    assert everything(tmp_path) == before


def test_a_link_in_a_files_place_is_not_followed_or_replaced(tree: TreeDisk, root: Path, tmp_path: Path) -> None:
    """What it points to stays as it is, and so does the link."""
    (tmp_path / "outside").write_bytes(b"outside")
    (root / "a").symlink_to(tmp_path / "outside")
    before = everything(tmp_path)

    for name, act in acts(tree, root, "a").items():
        if name in {"stat", "rename from", "rename to", "copy"}:
            continue
        with pytest.raises(XnatsyncError):
            act()
    assert tree.stat(root, "a") is None
    assert everything(tmp_path) == before


@pytest.mark.parametrize("part", ["staging", "trash", ""])
def test_our_own_folders_are_not_followed_if_they_are_links(tree: TreeDisk, tmp_path: Path, part: str) -> None:
    """Somebody who may write to the tree could let them lead anywhere."""
    root, outside = tmp_path / "m", tmp_path / "outside"
    outside.mkdir()
    root.mkdir()
    (root / "there").write_bytes(b"1")
    if part:
        (root / ".xnatsync").mkdir()
    (root / ".xnatsync" / part if part else root / ".xnatsync").symlink_to(outside)

    if part != "trash":
        with pytest.raises(LinkInOurWay, match="link"):
            tree.stage(root, "s", iter([b"1"]))
    if part != "staging":
        for act in (lambda: tree.keep(root, "there", "t"), lambda: tree.discard(root, "there", "t")):
            with pytest.raises(LinkInOurWay, match="link"):
                act()
    if part != "trash":
        with pytest.raises(LinkInOurWay, match="link"):
            tree.clear_staging(root)

    assert everything(outside) == {}
    assert (root / "there").exists()


def test_a_name_too_long_for_the_disk_is_the_servers_fault(tree: TreeDisk, root: Path) -> None:
    """It is no failing disk: everything else goes on."""
    for path in ("x" * 256, f"{'y' * 256}/a"):
        with pytest.raises(NameHostile):
            tree.land(root, "s", path, replace=False)

    assert tree.look_tree(root).files == {}


# --- letters of another case -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["N/s1/b", "n/S1/b", "N/S1/A", "N/S1/É".replace("É", "E\u0301")])
def test_names_that_differ_in_case_alone_are_refused_where_they_are_one(
    fs: FakeFilesystem, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """On a pretended disk that takes both for one name; with the same spelling all is well."""
    monkeypatch.setattr(handles, "BY_HANDLE", False)  # nor are its folders opened: by path, as on Windows
    monkeypatch.setattr(renaming, "_kernel_rename", lambda *names: False)  # the real kernel knows no pretended disk
    fs.is_case_sensitive = False
    tree, root = LocalTree(), Path("/mirror")
    tree.mark(root, "ours\n")
    for name in ("a", "\u00c9"):
        tree.stage(root, "s", iter([b"old"]))
        tree.land(root, "s", f"N/S1/{name}", replace=False)
    tree.stage(root, "s", iter([b"new"]))

    if "\u0301" in path:  # pretended disks fold case, and not accents
        tree.land(root, "s", path, replace=False)
        return
    for replace in (True, False):
        with pytest.raises(PlaceTaken, match="takes for the same name"):
            tree.land(root, "s", path, replace=replace)
    assert (root / "N/S1/a").read_bytes() == b"old"
    tree.land(root, "s", "N/S1/a", replace=True)
    assert (root / "N/S1/a").read_bytes() == b"new"


@pytest.fixture
def folding_disk(tmp_path: Path) -> Iterator[Path]:
    """A real disk that takes `A` and `a` for one name, where the machine can make one."""
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        pytest.skip("only root of a Linux can make such a disk")
    image, place = tmp_path / "image", tmp_path / "disk"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(32 << 20)
    made = subprocess.run(["mkfs.ext4", "-q", "-O", "casefold", str(image)], check=False, capture_output=True)
    mounted = (
        made.returncode == 0
        and not subprocess.run(
            ["mount", "-o", "loop", str(image), str(place)], check=False, capture_output=True
        ).returncode
    )
    if not mounted:
        pytest.skip("this machine cannot mount a disk that folds case")
    try:
        (place / "m").mkdir()
        if subprocess.run(["chattr", "+F", str(place / "m")], check=False, capture_output=True).returncode:
            pytest.skip("no chattr here")
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False, capture_output=True)


def test_a_real_disk_that_folds_case_keeps_both_contents_apart(folding_disk: Path) -> None:
    """Case and accents; a folder may be renamed to another case of its name."""
    tree, root = LocalTree(), folding_disk / "m"
    tree.mark(root, "ours\n")
    for path in ("N/S1/a", "N/\u00e9"):
        tree.stage(root, "s", iter([b"old"]))
        tree.land(root, "s", path, replace=False)
    tree.stage(root, "s", iter([b"new"]))

    for path in ("n/S1/b", "N/S1/A", "N/e\u0301"):
        for replace in (True, False):
            with pytest.raises(PlaceTaken):
                tree.land(root, "s", path, replace=replace)
    tree.rename(root, "N/S1", "N/s1")

    assert sorted(tree.look_tree(root).files) == ["N/s1/a", "N/\u00e9"]
    assert (root / "N/s1/a").read_bytes() == b"old"


# --- disks that fail ---------------------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root may mount")
    place = tmp_path / "small"
    place.mkdir()
    with ExitStack() as stack:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)], check=False, capture_output=True
        )
        if done.returncode:
            pytest.skip("this machine does not let us mount")
        stack.callback(subprocess.run, ["umount", "-l", str(place)], check=False, capture_output=True)
        yield place


def test_a_full_disk_loses_nothing_and_goes_on_when_there_is_room(small: Path) -> None:
    """What was written stays for later, and is continued to the very content."""
    tree, root = LocalTree(), small / "m"
    tree.mark(root, "ours\n")
    content = os.urandom(3 << 20)
    (small / "filler").write_bytes(bytes(2 << 20))

    with pytest.raises(DiskFull):
        tree.stage(root, "s", (content[at : at + 65536] for at in range(0, len(content), 65536)))
    have = tree.staged_size(root, "s")
    assert 0 < have < len(content)
    (small / "filler").unlink()
    tree.stage(root, "s", iter([content[have:]]), append=True)
    tree.land(root, "s", "a", replace=False)

    assert (root / "a").read_bytes() == content


@pytest.mark.parametrize(
    ("act", "where", "name"),
    [
        (lambda tree, root: tree.stage(root, "x", iter([b"1"])), staging.os, "write"),
        (lambda tree, root: tree.flush(root, ["s"]), durable.os, "fsync"),
        (lambda tree, root: tree.settle_folders(root, [""]), handles.os, "fsync"),
    ],
    ids=["write", "fsync", "folder"],
)
def test_a_failing_disk_is_told_as_one(
    tree: TreeDisk,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    act: Callable[[TreeDisk, Path], object],
    where: object,
    name: str,
) -> None:
    """An input/output error is never taken for success, nor for a fault of the file."""

    def fail(*words: object) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(where, name, fail)

    with pytest.raises(DiskUnwell):
        act(tree, root)


def test_threads_that_tidy_up_do_not_take_the_ground_from_others(tree: TreeDisk, root: Path) -> None:
    """One removes a folder because it is empty while another puts a file into it: no file is lost or refused."""
    wrong: list[XnatsyncError] = []

    def work(number: int) -> None:
        try:
            for turn in range(60):
                name = f"{number}-{turn}"
                tree.stage(root, name, iter([name.encode()]))
                tree.land(root, name, f"P/S/{name}", replace=False)
                tree.discard(root, f"P/S/{name}", name)
        except XnatsyncError as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
    assert len(list((root / ".xnatsync" / "trash").iterdir())) == 240
