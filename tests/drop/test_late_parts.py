"""A study that comes in parts, comes twice, or comes changed: one session, nothing doubled, nothing passed over."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from drop_pieces import LABEL, contents, delete, edit, elsewhere, held, imports, other_pixels, quick_sync, retry, upload
from drop_world import DropWorld, only, uids, unit_of
from xnatsync.app.sync import SyncReport

STUDY = "2.25.4711"


def _drop(world: DropWorld, name: str, files: list[Path]) -> None:
    """Drops some of the files, under their own paths below the study."""
    for file in files:
        target = world.folder / name / file.parent.name / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)


def _receipts(world: DropWorld) -> list[tuple[int, int]]:
    with world.ledger() as ledger:
        items = [*ledger.history(), *ledger.items()]
        return sorted((r.expected, r.held) for item in {i.id for i in items} for r in ledger.receipts(item))


def _sent_bytes(world: DropWorld, since: int) -> int:
    return sum(
        int(str(entry.get("received", 0) or 0)) for entry in world.server.log[since:] if "import" in str(entry["path"])
    )


def test_the_second_part_of_a_study_joins_the_first(world: DropWorld) -> None:
    files = elsewhere(world, series=(2, 3))
    _drop(world, "monday", files[:2])
    assert world.sync().exit_code == 0
    first = world.session(LABEL)
    _drop(world, "tuesday", files[2:])

    report = world.sync()

    assert report.exit_code == 0, report
    assert world.session(LABEL) is first
    assert len(world.site.experiments) == 1
    assert world.archived(LABEL) == uids(files)
    assert _receipts(world) == [(2, 2), (3, 3)]


def test_a_part_that_overlaps_sends_only_what_is_missing(world: DropWorld) -> None:
    """The ledger notes for each upload which objects were in it, and the archive refuses any that it holds."""
    files = elsewhere(world, series=(4,))
    _drop(world, "first", files[:2])
    assert world.sync().exit_code == 0
    before = len(world.server.log)
    _drop(world, "second", files[1:])

    report = world.sync()

    assert report.exit_code == 0, report
    assert world.archived(LABEL) == uids(files)
    assert len(imports(world, before)) == 1
    with world.ledger() as ledger:
        (attempt,) = [one for one in ledger.attempts(unit_of(only(report)).unit.id) if one.effect == "import"]
    assert attempt.detail == "2 objects"
    assert _receipts(world) == [(2, 2), (3, 3)]


def test_parts_that_lie_there_together_become_one_session(world: DropWorld) -> None:
    """Two items at the same moment, one session: one writes while the other waits."""
    files = elsewhere(world, series=(2, 2, 2))
    for number in range(3):
        _drop(world, f"part {number}", files[number * 2 : number * 2 + 2])

    report = quick_sync(world)

    assert report.exit_code == 0, report
    assert world.archived(LABEL) == uids(files)
    assert len(world.site.experiments) == 1
    assert world.in_drop() == set()


def test_the_same_item_dropped_again_is_proven_again_and_filed_beside_the_first(world: DropWorld) -> None:
    _drop(world, "exam", files := elsewhere(world))
    assert world.sync().exit_code == 0
    before = len(world.server.log)
    _drop(world, "exam", files)

    report = world.sync()

    assert report.exit_code == 0, report
    assert world.writes(before) == []
    assert _receipts(world) == [(len(files), len(files))] * 2
    (day,) = (world.folder / "done").iterdir()
    assert {path.name for path in day.iterdir()} == {"exam", "exam.2"}
    assert contents(day / "exam") == contents(day / "exam.2")


def test_what_is_filed_is_never_overwritten(world: DropWorld) -> None:
    """Another study under the same name on the same day, and somebody's own folder under the next name."""
    _drop(world, "exam", files := elsewhere(world))
    assert world.sync().exit_code == 0
    (day,) = (world.folder / "done").iterdir()
    kept = contents(day / "exam")
    (day / "exam.2").mkdir()
    (day / "exam.2" / "mine.txt").write_text("a person put me here")
    world.study("exam", patient="SUB2", seed=5)

    report = quick_sync(world)

    assert contents(day / "exam") == kept
    assert (day / "exam.2" / "mine.txt").read_text() == "a person put me here"
    assert report.exit_code == 0, (report.errors, only(report).item)
    assert world.in_drop() == set()
    everything = {data for path, data in contents(world.folder).items() if not path.startswith(".xnatsync")}
    assert len(everything) == 2 * len(files) + 1


def test_a_study_exported_again_under_other_file_names_is_already_there(world: DropWorld) -> None:
    files = world.study()
    sent = uids(files)
    copies = [file.read_bytes() for file in files]
    assert world.sync().exit_code == 0
    before = len(world.server.log)
    again = world.folder / "export 2"
    again.mkdir()
    for number, data in enumerate(copies):
        (again / f"MR{number:06d}").write_bytes(data)

    report = world.sync()

    assert report.exit_code == 0
    assert world.writes(before) == []
    assert world.archived(LABEL) == sent
    assert unit_of(only(report)).receipt is not None


def _redrop(world: DropWorld, files: list[Path], changed: list[Path]) -> SyncReport:
    """Delivers the study, then drops it again with some of its files changed."""
    _drop(world, "exam", files)
    assert world.sync().exit_code == 0
    for file in changed:
        other_pixels(file)
    _drop(world, "again", files)
    return world.sync()


