"""What of an item a selection takes before anything is on a server, and what is never left out by mistake."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from property.strategies import OTHER, STUDY, dicom, other
from xnatsync.config.selected import NOT_OF_DROPS
from xnatsync.core.drop_selection import EVERY_DROP, Chosen, Wanted, choose
from xnatsync.core.errors import LabelUnusable, ObjectsConflict
from xnatsync.core.group import Collision, Routing, Rule, attach, group
from xnatsync.core.labels import Template
from xnatsync.core.manifest import Kind, ManifestFile
from xnatsync.core.selection import Selection

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
DROPPED = date(2026, 3, 10)
RULE = Rule({"PatientID": "QA*"}, "QA")
ROUTING = Routing("P", Template.parse("{PatientID}"), Template.parse("{PatientID}_{Modality}"), (RULE,))


def chosen(
    dropped_files: Sequence[ManifestFile], *, attaching: bool = False, collision: Collision = "hold", **keys: Any
) -> Chosen:
    projects = frozenset(keys.pop("projects", ()))
    wanted = Wanted(Selection.parse(**keys), projects).on(DROPPED)
    return choose(dropped_files, ROUTING, collision, wanted, attaching=attaching)


def left(found: Chosen) -> dict[str, str]:
    return {file.path: file.left_by for file in found.files if file.left_by}


def scan(path: str, number: str = "1", description: str = "", **more: Any) -> ManifestFile:
    made = dicom(path, **more)
    assert made.identity is not None
    return replace(
        made,
        identity=replace(made.identity, series_number=number, description=description, modality=made.tags["Modality"]),
    )


def documented() -> list[tuple[str, str, str, str]]:
    section = PAGE[PAGE.index("\n### Examples\n") : PAGE.index("\n### What a drop route leaves out\n")]
    rows = re.findall(r"^\| `(\w+)` \| `(.+?)` \| (.+?) \| (.+?) \|$", section, re.MULTILINE)
    return [row for row in rows if row[0] not in NOT_OF_DROPS]


def dropped(key: str, text: str) -> ManifestFile:
    """One object that differs in the fact that a key asks for."""
    match key:
        case "subjects" | "sessions":
            return scan("a", PatientID=text)
        case "modalities":
            return scan("a", Modality=text)
        case "dates":
            return scan("a", StudyDate=text.replace("-", ""))
        case "scans":
            return scan("a", number=text)
        case "scan_types":
            return scan("a", description=text)
        case "files":
            return scan(text)
    raise AssertionError(key)


@pytest.mark.parametrize(("key", "patterns", "taken", "leaves"), documented(), ids=str)
def test_every_example_of_the_manual_is_true_of_a_drop(key: str, patterns: str, taken: str, leaves: str) -> None:
    """The same patterns take the same things before they are on a server."""
    keys = {key: tomllib.loads(f"x = {patterns}")["x"]}
    routing = replace(ROUTING, session=ROUTING.subject)

    for cell, expected in ((taken, []), (leaves, [key])):
        for text in re.findall(r"`([^`]*)`", cell):
            file = dropped(key, text.strip())
            found = choose([file], routing, "hold", Wanted(Selection.parse(**keys)).on(DROPPED), attaching=False)
            assert list(left(found).values()) == expected, text


def test_the_manual_shows_every_key_that_a_drop_has() -> None:
    """So that the test above asks all of them."""
    assert {key for key, *_ in documented()} == {
        *("subjects", "sessions", "modalities", "dates", "scans", "scan_types", "files")
    }


def test_without_a_selection_nothing_changes() -> None:
    """The files are the very same ones, and so are the studies."""
    twin = replace(dicom("z", uid=dicom("a").key), kind=Kind.DUPLICATE, sha256=dicom("a").sha256, reason="a twin")
    files = [dicom("a"), dicom("b", study=OTHER), other("c"), twin]

    found = choose(files, ROUTING, "suffix", EVERY_DROP, attaching=True)

    assert list(found.files) == files
    assert found.studies == group(files, ROUTING, "suffix")
    assert found.attached == attach([other("c")], files)


def test_what_is_left_out_is_in_no_study_and_says_by_what() -> None:
    """It keeps its identity, so that it is found by its UID."""
    one, two = scan("1/a", "1", "T1"), scan("2/a", "2", "localizer")

    found = chosen([one, two], scan_types=["!local*"])

    (study,) = found.studies
    assert study.files == [one]
    assert left(found) == {"2/a": "scan_types"}
    assert found.files[1] == replace(
        two, kind=Kind.OTHER, left_by="scan_types", reason="left out by `scan_types` of the route's selection"
    )


def test_the_session_is_what_the_other_keys_leave_of_the_study() -> None:
    """A PET/CT of which the CT is taken is a CT: that is what the server will call it, and its label says so."""
    files = [scan("1", "1", "PET", Modality="PT"), scan("2", "2", "CT low dose", Modality="CT")]

    assert left(chosen(files, modalities=["CT"])) == {"1": "modalities", "2": "modalities"}
    found = chosen(files, modalities=["CT"], scan_types=["CT*"])
    assert left(found) == {"1": "scan_types"}
    assert [study.session for study in found.studies] == ["S1_CT"]


def test_of_twins_the_first_that_is_taken_is_the_object() -> None:
    """Whatever lies before it in the manifest."""
    first = dicom("a/1", uid="1.2.9")
    copies = [replace(first, path=path, kind=Kind.DUPLICATE, reason="a twin") for path in ("b/1", "c/1")]

    found = chosen([first, *copies], files=["!a/**"])

    assert [(file.kind, file.reason) for file in found.files[1:]] == [(Kind.DICOM, ""), (Kind.DUPLICATE, "a twin")]
    assert left(found) == {"a/1": "files"}
    assert left(chosen([first, *copies], modalities=["CT"])) == dict.fromkeys(("a/1", "b/1", "c/1"), "modalities")


def test_what_has_no_usable_label_is_held_unless_another_key_leaves_it_out() -> None:
    """Nobody can say whether a label that was not made would have been taken."""
    nameless = scan("a", PatientID="")

    (study,) = chosen([nameless], subjects=["S1"], sessions=["!*"]).studies
    assert isinstance(study.error, LabelUnusable)
    assert left(chosen([nameless], subjects=["S1"], modalities=["CT"])) == {"a": "modalities"}


def test_rivals_are_only_those_that_are_taken() -> None:
    """Two objects of one UID, two studies of one label: what is left out stands in nobody's way."""
    rivals = [dicom("a/1", uid="1.2.9"), dicom("b/1", uid="1.2.9")]
    (study,) = chosen(rivals).studies
    assert isinstance(study.error, ObjectsConflict)
    (study,) = chosen(rivals, files=["a/**"]).studies
    assert study.error is None

    studies = [scan("1"), scan("2", study=OTHER, StudyDate="20250101")]
    assert all(study.error is not None for study in chosen(studies).studies)
    (study,) = chosen(studies, dates=["2026-01-01.."]).studies
    assert study.error is None


