"""Two studies that want one session: held with both sides named, or numbered; the number stays what it was."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from drop_pieces import LABEL, QuickClock, delete, elsewhere, held, imports, post, quick_sync, retry, upload
from drop_world import DropWorld, only, uids, unit_of
from xnatsync.core.occupied import occupied
from xnatsync.core.remote import PrearchiveSeen, PrearchiveState

OTHER = "2.25.4242"


def test_across_items_the_second_is_held_with_both_named(world: DropWorld) -> None:
    first = uids(world.study("monday", uid="2.25.1"))
    assert world.sync().exit_code == 0
    world.study("tuesday", uid="2.25.2", seed=2)

    report = world.sync()

    row = held(report)
    assert (report.exit_code, row.code) == (3, "XS-SESSION-COLLISION")
    assert row.detail is not None
    assert all(word in row.detail for word in ("2.25.2", "tuesday", LABEL, "2.25.1"))
    assert world.archived(LABEL) == first
    assert world.in_drop() == {"tuesday"}


def test_across_items_at_the_same_moment_one_goes_and_one_is_held(world: DropWorld) -> None:
    sent = [uids(world.study(f"day {n}", uid=f"2.25.{n}", seed=n)) for n in (1, 2)]

    report = quick_sync(world)

    assert (report.exit_code, held(report).code) == (3, "XS-SESSION-COLLISION")
    assert world.archived(LABEL) in sent
    assert len(world.site.experiments) == 1


@pytest.mark.parametrize("archive", [True, False], ids=["archive", "prearchive"])
def test_against_a_session_of_somebody_else_ours_is_held(world: DropWorld, archive: bool) -> None:
    theirs = elsewhere(world, uid=OTHER, seed=7)
    upload(world, theirs, archive=archive)
    before = len(world.server.log)
    world.study("exam", uid="2.25.1")

    report = world.sync()

    row = held(report)
    assert (report.exit_code, row.code) == (3, "XS-SESSION-COLLISION")
    assert row.detail is not None
    assert all(word in row.detail for word in ("2.25.1", "exam", OTHER, "archive"))
    assert world.writes(before) == []
    if archive:
        assert world.archived(LABEL) == uids(theirs)


@pytest.mark.parametrize("archive", [True, False], ids=["archive", "prearchive"])
def test_against_somebody_else_suffix_gives_the_next_number(world: DropWorld, archive: bool) -> None:
    world.configure(collision="suffix")
    theirs = elsewhere(world, uid=OTHER, seed=7)
    upload(world, theirs, archive=archive)
    sent = uids(world.study("exam", uid="2.25.1"))

    report = world.sync()

    assert report.exit_code == 0, report
    assert world.archived(f"{LABEL}_2") == sent
    assert (world.archived(LABEL) == uids(theirs)) is archive


def test_suffixes_count_on_and_are_stable(world: DropWorld) -> None:
    """Five studies of one label: each keeps its number over runs and when it is dropped again in another order."""
    world.configure(collision="suffix")
    studies = {f"2.25.{n}": n for n in range(1, 6)}
    for uid, n in studies.items():
        world.study(f"exam {n}", uid=uid, seed=n, series=(1,))
    assert quick_sync(world).exit_code == 0
    labels = {e.fields["UID"]: e.label for e in world.site.experiments.values()}
    assert set(labels) == set(studies)
    assert set(labels.values()) == {LABEL, *(f"{LABEL}_{n}" for n in range(2, 6))}
    before = len(world.server.log)

    for uid, n in reversed(studies.items()):
        world.study(f"again {n}", uid=uid, seed=n, series=(1,))
    report = quick_sync(world)

    assert report.exit_code == 0, report
    assert world.writes(before) == []
    assert {e.fields["UID"]: e.label for e in world.site.experiments.values()} == labels
    assert {part.unit.study_uid: part.unit.session for item in report.items for part in item.units} == labels


def test_a_late_part_of_a_numbered_study_joins_its_own_number(world: DropWorld) -> None:
    world.configure(collision="suffix")
    world.study("one", uid="2.25.1", seed=1)
    assert world.sync().exit_code == 0
    early = uids(world.study("two", uid="2.25.2", seed=2, series=(2,)))
    assert world.sync().exit_code == 0
    late = uids(world.study("two again", uid="2.25.2", seed=3, series=(2,), first=5))

    report = world.sync()

    assert report.exit_code == 0, report
    assert unit_of(only(report)).unit.session == f"{LABEL}_2"
    assert world.archived(f"{LABEL}_2") == early | late
    assert len(world.site.experiments) == 2


def test_in_one_item_the_numbers_follow_the_studies_times(world: DropWorld) -> None:
    world.configure(collision="suffix", session="{PatientID}_{Modality}")
    late = uids(world.study("cd/a", uid="2.25.1", seed=1, date="20260302"))
    early = uids(world.study("cd/b", uid="2.25.2", seed=2, date="20260301"))

    assert world.sync().exit_code == 0
    assert world.archived("SUB1_MR") == early
    assert world.archived("SUB1_MR_2") == late


def test_a_number_that_is_taken_on_the_server_is_passed_over(world: DropWorld) -> None:
    world.configure(collision="suffix")
    upload(world, elsewhere(world, "x", uid="2.25.71", seed=7), archive=True)
    upload(world, elsewhere(world, "y", uid="2.25.72", seed=8), label=f"{LABEL}_2", archive=True)
    sent = uids(world.study("exam", uid="2.25.1"))

    assert world.sync().exit_code == 0
    assert world.archived(f"{LABEL}_3") == sent


def test_a_label_that_differs_in_case_only_is_the_same_label(world: DropWorld) -> None:
    """Labels are folder names on the server, and some databases and disks ignore case: ours never lands in theirs."""
    theirs = elsewhere(world, uid=OTHER, seed=7)
    upload(world, theirs, label=LABEL.lower(), archive=True)
    sent = uids(world.study("exam", uid="2.25.1"))

    report = world.sync()

    assert world.archived(LABEL.lower()) == uids(theirs)
    assert report.exit_code in {0, 3}
    if report.exit_code == 0:
        assert world.archived(LABEL) == sent


def test_a_held_collision_goes_when_the_other_session_is_renamed(world: DropWorld) -> None:
    theirs = elsewhere(world, uid=OTHER, seed=7)
    upload(world, theirs, archive=True)
    sent = uids(world.study("exam", uid="2.25.1"))
    assert world.sync().exit_code == 3
    session = world.session(LABEL)
    assert session is not None
    world.put(f"/data/projects/P1/subjects/SUB1/experiments/{session.id}?label=RENAMED")
    retry(world)

    assert world.sync().exit_code == 0
    assert world.archived(LABEL) == sent
    assert world.archived("RENAMED") == uids(theirs)


def test_our_study_under_another_subject_is_held(world: DropWorld) -> None:
    """The same study is on the server as somebody else's: a person must say whose it is."""
    files = elsewhere(world, uid="2.25.1")
    upload(world, files, subject="OTHER_SUBJECT", archive=True)
    before = len(world.server.log)
    world.study("exam", uid="2.25.1", series=(2, 3, 4))

    report = world.sync()

    assert (report.exit_code, held(report).code) == (3, "XS-STUDY-ELSEWHERE")
    assert world.writes(before) == []


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "partly"])
def test_somebody_elses_upload_of_our_study_is_left_alone(world: DropWorld, whole: bool) -> None:
    """Waits, nothing sent; a person is asked after a while; when it is archived, ours goes on with what is missing."""
    files = elsewhere(world, uid="2.25.1", series=(2, 2))
    uri = upload(world, files if whole else files[:2], archive=False)
    before = len(world.server.log)
    for file in files:
        target = world.folder / "exam" / file.parent.name / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())

    first = quick_sync(world, patience_s=60.0)
    waiting = unit_of(only(first)).unit
    report = quick_sync(world)

    assert (first.exit_code, waiting.hold, waiting.code) == (5, "retry", "XS-PREARCHIVE-OCCUPIED")
    row = held(report)
    assert (report.exit_code, row.code) == (3, "XS-PREARCHIVE-OCCUPIED")
    assert uri in (row.detail or "")
    assert world.writes(before) == []
    waited_s = sum(world.__dict__["clock"].waited)
    assert 3600 < waited_s < 7200

    post(world, f"/data{uri}?action=commit&AA=true&SOURCE=uploader")
    before = len(world.server.log)
    report = quick_sync(world)
    assert report.exit_code == 0, report
    assert world.archived(LABEL) == uids(files)
    assert len(imports(world, before)) == (0 if whole else 1)
    assert len(world.site.experiments) == 1


