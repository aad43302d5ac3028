"""What comes into a custody box while its item is filed: an item of its own, which nobody else would find again."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from drop_pieces import LABEL, FilesAndFails, Meddled, QuickClock, as_archive, elsewhere, meddled_sync, quick_sync
from drop_world import DropWorld, uids


@pytest.mark.parametrize("away", ["unmounted", "taken"])
def test_strangers_in_custody_are_given_up_only_when_they_are_certainly_gone(world: DropWorld, away: str) -> None:
    """An empty mount point proves nothing: they are delivered when the disk is back; taken away, they are forgotten."""
    sent = uids(world.study(uid="2.25.99"))
    late = elsewhere(world, "late", series=(1,), first=7, uid="2.25.99", seed=7)

    def come(box: Path) -> None:
        shutil.copy(late[0], box / "late.dcm")

    world.configure(settle="60s")
    disk = Meddled("move", come, nth=2)
    aside = world.root / "unmounted"
    clock = QuickClock(threading.Event())

    def unmount(_seconds: float) -> None:
        if disk.struck and not aside.exists():  # the strangers are an item now, and settle
            world.folder.rename(aside)
            world.folder.mkdir()

    clock.on_wait = unmount
    meddled_sync(world, disk, clock, patience_s=100.0)
    with world.ledger() as ledger:
        assert [(item.code, item.hold) for item in ledger.items()] == [("XS-SOURCE-GONE", "retry")]
    shutil.rmtree(world.folder)
    aside.rename(world.folder)
    if away == "taken":
        shutil.rmtree(next(world.folder.rglob("late.dcm")).parent)

    report = quick_sync(world, clock)

    assert report.exit_code == 0, report
    assert world.in_drop() == set()
    assert world.archived(LABEL) == sent | (uids(late[:1]) if away == "unmounted" else set())


def test_an_archive_that_is_torn_after_its_proof_becomes_an_item_of_its_own(world: DropWorld) -> None:
    """As by a power cut: what was proven is done; what is left of the archive waits for a person, who can end it."""
    sent = uids(as_archive(world, "exam.zip"))

    def tear(_source: Path) -> None:
        archive = next(world.folder.rglob("custody/*/exam.zip"))
        archive.write_bytes(archive.read_bytes()[:2000])

    report = meddled_sync(world, Meddled("move", tear, after=True))

    assert report.exit_code == 3
    assert world.archived(LABEL) == sent
    with world.ledger() as ledger:
        found = {(item.id, item.place, item.phase, item.code) for item in ledger.items(living=False)}
    assert found == {(1, "drop", "done", None), (2, "custody", "seen", "XS-SOURCE-DAMAGED")}
    next(world.folder.rglob("exam.zip")).unlink()
    assert quick_sync(world).exit_code == 0
    assert world.in_drop() == set()


def test_a_filing_whose_end_was_not_seen_is_brought_to_the_disk_before_it_is_called_done(world: DropWorld) -> None:
    """The rename was made, and nobody knows whether it was flushed: a power cut must not undo what the ledger says."""
    sent = uids(world.study())
    disk = FilesAndFails(nth=2)
    report = meddled_sync(world, disk)

    assert (report.exit_code, disk.struck) == (0, True)  # a disk that is well again leaves no error behind
    (day,) = [path for path in (world.folder / "done").iterdir() if path.is_dir()]
    inner = [path for path in day.rglob("*") if path.is_dir()]
    with world.ledger() as ledger:
        box = world.folder / ".xnatsync" / "custody" / f"1-{ledger.identity()}"
    assert set(disk.settled) == {box, day, *inner}
    assert world.archived(LABEL) == sent
