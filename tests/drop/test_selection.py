"""The selection of a drop route: what it leaves out is never sent, never removed, and always told."""

from __future__ import annotations

import json
import threading
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from drop_pieces import (
    LABEL,
    FilesAndFails,
    QuickClock,
    as_archive,
    contents,
    edit,
    held,
    imports,
    meddled_sync,
    quick_sync,
    retry,
)
from drop_world import DropWorld, only, uids, unit_of
from xnatsync.app.app import App
from xnatsync.app.plan import plan
from xnatsync.app.status import overview
from xnatsync.app.story import tell
from xnatsync.config.load import load
from xnatsync.core.errors import SourceChanged
from xnatsync.core.manifest import ManifestFile
from xnatsync.disk.local import LocalDisk
from xnatsync.engine.progress import Progress
from xnatsync.ledger.rows import FileRow
from xnatsync.views.sync import sync_blocks

SECOND = {"scan_types": ["series 2"]}  # of the two series that a study of these tests has
WIDER = {"scan_types": ["series *"]}


def _rows(world: DropWorld, number: int = 1) -> dict[str, FileRow]:
    with world.ledger() as ledger:
        return {file.path: file for file in ledger.files(number)}


class _Unread(LocalDisk):
    """The disk of the product, on which an item may be looked at and not read."""

    def read_manifest(self, path: Path, **_: Any) -> tuple[ManifestFile, ...]:
        raise AssertionError(f"{path} was read")


# --- a part of an item -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "taken", "key"),
    [
        ({"scan_types": ["series 2"]}, ("2", ""), "scan_types"),
        ({"scan_types": ["!series 1"]}, ("2", ""), "scan_types"),
        ({"scans": ["2"]}, ("2", ""), "scans"),
        ({"files": ["*/0001.dcm"]}, ("", "0001"), "files"),
        ({"files": ["**", "!**/0001.dcm"]}, ("", "0002"), "files"),
    ],
)
def test_only_what_is_selected_of_a_study_is_sent_and_proven(
    world: DropWorld, keys: dict[str, list[str]], taken: tuple[str, str], key: str
) -> None:
    """The rest is filed with the item, is told by key and number, and no unit ever has it."""
    world.configure(**keys)
    files = world.study("exam", series=(2, 2))
    everything = contents(world.folder / "exam")
    wanted, there = uids([path for path in files if _is(path, *taken)]), uids(files)

    report = world.sync()

    item, unit = only(report), unit_of(only(report))
    assert (report.exit_code, item.item.phase) == (0, "done")
    assert world.archived(LABEL) == wanted
    assert (unit.receipt is not None and unit.receipt.held, unit.unit.files) == (2, 2)
    assert item.left_out == {key: 2}
    assert world.filed() == {f"exam/{path}" for path in everything}
    left = {path: row for path, row in _rows(world).items() if row.left_by}
    assert {row.left_by for row in left.values()} == {key}
    assert all(row.unit_id is None and f"left out by `{key}`" in row.reason for row in left.values())
    assert {row.key for row in left.values()} == there - wanted
    assert unit.receipt is not None
    assert json.loads(unit.receipt.evidence)["left_out"] == {key: 2}


def _is(path: Path, series: str, name: str) -> bool:
    return (not series or path.parent.name.startswith(f"{int(series):02d}")) and (not name or path.stem == name)


def test_what_is_left_out_of_a_deleted_item_is_filed_and_never_removed(world: DropWorld) -> None:
    """Only what was proven by its pixels is removed."""
    world.configure(after="delete", **SECOND)
    world.study("exam", series=(2, 2))
    everything = contents(world.folder / "exam")

    report = world.sync()

    assert (report.exit_code, only(report).item.phase) == (0, "done")
    kept = {path: data for path, data in everything.items() if path.startswith("01")}
    assert len(kept) == 2
    done = next((world.folder / "done").iterdir()) / "exam"
    assert contents(done) == kept
    assert world.in_drop() == set()


