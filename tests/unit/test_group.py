"""From a manifest to sessions: the study decides, and whatever can be known to be wrong is found before sending."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import pytest

from property.strategies import OTHER, STUDY, dicom, other
from xnatsync.core.errors import LabelUnusable, ObjectsConflict, SessionCollision
from xnatsync.core.group import ORDER_TAGS, Collision, Routing, Rule, Study, attach, group
from xnatsync.core.labels import Template
from xnatsync.core.manifest import Kind, ManifestFile

SUBJECT = Template.parse("{PatientID}")
LABEL = Template.parse("{PatientID}_{Modality}_{StudyDate}")
ROUTING = Routing("P", SUBJECT, LABEL)


def grouped(*files: ManifestFile, routing: Routing = ROUTING, collision: Collision = "hold") -> tuple[Study, ...]:
    return group(files, routing, collision)


def only(studies: Sequence[Study]) -> Study:
    (study,) = studies
    return study


def test_a_study_becomes_one_session_wherever_its_files_lie() -> None:
    """Folders do not count, the study UID does."""
    study = only(grouped(dicom("a/1"), dicom("b/c/2"), dicom("3")))

    assert (study.project, study.subject, study.session) == ("P", "S1", "S1_MR_20260301")
    assert [file.path for file in study.files] == ["a/1", "b/c/2", "3"]
    assert study.error is None


def test_a_foreign_study_in_one_folder_is_a_session_of_its_own() -> None:
    """A series that carries another study UID is never merged into the study it lies beside."""
    mine, foreign = grouped(dicom("exam/1"), dicom("exam/2"), dicom("exam/3", study=OTHER, StudyDate="20260302"))

    assert (mine.study_uid, len(mine.files), mine.session) == (STUDY, 2, "S1_MR_20260301")
    assert (foreign.study_uid, len(foreign.files), foreign.session) == (OTHER, 1, "S1_MR_20260302")


def test_only_objects_are_delivered() -> None:
    """Duplicates and everything else stay out of the studies."""
    twin = replace(dicom("copy/1", uid=dicom("1").key), kind=Kind.DUPLICATE)

    assert [file.path for file in only(grouped(dicom("1"), twin, other("readme"))).files] == ["1"]
    assert grouped(other("readme")) == ()


def test_two_objects_that_claim_one_uid_stop_their_study_alone() -> None:
    """The other studies of the item go on; both paths are named, always in the same order."""
    clash = [dicom("b", uid="1.2.9"), dicom("a", uid="1.2.9")]
    for files in (clash, clash[::-1]):
        held, free = grouped(*files, dicom("c", study=OTHER, StudyDate="20260302"))

        assert isinstance(held.error, ObjectsConflict)
        assert str(held.error).endswith("1.2.9: a and b")
        assert free.error is None


# --- fields ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("modalities", "lead"),
    [(("MR",), "MR"), (("CT", "PT"), "PT"), (("SR", "MR", "SEG"), "MR"), (("ZZ", "AA"), "AA"), (("SR", "ZZ"), "SR")],
)
def test_the_leading_modality_names_a_study_of_several(modalities: tuple[str, ...], lead: str) -> None:
    """XNAT's own order (import.md §4.2); what it does not know comes last, by name."""
    for order in itertools.permutations(modalities):
        files = [dicom(f"{number}", Modality=modality) for number, modality in enumerate(order)]
        assert only(grouped(*files)).session == f"S1_{lead}_20260301"


def test_series_that_disagree_about_a_field_of_the_label_hold_the_study() -> None:
    """It may be of two patients; the values themselves are not repeated in the message."""
    error = only(grouped(dicom("1"), dicom("2", PatientID="Miller"))).error

    assert isinstance(error, LabelUnusable)
    assert "PatientID" in str(error)
    assert "Miller" not in str(error)
    assert "S1" not in str(error)


def test_a_field_that_decides_nothing_may_differ() -> None:
    """Every series has another time."""
    assert only(grouped(dicom("1"), dicom("2", StudyTime="1200"))).error is None


