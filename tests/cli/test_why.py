"""`why` tells the whole story, whatever it is asked by."""

from __future__ import annotations

import os
import sys

import pytest
from pydicom import dcmread

from cli_world import World
from xnatsync.sandbox.http.faults import Fault


def test_the_story_is_told_in_order(box: World) -> None:
    """Seen, settled, what was in it, what is not delivered, planned, sent, proven, filed."""
    good = box.study("good")
    (good / "notes.txt").write_text("note", encoding="utf-8")
    box.run("sync")

    story = box.run("why", "good", "-o", "json").document["stories"][0]

    assert [sentence["kind"] for sentence in story["sentences"]] == [
        "seen", "settled", "content", "aside", "planned", "sent", "sent", "sent", "landed", "proven", "filed",
    ]  # fmt: skip
    told = " ".join(sentence["text"] for sentence in story["sentences"])
    for part in (
        "4 DICOM objects in 2 series of 1 study, and 1 file",
        "Not delivered (not DICOM): notes.txt.",
        "was planned as session P1_MR_20260302 of subject P1 in project DEMO on box (u1)",
        "We sent 4 objects; the server agreed.",
        "Receipt 1: 4 of 4 objects proven at level names in the archive as XNAT_E00001.",
        "It was filed under the done folder as ",
    ):
        assert part in told
    assert story["next"] == []


@pytest.mark.parametrize(
    "by", ["number", "unit", "path", "absolute", "file", "session", "accession", "study", "series", "object"]
)
def test_it_is_found_by_whatever_a_person_has(by: str, box: World) -> None:
    """By number, unit, path (also absolute, also of a file in it), session, accession ID and each UID."""
    file = min(box.study("good").rglob("*.dcm"))
    header = dcmread(file, stop_before_pixels=True)
    inside = file.relative_to(box.drop)
    box.run("sync")
    names = {
        "number": "1",
        "unit": "u1",
        "path": "good",
        "absolute": str(box.drop / "good"),
        "file": str(inside),
        "session": "P1_MR_20260302",
        "accession": "XNAT_E00001",
        "study": header.StudyInstanceUID,
        "series": header.SeriesInstanceUID,
        "object": header.SOPInstanceUID,
    }

    ran = box.run("why", names[by])

    assert ran.code == 0, ran.err
    assert "good (item 1 of route scanner): done" in ran.out
    if by in {"file", "object"}:
        assert f"is the DICOM object {header.SOPInstanceUID}: it travels as {header.SOPInstanceUID}.dcm" in " ".join(
            ran.out.split()
        )


def test_a_held_item_is_told_with_what_to_do(box: World) -> None:
    """The story of something held ends with the remedy and the command."""
    box.study("unnamed", "")
    box.run("sync")

    ran = box.run("why", "unnamed")

    words = " ".join(ran.out.split())
    assert "This session is held for a person: PatientID is empty [XS-LABEL-UNUSABLE]." in words
    assert f"Then: xnatsync --config {box.config} retry u1" in words
    assert f"xnatsync --config {box.config} dismiss 1" in words


def test_an_answer_that_was_lost_is_told(box: World) -> None:
    """An attempt of unknown outcome is told as that, and what was found instead."""
    box.study("good")
    box.configure(route='quiet = "1s"')
    box.server.faults.add(Fault("POST", "import-handler", "lost_reply"))

    assert box.run("sync").code == 0

    words = " ".join(box.run("why", "good").out.split())
    assert "no usable answer came" in words
    assert "the server is looked at before anything else" in words
    assert "proven at level names" in words


def test_two_items_of_one_session_are_both_told(box: World) -> None:
    """A session that came in two items has two stories, the newer first."""
    whole = box.study("first")
    late = box.drop / "second"
    late.mkdir()
    file = max(whole.rglob("*.dcm"))
    file.rename(late / file.name)
    box.run("sync")

    stories = box.run("why", "P1_MR_20260302", "-o", "json").document["stories"]

    assert [story["item"]["path"] for story in stories] == ["second", "first"]


def test_what_is_not_known_is_an_error(box: World) -> None:
    """Nothing by that name: 2, and where to look."""
    box.study("good")
    box.run("sync")

    ran = box.run("why", "1.2.3.4")

    assert ran.code == 2
    assert "[XS-NOTHING-FOUND]" in ran.err


def test_no_header_value_is_told(box: World) -> None:
    """The patient's name is in no story."""
    box.study("good")
    box.run("sync")

    assert "Secret" not in box.run("why", "good").out


@pytest.mark.skipif(sys.platform in {"darwin", "win32"}, reason="its file names are text")
def test_a_name_that_is_no_text_is_found(box: World) -> None:
    """A file is found by its name as the shell gives it, also where that is not valid text."""
    good = box.study("good")
    name = os.fsdecode(b"na\xefve.txt")
    (good / name).write_text("note", encoding="utf-8")
    box.run("sync")

    ran = box.run("why", name)

    assert ran.code == 0, ran.err
    assert "is not delivered by itself: not DICOM" in " ".join(ran.out.split())
