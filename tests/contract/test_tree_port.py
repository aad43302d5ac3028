"""One suite for the port `TreeDisk`: on a real disk, and on the simulation's, whose word the judge takes.

What only a real disk has (links, rights, threads) is in `tests/files`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Protocol

import pytest

from contract.model_world import DiskModel
from sim.tree_disk import SimTreeDisk
from tree_acts import own_acts
from xnatsync.core.errors import FolderMissing, PlaceTaken, ReadFailed, SourceChanged, Stopped, XnatsyncError
from xnatsync.disk.tree import LocalTree
from xnatsync.ports.tree import Content, TreeDisk

HOSTILE = ["", "/a", "../a", "a/../../b", "a/./b", "a//b", "a/", "a\0b", ".xnatsync/sentinel", ".XnatSync/trash/x"]


class Place(Protocol):
    """A tree to try, and a person in front of it."""

    tree: TreeDisk
    root: Path

    def write(self, path: str, content: bytes) -> None: ...

    def trash(self) -> dict[str, bytes]: ...

    def unmount(self) -> None: ...

    def close(self) -> None: ...


class LocalPlace:
    """A folder on the disk of this machine."""

    def __init__(self, root: Path) -> None:
        self.tree, self.root = LocalTree(), root

    def write(self, path: str, content: bytes) -> None:
        """A person writes a file."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)

    def trash(self) -> dict[str, bytes]:
        """What lies in the trash."""
        top = self.root / ".xnatsync" / "trash"
        return {path.relative_to(top).as_posix(): path.read_bytes() for path in top.rglob("*") if path.is_file()}

    def unmount(self) -> None:
        """The disk goes, and leaves nothing."""
        self.root.rename(self.root.parent / "away")

    def close(self) -> None:
        """Nothing is borrowed."""