def test_an_object_that_does_not_say_is_no_dissent() -> None:
    """Blank and padded values are not other values."""
    study = only(grouped(dicom("1"), dicom("2", PatientID="  "), dicom("3", PatientID=" S1 ")))

    assert (study.error, study.subject) == (None, "S1")


@pytest.mark.parametrize("value", ["", "***", "   "])
def test_a_patient_without_a_usable_id_holds_the_study(value: str) -> None:
    """With a remedy: the field is named and how to fall back on another."""
    error = only(grouped(dicom("1", PatientID=value))).error

    assert isinstance(error, LabelUnusable)
    assert "PatientID" in str(error)
    assert "StudyID" in error.remedy


# --- rules -------------------------------------------------------------------------------------------------------

CARDIO = Rule({"StudyDescription": "heart*"}, "CARDIO", session=Template.parse("H_{PatientID}"))
ANY = Rule({"Modality": "MR"}, "BRAIN", subject=Template.parse("B{PatientID}"))
RULED = Routing(None, SUBJECT, LABEL, (CARDIO, ANY))


def test_the_first_rule_that_matches_counts() -> None:
    """Its templates replace the route's where it has any."""
    heart, brain = (only(grouped(dicom("1", StudyDescription=said), routing=RULED)) for said in ("heart rest", "head"))

    assert (heart.project, heart.subject, heart.session) == ("CARDIO", "S1", "H_S1")
    assert (brain.project, brain.subject, brain.session) == ("BRAIN", "BS1", "S1_MR_20260301")


def test_patterns_are_case_sensitive_and_need_the_field() -> None:
    """What the header does not say matches only a pattern that matches nothing."""
    assert only(grouped(dicom("1", StudyDescription="Heart"), routing=RULED)).project == "BRAIN"
    assert only(grouped(dicom("1"), routing=RULED)).project == "BRAIN"
    blank = Routing("P", SUBJECT, LABEL, (Rule({"StudyDescription": ""}, "BLANK"),))
    assert only(grouped(dicom("1"), routing=blank)).project == "BLANK"
    assert only(grouped(dicom("1", StudyDescription="x"), routing=blank)).project == "P"


def test_a_study_no_rule_is_for_is_held() -> None:
    """A route of rules alone has no place for it."""
    error = only(grouped(dicom("1", Modality="CT"), routing=RULED)).error

    assert isinstance(error, LabelUnusable)
    assert "rule" in error.remedy


@pytest.mark.parametrize("routing", [RULED, replace(RULED, project="P")], ids=["rules", "rules and default"])
@pytest.mark.parametrize("said", [("heart", "abdomen"), ("heart", "zoo"), ("zoo", "heart")])
def test_a_study_that_the_rules_would_split_is_held(said: tuple[str, str], routing: Routing) -> None:
    """Whichever value sorts first, and whether or not another rule would take the rest."""
    error = only(grouped(*(dicom(text, StudyDescription=text) for text in said), routing=routing)).error

    assert isinstance(error, LabelUnusable)
    assert "StudyDescription" in str(error)
    assert "heart" not in str(error)


def test_values_that_all_match_are_no_quarrel() -> None:
    """Two descriptions of one heart study."""
    files = [dicom("1", StudyDescription="heart rest"), dicom("2", StudyDescription="heart stress")]

    assert only(grouped(*files, routing=RULED)).project == "CARDIO"


def test_a_dispute_in_a_rule_that_fails_anyway_is_none() -> None:
    """One field that cannot match settles the rule."""
    rule = Rule({"Modality": "CT", "StudyDescription": "heart*"}, "CARDIO")
    files = [dicom("1", StudyDescription="heart"), dicom("2", StudyDescription="head")]

    assert only(grouped(*files, routing=Routing("P", SUBJECT, LABEL, (rule,)))).project == "P"


def test_a_routing_names_every_field_it_reads() -> None:
    """What is not read from the header cannot decide."""
    assert RULED.keywords == {"PatientID", "Modality", "StudyDate", "StudyDescription", *ORDER_TAGS}


# --- collisions --------------------------------------------------------------------------------------------------

