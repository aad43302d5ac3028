"""The trash of a mirror: a new ledger, a clock that is wrong, and what cannot be removed."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mirror_box import MirrorBox, now
from mirror_world import MirrorWorld
from xnatsync.app.app import App
from xnatsync.app.clock import SystemClock
from xnatsync.config.load import load

NAMES = ("1.nii", "2.nii", "3.nii")


class Shifted(SystemClock):
    """The system's clock, so many days ahead."""

    days = 0.0

    def now(self) -> Any:
        return super().now() + timedelta(days=Shifted.days)


class ShiftedApp(App):
    """The application with that clock."""

    def make_clock(self) -> SystemClock:
        return Shifted(self.stop)


@pytest.fixture
def replica(world: MirrorWorld) -> MirrorWorld:
    """A replica with three files, the clock in our hands."""
    world.configure(policy="replica", metadata=False)
    world.make_app = ShiftedApp
    world.number = world.session_with(scans=1)
    world.fill(world.number, scans=1)
    sync_at(world, 0)
    return world


def sync_at(world: MirrorWorld, days: float) -> Any:
    """Runs the mirror on a day."""
    Shifted.days = days
    try:
        return world.mirror()
    finally:
        Shifted.days = 0.0


def replace_all(world: MirrorWorld, content: bytes) -> None:
    for name in NAMES:
        where = f"experiments/{world.number}/scans/1/resources/NIFTI/files/{name}"
        world.upload(where, content + name.encode(), overwrite=True)


def trashed(world: MirrorWorld) -> list[bytes]:
    """What lies in the trash, without metadata."""
    root = world.tree / ".xnatsync" / "trash"
    return sorted(path.read_bytes() for path in root.rglob("*.nii"))


def lose_ledger(world: MirrorWorld) -> None:
    for path in world.root.glob("ledger.db*"):
        path.unlink()


# --- a ledger that was lost --------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["replaced", "removed"])
def test_a_new_ledger_leaves_the_old_trash_and_finds_places_of_its_own(replica: MirrorWorld, how: str) -> None:
    """Numbers begin anew; what lies at a place already is somebody's past, and nothing waits for it."""
    replace_all(replica, b"second ")
    sync_at(replica, 0)
    first = trashed(replica)
    assert len(first) == 3
    for generation in range(3):
        lose_ledger(replica)
        report = sync_at(replica, 0)
        assert report.exit_code == 0, report.troubles
        if how == "replaced":
            replace_all(replica, b"generation " + b"x" * generation)
        else:
            for name in NAMES[:2]:
                replica.delete(f"experiments/{replica.number}/scans/1/resources/NIFTI/files/{name}")
        before = replica.files()
        report = sync_at(replica, 0)
        assert (report.exit_code, report.troubles) == (0, ())
        gone = [content for path, content in before.items() if replica.files().get(path) != content]
        assert len(gone) == (3 if how == "replaced" else 2)
        assert sorted([*first, *gone]) == trashed(replica)
        first = trashed(replica)
        if how == "removed":
            replace_all(replica, b"again " + b"y" * generation)
            sync_at(replica, 0)
            first = trashed(replica)
    with replica.ledger() as ledger:
        assert len(ledger.trash_places(["m"])) == len(set(ledger.trash_places(["m"])))


def test_what_a_lost_ledger_left_in_the_trash_goes_when_its_time_is_over(replica: MirrorWorld) -> None:
    """By the dates on the disk, and after two runs found it so; what the new ledger knows stays as long as it says."""
    replace_all(replica, b"second ")
    sync_at(replica, 0)
    lose_ledger(replica)
    assert sync_at(replica, 0).exit_code == 0
    for day in (20, 31.5):
        sync_at(replica, day)
        assert len(trashed(replica)) == 3
    report = sync_at(replica, 33)
    assert trashed(replica) == []
    assert report.counts["forgotten"] >= 3
    assert list((replica.tree / ".xnatsync" / "trash").iterdir()) == []


def test_a_file_that_was_put_into_the_old_trash_a_moment_ago_stays(replica: MirrorWorld) -> None:
    """The day in a name is what somebody called it: the disk knows when it came."""
    place = replica.tree / ".xnatsync" / "trash" / "2001-01-01" / "7" / "mine.nii"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"mine")
    os.utime(place, (0, 0))
    for day in (0, 2, 4):
        sync_at(replica, day)
    assert place.read_bytes() == b"mine"


# --- a clock that is wrong ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [31, 400, 9_000])
def test_one_run_with_a_clock_ahead_empties_nothing(replica: MirrorWorld, ahead: int) -> None:
    """Nor do the runs after it, when it is right again; what is over its time goes all the same."""
    replace_all(replica, b"second ")
    sync_at(replica, 1)
    for day in (2, ahead, 3, ahead + 1, 4, 5):
        sync_at(replica, day)
        assert len(trashed(replica)) == 3, day
    sync_at(replica, 32.1)
    assert len(trashed(replica)) == 3
    sync_at(replica, 33.2)
    assert trashed(replica) == []


