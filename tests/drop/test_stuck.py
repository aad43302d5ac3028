"""One thing that cannot be moved is held by itself, with a reason and a remedy; everything else goes on."""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drop_world import DropWorld
from ports_between import app_between
from xnatsync.app.sync import SyncReport, sync
from xnatsync.core.errors import DiskFull, DiskRefused, Exit
from xnatsync.disk.failures import Operation, one_thing, our_disk
from xnatsync.engine.progress import Progress

REPOSITORY = Path(__file__).parents[2]


def _refusing(number: int, name: str) -> Callable[..., Any]:
    """The disk refuses to rename one dropped thing."""

    def move(call: Callable[..., None], source: Path, target: Path) -> None:
        if source.name == name and source.parent.name == "drop":
            raise one_thing(OSError(number, os.strerror(number)), f"moving {source} to {target}", Operation.RENAME)
        call(source, target)

    return move


def _run(world: DropWorld, **disk: Callable[..., Any]) -> SyncReport:
    return sync(
        app_between(world.config, disk=disk), [], progress=Progress(), patience_s=20.0, on_bug=world.bugs.append
    )


@pytest.mark.parametrize("name", ["a-first", "n-middle", "z-last"])
@pytest.mark.parametrize("number", [errno.EPERM, errno.EACCES, errno.EBUSY, errno.EXDEV, errno.ENAMETOOLONG])
def test_one_sick_item_keeps_no_other_waiting(number: int, name: str, world: DropWorld) -> None:
    """The others are done in the same run; the sick one waits for a person, who is told what and why."""
    for n, exam in enumerate([name, "b", "m", "y"]):
        world.study(exam, patient=f"S{n}", seed=n + 1, series=(1,))

    report = _run(world, move=_refusing(number, name))

    phases = {part.item.path: (part.item.phase, part.item.hold, part.item.code) for part in report.items}
    assert phases.pop(name) == ("verified", "person", DiskRefused.code)
    assert set(phases.values()) == {("done", None, None)}
    assert report.exit_code == Exit.HELD
    item = next(part.item for part in report.items if part.item.path == name)
    assert os.strerror(number) in (item.detail or "")
    assert "delivered and proven" in (item.detail or "")
    assert item.advice
    assert world.in_drop() == {name}


def test_what_can_be_moved_again_is_filed_by_the_next_run(world: DropWorld) -> None:
    """Nobody has to say `retry`: the next run tries once, and a run in which nothing is mended tells nothing new."""
    world.study("exam")
    _run(world, move=_refusing(errno.EACCES, "exam"))
    with world.ledger() as ledger:
        before = len(ledger.events())

    again = _run(world, move=_refusing(errno.EACCES, "exam"))
    with world.ledger() as ledger:
        after = len(ledger.events())
    mended = world.sync()

    assert (again.exit_code, after) == (Exit.HELD, before)
    assert (mended.exit_code, mended.items[0].item.phase) == (Exit.OK, "done")


def test_a_full_disk_is_the_whole_route_when_the_probe_says_so(world: DropWorld) -> None:
    """Then nothing is held by itself: the route is left alone, and goes on when there is room."""
    world.study("exam")
    full = our_disk(OSError(errno.ENOSPC, "No space left on device"), "moving")

    def fails(call: Callable[..., None], *_: Path) -> None:
        raise full

    report = _run(world, move=fails, probe=fails)

    assert [type(error) for error in report.errors] == [DiskFull]
    assert report.items[0].item.hold is None
    assert world.sync().exit_code == Exit.OK


def test_a_full_disk_is_one_thing_when_the_probe_passes(world: DropWorld) -> None:
    """It is tried again by itself, with growing waits; the others are done."""
    world.study("exam")
    world.study("other", patient="S2", seed=2)
    full = our_disk(OSError(errno.ENOSPC, "No space left on device"), "moving")

    def fails(call: Callable[..., None], source: Path, target: Path) -> None:
        if source.name == "exam":
            raise full
        call(source, target)

    report = _run(world, move=fails)

    assert report.errors == []
    found = {part.item.path: (part.item.phase, part.item.hold) for part in report.items}
    assert found == {"exam": ("verified", "retry"), "other": ("done", None)}


OTHER = 65534  # somebody else
RIGHTS = (1, 2, 3)  # of the superuser to read, enter and change what others own (CAP_DAC_*, CAP_FOWNER)


def _without_rights() -> None:
    """What is started from here is root in name only: files of others are closed to it."""
    library = ctypes.CDLL(None, use_errno=True)
    for right in RIGHTS:
        if library.prctl(24, right, 0, 0, 0):  # PR_CAPBSET_DROP
            raise OSError(ctypes.get_errno(), "the right cannot be given up")


@pytest.mark.skipif(not sys.platform.startswith("linux") or os.geteuid() != 0, reason="needs rights to give up")
@pytest.mark.parametrize("kind", ["a folder of another account", "a sticky drop folder"])
def test_a_real_account_that_may_not_move_it(kind: str, world: DropWorld) -> None:
    """A scanner's folder of mode 0755, a sticky folder: all but one go, one stays and is told; `doctor` sees it too."""
    for n in range(4):
        world.study(f"exam{n}", patient=f"S{n}", seed=n + 1, series=(1,))
    os.chown(world.folder / "exam0", OTHER, OTHER)
    if kind == "a sticky drop folder":
        world.folder.chmod(0o1777)
        os.chown(world.folder, OTHER, OTHER)
        (world.folder / "exam0").chmod(0o777)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "xnatsync", "--config", str(world.config), *arguments]
        return subprocess.run(
            command,
            preexec_fn=_without_rights,
            cwd=REPOSITORY,
            text=True,
            timeout=120,
            capture_output=True,
            check=False,
        )

    before = run("doctor")
    ran = run("sync", "-q", "--patience", "20s")
    after = run("sync", "-q", "--patience", "20s")

    assert "exam0 in" in before.stdout
    assert "cannot be moved by this account" in " ".join(before.stdout.split())
    assert (ran.returncode, after.returncode) == (Exit.HELD, Exit.HELD), ran.stderr
    assert "XS-DISK-REFUSED" in ran.stdout
    assert world.in_drop() == {"exam0"}