def test_what_was_filed_piece_by_piece_is_brought_to_the_disk_before_it_is_called_done(world: DropWorld) -> None:
    """The first piece was renamed, and nobody knows whether it was flushed: a power cut must not put it back unseen."""
    world.configure(after="delete", **SECOND)
    world.study("exam", series=(2, 2))
    disk = FilesAndFails(nth=2)
    report = meddled_sync(world, disk)

    assert (report.exit_code, disk.struck) == (0, True)
    (day,) = [path for path in (world.folder / "done").iterdir() if path.is_dir()]
    assert len(contents(day)) == 2
    assert {day, day / "exam", day / "exam" / "01_series_1"} <= set(disk.settled)


def test_an_archive_of_which_something_is_left_out_is_filed_and_not_removed(world: DropWorld) -> None:
    """Its members cannot be removed one by one."""
    world.configure(after="delete", **SECOND)
    as_archive(world, "exam.zip", series=(2, 2))
    data = (world.folder / "exam.zip").read_bytes()

    assert world.sync().exit_code == 0

    done = next((world.folder / "done").iterdir())
    assert contents(done) == {"exam.zip": data}


def test_nothing_that_is_left_out_is_sent_into_the_prearchive(world: DropWorld) -> None:
    """What waits there for a person is what is selected."""
    world.configure(destination="prearchive", **SECOND)
    world.study("exam", series=(2, 3))

    report = world.sync()

    receipt = unit_of(only(report)).receipt
    assert (report.exit_code, receipt is not None and receipt.held) == (0, 3)
    assert len(imports(world)) == 1


def test_of_twins_the_one_that_is_taken_is_delivered(world: DropWorld) -> None:
    """The same object lies twice in the item; the one that comes first is left out by its path."""
    world.configure(files=["!a/**"], after="delete")
    first = world.study("exam/a", series=(2,))
    world.study("exam/b", series=(2,))
    wanted = uids(first)

    report = world.sync()

    assert report.exit_code == 0
    assert world.archived(LABEL) == wanted
    assert world.filed() == {f"exam/a/{path}" for path in ("01_series_1/0001.dcm", "01_series_1/0002.dcm")}
    assert only(report).left_out == {"files": 2}


def test_a_damaged_object_may_be_left_out_by_its_path_alone(world: DropWorld) -> None:
    """What is in it nobody can tell, so no other key does."""
    world.study("exam", series=(2,))
    (world.folder / "exam" / "bad.dcm").write_bytes(next((world.folder / "exam").rglob("*.dcm")).read_bytes()[:300])
    world.configure(scan_types=["series 1"])

    assert held(world.sync()).code == "XS-OBJECTS-BROKEN"
    world.configure(scan_types=["series 1"], files=["!bad.dcm"])

    report = world.sync()
    assert (report.exit_code, only(report).left_out) == (0, {"files": 1})
    assert "exam/bad.dcm" in world.filed()


# --- a whole item ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ({"modalities": ["CT"]}, "modalities"),
        ({"dates": ["2026-03-02.."]}, "dates"),
        ({"subjects": ["!SUB*"]}, "subjects"),
        ({"sessions": ["*_CT_*"]}, "sessions"),
        ({"files": ["*.dcm"]}, "files"),
        ({"scans": ["!*"]}, "scans"),
        ({"projects": ["QA"], "rules": [{"when": {"PatientID": "QA*"}, "project": "QA"}]}, "projects"),
    ],
)
def test_an_item_of_which_nothing_is_selected_stays_where_it_is(
    world: DropWorld, keys: dict[str, list[Any]], key: str
) -> None:
    """It is told in every run, and costs neither a request that writes nor the reading of a file."""
    world.configure(**keys)
    files = world.study("exam")
    before = contents(world.folder)

    report = world.sync()

    item = only(report)
    assert (report.exit_code, item.item.phase, item.item.hold, item.units) == (0, "left", None, ())
    assert item.item.detail == f"the route's selection takes nothing of it: 5 files left out by {key}"
    assert item.left_out == {key: len(files)}
    again = meddled_sync(world, _Unread())
    assert (again.exit_code, only(again).left_out) == (0, {key: len(files)})
    assert world.writes() == [("PUT", "/data/projects/P1")]
    assert contents(world.folder) == before


