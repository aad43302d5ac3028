"""The tree of a mirror on a real disk: staged, landed, kept, moved, and looked at again."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from xnatsync.core.errors import FolderMissing, PlaceTaken, ReadFailed, SourceChanged, SourceUnreadable, Stopped
from xnatsync.disk import digests, durable, handles, renaming
from xnatsync.disk.tree import LocalTree
from xnatsync.ports.drop import ProblemSeen
from xnatsync.ports.tree import TreeDisk

OWN = ".xnatsync"


@pytest.fixture
def tree() -> TreeDisk:
    return LocalTree()


@pytest.fixture
def root(tmp_path: Path, tree: TreeDisk) -> Path:
    tree.mark(tmp_path / "mirror", "ours\n")
    return tmp_path / "mirror"


def put(tree: TreeDisk, root: Path, path: str, content: bytes = b"1", *, replace: bool = False) -> int:
    """Brings a file to its place as a mirror does."""
    tree.stage(root, "s", iter([content]))
    tree.flush(root, ["s"])
    mtime_ns = tree.land(root, "s", path, replace=replace)
    tree.settle_folders(root, [path.rpartition("/")[0]])
    return mtime_ns


def paths(tree: TreeDisk, root: Path) -> list[str]:
    return sorted(tree.look_tree(root).files)


def in_trash(root: Path) -> dict[str, bytes]:
    top = root / OWN / "trash"
    return {path.relative_to(top).as_posix(): path.read_bytes() for path in top.rglob("*") if path.is_file()}


# --- is it ours? -------------------------------------------------------------------------------------------------


def test_a_tree_says_whose_it_is(tree: TreeDisk, tmp_path: Path) -> None:
    """Nothing where nothing was said; what was said last."""
    root = tmp_path / "new" / "mirror"
    assert tree.sentinel(root) == ""
    tree.mark(root, "one\n")
    tree.mark(root, "two\n")

    assert tree.sentinel(root) == "two\n"
    assert [path.name for path in (root / OWN).iterdir()] == ["sentinel"]
    assert tree.look_tree(root).files == {}


def test_a_tree_that_is_not_there_is_no_empty_one(tree: TreeDisk, tmp_path: Path) -> None:
    """An unmounted disk: nothing is concluded about it, and nothing written to what lies under its mount point."""
    with pytest.raises(FolderMissing):
        tree.look_tree(tmp_path / "away")
    for act in (
        lambda: tree.stage(tmp_path, "s", iter([b"1"])),
        lambda: tree.land(tmp_path, "s", "a/b", replace=True),
        lambda: tree.flush(tmp_path, ["s"]),
    ):
        with pytest.raises(FolderMissing):
            act()
    assert list(tmp_path.iterdir()) == []


# --- staging and landing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [[], [0], [1], [1 << 20], [3, (1 << 20) - 3, 1], [65536] * 40, [5 << 20, 7]])
def test_what_is_staged_is_told_to_the_byte(tree: TreeDisk, root: Path, sizes: list[int]) -> None:
    """Whatever the pieces: the size and both digests are those of what lies there."""
    pieces = [bytes([number % 251]) * size for number, size in enumerate(sizes)]

    told = tree.stage(root, "s", iter(pieces))

    held = (root / OWN / "staging" / "s").read_bytes()
    assert held == b"".join(pieces)
    assert (told.size, told.sha256, told.md5) == (
        len(held), hashlib.sha256(held).digest(), hashlib.md5(held).hexdigest(),
    )  # fmt: skip


def test_a_big_file_is_digested_beside(tree: TreeDisk, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread for it changes no digest and ends with the file, also with one that is cut."""
    monkeypatch.setattr(digests, "ALONE_BYTES", 1 << 20)
    piece = os.urandom(1 << 20)

    def cut() -> Iterator[bytes]:
        yield from [piece] * 3
        raise ReadFailed("cut")

    told = tree.stage(root, "s", iter([piece] * 5))
    with pytest.raises(ReadFailed):
        tree.stage(root, "cut", cut())

    assert told.md5 == hashlib.md5(piece * 5).hexdigest()
    assert told.sha256 == hashlib.sha256(piece * 5).digest()
    assert not [thread for thread in __import__("threading").enumerate() if thread.name == "md5"]


