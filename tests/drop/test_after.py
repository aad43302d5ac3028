"""What becomes of a delivered item: moved, kept or deleted; and whatever comes late is never lost."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drop_pieces import LABEL, Meddled, contents, edit, elsewhere, held, imports, meddled_sync, quick_sync
from drop_world import DropWorld, only, uids

# --- keep --------------------------------------------------------------------------------------------------------


def test_keep_leaves_everything_and_a_second_run_asks_for_nothing(world: DropWorld) -> None:
    world.configure(after="keep")
    sent = uids(world.study())
    (world.folder / "exam" / "note.txt").write_text("kept")
    before = contents(world.folder)
    assert world.sync().exit_code == 0
    assert world.archived(LABEL) == sent
    requests = len(world.server.log)

    report = world.sync()

    assert report.exit_code == 0
    assert world.writes(requests) == []
    assert contents(world.folder) == before


def test_keep_notices_what_is_added_later(world: DropWorld) -> None:
    """Only the new object is sent; the item is a new one with a receipt of its own."""
    world.configure(after="keep")
    files = elsewhere(world, series=(3,))
    _copy(world, files[:2])
    assert world.sync().exit_code == 0
    requests = len(world.server.log)
    _copy(world, files[2:])

    report = world.sync()

    assert report.exit_code == 0, report
    assert len(imports(world, requests)) == 1
    assert world.archived(LABEL) == uids(files)
    assert only(report).units[0].receipt is not None


def test_what_was_kept_in_another_folder_is_not_taken_for_what_is_here(world: DropWorld) -> None:
    """Two configurations of one ledger have a route of one name: a file of the same path, size and time is another."""
    world.configure(after="keep")
    first = world.study()
    sent = uids(first)
    assert world.sync().exit_code == 0
    stamps = [path.stat() for path in first]
    world.folder = world.root / "second"
    world.configure(after="keep")
    second = world.study(patient="SUB2", seed=2)
    for path, stamp in zip(second, stamps, strict=True):
        data = path.read_bytes()
        assert len(data) == stamp.st_size
        os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))

    assert world.sync().exit_code == 0

    assert world.archived(LABEL) == sent
    assert world.archived("SUB2_MR_20260301") == uids(second)
    requests = len(world.server.log)
    assert world.sync().exit_code == 0
    assert world.writes(requests) == []


def test_keep_notices_what_is_changed_later(world: DropWorld) -> None:
    """The changed object is not the one that the server holds: a person decides, and nothing is sent over it."""
    world.configure(after="keep")
    files = world.study()
    assert world.sync().exit_code == 0
    requests = len(world.server.log)
    edit(files[0], SeriesDescription="corrected later")

    report = world.sync()

    assert (report.exit_code, held(report).code) == (3, "XS-FOREIGN-CONTENT")
    assert world.writes(requests) == []


def test_keep_with_something_taken_out_later_sends_nothing(world: DropWorld) -> None:
    world.configure(after="keep")
    files = world.study()
    sent = uids(files)
    assert world.sync().exit_code == 0
    requests = len(world.server.log)
    files[0].unlink()

    assert world.sync().exit_code == 0
    assert world.writes(requests) == []
    assert world.archived(LABEL) == sent


def _copy(world: DropWorld, files: list[Path], name: str = "exam") -> None:
    for file in files:
        target = world.folder / name / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())


# --- delete ------------------------------------------------------------------------------------------------------


def test_delete_removes_what_is_proven_by_pixels_and_files_the_rest(world: DropWorld) -> None:
    world.configure(after="delete")
    sent = uids(world.study())
    (world.folder / "exam" / "deep").mkdir()
    (world.folder / "exam" / "deep" / "note.txt").write_text("nowhere else")

    report = world.sync()

    assert report.exit_code == 0, report
    receipt = only(report).units[0].receipt
    assert receipt is not None
    assert receipt.level == "pixels"
    assert world.archived(LABEL) == sent
    assert world.filed() == {"exam/deep/note.txt"}
    assert world.in_drop() == set()
    assert not list(world.folder.rglob("*.dcm"))


def test_delete_removes_a_twin_and_files_what_was_attached(world: DropWorld) -> None:
    """A byte-for-byte twin came back with its original; an attached file did not: its digest was only listed."""
    world.configure(after="delete", other="attach")
    files = world.study()
    files[0].with_name("twin.dcm").write_bytes(files[0].read_bytes())
    (world.folder / "exam" / "note.txt").write_text("attached")

    assert world.sync().exit_code == 0
    assert world.filed() == {"exam/note.txt"}
    assert world.in_drop() == set()
    assert not list(world.folder.rglob("*.dcm"))


def test_delete_deletes_nothing_whose_pixels_are_not_proven(world: DropWorld) -> None:
    world.configure(after="delete")
    files = world.study()

    def damage() -> None:
        path = world.stored(LABEL)[0]
        data = bytearray(path.read_bytes())
        data[-5] ^= 1
        path.write_bytes(bytes(data))

    world.after("POST", "action=commit", damage)

    report = world.sync()

    assert (report.exit_code, held(report).code) == (3, "XS-OBJECTS-DIFFER")
    assert all(file.is_file() for file in files)


def test_delete_keeps_what_the_manifest_does_not_know(world: DropWorld) -> None:
    """A file that comes between the proof and the deleting is an item of its own, and is delivered too."""
    world.configure(after="delete")
    files = elsewhere(world, series=(3,))
    _copy(world, files[:2])

    report = meddled_sync(world, Meddled("move", lambda _path: _copy(world, files[2:])))

    assert report.exit_code == 0, report
    assert world.archived(LABEL) == uids(files)
    assert world.in_drop() == set()


def test_delete_of_a_folder_whose_one_file_has_its_name(world: DropWorld) -> None:
    """A folder with one file looks like that file when only names are compared."""
    world.configure(after="delete")
    (file,) = elsewhere(world, series=(1,))
    (world.folder / "exam").mkdir()
    (world.folder / "exam" / "exam").write_bytes(file.read_bytes())

    report = world.sync()

    assert report.exit_code == 0, report.errors
    assert world.archived(LABEL) == uids([file])
    assert world.in_drop() == set()


# --- late files --------------------------------------------------------------------------------------------------


def _late(world: DropWorld, files: list[Path]) -> Callable[[Any], None]:
    """Puts files into wherever the item is at that moment, as a program that has it open would."""

    def act(_path: Any) -> None:
        boxes = [path for path in (world.folder / ".xnatsync").rglob("exam") if path.is_dir()]
        place = boxes[0] if boxes else world.folder / "exam"
        for file in files:
            place.mkdir(parents=True, exist_ok=True)
            (place / file.name).write_bytes(file.read_bytes())

    return act


BOTH = [("move", False, 1), ("move", True, 1), ("read_manifest", True, 2), ("prune", False, 1)]
BOTH += [("look", True, nth) for nth in range(3, 8)]
MOMENTS = [(after, *moment) for after in ("move", "delete") for moment in BOTH]
MOMENTS += [("move", "move", False, 2), ("move", "look", True, 8), ("delete", "remove", False, 1)]


@pytest.mark.parametrize(("after", "method", "behind", "nth"), MOMENTS)
def test_a_late_object_is_delivered_whenever_it_comes(
    world: DropWorld, after: str, method: str, behind: bool, nth: int
) -> None:
    """Before the rename, after it, around each look of the filing: it is sent and filed, in this run or the next."""
    world.configure(after=after)
    files = elsewhere(world, series=(3,))
    _copy(world, files[:2])

    disk = Meddled(method, _late(world, files[2:]), after=behind, nth=nth)
    meddled_sync(world, disk)
    assert disk.struck
    report = quick_sync(world)

    assert report.exit_code == 0, report
    assert world.archived(LABEL) == uids(files)
    assert world.in_drop() == set()
    assert not [path for path in (world.folder / ".xnatsync" / "custody").rglob("*") if path.is_file()]
    if after == "move":
        filed = [path.read_bytes() for path in (world.folder / "done").rglob("*.dcm")]
        assert sorted(filed) == sorted(file.read_bytes() for file in files)


@pytest.mark.parametrize(("after", "method", "behind", "nth"), MOMENTS)
def test_a_late_note_is_never_lost(world: DropWorld, after: str, method: str, behind: bool, nth: int) -> None:
    world.configure(after=after)
    files = elsewhere(world, series=(2,))
    note = world.root / "elsewhere" / "late.txt"
    note.write_text("came late")
    _copy(world, files)

    disk = Meddled(method, _late(world, [note]), after=behind, nth=nth)
    meddled_sync(world, disk)
    assert disk.struck
    quick_sync(world)

    found = list(world.folder.rglob("late.txt"))
    assert [path.read_text() for path in found] == ["came late"]


def test_a_file_that_is_changed_after_the_proof_is_not_filed_as_proven(world: DropWorld) -> None:
    """Same name, other content: what was proven is in the archive, what came later is held, both exist."""
    files = elsewhere(world, series=(2,))
    _copy(world, files)
    changed = world.folder / "exam" / files[0].name

    def change(_path: Any) -> None:
        edit(changed, SeriesDescription="changed after the proof")

    meddled_sync(world, Meddled("move", change))
    report = quick_sync(world)

    assert (report.exit_code, held(report).code) == (3, "XS-FOREIGN-CONTENT")
    kept = [path.read_bytes() for path in world.folder.rglob("*.dcm")]
    assert len(kept) == 2
    assert any(b"changed after the proof" in data for data in kept)


def test_done_outside_the_drop_folder(world: DropWorld) -> None:
    world.configure(done=world.root / "filed here")
    sent = uids(world.study())

    assert world.sync().exit_code == 0
    assert len(list((world.root / "filed here").rglob("*.dcm"))) == len(sent)
    assert world.in_drop() == set()


def test_a_path_that_would_grow_too_long_in_done_is_filed_all_the_same(world: DropWorld) -> None:
    """Under a second name, which is longer, when the first is taken."""
    name = "x" * 250
    _copy(world, files := elsewhere(world, series=(1,)), name)
    assert world.sync().exit_code == 0
    _copy(world, files, name)

    report = quick_sync(world)

    assert report.exit_code == 0, (report.errors, only(report).item)
    assert world.in_drop() == set()
    assert len(list((world.folder / "done").rglob("*.dcm"))) == 2
