"""Nothing of ours goes through a link: what lies behind one stays as it is, also when it comes in the last moment."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from xnatsync.core.errors import LinkInOurWay, SourceChanged, SourceError, XnatsyncError
from xnatsync.disk import handles
from xnatsync.disk.local import LocalDisk
from xnatsync.disk.tree import LocalTree
from xnatsync.disk.tree_paths import Ways

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="folders have no handles there; see disk/handles")
ROUNDS = 60


def everything(folder: Path) -> dict[str, bytes | None]:
    """All files and folders below a folder, links not followed."""
    found: dict[str, bytes | None] = {}
    for here, folders, files in os.walk(folder):
        for name in folders:
            found[os.path.relpath(Path(here) / name, folder)] = None
        for name in files:
            found[os.path.relpath(Path(here) / name, folder)] = (Path(here) / name).read_bytes()
    return found


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Somebody's files, called as ours are."""
    folder = tmp_path / "elsewhere"
    for path in (
        "1/exam/sub/f",
        "custody/1/exam/sub/f",
        "sub/f",
        "exam/sub/f",
        "staging/s",
        "trash/t",
        "f",
        "empty/x/",
    ):
        if path.endswith("/"):
            (folder / path).mkdir(parents=True)
        else:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(b"precious")
    return folder


# --- places of a drop folder -------------------------------------------------------------------------------------

BOX = Path(".xnatsync/custody/1/exam")
ACTS: dict[str, Callable[[LocalDisk, Path], object]] = {
    "move in": lambda disk, root: disk.move(root / "new", root / ".xnatsync/custody/2/new"),
    "move out": lambda disk, root: disk.move(root / BOX / "sub/f", root / "done/2026-03-01/exam/sub/f"),
    "remove": lambda disk, root: disk.remove(root / BOX / "sub/f"),
    "prune": lambda disk, root: disk.prune(root / BOX),
    "prune the box": lambda disk, root: disk.prune(root / ".xnatsync/custody/1"),
    "settle": lambda disk, root: disk.settle(root / BOX / "sub"),
    "exists": lambda disk, root: disk.exists(root / BOX / "sub/f"),
}


def drop_folder(root: Path) -> LocalDisk:
    (root / BOX / "sub").mkdir(parents=True)
    (root / BOX / "sub/f").write_bytes(b"ours")
    (root / "new").write_bytes(b"new")
    (root / "done/2026-03-01").mkdir(parents=True)
    return LocalDisk(root, root / "done")


REFUSED = {
    ".xnatsync": set(ACTS),
    ".xnatsync/custody": set(ACTS),
    ".xnatsync/custody/1": set(ACTS) - {"move in", "prune the box"},  # elsewhere; the link itself
    "done/2026-03-01": {"move out"},
}


@pytest.mark.parametrize("link", REFUSED)
@pytest.mark.parametrize("act", ACTS)
def test_our_own_folders_of_a_drop_folder_are_never_links(tmp_path: Path, elsewhere: Path, link: str, act: str) -> None:
    """Refused with the link's name, and nothing behind it is touched; what does not go that way is done."""
    root = tmp_path / "drop"
    disk = drop_folder(root)
    (root / link).rename(tmp_path / "aside")
    (root / link).symlink_to(elsewhere)
    before = everything(elsewhere)
    if act in REFUSED[link]:
        with pytest.raises(LinkInOurWay, match=re.escape(str(root / link))) as caught:
            ACTS[act](disk, root)
        assert "mount" in caught.value.remedy
    else:
        ACTS[act](disk, root)
    assert everything(elsewhere) == before
    assert (root / link).is_symlink()