def test_an_interrupted_staging_goes_on_where_it_ended(tree: TreeDisk, root: Path) -> None:
    """What had come is there, and is part of the digests; without `append` it begins anew."""

    def cut() -> Iterator[bytes]:
        yield b"abc"
        yield b"d"
        raise ReadFailed("cut")

    assert tree.staged_size(root, "s") == 0
    with pytest.raises(ReadFailed):
        tree.stage(root, "s", cut())
    assert tree.staged_size(root, "s") == 4

    told = tree.stage(root, "s", iter([b"ef"]), append=True)
    assert (told.size, told.sha256) == (6, hashlib.sha256(b"abcdef").digest())
    assert tree.stage(root, "s", iter([b"z"])).sha256 == hashlib.sha256(b"z").digest()


def test_what_was_damaged_in_staging_shows_in_the_digest(tree: TreeDisk, root: Path) -> None:
    """A resumed file is read again from its beginning: a byte that changed meanwhile is told."""
    tree.stage(root, "s", iter([b"abc"]))
    (root / OWN / "staging" / "s").write_bytes(b"aXc")

    assert tree.stage(root, "s", iter([b"def"]), append=True).sha256 != hashlib.sha256(b"abcdef").digest()


def test_a_staged_file_that_is_in_the_tree_already_is_never_written_to(tree: TreeDisk, root: Path) -> None:
    """A rename by hand that was cut short leaves two names of one file."""
    tree.stage(root, "s", iter([b"landed"]))
    os.link(root / OWN / "staging" / "s", root / "a")

    assert tree.staged_size(root, "s") == 0
    tree.stage(root, "s", iter([b"+"]), append=True)
    tree.stage(root, "s", iter([b"other"]))

    assert (root / "a").read_bytes() == b"landed"


def test_a_landed_file_looks_as_was_told(tree: TreeDisk, root: Path) -> None:
    """The time is that of the next look, so that nothing is read again for nothing."""
    mtime_ns = put(tree, root, "N/S1/S1_MR1/scans/4/a.dcm", b"123")

    assert tree.look_tree(root).files == {"N/S1/S1_MR1/scans/4/a.dcm": (3, mtime_ns)}
    assert (root / "N/S1/S1_MR1/scans/4/a.dcm").read_bytes() == b"123"
    assert tree.staged_size(root, "s") == 0


def test_nothing_is_replaced_unasked(tree: TreeDisk, root: Path) -> None:
    """What lies there stays, and what was staged too."""
    put(tree, root, "a", b"old")
    tree.stage(root, "s", iter([b"new"]))

    with pytest.raises(PlaceTaken):
        tree.land(root, "s", "a", replace=False)

    assert (root / "a").read_bytes() == b"old"
    assert tree.staged_size(root, "s") == 3
    tree.land(root, "s", "a", replace=True)
    assert (root / "a").read_bytes() == b"new"


@pytest.mark.parametrize("replace", [True, False])
@pytest.mark.parametrize("path", ["folder", "file/below"])
def test_a_folder_and_a_file_do_not_take_each_others_place(
    tree: TreeDisk, root: Path, path: str, *, replace: bool
) -> None:
    """Whatever was asked for."""
    put(tree, root, "folder/x")
    put(tree, root, "file")
    tree.stage(root, "s", iter([b"new"]))

    with pytest.raises(PlaceTaken):
        tree.land(root, "s", path, replace=replace)

    assert paths(tree, root) == ["file", "folder/x"]


def test_staging_is_cleared_by_the_beginning_of_a_name(tree: TreeDisk, root: Path) -> None:
    """One owner's, or everything."""
    for name in ("1-a", "1-b", "12-a", "x/1-a"):
        tree.stage(root, name, iter([b"1"]))
    tree.clear_staging(root, "1-")
    assert [tree.staged_size(root, name) for name in ("1-a", "1-b", "12-a", "x/1-a")] == [0, 0, 1, 1]
    tree.clear_staging(root)
    assert list((root / OWN / "staging").iterdir()) == []
    tree.clear_staging(root.parent)  # where nothing was ever staged


