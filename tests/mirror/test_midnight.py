"""A day that ends between the announcement of a move to the trash and the move leaves nothing that nobody knows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mirror_world import OURS, MirrorWorld, some_bytes
from ports_between import Shifted, app_between
from verify_world import flip
from xnatsync.app.sync import SyncReport, sync
from xnatsync.app.verify import Asked, verify
from xnatsync.engine.progress import Progress

FIRST = "P1/S1/S1_MR/scans/1/resources/NIFTI/files/1.nii"
TRASH = Path(OURS) / "trash"


@pytest.fixture
def replica(world: MirrorWorld) -> MirrorWorld:
    """A mirror that follows the server, at rest."""
    world.configure(policy="replica", max_delete=100, metadata=False)
    world.number = world.session_with(scans=1)
    world.fill(world.number, scans=1)
    assert world.mirror().exit_code == 0
    return world


def in_trash(world: MirrorWorld) -> dict[str, bytes]:
    """What lies there, by its place."""
    root = world.tree / TRASH
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def known(world: MirrorWorld) -> set[str]:
    """The places at which the ledger knows what is over."""
    with world.opened_ledger() as ledger:
        rows = ledger.versions_of("m", FIRST)
    return {row.trash for row in rows if row.trash is not None and row.until is not None}


def tomorrow() -> Shifted:
    """An hour of the next day."""
    return Shifted(timedelta(days=1) + timedelta(hours=1) * (datetime.now(UTC).hour < 23))


def dies_in_the_evening(world: MirrorWorld, act: str, method: str, when: str) -> None:
    """Runs something late in the day, in a process that is killed before or after it asks its disk for that."""
    process = Path(__file__).with_name("evening_process.py")
    command = [sys.executable, str(process), str(world.config), act, method, when]
    paths = os.pathsep.join([str(process.parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    ran = subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, timeout=120)
    assert ran.returncode == -signal.SIGKILL, ran


def synced(world: MirrorWorld, clock: Shifted) -> SyncReport:
    """One run at another time."""
    return sync(app_between(world.config, clock=clock), [], progress=Progress(), on_bug=print, patience_s=20.0)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("change", "method"), [("replaced", "keep"), ("removed", "discard"), ("damaged", "discard")])
def test_the_place_in_the_trash_outlives_the_day(replica: MirrorWorld, change: str, method: str, when: str) -> None:
    """The next run, on the next day, goes on where it was announced: one name in the trash, and the ledger knows it."""
    old, new = replica.files()[FIRST], some_bytes("other", 321)
    where = f"experiments/{replica.number}/scans/1/resources/NIFTI/files/1.nii"
    if change == "replaced":
        replica.upload(where, new, overwrite=True)
    elif change == "removed":
        replica.delete(where)
    else:
        flip(replica.tree / FIRST)
        old, new = (replica.tree / FIRST).read_bytes(), old
    dies_in_the_evening(replica, "repair" if change == "damaged" else "sync", method, when)
    left = in_trash(replica)
    assert list(left.values()) == ([old] if when == "after" else [])

    if change == "damaged":
        verify(app_between(replica.config, clock=tomorrow()), [], Asked(repair=True), progress=Progress())
    report = synced(replica, tomorrow())

    assert report.exit_code == 0, report
    assert list(in_trash(replica).values()) == [old]
    assert in_trash(replica).keys() == known(replica)
    assert left.keys() <= in_trash(replica).keys()
    assert replica.files().get(FIRST) == (None if change == "removed" else new)


def test_and_its_time_in_the_trash_ends(replica: MirrorWorld) -> None:
    """Retention goes by the ledger: what was announced on an older day goes with the rest, and nothing stays.

    One run alone empties nothing, for its clock may be ahead: two a day apart must agree.
    """
    replica.upload(
        f"experiments/{replica.number}/scans/1/resources/NIFTI/files/1.nii", some_bytes("other", 321), overwrite=True
    )
    dies_in_the_evening(replica, "sync", "keep", "after")
    assert synced(replica, tomorrow()).exit_code == 0
    assert len(in_trash(replica)) == 1

    assert synced(replica, Shifted(timedelta(days=40))).exit_code == 0
    assert len(in_trash(replica)) == 1
    assert synced(replica, Shifted(timedelta(days=41, hours=1))).exit_code == 0

    assert in_trash(replica) == {}
    assert known(replica) == set()