def test_what_is_left_out_is_told_everywhere(world: DropWorld) -> None:
    """plan, sync, status, why; and the diary has keys and numbers, no pattern and no label."""
    world.configure(subjects=["!SUB1"])
    world.study("exam")
    config = load(world.config)

    (planned,) = plan(App(config), [], progress=Progress()).items
    assert (planned.left_out, planned.others, planned.units) == ({"subjects": 5}, (), ())
    text = " ".join(str(block) for block in sync_blocks(world.sync()))
    assert "5 files left out by subjects of the route's selection" in text
    (route,) = overview(config).routes
    (standing,) = route.standing
    assert (route.left_out, standing.left_out) == ({"subjects": 5}, {"subjects": 5})
    (story,) = tell(config, "exam").stories
    assert any("left out by `subjects`" in sentence.text for sentence in story.sentences)
    assert "until it is another" in story.next_steps[0].sentence
    (story,) = tell(config, "01_series_1/0001.dcm").stories
    assert "left out by `subjects` of the route's selection" in story.sentences[0].text
    with world.ledger() as ledger:
        told = [event.text for event in ledger.events()]
    assert "item 1 stays where it is: the route's selection takes nothing of it: 5 files left out by subjects" in told
    assert not any("SUB1" in line for line in told)


def test_what_the_settings_say_is_no_warning(world: DropWorld) -> None:
    """Nobody has to act on it; an item that is no imaging data at all may be a slip.  Each has its own reason."""
    world.configure(modalities=["CT"], other="ignore")
    world.study("exam", series=(1,))
    (world.folder / "exam" / "notes.txt").write_text("notes")
    world.sync()
    assert {path: row.reason for path, row in _rows(world).items()} == {
        "01_series_1/0001.dcm": "left out by `modalities` of the route's selection",
        "notes.txt": "not DICOM; ignored, as the route says",
    }
    world.configure(modalities=["CT"])
    (world.folder / "words").mkdir()
    (world.folder / "words" / "notes.txt").write_text("notes")
    world.sync()

    with world.ledger() as ledger:
        levels = {(event.item_id, event.level) for event in ledger.events() if event.code == "item.left"}
    assert levels == {(1, "info"), (2, "warning")}


def test_one_study_of_an_item_is_sent_and_the_other_stays_out(world: DropWorld) -> None:
    """Two studies that want one label: the one that is left out is in nobody's way."""
    world.configure(dates=["2026-03-01"], session="{PatientID}")
    mine = world.study("cd/a", date="20260301", seed=1)
    world.study("cd/b", date="20260302", seed=2)
    wanted = uids(mine)

    report = world.sync()

    assert (report.exit_code, only(report).left_out) == (0, {"dates": 5})
    assert world.archived("SUB1") == wanted


def test_a_label_that_cannot_be_made_is_held_and_not_left_out(world: DropWorld) -> None:
    """An empty PatientID is a slip that somebody has to see; but not of what another key leaves out for certain."""
    world.configure(subjects=["SUB*"])
    for path in world.study("exam", series=(1,)):
        edit(path, PatientID="")

    assert held(world.sync()).code == "XS-LABEL-UNUSABLE"
    world.configure(subjects=["SUB*"], modalities=["CT"])
    assert only(world.sync()).left_out == {"modalities": 1}


def test_days_are_counted_back_from_the_drop(world: DropWorld) -> None:
    """A study of tomorrow, by the scanner's clock, is not too late; one of last month is too old."""
    today = date.today()
    for number, days in enumerate((-1, 0, 28, 40)):
        day = (today - timedelta(days=days)).strftime("%Y%m%d")
        world.study(f"exam{days}", date=day, seed=number + 1, series=(1,))
    world.configure(dates=["last 30d"])

    report = quick_sync(world)

    assert report.exit_code == 0
    assert {part.item.path: part.item.phase for part in report.items} == {
        "exam-1": "done", "exam0": "done", "exam28": "done", "exam40": "left"
    }  # fmt: skip


def test_what_a_clock_that_was_ahead_saw_is_not_too_old(world: DropWorld) -> None:
    """It was seen in a run whose clock is 400 days ahead, and settles in one that is right: it was dropped today."""
    clock = QuickClock(threading.Event())
    world.configure(dates=["last 30d"])
    world.study("exam", date=f"{clock.now():%Y%m%d}", series=(1,))
    clock.wait(400 * 86400)
    world.configure(dates=["last 30d"], settle="1h")
    quick_sync(world, clock, patience_s=0.0)
    world.configure(dates=["last 30d"])

    report = quick_sync(world, QuickClock(threading.Event()))

    assert (report.exit_code, only(report).item.phase, only(report).left_out) == (0, "done", {})


