"""Nothing goes on for ever, and nothing ends in the wrong place: what the pure tests prove, with everything real."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.data import get_testdata_file

from drop_pieces import quick_sync
from drop_world import DropWorld, only, uids, unit_of
from ports_between import Shifted, app_between
from xnatsync.app.sync import sync
from xnatsync.core.compare import NO_PIXELS, Same, same
from xnatsync.core.manifest import Level
from xnatsync.core.moment import stamp
from xnatsync.core.retry import EFFECT_WAITS_S
from xnatsync.core.tree import Node
from xnatsync.engine.progress import Progress
from xnatsync.ledger.rows import FileRow
from xnatsync.routes.drop.settings import source_tree

IMPORT, BUILD, COMMIT = "/data/services/import", "action=build", "action=commit"
LABEL = "SUB1_MR_20260301"


def split(world: DropWorld, name: str, files: list[Path], count: int) -> list[Path]:
    """Moves the first files of a dropped study out, into a folder that is dropped later."""
    aside = world.root / name
    aside.mkdir()
    return [Path(shutil.move(file, aside / file.name)) for file in files[:count]]


def drop(world: DropWorld, name: str) -> None:
    shutil.move(world.root / name, world.folder / name)


def test_a_session_that_waits_for_a_person_does_not_keep_its_neighbours_polling(world: DropWorld) -> None:
    """Late files of a study whose first part is stuck in the prearchive: the run ends; after `retry` both arrive."""
    files = world.study(uid="2.25.7")
    everything = uids(files)
    split(world, "late", files, 2)
    refused = world.after("POST", BUILD, lambda: _conflict(world))
    assert world.sync().exit_code == 3
    drop(world, "late")

    report = world.sync(patience_s=5.0)

    assert refused.hits == 1
    assert report.exit_code == 3
    assert sorted(part.item.phase for part in report.items) == ["settled", "settled"]
    for row in world.site.prearchive.rows.values():
        row.status = "READY"
    _retry(world, report.items[0].item.id)
    assert world.sync().exit_code == 0
    assert world.archived(LABEL) == everything


def _conflict(world: DropWorld) -> None:
    for row in world.site.prearchive.rows.values():
        row.status = "CONFLICT"


def _retry(world: DropWorld, item: int) -> None:
    from xnatsync.ledger.open import open_ledger

    ledger = open_ledger(world.root / "ledger.db")
    for unit in ledger.units(item_id=item):
        ledger.release_unit(unit.id)
    ledger.close()


def test_the_rest_of_an_archived_study_is_proven_where_it_waits(world: DropWorld) -> None:
    """`destination = "prearchive"`: a person archived the first part; the proof counts both places together."""
    files = world.study(uid="2.25.7")
    first = uids(files[2:])
    split(world, "late", files, 2)
    assert world.sync().exit_code == 0
    assert world.archived(LABEL) == first
    drop(world, "late")
    shutil.copytree(world.folder / "done", world.root / "again")  # the whole study once more
    for file in (world.root / "again").rglob("*.dcm"):
        shutil.move(file, world.folder / "late" / f"again_{file.name}")
    world.configure(destination="prearchive", ignore=["done"])

    report = world.sync(patience_s=5.0)

    part = unit_of(only(report))
    assert report.exit_code == 0, part.unit
    assert part.receipt is not None
    assert (part.receipt.place, part.receipt.held) == ("prearchive", len(files))
    assert world.archived(LABEL) == first


def test_a_label_that_is_taken_gets_the_first_free_number(world: DropWorld) -> None:
    """`S`, `S_2` and `S_3` belong to others: it becomes `S_4`, not `S_2_2`."""
    world.configure(collision="suffix")
    for number in range(1, 4):
        world.study(f"exam{number}", uid=f"2.25.{number}", seed=number)
        assert world.sync().exit_code == 0
    world.study("exam4", uid="2.25.4", seed=4)

    assert world.sync().exit_code == 0

    labels = {session.label for session in world.site.experiments.values()}
    assert labels == {LABEL, f"{LABEL}_2", f"{LABEL}_3", f"{LABEL}_4"}


def test_a_row_that_a_person_gave_another_label_is_not_archived(world: DropWorld) -> None:
    """Archiving follows the row: it would make a session that nobody asked for."""
    world.study()

    def rename() -> None:
        for row in world.site.prearchive.rows.values():
            row.name = "SOMEBODY_ELSE"

    world.after("POST", BUILD, rename)

    report = world.sync()

    assert (report.exit_code, unit_of(only(report)).unit.code) == (3, "XS-STUDY-ELSEWHERE")
    assert not world.site.experiments
    assert world.in_drop() == {"exam"}


def test_an_archiving_that_is_always_refused_ends_with_a_person(world: DropWorld) -> None:
    """The row stays READY and says nothing: what is refused for good is asked for once."""
    world.study()
    body = "FAILED: Unable to archive exam: Operation Failed: disk quota"
    struck = world.fault("POST", COMMIT, "status", status=500, body=body, times=99)

    report = world.sync(patience_s=5.0)

    unit = unit_of(only(report)).unit
    assert (report.exit_code, unit.code, unit.hold) == (3, "XS-REQUEST-REFUSED", "person")
    assert struck.hits == 1


def test_an_upload_that_is_always_cut_ends_with_a_person(world: DropWorld) -> None:
    """Twelve times, each after a longer wait; no upload was acknowledged, so none is called lost by the server."""
    world.configure(quiet="0s")
    world.study()
    struck = world.fault("POST", IMPORT, "cut_request", bytes=2000, times=99)

    report = quick_sync(world, patience_s=sum(EFFECT_WAITS_S) * 13)

    unit = unit_of(only(report)).unit
    assert (report.exit_code, unit.code, unit.hold, unit.sends) == (3, "XS-OUTCOME-UNKNOWN", "person", 0)
    assert struck.hits == 13
    assert world.in_drop() == {"exam"}


def test_an_object_without_pixels_that_was_truncated_is_no_object_without_pixels(world: DropWorld) -> None:
    """A report has no pixel data to compare: half a report has none either, and must not pass for a whole one."""
    world.configure(verify="pixels")
    report_file = world.folder / "exam" / "report.dcm"
    report_file.parent.mkdir()
    dataset = pydicom.dcmread(get_testdata_file("reportsi.dcm", download=False))
    dataset.PatientID, dataset.StudyDate = "SUB1", "20260301"
    dataset.save_as(report_file)

    def truncate() -> None:
        (path,) = (path for path in (world.root / "site").rglob("*.dcm") if "/archive/" in path.as_posix())
        path.write_bytes(path.read_bytes()[:-100])

    struck = world.after("POST", COMMIT, truncate)

    report = world.sync()

    assert struck.hits == 1
    assert (report.exit_code, unit_of(only(report)).unit.code) == (3, "XS-OBJECTS-DIFFER")
    assert unit_of(only(report)).receipt is None


def test_a_clock_that_was_set_back_does_not_hold_an_item_for_days(world: DropWorld) -> None:
    """It was first seen "tomorrow": the settle time begins anew, and ends."""
    world.configure(settle="500ms")
    world.study()
    tomorrow = app_between(world.config, clock=Shifted(timedelta(days=1), stops=True))  # before it settled
    report = sync(tomorrow, [], progress=Progress(), on_bug=world.bugs.append, patience_s=20.0)
    assert (report.exit_code, world.bugs) == (5, [])
    with world.ledger() as ledger:
        (item,) = ledger.items()
    assert item.steady_at > stamp(datetime.now(UTC))

    assert world.sync(patience_s=5.0).exit_code == 0
    assert world.in_drop() == set()


def test_a_level_that_was_raised_after_the_item_was_read_is_unprovable_not_different(world: DropWorld) -> None:
    """The manifest knows no digest of the pixels then: nothing on the server may be called damaged for that."""
    node = source_tree([_row(pixels=None, pixel_bytes=60)])["1.2.3"]
    assert isinstance(node, Node)
    assert same(node, Node("1.2.3", 100, 0, {"pixels": "aa"}), Level.PIXELS) is Same.CANNOT_TELL
    report = source_tree([_row(pixels=None, pixel_bytes=0)])["1.2.3"]
    assert isinstance(report, Node)
    assert same(report, Node("1.2.3", 100, 0, {"pixels": NO_PIXELS}), Level.PIXELS) is Same.CANNOT_TELL
    assert same(report, Node("1.2.3", 100, 0, {"pixels": "aa"}), Level.PIXELS) is Same.NO


def _row(**changes: Any) -> FileRow:
    return FileRow(
        item_id=1, path="a", position=0, size=100, mtime_ns=1, sha256=bytes(32), crc32=1, md5=b"", kind="dicom",
        reason="", unit_id=1, key="1.2.3", member="1.2.3.dcm", series_uid="", series_number="", modality="",
        sop_class="", transfer_syntax="", **changes,
    )  # fmt: skip


@pytest.mark.parametrize("effect", ["build", "commit"])
def test_building_and_archiving_take_the_lease_too(effect: str, tmp_path: Path) -> None:
    """A unit that finds the row of its former life must not archive it while another unit sends to it (S5)."""
    from unit.ledger_example import LATER, NOW, fresh, settled

    ledger = fresh(tmp_path)
    (first,), (second,) = settled(ledger, "a", label="SAME"), settled(ledger, "b", label="SAME")

    ledger.open_attempt(first.id, run_id=1, effect=effect, request_id="r", now=NOW, quiet_at=LATER)

    writer = ledger.writer_of(second.target)
    assert writer is not None
    assert writer.id == first.id
    ledger.close()