def test_owners_that_agreed_in_the_future_are_looked_at(replica: MirrorWorld) -> None:
    """At once, in the first run whose clock is right: nothing tells how long ago they were looked at."""
    agreed, due = [], []
    for day in (400, 1, 1, 9):
        report = sync_at(replica, day)
        assert report.exit_code == 0
        due.append(report.due)
        with replica.ledger() as ledger:
            agreed.append({str(owner.agreed_at) for owner in ledger.owners("m")})
    assert due == [3, 3, 0, 3]
    assert max(agreed[1]) < min(agreed[3]) < min(agreed[0])


# --- what cannot be removed --------------------------------------------------------------------------------------


def test_what_stays_in_the_trash_is_not_forgotten(replica: MirrorWorld) -> None:
    """And keeps nothing else there: it is removed by the first run that can."""
    replace_all(replica, b"second ")
    sync_at(replica, 0)
    root = replica.tree / ".xnatsync" / "trash"
    one, *others = sorted(root.rglob("*.nii"))
    one.unlink()
    one.mkdir()
    (one / "in the way").mkdir()
    sync_at(replica, 31)
    report = sync_at(replica, 33)
    assert not any(other.exists() for other in others)
    assert report.counts["forgotten"] >= 2
    with replica.ledger() as ledger:
        place = one.relative_to(root).as_posix()
        assert ledger.trash_places(["m"]) == {place}
        assert any(event.code == "trash.stays" for event in ledger.events())

    (one / "in the way").rmdir()
    one.rmdir()
    one.write_bytes(b"it is back")
    sync_at(replica, 34)
    assert not one.exists()
    with replica.ledger() as ledger:
        assert ledger.trash_places(["m"]) == set()


def test_a_trash_that_is_a_link_is_left_alone(replica: MirrorWorld, tmp_path: Path) -> None:
    """What lies behind it is not ours, and what we know of it is not forgotten."""
    replace_all(replica, b"second ")
    sync_at(replica, 0)
    trash, outside = replica.tree / ".xnatsync" / "trash", tmp_path / "bigger disk"
    trash.rename(outside)
    trash.symlink_to(outside)
    for day in (31, 33):
        sync_at(replica, day)
    assert len(list(outside.rglob("*.nii"))) == 3
    with replica.ledger() as ledger:
        assert len([place for place in ledger.trash_places(["m"]) if place.endswith(".nii")]) == 3
    assert load(replica.config)


def test_our_own_folder_as_a_link_halts_the_mirror(replica: MirrorWorld, tmp_path: Path) -> None:
    """Nothing is fetched, replaced or cleared behind it; with the folder in its place the next run goes on."""
    own, outside = replica.tree / ".xnatsync", tmp_path / "bigger disk"
    own.rename(outside)
    (outside / "staging").mkdir(exist_ok=True)
    (outside / "staging" / "precious").write_bytes(b"precious")
    own.symlink_to(outside)
    before = {path: path.read_bytes() for path in outside.rglob("*") if path.is_file()}
    replace_all(replica, b"second ")

    report = sync_at(replica, 0)

    assert report.exit_code == 7
    assert f"{own} is a link" in str(report.errors[0])
    assert {path: path.read_bytes() for path in outside.rglob("*") if path.is_file()} == before

    own.unlink()
    outside.rename(own)
    assert sync_at(replica, 0).exit_code == 0
    assert any(content.startswith(b"second ") for content in replica.files().values())


# --- what the past shows -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [365.0, -365.0])
def test_what_a_run_with_a_wrong_clock_did_is_shown_as_it_is(trees: MirrorBox, days: float) -> None:
    """Of a run a year ahead (or behind): what it removed is gone, what it added is there, and not before."""
    trees.configure(policy="replica", metadata=False)
    trees.make_app = ShiftedApp
    number = trees.fill_one()
    sync_at(trees, 0)
    before, then = trees.shown(), now()
    trees.delete(f"experiments/{number}/scans/1/resources/NIFTI/files/2.nii")
    trees.upload(trees.url("new.nii"), b"fresh")
    sync_at(trees, days)
    after = trees.shown()
    assert len(before) == len(after) == 6
    assert before != after
    for run in range(2):  # also when a run with the right clock followed
        listed = trees.command("mirror", "ls", "m", "-r", "--at", "now").out.splitlines()
        assert listed == sorted(after)
        rows = trees.command("mirror", "manifest", "m").out
        assert all((path in rows) == (path in after) for path in before.keys() | after.keys())
        differs = trees.command("mirror", "diff", "m", then, "now", "-o", "json").document["changes"]
        assert {change["path"] for change in differs} == before.keys() ^ after.keys()
        target = trees.root / f"out{run}"
        trees.command("mirror", "restore", "m", "P1", "--at", "now", "--to", str(target))
        assert {path.relative_to(target).as_posix() for path in target.rglob("*.nii")} == set(after)
        sync_at(trees, 0)
    assert trees.command("mirror", "ls", "m", "-r", "--at", then).out.splitlines() == sorted(before)
