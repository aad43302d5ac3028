"""Headers that give no usable label: held with a reason and a remedy, without a word of what the header says."""

from __future__ import annotations

from typing import Any

import pytest

from drop_pieces import edit, held, retry
from drop_world import DropWorld, only, uids

LONG = "L" * 300  # longer than any label; DICOM allows 64 characters, and scanners write more
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "missing": ({"PatientID": None}, "no PatientID"),
    "empty": ({"PatientID": ""}, "PatientID is empty"),
    "blank": ({"PatientID": "   "}, "PatientID is empty"),
    "stars": ({"PatientID": "***"}, "only punctuation"),
    "accents": ({"PatientID": "Müller"}, "characters that XNAT refuses"),
    "quotes": ({"PatientID": 'Smith "Joe"!'}, "characters that XNAT refuses"),
    "no date": ({"StudyDate": ""}, "StudyDate is empty"),
    "no modality": ({"Modality": None}, "no Modality"),
}


def _spoil(world: DropWorld, name: str = "exam", **elements: Any) -> set[str]:
    files = world.study(name, series=(2,))
    for file in files:
        edit(file, **elements)
    return uids(files)


@pytest.mark.filterwarnings("ignore")  # pydicom's, about the values that this is about
@pytest.mark.parametrize("case", CASES)
def test_a_header_without_a_usable_label_is_held_with_reason_and_remedy(world: DropWorld, case: str) -> None:
    elements, reason = CASES[case]
    _spoil(world, **elements)

    report = world.sync()

    row = held(report)
    assert (report.exit_code, row.code) == (3, "XS-LABEL-UNUSABLE")
    assert row.detail is not None
    assert reason in row.detail
    assert row.advice
    text = f"{row.detail} {row.advice}"
    assert not any(value in text for value in ("Müller", "Smith", "Nobody", "SUB1"))
    assert world.writes() == [("PUT", "/data/projects/P1")]
    assert world.in_drop() == {"exam"}


@pytest.mark.filterwarnings("ignore")
def test_a_label_that_grows_too_long_is_held(world: DropWorld) -> None:
    _spoil(world, PatientID=LONG)

    row = held(world.sync())

    assert row.code == "XS-LABEL-UNUSABLE"
    assert "characters, and a label may have 255" in (row.detail or "")
    assert LONG not in f"{row.detail} {row.advice}"


def test_series_of_one_study_that_disagree_about_the_patient_are_held(world: DropWorld) -> None:
    """Two patients in one study: whoever reads the message learns the field, not the names."""
    files = world.study(series=(2, 2))
    for file in files[2:]:
        edit(file, PatientID="SUB2")

    row = held(report := world.sync())

    assert (report.exit_code, row.code) == (3, "XS-LABEL-UNUSABLE")
    assert "disagree about PatientID" in (row.detail or "")
    assert "SUB" not in f"{row.detail} {row.advice}"
    assert world.writes() == [("PUT", "/data/projects/P1")]


def test_a_corrected_export_goes_by_itself(world: DropWorld) -> None:
    files = world.study(series=(2,))
    for file in files:
        edit(file, PatientID="***")
    assert world.sync().exit_code == 3
    assert world.sync().exit_code == 3

    for file in files:
        edit(file, PatientID="SUB7")
    sent = uids(files)

    assert world.sync().exit_code == 0
    assert world.archived("SUB7_MR_20260301") == sent


def test_a_corrected_template_goes_by_itself(world: DropWorld) -> None:
    sent = _spoil(world, PatientID="***")
    assert world.sync().exit_code == 3

    world.configure(subject="{PatientID|'unknown'}", session="{PatientID|'unknown'}_{StudyDate}")

    assert world.sync().exit_code == 0
    assert world.archived("unknown_20260301") == sent


def test_a_retry_without_any_change_ends_in_the_same_hold(world: DropWorld) -> None:
    _spoil(world, PatientID="***")
    assert world.sync().exit_code == 3
    retry(world)

    report = world.sync()

    assert (report.exit_code, held(report).code) == (3, "XS-LABEL-UNUSABLE")


def test_punctuation_is_cleaned_as_the_server_would(world: DropWorld) -> None:
    sent = _spoil(world, PatientID="A.B^C 7")

    report = world.sync()

    assert report.exit_code == 0
    assert only(report).units[0].unit.session == "A_B_C_7_MR_20260301"
    assert world.archived("A_B_C_7_MR_20260301") == sent
    session = world.session("A_B_C_7_MR_20260301")
    assert session is not None
    assert world.site.subjects[session.subject].label == "A_B_C_7"


def test_rules_send_studies_to_their_projects_and_the_rest_is_held(world: DropWorld) -> None:
    world.put("/data/projects/PILOT")
    rules = [{"when": {"StudyDescription": "PILOT*"}, "project": "PILOT", "session": "pilot_{StudyDate}"}]
    world.configure(project=None, rules=rules)
    pilot = _spoil(world, "a", StudyDescription="PILOT 7")
    world.study("b", patient="SUB2", seed=2)

    report = world.sync()

    assert (report.exit_code, held(report).code) == (3, "XS-NO-RULE")
    session = world.session("pilot_20260301", "PILOT")
    assert session is not None
    assert {
        entry.uid for scan in session.scans.values() for r in scan.resources.values() for entry in r.entries.values()
    } == pilot
    assert world.in_drop() == {"b"}


def test_no_name_of_a_patient_is_in_the_ledger_or_in_a_line_of_the_diary(world: DropWorld) -> None:
    """Not in a table, not in a free page: the file is searched byte by byte.  Events name things by number."""
    files = world.study("Doe_Jane", series=(2,))
    for file in files:
        edit(file, PatientName="Secret^Person", PatientBirthDate="19330303")
    bad = world.study("bad", series=(1,), seed=2)
    edit(bad[0], PatientName="Secret^Person", PatientID="***")
    (world.folder / "Doe_Jane" / "note.txt").write_text("Secret^Person")

    assert world.sync().exit_code == 3

    for path in world.root.glob("ledger.db*"):
        data = path.read_bytes()
        assert b"Secret" not in data
        assert b"19330303" not in data
    with world.ledger() as ledger:
        events = ledger.events()
    assert events
    for event in events:
        assert "Doe_Jane" not in event.text
        assert "SUB1" not in event.text
        assert "note.txt" not in event.text
        assert "Doe_Jane" not in (event.data or "")