@pytest.mark.parametrize("level", ["names", "pixels"])
def test_other_pixels_under_a_delivered_uid_are_never_taken_for_delivered(world: DropWorld, level: str) -> None:
    """A list of names cannot tell the two apart; the ledger can: it knows the digest of what was sent."""
    world.configure(verify=level)
    files = elsewhere(world)
    stored = {}

    def remember() -> None:
        stored.update({path: path.read_bytes() for path in world.stored(LABEL)})

    _drop(world, "exam", files)
    assert world.sync().exit_code == 0
    remember()
    before = len(world.server.log)
    other_pixels(files[0])
    _drop(world, "again", files)

    report = world.sync()

    row = held(report)
    assert (report.exit_code, row.code) == (3, "XS-FOREIGN-CONTENT")
    assert row.detail is not None
    assert next(iter(uids([files[0]]))) in row.detail
    assert world.writes(before) == []
    assert world.in_drop() == {"again"}
    assert {path: path.read_bytes() for path in world.stored(LABEL)} == stored


def test_a_corrected_header_under_a_delivered_uid_is_not_passed_over(world: DropWorld) -> None:
    """The pixels are the same, and yet what the person corrected is nowhere but here."""
    world.configure(verify="pixels", after="delete")
    files = elsewhere(world)
    _drop(world, "exam", files)
    assert world.sync().exit_code == 0
    edit(files[0], SeriesDescription="the right one")
    _drop(world, "again", files)

    report = world.sync()

    assert (report.exit_code, held(report).code) == (3, "XS-FOREIGN-CONTENT")
    assert world.in_drop() == {"again"}


def test_a_changed_object_goes_when_the_old_one_was_removed_on_the_server(world: DropWorld) -> None:
    files = elsewhere(world)
    assert _redrop(world, files, files[:1]).exit_code == 3
    session = world.session(LABEL)
    assert session is not None
    delete(world, f"/data/experiments/{session.id}?removeFiles=true")
    retry(world)

    report = world.sync()

    assert report.exit_code == 0, report
    assert world.archived(LABEL) == uids(files)
    assert any(path.read_bytes()[-20:] == files[0].read_bytes()[-20:] for path in world.stored(LABEL))


def test_changed_objects_go_when_the_person_takes_them_out(world: DropWorld) -> None:
    files = elsewhere(world)
    assert _redrop(world, files, files[:1]).exit_code == 3
    (world.folder / "again" / files[0].parent.name / files[0].name).unlink()

    assert world.sync().exit_code == 0
    assert world.archived(LABEL) == uids(files)


def test_a_new_version_of_what_waits_in_the_prearchive_is_not_archived_as_the_old_one(world: DropWorld) -> None:
    """The item is changed between its upload and its archiving: the upload is not what the item now says."""
    files = world.study()
    world.fault("POST", "action=commit", "status", status=503, times=99)
    assert world.sync(patience_s=0.1).exit_code == 5
    assert len(world.site.prearchive.rows) == 1
    other_pixels(files[0])
    world.server.faults.clear()

    report = quick_sync(world)

    row = held(report)
    assert (report.exit_code, row.code) == (3, "XS-PREARCHIVE-STUCK"), row
    assert world.session(LABEL) is None
    assert world.in_drop() == {"exam"}


def test_the_new_version_goes_when_the_old_upload_is_deleted(world: DropWorld) -> None:
    files = world.study()
    world.fault("POST", "action=commit", "status", status=503, times=99)
    assert world.sync(patience_s=0.1).exit_code == 5
    other_pixels(files[0])
    end = files[0].read_bytes()[-20:]
    world.server.faults.clear()
    assert quick_sync(world).exit_code == 3
    (row,) = world.site.prearchive.rows.values()
    delete(world, f"/data/prearchive/projects/P1/{row.timestamp}/{row.folder}")
    retry(world)

    report = quick_sync(world)

    assert report.exit_code == 0, report
    assert any(path.read_bytes()[-20:] == end for path in world.stored(LABEL))


def test_a_study_that_somebody_else_archived_is_completed(world: DropWorld) -> None:
    """Same study, same session: only what is missing is sent, whoever brought the rest."""
    files = elsewhere(world, series=(2, 3))
    upload(world, files[:2], archive=True)
    before = len(world.server.log)
    _drop(world, "exam", files)

    report = world.sync()

    assert report.exit_code == 0, report
    assert world.archived(LABEL) == uids(files)
    assert len(world.site.experiments) == 1
    assert len(imports(world, before)) == 1


def test_a_study_under_another_label_of_somebody_else_is_completed_there(world: DropWorld) -> None:
    files = elsewhere(world, series=(2, 3))
    upload(world, files[:2], label="THEIR_NAME", archive=True)
    _drop(world, "exam", files)

    report = world.sync()

    assert report.exit_code == 0, report
    assert world.archived("THEIR_NAME") == uids(files)
    assert world.session(LABEL) is None


def test_receipts_name_the_level_the_place_and_what_was_found(world: DropWorld) -> None:
    world.study()

    receipt = unit_of(only(world.sync())).receipt

    assert receipt is not None
    assert (receipt.level, receipt.place) == ("names", "archive")
    assert json.loads(receipt.evidence)["extra"] == 0