def test_an_item_that_waited_for_a_person_is_not_too_old_by_then(world: DropWorld) -> None:
    """Forty days later somebody names the patient: `last 30d` is counted from the drop, not from the run."""
    clock = QuickClock(threading.Event())
    world.configure(dates=["last 30d"])
    files = world.study("exam", date=f"{clock.now():%Y%m%d}", series=(1,))
    for path in files:
        edit(path, PatientID="")
    assert held(quick_sync(world, clock)).code == "XS-LABEL-UNUSABLE"
    clock.wait(40 * 86400)
    world.configure(dates=["last 30d"], subject="NAMED", session="NAMED_MR")

    report = quick_sync(world, clock)

    assert (report.exit_code, only(report).item.phase, only(report).left_out) == (0, "done", {})


def test_a_study_without_a_date_is_in_no_list_of_days(world: DropWorld) -> None:
    """As for every route: what is unknown is only in lists of exclusions."""
    world.configure(dates=["2026-01-01.."], session="{PatientID}")
    for path in world.study("exam", series=(1,)):
        edit(path, StudyDate="")

    assert only(world.sync()).left_out == {"dates": 1}
    world.configure(dates=["!2026-01-01.."], session="{PatientID}")
    assert only(world.sync()).item.phase == "done"


# --- other files -------------------------------------------------------------------------------------------------


def test_what_lies_beside_a_study_that_is_left_out_is_attached_to_no_other(world: DropWorld) -> None:
    """A report of one patient must not come to another's session because his own study is not sent."""
    world.configure(other="attach", subjects=["SUB1"])
    world.study("cd", patient="SUB1", seed=1)
    world.study("cd/theirs", patient="SUB2", seed=2)
    (world.folder / "cd/theirs/report.txt").write_text("of SUB2")
    (world.folder / "cd/01_series_1/note.txt").write_text("of SUB1")

    report = world.sync()

    session = world.session(LABEL)
    assert session is not None
    assert [entry.path.rpartition("/")[2] for entry in session.resources["ATTACHED"].entries.values()] == ["note.txt"]
    assert (report.exit_code, only(report).left_out) == (0, {"subjects": 6})
    assert "cd/theirs/report.txt" in world.filed()


def test_files_asks_what_is_attached_too(world: DropWorld) -> None:
    world.configure(other="attach", files=["**/*.dcm", "*.pdf"])
    world.study("exam", series=(1,))
    (world.folder / "exam/report.pdf").write_text("a report")
    (world.folder / "exam/notes.txt").write_text("notes")

    report = world.sync()

    session = world.session(LABEL)
    assert session is not None
    assert [entry.path.rpartition("/")[2] for entry in session.resources["ATTACHED"].entries.values()] == ["report.pdf"]
    assert only(report).left_out == {"files": 1}


def test_what_would_never_be_sent_is_not_left_out(world: DropWorld) -> None:
    """Clutter has its own reason, whatever is selected."""
    world.configure(files=["**/*.dcm"])
    world.study("exam", series=(1,))
    (world.folder / "exam/notes.txt").write_text("notes")

    report = world.sync()

    assert only(report).left_out == {}
    assert [(file.path, file.reason) for file in only(report).others] == [("notes.txt", "not DICOM")]


# --- when the selection changes ----------------------------------------------------------------------------------


def test_an_item_that_was_left_is_taken_when_the_selection_is_wider(world: DropWorld) -> None:
    """By itself, with the next run."""
    world.configure(modalities=["CT"])
    wanted = uids(world.study("exam"))
    assert only(world.sync()).item.phase == "left"
    world.configure(modalities=["CT", "MR"])

    report = world.sync()

    assert (report.exit_code, only(report).item.phase, only(report).item.id) == (0, "done", 1)
    assert world.archived(LABEL) == wanted
    assert overview(load(world.config)).routes[0].left_out == {}


