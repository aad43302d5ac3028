"""What the server will refuse, and could be known, is told before a byte is sent; and nothing goes round in circles."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicom_pieces import without_pixels
from drop_pieces import LABEL, edit, elsewhere, held, imports, retry
from drop_world import DropWorld, only, uids, unit_of
from xnatsync.core.session_type import is_refused, session_type
from xnatsync.sandbox.model import scantypes

STUDY = "2.25.77"
SETTING = "preventCrossModalityMerge"


def _drop(world: DropWorld, name: str, files: list[Path]) -> None:
    for file in files:
        target = world.folder / name / f"{file.parent.name}-{file.name}"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())


def _late(world: DropWorld, kind: str) -> None:
    """An MR study is archived; then something of another type comes of the same study."""
    _drop(world, "one", elsewhere(world, uid=STUDY, series=(2,)))
    assert world.sync().exit_code == 0
    if kind in {"CT", "PT", "SEG"}:
        (file,) = elsewhere(world, uid=STUDY, series=(1,), seed=5, first=7)
        classes = {"CT": "1.2.840.10008.5.1.4.1.1.2", "PT": "1.2.840.10008.5.1.4.1.1.128"}
        sop_class = classes.get(kind, "1.2.840.10008.5.1.4.1.1.66.4")
        _drop(world, "two", [edit(file, Modality=kind, SOPClassUID=sop_class)])
    else:
        without_pixels(world.folder / "two" / "late.dcm", kind, "what it says", study=STUDY, sop_uid=f"{STUDY}.9.1")


KINDS = ["report", "structures", "plan", "document", "waveform", "CT", "PT", "SEG"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_late_part_of_another_type_is_held_before_anything_is_sent(world: DropWorld, kind: str) -> None:
    world.configure(session="{PatientID}_MR_{StudyDate}")
    _late(world, kind)
    requests = len(world.server.log)

    report = world.sync()

    assert (report.exit_code, held(report).code) == (3, "XS-SESSION-TYPE"), held(report).detail
    assert SETTING in (held(report).detail or "")
    assert world.writes(requests) == []
    for _ in range(3):  # the server says that the setting is on: a person's word changes nothing
        retry(world)
        assert held(world.sync()).code == "XS-SESSION-TYPE"
    assert imports(world, requests) == []


@pytest.mark.parametrize("kind", KINDS)
def test_where_the_setting_is_off_it_is_delivered(world: DropWorld, kind: str) -> None:
    world.site.settings.update({SETTING: False})
    world.configure(session="{PatientID}_MR_{StudyDate}")
    _late(world, kind)

    report = world.sync()

    assert report.exit_code == 0, held(report).detail
    assert len(world.archived(LABEL)) == 3


@pytest.mark.parametrize("off", [True, False])
def test_where_the_setting_cannot_be_read_a_person_is_believed(world: DropWorld, off: bool) -> None:
    """Once for each retry: what the server refuses all the same waits in the prearchive, and is not sent again."""
    world.configure(session="{PatientID}_MR_{StudyDate}")
    world.fault("GET", SETTING, "status", status=403, times=1000)
    _late(world, "report")
    requests = len(world.server.log)
    assert held(world.sync()).code == "XS-SESSION-TYPE"
    assert world.writes(requests) == []
    world.site.settings.update({SETTING: not off})

    retry(world)
    report = world.sync()

    if off:
        assert report.exit_code == 0, held(report).detail
    else:
        assert held(report).code == "XS-PREARCHIVE-STUCK"
        retry(world)
        assert held(world.sync()).code == "XS-PREARCHIVE-STUCK"
    assert len(imports(world, requests)) == 1


def test_a_late_part_of_the_same_type_goes_in(world: DropWorld) -> None:
    files = elsewhere(world, uid=STUDY, series=(2, 1))
    _drop(world, "one", files[:2])
    assert world.sync().exit_code == 0
    _drop(world, "two", files[2:])

    assert world.sync().exit_code == 0
    assert world.archived(LABEL) == uids(files)


def test_parts_that_come_together_are_one_session(world: DropWorld) -> None:
    """A report with its pictures makes them no session of reports."""
    world.configure(session="{PatientID}_MR_{StudyDate}")
    _drop(world, "one", elsewhere(world, uid=STUDY, series=(2,)))
    without_pixels(world.folder / "one" / "r.dcm", "report", "what it says", study=STUDY, sop_uid=f"{STUDY}.9.1")

    report = world.sync()

    assert report.exit_code == 0, held(report).detail
    assert unit_of(only(report)).receipt is not None


CLASSES = sorted({f"1.2.840.10008.5.1.4.1.1.{code}" for code in scantypes._CLASSES} | {"1.2.3"})
MODALITIES = [*sorted(scantypes._MODALITIES), "", "PR", "SEG", "DOC"]


@pytest.mark.parametrize("sop_class", CLASSES)
def test_the_type_that_is_foreseen_is_the_one_that_is_made(sop_class: str) -> None:
    """Against the stand-in's own table, which is drawn from the same page and written by somebody else."""
    for modality in MODALITIES:
        made = scantypes.session_type([sop_class], [modality])
        foreseen = session_type([(sop_class, modality)])
        assert foreseen in {made, ""}, modality
        if foreseen == "":
            assert is_refused(foreseen, "xnat:mrSessionData")
            assert made != "xnat:mrSessionData"