@pytest.mark.parametrize("act", ["move out", "remove", "prune", "exists", "settle"])
def test_what_was_dropped_and_became_a_link_has_changed(tmp_path: Path, elsewhere: Path, act: str) -> None:
    """It is looked at again; what lies behind the link is neither moved nor removed."""
    root = tmp_path / "drop"
    disk = drop_folder(root)
    (root / BOX / "sub").rename(tmp_path / "aside")
    (root / BOX / "sub").symlink_to(elsewhere / "sub")
    before = everything(elsewhere)
    if act == "prune":
        ACTS[act](disk, root)
    else:
        with pytest.raises(SourceChanged, match="link"):
            ACTS[act](disk, root)
    assert everything(elsewhere) == before
    assert (root / BOX / "sub").is_symlink()


def test_the_folder_that_is_configured_may_be_a_link(tmp_path: Path) -> None:
    """And so may those above it: it is a person's word, where links are as good as any way."""
    disk = drop_folder(tmp_path / "disk" / "drop")
    (tmp_path / "drop").symlink_to(tmp_path / "disk" / "drop")
    root = tmp_path / "drop"
    assert disk.exists(root / "new")
    linked = LocalDisk(root, root / "done")
    linked.move(root / "new", root / ".xnatsync/custody/2/new")
    linked.remove(root / BOX / "sub/f")
    linked.prune(root / BOX)
    assert sorted(path.name for path in (root / ".xnatsync/custody").iterdir()) == ["1", "2"]


# --- races -------------------------------------------------------------------------------------------------------


@contextmanager
def swapping(folder: Path, goal: Path) -> Iterator[None]:
    """Lets somebody put a link in a folder's place and take it away again, as fast as can be."""
    stop, aside = threading.Event(), folder.with_name(f"{folder.name}.aside")
    spare = folder.with_name(f"{folder.name}.spare")
    spare.symlink_to(goal)

    def swap() -> None:
        while not stop.is_set():
            try:
                folder.rename(aside)
                spare.rename(folder)
                folder.rename(spare)
                aside.rename(folder)
            except OSError:
                if aside.exists() and not folder.exists():
                    aside.rename(folder)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("act", ["remove", "move", "prune", "read"])
def test_a_folder_that_is_swapped_for_a_link_all_the_time_leads_nowhere(
    tmp_path: Path, elsewhere: Path, act: str
) -> None:
    """Files elsewhere, of the same names, are neither removed, moved nor read, whatever the moment."""
    root = tmp_path / "drop"
    item = root / BOX
    names = [f"{number}" for number in range(ROUNDS)]
    (item / "sub").mkdir(parents=True)
    (elsewhere / "sub").mkdir(exist_ok=True)
    for name in names:
        for folder in (item / "sub", elsewhere / "sub"):
            if act == "prune":
                (folder / name).mkdir()
            else:
                (folder / name).write_bytes(b"ours" if folder == item / "sub" else b"precious")
    before = everything(elsewhere)
    disk = LocalDisk(root, root / "done")
    (root / "done").mkdir()
    read: set[bytes] = set()
    with swapping(item / "sub", elsewhere / "sub"):
        for name in names:
            try:
                if act == "remove":
                    disk.remove(item / "sub" / name)
                elif act == "move":
                    disk.move(item / "sub" / name, root / "done" / "day" / name)
                elif act == "prune":
                    disk.prune(item)
                else:
                    files = disk.read_manifest(item, tags=frozenset(), pixels=False)
                    read |= {file.sha256 for file in files}
            except (SourceError, XnatsyncError):
                continue
    assert everything(elsewhere) == before
    assert hashlib.sha256(b"precious").digest() not in read


