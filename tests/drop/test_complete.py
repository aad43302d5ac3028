"""What an item waits for, in whole runs: markers, announced objects, and the person who is asked in the end."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from drop_pieces import edit, held
from drop_world import DropWorld, only, uids
from xnatsync.app.accept import accept
from xnatsync.app.status import overview
from xnatsync.config.load import load
from xnatsync.core.phases import ItemPhase

ANNOUNCED = {"Manufacturer": "GE MEDICAL", "ImageType": ["ORIGINAL", "PRIMARY"], "ImagesInAcquisition": "4"}


def waits(world: DropWorld) -> str:
    (route,) = overview(load(world.config)).routes
    return " ".join(words for standing in route.standing for words in standing.waits)


def announce(files: list[Path], **more: object) -> None:
    for file in files:
        edit(file, **{**ANNOUNCED, **more})


def test_a_lock_beside_a_folder_is_waited_for_and_is_no_item(world: DropWorld) -> None:
    """Case 6: the lock is a folder, the exam is steady, and nothing goes until the lock does."""
    world.configure(wait_while=["{item}.lock"])
    lock = world.folder / "exam.lock"
    lock.mkdir()
    sent = uids(world.study(series=(2,)))

    report = world.sync(patience_s=0.0)

    assert report.exit_code == 5
    assert only(report).item.phase is ItemPhase.SEEN
    assert not [path for _, path in world.writes() if "import" in path or "prearchive" in path]
    assert "{item}.lock is still there" in waits(world)
    assert "unchanged for" in waits(world)
    lock.rmdir()
    assert world.sync().exit_code == 0
    assert world.archived("SUB1_MR_20260301") == sent


def test_a_marker_that_must_be_there_is_filed_with_its_item_and_is_not_in_doubt(world: DropWorld) -> None:
    """An empty READY would hold any other item."""
    world.configure(wait_for=["{item}/READY"])
    sent = uids(world.study(series=(2,)))
    assert world.sync(patience_s=0.0).exit_code == 5
    assert "there is no {item}/READY yet" in waits(world)

    (world.folder / "exam" / "READY").touch()

    report = world.sync()
    assert report.exit_code == 0
    assert world.archived("SUB1_MR_20260301") == sent
    assert [part.reason for part in only(report).others] == ["the marker by which the item is known to be complete"]
    assert list(world.folder.glob("done/*/exam/READY"))


def test_a_temporary_name_is_waited_for_at_any_depth(world: DropWorld) -> None:
    world.configure(wait_while=["{item}/*.part"])
    files = world.study(series=(2,))
    hidden = files[0].rename(files[0].with_suffix(".part"))
    assert world.sync(patience_s=0.0).exit_code == 5

    hidden.rename(files[0])

    assert world.sync().exit_code == 0
    assert world.archived("SUB1_MR_20260301") == uids([*world.folder.glob("done/*/exam/**/*.dcm")])


@pytest.mark.parametrize("way", ["accept", "marker", "settings"])
def test_a_lock_that_never_goes_asks_a_person(world: DropWorld, way: str) -> None:
    """Once, and every way on works: accepting, the lock that goes after all, and other settings."""
    world.configure(wait_while=["{item}.lock"], max_wait="0s")
    (world.folder / "exam.lock").touch()
    sent = uids(world.study(series=(2,)))
    row = held(world.sync())
    assert (row.code, row.hold) == ("XS-NOT-COMPLETE", "person")
    assert held(world.sync()).code == "XS-NOT-COMPLETE"
    with world.ledger() as ledger:
        assert len([event for event in ledger.events() if event.code == "XS-NOT-COMPLETE"]) == 1

    if way == "accept":
        assert accept(load(world.config), ["exam"])[0].complete
    elif way == "marker":
        (world.folder / "exam.lock").unlink()
    else:
        (world.folder / "exam.lock").unlink()
        world.configure()

    assert world.sync().exit_code == 0
    assert world.archived("SUB1_MR_20260301") == sent


def test_a_series_that_is_short_is_waited_for_and_an_aborted_one_passes(world: DropWorld) -> None:
    """The scanner announced four, two are there: told with a clock; after the wait it goes, with a note."""
    world.configure(wait_for_missing="1h")
    files = world.study(series=(2,))
    announce(files)

    assert world.sync(patience_s=0.0).exit_code == 5
    assert "has 2 of 4 (GE announces 4)" in waits(world)
    assert "at the latest" in waits(world)

    world.configure(wait_for_missing="0.01s")
    assert world.sync().exit_code == 0
    assert world.archived("SUB1_MR_20260301") == uids([*world.folder.glob("done/*/exam/**/*.dcm")])
    with world.ledger() as ledger:
        assert any("has 2 of 4" in event.text for event in ledger.events() if event.code == "item.short")


def test_what_was_announced_ends_the_wait(world: DropWorld) -> None:
    """The settle time is an hour, everything is there: it goes at once; one object less, and it waits."""
    world.configure(settle="1h", settle_min="0s")
    announce(world.study("whole", series=(4,)))
    announce(world.study("less", patient="SUB2", series=(3,), seed=2))

    report = world.sync(patience_s=0.0)

    phases = {part.item.path: part.item.phase for part in report.items}
    assert phases == {"whole": ItemPhase.DONE, "less": ItemPhase.SEEN}


def test_late_objects_go_to_the_same_session(world: DropWorld) -> None:
    world.configure(wait_for_missing="0.01s")
    files = world.study("a", series=(4,), uid="1.2.5")
    announce(files)
    late = files[3].rename(world.root / "late.dcm")
    assert world.sync().exit_code == 0

    (world.folder / "b").mkdir()
    late.rename(world.folder / "b" / "late.dcm")

    assert world.sync().exit_code == 0
    assert world.archived("SUB1_MR_20260301") == uids([*world.folder.glob("done/*/*/**/*.dcm")])


@pytest.mark.skipif(os.geteuid() == 0, reason="root lists everything")
def test_a_folder_of_locks_that_cannot_be_listed_is_no_proof_that_they_are_gone(world: DropWorld) -> None:
    _cannot_list(world, lambda locks: locks.chmod(0))


def test_a_place_of_locks_that_is_no_folder_is_no_proof_that_they_are_gone(world: DropWorld) -> None:
    """The route stops, and says so; a place that was never there holds no lock."""

    def spoil(locks: Path) -> None:
        locks.rmdir()
        locks.write_text("no folder")

    _cannot_list(world, spoil)


def _cannot_list(world: DropWorld, spoil: Callable[[Path], None]) -> None:
    world.configure(wait_while=["locks/{item}.lock"], ignore=["locks"])
    sent = uids(world.study(series=(2,)))
    locks = world.folder / "locks"
    locks.mkdir()
    spoil(locks)

    report = world.sync(patience_s=0.0)

    assert report.exit_code != 0
    assert only(report).item.phase is ItemPhase.SEEN
    locks.rmdir() if locks.is_dir() else locks.unlink()
    assert world.sync().exit_code == 0
    assert world.archived("SUB1_MR_20260301") == sent


def test_a_marker_within_a_single_file_is_looked_for_and_stops_nothing(world: DropWorld) -> None:
    """`{item}/*.part` means folders; an archive has no such place."""
    world.configure(wait_while=["{item}/*.part", "{item}/locks/*"])
    files = world.study("exam", series=(1,))
    sent = uids(files)
    files[0].rename(world.folder / "one.dcm")
    shutil.rmtree(world.folder / "exam")

    assert world.sync().exit_code == 0
    assert world.archived("SUB1_MR_20260301") == sent


def test_a_file_that_is_cut_off_may_still_be_written(world: DropWorld) -> None:
    """It is waited for, nothing of the item is sent before, and the whole of it goes when it is whole."""
    world.configure(wait_for_missing="1h")
    files = world.study(series=(3,))
    sent = uids(files)
    whole = files[1].read_bytes()
    files[1].write_bytes(whole[:-50])

    assert world.sync(patience_s=0.0).exit_code == 5

    assert "is cut off, it may still be written" in waits(world)
    assert world.session("SUB1_MR_20260301") is None
    files[1].write_bytes(whole)
    assert world.sync().exit_code == 0
    assert world.archived("SUB1_MR_20260301") == sent


def test_a_file_that_stays_cut_off_holds_its_item_after_the_wait(world: DropWorld) -> None:
    world.configure(wait_for_missing="0.01s")
    files = world.study(series=(3,))
    files[1].write_bytes(files[1].read_bytes()[:-50])

    assert held(world.sync()).code == "XS-OBJECTS-BROKEN"


def test_a_series_that_usually_comes_is_waited_for(world: DropWorld) -> None:
    """Three exams had series 2 and 3; the fourth lacks one.  It goes in the end, and a late part at once."""
    world.configure(wait_for_missing="0.01s")
    for number in (1, 2, 3):
        world.study(f"exam{number}", patient=f"SUB{number}", series=(1, 1), seed=number)
    assert world.sync().exit_code == 0
    world.configure(wait_for_missing="1h")
    files = world.study("exam4", patient="SUB4", series=(1, 1), seed=4)
    late = files[1].rename(world.root / "late.dcm")

    assert world.sync(patience_s=0.0).exit_code == 5
    assert "1 series not there yet that the last 3 exams like it had" in waits(world)
    assert world.session("SUB4_MR_20260301") is None

    world.configure(wait_for_missing="0.01s")
    assert world.sync().exit_code == 0
    world.configure(wait_for_missing="1h")
    (world.folder / "more").mkdir()
    late.rename(world.folder / "more" / "late.dcm")
    assert world.sync(patience_s=0.0).exit_code == 0
    assert len(world.archived("SUB4_MR_20260301")) == 2
    assert b"series 2" not in (world.root / "ledger.db").read_bytes().lower()