def test_what_was_left_out_of_a_kept_item_is_sent_when_the_selection_is_wider(world: DropWorld) -> None:
    """It lies where it was dropped, and only what is missing is sent; nothing happens as long as nothing is changed."""
    world.configure(after="keep", **SECOND)
    wanted = uids(world.study("exam"))
    world.sync()
    assert world.sync().items == []
    before = len(imports(world))
    world.configure(after="keep", streams=1, **SECOND)  # another setting: it is read anew, and is what it was
    assert only(world.sync()).left_out == {"scan_types": 2}
    assert overview(load(world.config)).routes[0].left_out == {"scan_types": 2}
    assert len(imports(world)) == before
    world.configure(after="keep", **WIDER)

    report = world.sync()

    assert (report.exit_code, only(report).item.phase) == (0, "done")
    assert world.archived(LABEL) == wanted
    assert len(imports(world)) == before + 1  # one series
    assert overview(load(world.config)).routes[0].left_out == {}
    assert world.sync().items == []


@pytest.mark.parametrize("after", ["move", "delete"])
def test_what_was_left_out_of_a_filed_item_is_sent_when_it_is_put_back(world: DropWorld, after: str) -> None:
    """`why` says so; from `done` into the drop folder, and only what is missing is sent."""
    world.configure(after=after, **SECOND)
    wanted = uids(world.study("exam"))
    world.sync()
    world.configure(after=after, **WIDER)
    assert world.sync().items == []
    (story,) = tell(load(world.config), "#1").stories
    assert "put it back into the drop folder" in story.next_steps[0].sentence
    assert sum(overview(load(world.config)).routes[0].left_out.values()) == 2
    before = len(imports(world))
    (filed,) = (world.folder / "done").glob("*/exam")
    filed.rename(world.folder / "exam")

    report = world.sync()

    assert (report.exit_code, only(report).item.phase) == (0, "done")
    assert world.archived(LABEL) == wanted
    assert len(imports(world)) == before + 1
    assert overview(load(world.config)).routes[0].left_out == {}
    assert world.in_drop() == set()


def test_what_is_planned_and_not_begun_follows_a_narrower_selection(world: DropWorld) -> None:
    """The server was away; what is no longer selected when it is back is not sent."""
    world.fault("GET", "/data/projects/P1", "status", status=503, times=1000)
    world.study("exam")
    quick_sync(world, patience_s=1.0)
    assert imports(world) == []
    world.server.faults.clear()
    world.configure(**SECOND)

    report = quick_sync(world)

    assert (report.exit_code, only(report).left_out) == (0, {"scan_types": 2})
    assert len(world.archived(LABEL)) == 3


def test_what_was_begun_is_brought_to_its_end(world: DropWorld) -> None:
    """Half of it is in the prearchive when the selection becomes narrower: nothing is left half done there."""
    world.fault("POST", "action=commit", "status", status=503, times=1000)
    wanted = uids(world.study("exam"))
    quick_sync(world, patience_s=1.0)
    assert imports(world)
    world.server.faults.clear()
    world.configure(**SECOND)
    retry(world)

    report = quick_sync(world)

    assert (report.exit_code, only(report).item.phase, only(report).left_out) == (0, "done", {})
    assert world.archived(LABEL) == wanted


def test_an_item_that_was_left_is_looked_at_anew_when_it_changes(world: DropWorld) -> None:
    """A study that is selected comes into the folder of one that is not."""
    world.configure(subjects=["SUB2"])
    world.study("cd/a", patient="SUB1", seed=1)
    assert only(world.sync()).item.phase == "left"
    wanted = uids(world.study("cd/b", patient="SUB2", seed=2))

    report = quick_sync(world)

    assert (report.exit_code, only(report).item.phase, only(report).left_out) == (0, "done", {"subjects": 5})
    assert world.archived("SUB2_MR_20260301") == wanted
    assert world.session(LABEL) is None


def test_a_file_that_is_left_out_and_changes_while_it_is_filed_is_not_lost(world: DropWorld) -> None:
    """What the manifest does not vouch for stays in custody and becomes an item of its own, left out or not."""
    world.configure(settle="0s", **SECOND)
    world.study("exam", series=(1, 1))
    path = world.folder / "exam/01_series_1/0001.dcm"
    other = path.read_bytes()[:-2] + b"\x01\x02"
    world.after("POST", "action=commit", lambda: path.write_bytes(other))

    quick_sync(world)
    report = quick_sync(world)

    assert other in contents(world.folder).values()
    assert SourceChanged.code not in {part.item.code for part in report.items}