@pytest.mark.parametrize("act", ["discard", "keep", "land", "rename", "empty trash", "clear staging", "read"])
def test_a_folder_of_a_tree_that_is_swapped_leads_nowhere(tmp_path: Path, elsewhere: Path, act: str) -> None:
    """The same for mirrors: their own folders, and those of the tree."""
    root = tmp_path / "tree"
    tree = LocalTree()
    tree.mark(root, "ours\n")
    goal, names = elsewhere / "sub", [f"{number}" for number in range(ROUNDS)]
    for name in names:
        (goal / name).write_bytes(b"precious")
        (root / "d").mkdir(exist_ok=True)
        (root / "d" / name).write_bytes(b"ours")
        tree.stage(root, name, iter([b"new"]))
        if act == "empty trash":
            (root / ".xnatsync/trash/day").mkdir(parents=True, exist_ok=True)
            (root / ".xnatsync/trash/day" / name).write_bytes(b"old")
    place = {"empty trash": ".xnatsync/trash/day", "clear staging": ".xnatsync/staging"}.get(act, "d")
    before = everything(elsewhere)
    acts: dict[str, Callable[[str], object]] = {
        "discard": lambda name: tree.discard(root, f"d/{name}", f"2026/{name}"),
        "keep": lambda name: tree.keep(root, f"d/{name}", f"2026/{name}"),
        "land": lambda name: tree.land(root, name, f"d/{name}", replace=True),
        "rename": lambda name: tree.rename(root, f"d/{name}", f"e/{name}"),
        "empty trash": lambda name: tree.empty_trash(root, [f"day/{name}"]),
        "clear staging": lambda name: tree.clear_staging(root, name),
        "read": lambda name: seen.append(b"".join(tree.open(root, f"d/{name}", len(b"precious")))),
    }
    seen: list[bytes] = []
    with swapping(root / place, goal):
        for name in names:
            try:
                acts[act](name)
            except XnatsyncError:
                continue
    assert everything(elsewhere) == before
    assert seen == []
    assert not any(path.read_bytes() == b"precious" for path in root.rglob("*") if path.is_file())


def test_the_races_are_won_by_handles_alone(tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By paths, as on Windows, somebody who is fast enough reaches other folders: the races above are real ones."""
    monkeypatch.setattr(handles, "BY_HANDLE", False)
    spot = handles.reach(tmp_path, ("drop", "f"), make=True)
    (tmp_path / "drop").rmdir()
    (tmp_path / "drop").symlink_to(elsewhere)
    assert spot.exists()

    monkeypatch.setattr(handles, "BY_HANDLE", True)
    (tmp_path / "other").mkdir()
    spot = handles.reach(tmp_path, ("other", "f"))
    (tmp_path / "other").rename(tmp_path / "aside")
    (tmp_path / "other").symlink_to(elsewhere)
    assert not spot.exists()


# --- single files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sentinel", "sentinel.new"])
@pytest.mark.parametrize("kind", ["link", "dangling", "second name"])
def test_the_mark_of_a_tree_is_never_written_through_a_link(tmp_path: Path, name: str, kind: str) -> None:
    """Nor over a file that has a second name elsewhere."""
    root, precious = tmp_path / "tree", tmp_path / "precious"
    tree = LocalTree()
    tree.mark(root, "ours\n")
    place = root / ".xnatsync" / name
    place.unlink(missing_ok=True)
    if kind != "dangling":
        precious.write_bytes(b"precious")
    if kind == "second name":
        place.hardlink_to(precious)
        tree.mark(root, "again\n")
        assert tree.sentinel(root) == "again\n"
    else:
        place.symlink_to(precious)
        with pytest.raises(LinkInOurWay, match=name):
            tree.mark(root, "again\n")
    assert not precious.exists() if kind == "dangling" else precious.read_bytes() == b"precious"


def test_a_handle_is_closed_when_nobody_uses_it(tmp_path: Path) -> None:
    """However many folders a tree has, few are open, and none afterwards."""
    if not Path("/proc/self/fd").exists():
        pytest.skip("nobody tells here what is open")
    for number in range(400):
        (tmp_path / f"{number}").mkdir()
    before = len(list(Path("/proc/self/fd").iterdir()))
    ways = Ways()
    for number in range(400):
        ways.find(tmp_path, f"{number}/x")
        assert len(list(Path("/proc/self/fd").iterdir())) < before + 60
    del ways
    assert len(list(Path("/proc/self/fd").iterdir())) == before
