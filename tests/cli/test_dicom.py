"""`dicom inspect|validate|list-tags`: what a file is, what would hold an item, and nothing of a patient unasked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread

from cli_fields import document_faults, faults
from cli_world import Ran
from xnatsync.cli.program import run
from xnatsync.core.errors import Exit
from xnatsync.dicom.make import SeriesPlan, StudyPlan, make_study

Typed = Callable[..., Ran]
NAME = "Secret^Patient"


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str]) -> Typed:
    def run_it(*words: str) -> Ran:
        code = run(words)
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return run_it


@pytest.fixture
def exam(tmp_path: Path) -> Path:
    """Two series of three objects, of a patient who has a name."""
    root = tmp_path / "exam"
    make_study(root, StudyPlan("ID-4711", NAME, "20260302", (SeriesPlan(1, "T1", 3), SeriesPlan(2, "T2", 3))))
    for path in root.rglob("*.dcm"):
        object_ = dcmread(path)
        object_.PatientName, object_.PatientID, object_.PatientComments = NAME, "ID-4711", "lives in Berne"
        object_.add_new(0x00091010, "LO", "private words")
        object_.save_as(path)
    return root


def first(exam: Path) -> str:
    return str(min(exam.rglob("*.dcm")))


def test_an_object_is_inspected_without_its_patient(exam: Path, typed: Typed) -> None:
    """UIDs, series, syntax; a tag by keyword or by number."""
    ran = typed("dicom", "inspect", first(exam), "-t", "Modality", "-t", "0010,0010", "-o", "json")

    assert (ran.code, document_faults(ran.document)) == (0, [])
    (file,) = ran.document["files"]
    assert (file["kind"], file["sop_instance_uid"]) == ("dicom", str(dcmread(first(exam)).SOPInstanceUID))
    assert [tag["value"] for tag in ran.document["tags"]] == ["MR", "(hidden)"]
    shown = typed("dicom", "inspect", first(exam), "-t", "PatientName", "--show-patient")
    assert NAME in shown.out
    assert typed("dicom", "inspect", first(exam), "-t", "NoSuchWord").code == Exit.USAGE


def test_a_header_is_listed_without_its_patient(exam: Path, typed: Typed) -> None:
    """Names, IDs and free text are hidden; private elements come only when asked for."""
    ran = typed("dicom", "list-tags", first(exam), "-o", "json")

    rows = json.loads(ran.out)
    assert (ran.code, faults(rows, "list of dicom/list-tags")) == (0, [])
    assert {row["keyword"] for row in rows} >= {"SOPInstanceUID", "PatientName", "Modality"}
    for secret in (NAME, "4711", "Berne", "private words"):
        assert secret not in ran.out + typed("dicom", "list-tags", first(exam), "--private").out
    assert "private words" in typed("dicom", "list-tags", first(exam), "--private", "--show-patient").out
    assert "ID-4711" in typed("dicom", "list-tags", first(exam), "--show-patient").out


def test_a_good_exam_is_valid(exam: Path, typed: Typed) -> None:
    """How many objects, series and studies; notes beside them hold nothing."""
    (exam / "notes.txt").write_text("read me", encoding="utf-8")

    ran = typed("dicom", "validate", str(exam), "-o", "json")

    assert (ran.code, document_faults(ran.document)) == (0, []), ran.out
    assert (ran.document["objects"], ran.document["series"], ran.document["studies"]) == (6, 2, 1)
    assert ran.document["holding"] == []
    assert "nothing would hold" in typed("dicom", "validate", str(exam)).out


def test_what_would_hold_an_item_is_named(exam: Path, typed: Typed) -> None:
    """A cut object, an empty file; exit code 3, and no name of the patient anywhere."""
    cut = Path(first(exam))
    cut.write_bytes(cut.read_bytes()[:-100])
    (exam / "IM0009").write_bytes(b"")

    ran = typed("dicom", "validate", str(exam))

    assert ran.code == Exit.HELD
    assert cut.name in ran.out
    assert "IM0009" in ran.out
    assert NAME not in ran.out + ran.err


@pytest.mark.parametrize("command", ["inspect", "validate", "list-tags"])
def test_what_is_not_there_or_no_object_is_said(tmp_path: Path, typed: Typed, command: str) -> None:
    """Never a traceback, never a success."""
    assert typed("dicom", command, str(tmp_path / "gone.dcm")).code == Exit.HELD
    (tmp_path / "words.txt").write_text("words", encoding="utf-8")
    ran = typed("dicom", command, str(tmp_path / "words.txt"))
    assert ran.code == (Exit.OK if command == "inspect" else Exit.HELD)
    assert "Traceback" not in ran.err