@pytest.mark.parametrize("together", [True, False])
def test_files_are_flushed_together_or_one_by_one(
    tree: TreeDisk, root: Path, monkeypatch: pytest.MonkeyPatch, *, together: bool
) -> None:
    """Every one of them, where there is no call for all."""
    synced: list[int] = []
    monkeypatch.setattr(durable.os, "fsync", lambda handle: synced.append(handle))
    if not together:
        monkeypatch.setattr(durable, "_syncfs", lambda: None)
    elif durable._syncfs() is None:
        pytest.skip("no syncfs here that tells of errors")
    names = [f"s{number}" for number in range(durable.FEW + 1)]
    for name in names:
        tree.stage(root, name, iter([b"1"]))

    tree.flush(root, names)
    assert len(synced) == (0 if together else len(names))
    tree.flush(root, names[:1])
    assert len(synced) == (1 if together else len(names) + 1)


# --- reading -----------------------------------------------------------------------------------------------------


def test_a_file_is_read_through(tree: TreeDisk, root: Path) -> None:
    """Size, digests, time; and streamed when it has the size that was asked for."""
    mtime_ns = put(tree, root, "a", b"123")

    told = tree.read(root, "a")

    assert (told.size, told.sha256, told.md5, told.mtime_ns) == (
        3, hashlib.sha256(b"123").digest(), hashlib.md5(b"123").hexdigest(), mtime_ns,
    )  # fmt: skip
    assert b"".join(tree.open(root, "a", 3)) == b"123"
    assert tree.stat(root, "a") == (3, mtime_ns)
    assert tree.stat(root, "b") is None


def test_what_cannot_be_read_as_it_was_is_told(tree: TreeDisk, root: Path) -> None:
    """Gone, another size, a folder; and a wish to stop."""
    put(tree, root, "d/a", b"123")
    for path in ("b", "d", "d/a/c"):
        with pytest.raises(SourceChanged):
            tree.read(root, path)
    with pytest.raises(SourceChanged):
        tree.open(root, "d/a", 4)
    with pytest.raises(Stopped):
        tree.read(root, "d/a", stop=lambda: True)
    pieces = tree.open(root, "d/a", 3)
    (root / "d/a").write_bytes(b"1234")
    with pytest.raises(SourceChanged):
        list(pieces)


def test_a_file_without_rights_is_unreadable(
    tree: TreeDisk, open_folder: Path, as_nobody: Callable[[], AbstractContextManager[None]]
) -> None:
    """It may hold data: never absent."""
    (open_folder / "closed").mkdir()
    (open_folder / "closed" / "a").write_bytes(b"1")
    (open_folder / "b").write_bytes(b"1")
    (open_folder / "b").chmod(0)
    (open_folder / "closed").chmod(0)

    with as_nobody():
        look = tree.look_tree(open_folder)
        with pytest.raises(SourceUnreadable):
            tree.read(open_folder, "b")

    assert list(look.files) == ["b"]
    assert [(problem.path, problem.unreadable) for problem in look.problems] == [("closed", True)]


# --- looking -----------------------------------------------------------------------------------------------------


def test_a_look_leaves_our_own_folder_out_and_nothing_else(tree: TreeDisk, root: Path) -> None:
    """Dot-files, empty files and a folder of our name further down are somebody's data."""
    for path in (".hidden", "d/.xnatsync/a", "ü/ñ", "empty/x"):
        put(tree, root, path, b"")
    (root / "nothing" / "below").mkdir(parents=True)

    assert paths(tree, root) == [".hidden", "d/.xnatsync/a", "empty/x", "ü/ñ"]


def test_a_part_of_a_tree_is_looked_at_alone(tree: TreeDisk, root: Path) -> None:
    """Folders, files, what is not there, and folders within each other."""
    for path in ("a/b/c", "a/d", "ab/x", "e"):
        put(tree, root, path)

    assert sorted(tree.look_tree(root, ["a/b", "a"]).files) == ["a/b/c", "a/d"]
    assert sorted(tree.look_tree(root, ["e", "away", "e/below"]).files) == ["e"]
    assert tree.look_tree(root, []).files == {}