def test_somebody_elses_upload_that_they_delete_makes_way(world: DropWorld) -> None:
    uri = upload(world, elsewhere(world, uid="2.25.1", seed=3), archive=False)
    sent = uids(world.study("exam", uid="2.25.1"))
    assert quick_sync(world).exit_code == 3
    delete(world, f"/data{uri}")

    assert quick_sync(world).exit_code == 0
    assert world.archived(LABEL) == sent


def test_somebody_elses_upload_that_is_archived_a_minute_later_asks_nobody(world: DropWorld) -> None:
    """Time helps: the item waits, and goes on in the same run."""
    files = elsewhere(world, uid="2.25.1")
    uri = upload(world, files, archive=False)
    sent = uids(world.study("exam", uid="2.25.1", seed=1))
    clock = QuickClock(threading.Event())

    def a_minute_later(_seconds: float) -> None:
        if sum(clock.waited) > 25 and uri:
            post(world, f"/data{uri}?action=commit&AA=true&SOURCE=uploader")
            clock.on_wait = lambda seconds: None

    clock.on_wait = a_minute_later
    report = quick_sync(world, clock)

    assert report.exit_code in {0, 3}
    assert "XS-PREARCHIVE-OCCUPIED" not in {part.unit.code for item in report.items for part in item.units}
    assert sent <= world.archived(LABEL) or report.exit_code == 3


def test_nobody_is_told_to_delete_what_is_still_being_received() -> None:
    """The advice fits the status of the row."""
    row = PrearchiveSeen("/prearchive/projects/P/1/x", "P", "x", "S", "2.25.1", PrearchiveState.RECEIVING, "RECEIVING")
    ready = replace(row, status="READY", state=PrearchiveState.READY)

    assert "must not be deleted" in occupied(row).remedy
    assert "Archive" in occupied(ready).remedy
