"""When is an item taken?  When it has been quiet for the settle time; what changes after that is looked at anew."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from drop_pieces import (
    LABEL,
    Meddled,
    QuickClock,
    contents,
    elsewhere,
    held,
    imports,
    meddled_sync,
    other_pixels,
    packed,
    quick_sync,
)
from drop_world import DropWorld, only, uids
from xnatsync.disk.local import LocalDisk


def _clock() -> QuickClock:
    return QuickClock(threading.Event())


def test_nothing_is_taken_before_the_settle_time(world: DropWorld) -> None:
    """The run waits for it and then delivers; nothing was sent before."""
    world.configure(settle="60s")
    sent = uids(world.study())
    clock = _clock()
    waited: list[tuple[float, int]] = []
    clock.on_wait = lambda seconds: waited.append((sum(clock.waited), len(imports(world))))

    report = quick_sync(world, clock)

    assert report.exit_code == 0
    assert world.archived(LABEL) == sent
    assert all(uploads == 0 for passed, uploads in waited if passed < 59)
    assert sum(clock.waited) > 59


def test_a_short_settle_of_the_command_wins_over_the_routes(world: DropWorld) -> None:
    """`sync --settle 0s`: whoever is at the keyboard knows that the copy is complete."""
    world.configure(settle="2h")
    sent = uids(world.study())
    clock = _clock()

    report = quick_sync(world, clock, settle_s=0.0)

    assert report.exit_code == 0
    assert world.archived(LABEL) == sent
    assert sum(clock.waited) < 60


def test_a_growing_item_is_not_taken_until_it_rests(world: DropWorld) -> None:
    """A copy that takes minutes: each time we look there is another file."""
    world.configure(settle="60s")
    files = elsewhere(world, series=(6,))
    place = world.folder / "exam"
    place.mkdir()
    shutil.copyfile(files[0], place / files[0].name)
    clock, left = _clock(), files[1:]
    uploads_while_growing: list[int] = []

    def grow(_seconds: float) -> None:
        if left:
            file = left.pop(0)
            shutil.copyfile(file, place / file.name)
            uploads_while_growing.append(len(imports(world)))

    clock.on_wait = grow

    report = quick_sync(world, clock)

    assert report.exit_code == 0, report
    assert uploads_while_growing == [0] * 5
    assert world.archived(LABEL) == uids(files)
    assert len(report.items) == 1
    with world.ledger() as ledger:
        assert len(ledger.receipts(only(report).item.id)) == 1


def test_a_file_that_grows_is_not_taken_half(world: DropWorld) -> None:
    world.configure(settle="60s")
    (file,) = elsewhere(world, series=(1,))
    data = file.read_bytes()
    (world.folder / "image").write_bytes(data[:3000])
    clock, ends = _clock(), [4000, 5000, len(data)]

    def grow(_seconds: float) -> None:
        if ends:
            (world.folder / "image").write_bytes(data[: ends.pop(0)])

    clock.on_wait = grow

    assert quick_sync(world, clock).exit_code == 0
    assert world.archived(LABEL) == uids([file])


def test_an_archive_that_is_still_written_is_waited_for(world: DropWorld) -> None:
    """Half a zip is damaged only when nobody writes it any more."""
    world.configure(settle="60s")
    files = elsewhere(world)
    data = packed(contents(files[0].parents[1]), ".zip")
    (world.folder / "exam.zip").write_bytes(data[: len(data) // 2])
    clock = _clock()
    clock.on_wait = lambda _seconds: (
        (world.folder / "exam.zip").exists()
        and ((world.folder / "exam.zip").stat().st_size < len(data) and (world.folder / "exam.zip").write_bytes(data))
    )

    report = quick_sync(world, clock)

    assert report.exit_code == 0, report
    assert world.archived(LABEL) == uids(files)


@pytest.mark.parametrize("behind", [False, True], ids=["before reading", "after reading"])
def test_an_item_that_changes_while_it_is_read_is_read_again(world: DropWorld, behind: bool) -> None:
    files = elsewhere(world, series=(3,))
    place = world.folder / "exam"
    place.mkdir()
    for file in files[:2]:
        shutil.copyfile(file, place / file.name)

    report = meddled_sync(
        world,
        Meddled("read_manifest", lambda _path: shutil.copyfile(files[2], place / files[2].name), after=behind),
    )

    assert report.exit_code == 0, report
    assert world.archived(LABEL) == uids(files)
    assert len(report.items) == 1


def _rewrite(path: Path) -> None:
    """Other pixels, the same size and the same time stamp: only the content tells."""
    before = path.stat()
    other_pixels(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("hidden", [False, True], ids=["touched", "same time stamp"])
def test_an_item_that_changes_before_it_is_sent_is_delivered_as_it_is_now(world: DropWorld, hidden: bool) -> None:
    """The stream compares each file with the manifest, whatever its size and time say; then the item is read again."""
    files = world.study(series=(2,))
    sent = uids(files)

    report = meddled_sync(world, Meddled("stream", lambda _path: (_rewrite if hidden else other_pixels)(files[0])))

    assert report.exit_code == 0, [part.unit for part in only(report).units]
    assert world.archived(LABEL) == sent
    (filed,) = (world.folder / "done").rglob("0001.dcm")
    assert any(path.read_bytes().endswith(filed.read_bytes()[-1000:]) for path in world.stored(LABEL))


def test_a_disk_that_gives_other_bytes_each_time_ends_with_a_person(world: DropWorld) -> None:
    """It looks the same, and is never what it was when it was read: nothing of it is archived, and the run ends."""
    (file,) = world.study(series=(1,))
    disk = Meddled("stream", lambda _path: None)

    def stream(path: Path, wanted: Any) -> Any:
        before, data = file.stat(), bytearray(file.read_bytes())
        data[-5] = (data[-5] + 1) % 256
        file.write_bytes(bytes(data))
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        return LocalDisk.stream(disk, path, wanted)

    disk.stream = stream  # type: ignore[method-assign]

    report = meddled_sync(world, disk, patience_s=1e7)

    assert (report.exit_code, held(report).code) == (3, "XS-SOURCE-CHANGED")
    assert not world.site.experiments


def test_a_file_that_is_removed_before_it_is_sent_is_not_waited_for(world: DropWorld) -> None:
    """The person took it out: what remains is a smaller item."""
    files = world.study(series=(3,))
    rest = uids(files[1:])

    report = meddled_sync(world, Meddled("stream", lambda _path: files[0].unlink()))

    assert report.exit_code == 0, [part.unit for part in only(report).units]
    assert world.archived(LABEL) == rest


def test_an_item_that_vanishes_before_it_is_read_is_forgotten(world: DropWorld) -> None:
    world.study()

    report = meddled_sync(world, Meddled("read_manifest", lambda path: shutil.rmtree(path)))

    assert (report.exit_code, report.items) == (0, [])
    assert imports(world) == []


def test_an_item_that_vanishes_after_it_was_read_is_given_up_and_goes_when_it_is_put_back(world: DropWorld) -> None:
    world.configure(project="LATER")
    sent = uids(world.study())
    assert world.sync().exit_code == 3
    aside = world.root / "aside"
    (world.folder / "exam").rename(aside)
    world.put("/data/projects/LATER")

    report = world.sync(patience_s=0.1)

    item = only(report).item
    assert (report.exit_code, item.phase) == (0, "dismissed")
    assert item.detail == "taken away before anything of it was sent"
    assert imports(world) == []
    aside.rename(world.folder / "exam")
    world.configure(project="P1")
    assert quick_sync(world).exit_code == 0
    assert world.archived(LABEL) == sent


def test_what_is_named_in_ignore_is_never_looked_at(world: DropWorld) -> None:
    world.configure(ignore=["*.tmp", "lost+found"])
    world.study("copying.tmp")
    world.study("lost+found", patient="SUB2", seed=2)

    report = world.sync()

    assert (report.exit_code, report.items) == (0, [])
    (world.folder / "copying.tmp").rename(world.folder / "copied")
    assert world.sync().exit_code == 0
    assert world.session(LABEL) is not None