@pytest.mark.skipif(sys.platform != "linux", reason="names that are no text")
def test_a_name_that_is_no_text_is_found_again(tree: TreeDisk, root: Path) -> None:
    """Spelled so that a ledger can hold it; two that would be spelled alike are told."""
    (root / "d").mkdir()
    with open(os.fsencode(root / "d") + b"/\xff.dcm", "wb") as file:
        file.write(b"123")

    (path,) = tree.look_tree(root).files
    path.encode()
    assert tree.read(root, path).size == 3
    tree.discard(root, path, "t")
    assert in_trash(root) == {"t": b"123"}

    with open(os.fsencode(root) + b"/\xff", "wb"), open(root / "\uf4ff", "wb"):
        pass
    assert [problem.path for problem in tree.look_tree(root).problems] == ["\uf4ff"]
    for name in (b"f\xff", "f\uf4ff".encode()):
        os.mkdir(os.fsencode(root) + b"/" + name)
    assert [problem.path for problem in tree.look_tree(root).problems] == ["f\uf4ff", "\uf4ff"]


# --- the trash ---------------------------------------------------------------------------------------------------


@pytest.fixture(params=["with links", "without links"])
def links(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Disks that know hard links, and those that do not."""
    if request.param == "without links":

        def refuse(*places: object, **words: object) -> None:
            raise PermissionError(1, "no links here")

        monkeypatch.setattr(handles.os, "link", refuse)
    return str(request.param)


def test_what_is_replaced_stays_in_the_trash(tree: TreeDisk, root: Path, links: str) -> None:
    """It is in both places until the new content is there, and keeping it may be repeated."""
    put(tree, root, "d/a", b"old")

    for _ in range(2):
        tree.keep(root, "d/a", "2026-03-01/1/a")
    assert (root / "d/a").read_bytes() == b"old"
    put(tree, root, "d/a", b"new", replace=True)

    assert in_trash(root) == {"2026-03-01/1/a": b"old"}
    assert (root / "d/a").read_bytes() == b"new"
    assert not tree.keep(root, "d/a", "2026-03-01/1/a")
    assert in_trash(root) == {"2026-03-01/1/a": b"old"}


def test_what_is_discarded_leaves_no_empty_folders(tree: TreeDisk, root: Path) -> None:
    """Those that hold something else stay; repeated after a crash it is done already."""
    put(tree, root, "d/e/a", b"1")
    put(tree, root, "d/b", b"2")

    for _ in range(2):
        tree.discard(root, "d/e/a", "t/a")

    assert not (root / "d/e").exists()
    assert paths(tree, root) == ["d/b"]
    assert in_trash(root) == {"t/a": b"1"}
    with pytest.raises(SourceChanged):
        tree.discard(root, "d/e/a", "t/never")


def test_what_was_kept_already_is_discarded_all_the_same(tree: TreeDisk, root: Path, links: str) -> None:
    """A rename onto another name of the same file does nothing by itself."""
    put(tree, root, "a", b"1")
    tree.keep(root, "a", "t/a")
    tree.discard(root, "a", "t/a")

    assert paths(tree, root) == []
    assert in_trash(root) == {"t/a": b"1"}


def test_every_name_on_the_way_into_the_trash_is_brought_to_the_disk(
    tree: TreeDisk, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a new folder its parent too, else a power cut could take it; once known, it is not asked for again."""
    synced: list[str] = []
    for path in ("a", "b", "c"):
        put(tree, root, path)

    def note(handle: int) -> None:
        folder = os.readlink(f"/proc/self/fd/{handle}")
        synced.append(Path(folder).relative_to(root).as_posix())

    monkeypatch.setattr(handles.os, "fsync", note)

    tree.keep(root, "a", "day/1/x")
    assert synced == [f"{OWN}/trash/day/1", f"{OWN}/trash/day", f"{OWN}/trash", OWN, "."]
    synced.clear()
    tree.keep(root, "b", "day/2/x")
    assert synced == [f"{OWN}/trash/day/2", f"{OWN}/trash/day"]
    tree.empty_trash(root, ["day/1/x", "day/2/x"])
    synced.clear()
    tree.keep(root, "c", "day/3/x")
    assert synced == [f"{OWN}/trash/day/3", f"{OWN}/trash/day", f"{OWN}/trash", OWN, "."]


def test_nothing_in_the_trash_is_replaced(tree: TreeDisk, root: Path) -> None:
    """Not even with as many bytes."""
    put(tree, root, "a", b"1")
    put(tree, root, "b", b"2")
    tree.discard(root, "a", "t/a")

    assert not tree.discard(root, "b", "t/a")

    assert paths(tree, root) == ["b"]
    assert in_trash(root) == {"t/a": b"1"}


def test_the_trash_is_emptied_by_name(tree: TreeDisk, root: Path) -> None:
    """What is gone already is as wanted; its folders go with it, the trash itself stays."""
    for name in ("a", "b"):
        put(tree, root, name)
        tree.discard(root, name, f"day/{name}/x")
    tree.empty_trash(root, ["day/a/x", "day/away"])

    assert list(in_trash(root)) == ["day/b/x"]
    tree.empty_trash(root, ["day/b/x"])
    assert list((root / OWN / "trash").iterdir()) == []


# --- moving ------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["by the kernel", "by hand"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How a rename that replaces nothing is done."""
    if request.param == "by hand":
        monkeypatch.setattr(renaming, "_kernel_rename", lambda *names: False)
    return str(request.param)


def test_a_folder_moves_with_everything_in_it(tree: TreeDisk, root: Path, way: str) -> None:
    """The folders that it leaves empty go; a new one is made for it."""
    put(tree, root, "N/S1/M1/scans/1/a", b"1")
    tree.rename(root, "N/S1/M1", "N/S2/M2")

    assert paths(tree, root) == ["N/S2/M2/scans/1/a"]
    assert not (root / "N/S1").exists()
    tree.rename(root, "N/S2/M2/scans/1/a", "b")
    assert [path.name for path in root.iterdir() if path.name != OWN] == ["b"]


def test_a_move_is_refused_where_something_is(tree: TreeDisk, root: Path, way: str) -> None:
    """Also into itself, of what is gone, and of what is no longer a folder on the way."""
    for path in ("a/x", "b/y", "f"):
        put(tree, root, path)

    for source, target in (("a", "b"), ("f", "a/x"), ("a", "a/c"), ("a", "a"), ("a", "f/g")):
        with pytest.raises(PlaceTaken):
            tree.rename(root, source, target)
    with pytest.raises(SourceChanged):
        tree.rename(root, "away", "c")

    assert paths(tree, root) == ["a/x", "b/y", "f"]
    assert not (root / "c").exists()


def test_the_free_space_is_told(tree: TreeDisk, root: Path) -> None:
    """In bytes, of this disk."""
    assert 0 < tree.free_bytes(root) <= os.statvfs(root).f_frsize * os.statvfs(root).f_blocks


def test_problems_are_told_in_order(tree: TreeDisk, root: Path) -> None:
    """A link, a pipe: never followed, never opened, never absent."""
    put(tree, root, "file")
    os.mkfifo(root / "a pipe")
    (root / "b link").symlink_to(root / "file")
    (root / "c folder").symlink_to(root.parent)

    look = tree.look_tree(root)

    assert list(look.files) == ["file"]
    assert [(problem.path, problem.unreadable) for problem in look.problems] == [
        ("a pipe", False), ("b link", False), ("c folder", False),
    ]  # fmt: skip
    assert all(isinstance(problem, ProblemSeen) for problem in look.problems)


def test_a_mark_that_many_write_at_once_is_whole(tmp_path: Path) -> None:
    """Two downloads into one folder mark it at the same time: none fails, and what is read is always one of them."""
    from concurrent.futures import ThreadPoolExecutor

    texts = {f"{number} {'x' * 20_000}" for number in range(8)}

    def write(text: str) -> set[str]:
        tree, seen = LocalTree(), set()
        for _ in range(5):
            tree.mark(tmp_path / "tree", text)
            seen.add(tree.sentinel(tmp_path / "tree"))
        return seen

    with ThreadPoolExecutor(8) as pool:
        seen = set().union(*pool.map(write, sorted(texts)))

    assert seen <= texts
    assert sorted(one.name for one in (tmp_path / "tree" / ".xnatsync").iterdir()) == ["sentinel"]