def test_a_study_of_two_dates_is_taken_for_either() -> None:
    """In doubt it is taken."""
    files = [scan("1", StudyDate="20260301"), scan("2", StudyDate="20250301")]

    assert left(chosen(files, dates=["2026-01-01.."])) == {}
    assert left(chosen(files, dates=["..2025-12-31"])) == {}
    assert left(chosen(files, dates=["2024-01-01..2024-12-31"])) == {"1": "dates", "2": "dates"}


@pytest.mark.parametrize(
    ("day", "last", "excluded"),
    [("20260311", True, False), ("20260310", True, False), ("20260304", True, False), ("20260303", False, True),
     ("2026.03.10", True, False), ("", False, True), ("sometime", False, True)],
)  # fmt: skip
def test_relative_days_are_counted_back_from_the_drop(day: str, last: bool, excluded: bool) -> None:
    """Seven days, that of the drop the last of them, and any that the scanner is ahead."""
    assert (left(chosen([scan("a", StudyDate=day)], dates=["last 7d"])) == {}) is last
    assert (left(chosen([scan("a", StudyDate=day)], dates=["!last 7d"])) == {}) is excluded


def test_projects_are_asked_after_the_rules() -> None:
    """The rule says where it goes, the key whether it does."""
    files = [scan("1"), scan("2", study=OTHER, PatientID="QA1")]

    assert left(chosen(files, projects=["P"])) == {"2": "projects"}
    assert left(chosen(files, projects=["QA"])) == {"1": "projects"}


def test_a_damaged_file_is_left_out_by_its_path_alone() -> None:
    """Its reason stays with it."""
    broken = replace(other("a"), kind=Kind.BROKEN, reason="cut off")

    assert left(chosen([broken], modalities=["CT"], scans=["!*"])) == {}
    (file,) = chosen([broken], files=["!a"]).files
    assert (file.kind, file.left_by) == (Kind.OTHER, "files")
    assert file.reason == "cut off; left out by `files` of the route's selection"


def test_other_files_go_with_their_own_study_or_with_none() -> None:
    """Whose it is, is told by what lies there, not by what is sent of it."""
    files = [
        scan("cd/1"), scan("cd/theirs/2", study=OTHER, PatientID="S2"), other("cd/note"), other("cd/theirs/report"),
    ]  # fmt: skip

    found = chosen(files, attaching=True, subjects=["S1"])
    assert found.attached == {}  # in `cd` lie two studies: nobody can tell
    assert left(found) == {"cd/theirs/2": "subjects", "cd/theirs/report": "subjects"}
    found = chosen([*files, scan("cd/mine/3"), other("cd/mine/x")], attaching=True, subjects=["S1"], files=["!**/x"])
    assert left(found)["cd/mine/x"] == "files"
    assert chosen([scan("1"), other("x"), other("y.txt")], attaching=True, files=["!*.txt"]).attached == {"x": STUDY}


def test_nothing_else_is_left_out_of_what_would_never_be_sent() -> None:
    """Clutter that is not attached has its own reason."""
    assert left(chosen([scan("1"), other("x")], files=["1"])) == {}