# What XNAT refuses (import.md §2.5, §2.6, §4.1; hierarchy.md §4.1) → the test that sees it foreseen, or why it is not.
REFUSALS = {
    "no project of that ID, or hidden": (
        "drop/test_destinations.py",
        "test_a_project_that_is_not_there_gets_nothing_sent",
    ),
    "only an alias of a project": (
        "unit/test_decide.py",
        "test_a_project_that_is_missing_hidden_or_called_otherwise_stops",
    ),
    "may read, and not edit": ("drop/test_destinations.py", "test_a_member_who_may_only_read_sends_nothing"),
    "required fields are empty": (
        "drop/test_labels.py",
        "test_a_header_without_a_usable_label_is_held_with_reason_and_remedy",
    ),
    "a label too long": ("drop/test_labels.py", "test_a_label_that_grows_too_long_is_held"),
    "letters that no label may hold": ("drop/test_labels.py", "test_punctuation_is_cleaned_as_the_server_would"),
    "a Series Number that can name no scan": (
        "drop/test_scan_names.py",
        "test_what_can_name_no_scan_is_held_before_a_byte_is_sent",
    ),
    "a Series Number or Modality that may have no address": (
        "drop/test_scan_names.py",
        "test_what_may_have_no_address_is_asked_about_before_a_byte_is_sent",
    ),
    "two subjects in one study": (
        "drop/test_labels.py",
        "test_series_of_one_study_that_disagree_about_the_patient_are_held",
    ),
    "the label of another study": ("drop/test_collisions.py", "test_against_a_session_of_somebody_else_ours_is_held"),
    "the study of another subject": ("drop/test_collisions.py", "test_our_study_under_another_subject_is_held"),
    "a session that is only shared": ("unit/test_decide.py", "test_nothing_is_added_to_a_session_that_is_only_shared"),
    "the study more than once": ("unit/test_decide.py", "test_a_study_that_is_there_twice_stops"),
    "the same objects again": ("unit/test_decide.py", "test_what_is_there_whole_is_not_sent"),
    "another version of an object": (
        "drop/test_evidence.py",
        "test_another_version_that_others_archived_is_never_taken_for_ours",
    ),
    "an upload of somebody else waits": (
        "drop/test_collisions.py",
        "test_somebody_elses_upload_of_our_study_is_left_alone",
    ),
    "a session of another type": (
        "drop/test_foreseen.py",
        "test_a_late_part_of_another_type_is_held_before_anything_is_sent",
    ),
    "objects without UIDs": ("drop/test_broken.py", ""),
    "a filter of series, a script that rejects": ("not to be seen by a member: told after three sends", ""),
    "the project's script rewrites the UID of the study": (
        "not to be seen: held with XNAT's words, and never copied",
        "",
    ),
    "a workflow is open on the session": ("not to be seen in a listing: held with XNAT's words", ""),
    "the project is in quarantine or locked": ("not to be seen by a member: held with XNAT's words", ""),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_each_refusal_is_foreseen_or_said_to_be_beyond_our_sight(refusal: str) -> None:
    """The table is kept true: the test that it names is there."""
    path, name = REFUSALS[refusal]
    if path.startswith("not to be seen"):
        return
    text = (Path(__file__).parents[1] / path).read_text(encoding="utf-8")
    assert f"def {name}(" in text or not name