RIVALS = [
    dicom("early/1", study="1.9", StudyTime="0900"),
    dicom("late/1", study="1.1", StudyTime="1500"),
    dicom("noon/1", study="1.5", StudyTime="1200"),
]


@pytest.mark.parametrize("order", list(itertools.permutations(RIVALS)))
def test_studies_that_want_one_label_are_all_held_and_all_named(order: tuple[ManifestFile, ...]) -> None:
    """Each message names its own side first and the others, and is the same in whatever order files are read."""
    held = {study.study_uid: study.error for study in grouped(*order)}

    assert all(isinstance(error, SessionCollision) for error in held.values())
    assert str(held["1.9"]) == (
        "study 1.9 (in early) and study 1.5 (in noon) and study 1.1 (in late) want the same session S1_MR_20260301"
    )


@pytest.mark.parametrize("order", list(itertools.permutations(RIVALS)))
def test_with_suffixes_the_earliest_keeps_the_label(order: tuple[ManifestFile, ...]) -> None:
    """Numbers follow date and time, then the UID: never the order of files."""
    labels = {study.study_uid: study.session for study in grouped(*order, collision="suffix")}

    assert labels == {"1.9": "S1_MR_20260301", "1.5": "S1_MR_20260301_2", "1.1": "S1_MR_20260301_3"}


def test_a_number_never_makes_the_label_of_another_study() -> None:
    """`A_2` may be somebody's real name."""
    routing = Routing("P", SUBJECT, Template.parse("{PatientID}"))
    files = [
        dicom("1", study="1.1"),
        dicom("2", study="1.2"),
        dicom("3", study="1.3", PatientID="S1_2"),
        dicom("4", study="1.4", PatientID="S1_2"),
    ]

    for order in itertools.permutations(files):
        labels = {study.study_uid: study.session for study in grouped(*order, routing=routing, collision="suffix")}
        assert labels == {"1.1": "S1", "1.2": "S1_3", "1.3": "S1_2", "1.4": "S1_2_2"}


def test_one_label_in_two_projects_is_no_collision() -> None:
    """Labels are unique in a project."""
    files = [dicom("1", study="1.1", StudyDescription="heart"), dicom("2", study="1.2", Modality="MR")]
    routing = Routing("P", SUBJECT, LABEL, (Rule({"StudyDescription": "heart"}, "CARDIO"),))

    assert [study.error for study in grouped(*files, routing=routing)] == [None, None]


def test_a_study_that_cannot_go_anyway_claims_no_label() -> None:
    """Nobody is held for its sake."""
    broken = [dicom("1", study="1.1", uid="1.2.9"), dicom("2", study="1.1", uid="1.2.9")]
    held, free = grouped(*broken, dicom("3", study="1.2"))

    assert isinstance(held.error, ObjectsConflict)
    assert free.error is None


# --- other files -------------------------------------------------------------------------------------------------


def test_other_files_go_with_the_one_study_of_the_nearest_folder() -> None:
    """The nearest folder above that holds any object decides; where it holds two studies, nobody can tell."""
    objects = [dicom("exam/mr/1"), dicom("exam/mr/deep/2"), dicom("exam/ct/1", study=OTHER, StudyDate="20260302")]
    files = [other(path) for path in ("exam/mr/notes", "exam/mr/x/y/z", "exam/ct/dose.pdf", "exam/readme", "readme")]

    assert attach(files, objects) == {"exam/mr/notes": STUDY, "exam/mr/x/y/z": STUDY, "exam/ct/dose.pdf": OTHER}


def test_everything_of_an_item_with_one_study_goes_with_it() -> None:
    """Also what lies beside or above the objects."""
    objects = [dicom("exam/dicom/1")]

    assert attach([other("exam/log.txt"), other("cover.txt"), other("exam/x/y")], objects) == {
        "exam/log.txt": STUDY,
        "cover.txt": STUDY,
        "exam/x/y": STUDY,
    }


def test_without_a_study_nothing_is_attached() -> None:
    """There is nothing to attach it to."""
    assert attach([other("readme")], ()) == {}