@pytest.fixture(params=["model", "local"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with closing(DiskModel() if request.param == "model" else LocalPlace(tmp_path / "tree")) as place:
        place.tree.mark(place.root, "ours\n")
        yield place


def put(place: Place, path: str, content: bytes = b"1", *, replace: bool = False) -> int:
    """Brings a file to its place as a mirror does."""
    place.tree.stage(place.root, "s", iter([content]))
    place.tree.flush(place.root, ["s"])
    mtime_ns = place.tree.land(place.root, "s", path, replace=replace)
    place.tree.settle_folders(place.root, [path.rpartition("/")[0]])
    return mtime_ns


def held(place: Place) -> dict[str, bytes]:
    """Everything that a reader finds."""
    files = place.tree.look_tree(place.root).files
    return {path: b"".join(place.tree.open(place.root, path, size)) for path, (size, _) in sorted(files.items())}


def told(content: bytes, mtime_ns: int) -> Content:
    return Content(len(content), hashlib.sha256(content).digest(), hashlib.md5(content).hexdigest(), mtime_ns)


# --- whose it is -------------------------------------------------------------------------------------------------


def test_a_tree_says_what_it_was_marked_with(place: Place) -> None:
    """The mark is no file of the tree."""
    assert place.tree.sentinel(place.root) == "ours\n"
    place.tree.mark(place.root, "two\n")
    assert place.tree.sentinel(place.root) == "two\n"
    assert held(place) == {}


def test_a_tree_that_went_is_no_empty_one(place: Place) -> None:
    """Nothing is seen of it, and nothing can be written to it."""
    put(place, "a")
    place.unmount()

    assert place.tree.sentinel(place.root) == ""
    acts: list[Callable[[], object]] = [
        lambda: place.tree.look_tree(place.root),
        lambda: place.tree.stage(place.root, "s", iter([b"1"])),
        lambda: place.tree.flush(place.root, ["s"]),
        lambda: place.tree.land(place.root, "s", "b", replace=True),
    ]
    for act in acts:
        with pytest.raises(FolderMissing):
            act()


# --- staging and landing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("pieces", [[], [b""], [b"one"], [b"one", b"", b"two"]])
def test_what_is_staged_is_told_to_the_byte(place: Place, pieces: list[bytes]) -> None:
    """Size, both digests; and it is in no place yet."""
    said = place.tree.stage(place.root, "s", iter(pieces))

    assert said == told(b"".join(pieces), said.mtime_ns)
    assert place.tree.staged_size(place.root, "s") == said.size
    assert held(place) == {}


def test_an_interrupted_staging_goes_on_where_it_ended(place: Place) -> None:
    """With `append`; without it begins anew."""

    def cut() -> Iterator[bytes]:
        yield b"abc"
        raise ReadFailed("cut")

    with pytest.raises(ReadFailed):
        place.tree.stage(place.root, "s", cut())
    assert place.tree.staged_size(place.root, "s") == 3
    assert place.tree.stage(place.root, "s", iter([b"d"]), append=True).sha256 == hashlib.sha256(b"abcd").digest()
    assert place.tree.stage(place.root, "s", iter([b"z"])).size == 1


def test_staging_is_cleared_by_the_beginning_of_a_name(place: Place) -> None:
    """One owner's, or everything."""
    for name in ("1-a", "1-b", "12-a"):
        place.tree.stage(place.root, name, iter([b"1"]))
    place.tree.clear_staging(place.root, "1-")
    assert [place.tree.staged_size(place.root, name) for name in ("1-a", "1-b", "12-a")] == [0, 0, 1]
    place.tree.clear_staging(place.root)
    assert place.tree.staged_size(place.root, "12-a") == 0


def test_a_landed_file_looks_as_was_told(place: Place) -> None:
    """So that nothing is read again for nothing; staging is empty then."""
    mtime_ns = put(place, "N/S/a", b"123")

    assert place.tree.look_tree(place.root).files == {"N/S/a": (3, mtime_ns)}
    assert place.tree.stat(place.root, "N/S/a") == (3, mtime_ns)
    assert place.tree.read(place.root, "N/S/a") == told(b"123", mtime_ns)
    assert place.tree.staged_size(place.root, "s") == 0


def test_nothing_is_replaced_unasked_or_if_it_changed(place: Place) -> None:
    """What lies there stays, and what was staged too."""
    mtime_ns = put(place, "a", b"old")
    place.tree.stage(place.root, "s", iter([b"new"]))

    with pytest.raises(PlaceTaken):
        place.tree.land(place.root, "s", "a", replace=False)
    with pytest.raises(PlaceTaken):
        place.tree.land(place.root, "s", "a", replace=True, seen=(4, mtime_ns))
    assert (held(place), place.tree.staged_size(place.root, "s")) == ({"a": b"old"}, 3)

    place.tree.land(place.root, "s", "a", replace=True, seen=(3, mtime_ns))
    assert held(place) == {"a": b"new"}


@pytest.mark.parametrize("path", ["folder", "file/below"])
def test_a_folder_and_a_file_do_not_take_each_others_place(place: Place, path: str) -> None:
    """Whatever was asked for."""
    put(place, "folder/x")
    put(place, "file")
    place.tree.stage(place.root, "s", iter([b"new"]))

    for replace in (True, False):
        with pytest.raises(PlaceTaken):
            place.tree.land(place.root, "s", path, replace=replace)
    assert list(held(place)) == ["file", "folder/x"]


# --- reading and looking -----------------------------------------------------------------------------------------


def test_what_cannot_be_read_as_it_was_is_told(place: Place) -> None:
    """Gone, a folder, another size, changed meanwhile; and a wish to stop."""
    put(place, "d/a", b"123")
    for path in ("b", "d", "d/a/c"):
        with pytest.raises(SourceChanged):
            place.tree.read(place.root, path)
        assert place.tree.stat(place.root, path) is None
    with pytest.raises(SourceChanged):
        place.tree.open(place.root, "d/a", 4)
    with pytest.raises(Stopped):
        place.tree.read(place.root, "d/a", stop=lambda: True)
    pieces = place.tree.open(place.root, "d/a", 3)
    place.write("d/a", b"1234")
    with pytest.raises(SourceChanged):
        list(pieces)


def test_a_part_of_a_tree_is_looked_at_alone(place: Place) -> None:
    """Folders, files, what is not there, and folders within each other."""
    for path in ("a/b/c", "a/d", "ab/x", "e", ".hidden", "d/.xnatsync/a"):
        put(place, path)

    def looked(below: list[str]) -> list[str]:
        return sorted(place.tree.look_tree(place.root, below).files)

    assert looked(["a/b", "a"]) == ["a/b/c", "a/d"]
    assert looked(["e", "away"]) == ["e"]
    assert looked([]) == []
    assert list(held(place)) == [".hidden", "a/b/c", "a/d", "ab/x", "d/.xnatsync/a", "e"]


# --- the trash ---------------------------------------------------------------------------------------------------


def test_what_is_replaced_stays_in_the_trash(place: Place) -> None:
    """It is in both places until the new content is there; keeping it may be repeated, over another file never."""
    put(place, "d/a", b"old")
    for _ in range(2):
        place.tree.keep(place.root, "d/a", "day/1/a")
    assert (held(place), place.trash()) == ({"d/a": b"old"}, {"day/1/a": b"old"})

    put(place, "d/a", b"new", replace=True)
    assert not place.tree.keep(place.root, "d/a", "day/1/a")

    assert (held(place), place.trash()) == ({"d/a": b"new"}, {"day/1/a": b"old"})
    assert b"".join(place.tree.open_trash(place.root, "day/1/a", 3)) == b"old"
    for name, size in (("day/1/a", 4), ("day/1/b", 3)):
        with pytest.raises(SourceChanged):
            list(place.tree.open_trash(place.root, name, size))


def test_a_copy_is_another_name_in_the_tree(place: Place) -> None:
    """Repeated as wanted; where another file lies, it is refused."""
    put(place, "d/a", b"edit")
    for _ in range(2):
        place.tree.copy(place.root, "d/a", "d/a-copy")
    put(place, "d/b", b"other")

    with pytest.raises(PlaceTaken):
        place.tree.copy(place.root, "d/a", "d/b")
    with pytest.raises(SourceChanged):
        place.tree.copy(place.root, "d/c", "d/e")

    assert held(place) == {"d/a": b"edit", "d/a-copy": b"edit", "d/b": b"other"}


def test_what_is_discarded_lies_in_the_trash(place: Place) -> None:
    """Done twice it is done; kept before it is kept once; nothing in the trash is replaced."""
    for name, content in (("d/a", b"1"), ("d/b", b"2"), ("d/c", b"3")):
        put(place, name, content)
    place.tree.keep(place.root, "d/b", "t/b")
    for path, name in (("d/a", "t/a"), ("d/a", "t/a"), ("d/b", "t/b")):
        place.tree.discard(place.root, path, name)

    with pytest.raises(SourceChanged):
        place.tree.discard(place.root, "d/a", "t/never")
    assert not place.tree.discard(place.root, "d/c", "t/a")

    assert (held(place), place.trash()) == ({"d/c": b"3"}, {"t/a": b"1", "t/b": b"2"})
    place.tree.empty_trash(place.root, ["t/a", "t/away"])
    assert place.trash() == {"t/b": b"2"}


# --- moving ------------------------------------------------------------------------------------------------------


def test_a_folder_moves_with_everything_in_it(place: Place) -> None:
    """And a single file."""
    put(place, "N/S1/M1/a")
    put(place, "N/S1/M1/d/b", b"2")

    place.tree.rename(place.root, "N/S1/M1", "N/S2/M2")
    place.tree.rename(place.root, "N/S2/M2/d/b", "b")

    assert held(place) == {"N/S2/M2/a": b"1", "b": b"2"}


def test_a_move_is_refused_where_something_is(place: Place) -> None:
    """Also into itself, of what is gone, and of what is no longer a folder on the way."""
    for path in ("a/x", "b/y", "f"):
        put(place, path)

    for source, target in (("a", "b"), ("f", "a/x"), ("a", "a/c"), ("a", "a"), ("a", "f/g")):
        with pytest.raises(PlaceTaken):
            place.tree.rename(place.root, source, target)
    with pytest.raises(SourceChanged):
        place.tree.rename(place.root, "away", "c")
    assert list(held(place)) == ["a/x", "b/y", "f"]


def test_what_is_settled_may_be_gone(place: Place) -> None:
    """Somebody took it away meanwhile."""
    put(place, "d/a")
    place.tree.settle_files(place.root, ["d/a", "d/away", "away/b"])
    place.tree.settle_folders(place.root, ["d", ""])
    assert list(held(place)) == ["d/a"]


# --- names -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", HOSTILE)
def test_no_path_leaves_the_tree_or_reaches_what_is_ours(place: Place, path: str) -> None:
    """Refused by everything, before anything is written; names in staging and trash likewise."""
    put(place, "there")
    place.tree.stage(place.root, "s", iter([b"staged"]))
    tree, root = place.tree, place.root
    acts: list[Callable[[], object]] = [
        lambda: tree.land(root, "s", path, replace=True),
        lambda: tree.land(root, "s", path, replace=False),
        lambda: tree.read(root, path),
        lambda: list(tree.open(root, path, 1)),
        lambda: tree.stat(root, path),
        lambda: tree.keep(root, path, "t"),
        lambda: tree.copy(root, "there", path),
        lambda: tree.discard(root, path, "t"),
        lambda: tree.rename(root, path, "elsewhere"),
        lambda: tree.rename(root, "there", path),
    ]
    if not path.lower().startswith(".xnatsync"):
        acts += own_acts(tree, root, path)

    for number, act in enumerate(acts):
        with pytest.raises(PlaceTaken):
            act()
        assert (held(place), place.trash()) == ({"there": b"1"}, {}), number


class _Folding:
    """What a disk that takes `A` and `a` for one name must do, with a pretended and with the simulated one."""

    @staticmethod
    def judge(tree: TreeDisk, root: Path) -> None:
        tree.mark(root, "ours\n")
        for name in ("s", "t"):
            tree.stage(root, name, iter([name.encode()]))
        tree.land(root, "s", "N/S1/a", replace=False)

        for path in ("N/s1/b", "n/S1/b", "N/S1/A"):
            for replace in (True, False):
                with pytest.raises(PlaceTaken):
                    tree.land(root, "t", path, replace=replace)
        for path in ("N/s1/a", "n/S1/a"):
            with pytest.raises(PlaceTaken):
                tree.stat(root, path)
        assert tree.stat(root, "N/S1/A") == tree.stat(root, "N/S1/a")
        assert tree.look_tree(root, ["N/s1", "N/S1/A", "n/S1"]).files == {}  # what is called otherwise is another's
        tree.rename(root, "N/S1", "N/s1")
        tree.land(root, "t", "N/s1/b", replace=False)
        assert sorted(tree.look_tree(root).files) == ["N/s1/a", "N/s1/b"]


def test_a_simulated_disk_folds_case() -> None:
    """As the pretended one does."""
    with closing(DiskModel(folding=True)) as model:
        _Folding.judge(model.tree, model.root)


def test_a_pretended_disk_folds_case(fs: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """The product's own tree, on a file system that is pretended beneath it."""
    from xnatsync.disk import handles, renaming

    monkeypatch.setattr(handles, "BY_HANDLE", False)  # its folders are not opened: by path, as on Windows
    monkeypatch.setattr(renaming, "_kernel_rename", lambda *names: False)  # the real kernel knows no such disk
    fs.is_case_sensitive = False  # type: ignore[attr-defined]
    _Folding.judge(LocalTree(), Path("/mirror"))


# --- disks that are not what they should be ----------------------------------------------------------------------


class Overwriting(SimTreeDisk):
    """Replaces unasked."""

    def land(self, root: Path, name: str, path: str, *, replace: bool, seen: tuple[int, int] | None = None) -> int:
        return super().land(root, name, path, replace=True)


class Losing(SimTreeDisk):
    """Throws away what is to go to the trash."""

    def discard(self, root: Path, path: str, trash: str) -> None:
        super().discard(root, path, trash)
        del self.names[f".xnatsync/trash/{trash}"]


class Open(SimTreeDisk):
    """Takes every path."""

    def _place(self, path: str, *, exact: bool = False) -> str:
        return path


class Empty(SimTreeDisk):
    """Shows nothing where nothing is mounted."""

    def look_tree(self, root: Path, below: object = None) -> object:  # type: ignore[override]
        try:
            return super().look_tree(root, below)  # type: ignore[arg-type]
        except XnatsyncError:
            return None


@pytest.mark.parametrize(
    ("kind", "test", "given"),
    [
        (Overwriting, test_nothing_is_replaced_unasked_or_if_it_changed, ()),
        (Losing, test_what_is_discarded_lies_in_the_trash, ()),
        (Open, test_no_path_leaves_the_tree_or_reaches_what_is_ours, ("../a",)),
        (Empty, test_a_tree_that_went_is_no_empty_one, ()),
    ],
)
def test_a_disk_that_lies_is_caught(kind: type[SimTreeDisk], test: Callable[..., None], given: tuple[str, ...]) -> None:
    """And the same test passes on one that does not."""
    for disk in (SimTreeDisk, kind):
        with closing(DiskModel(disk)) as place:
            place.tree.mark(place.root, "ours\n")
            if disk is SimTreeDisk:
                test(place, *given)
                continue
            with pytest.raises((AssertionError, pytest.fail.Exception, XnatsyncError)):
                test(place, *given)
