"""A selection loses nothing: whatever it says, every file is delivered, aside, or left out with a key."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from property.strategies import OTHER, STUDY, dicom, other
from xnatsync.core.drop_selection import Wanted, choose
from xnatsync.core.group import Routing
from xnatsync.core.labels import Template
from xnatsync.core.manifest import Kind, ManifestFile
from xnatsync.core.selection import Selection

ROUTING = Routing("P", Template.parse("{PatientID}"), Template.parse("{PatientID}_{Modality}"))
CONTENTS = (  # the same bytes are the same object of the same study
    {"study": STUDY, "StudyDate": "20260301"},
    {"study": STUDY, "StudyDate": "20260301", "Modality": "CT"},
    {"study": OTHER, "StudyDate": "20250101", "PatientID": "S2"},
    {"study": OTHER, "StudyDate": "20250101", "PatientID": ""},
)
PLACES = st.lists(
    st.tuples(st.sampled_from(["a/1", "a/2", "a/b/1", "b/1", "b/2", "3", "c/d/4"]), st.sampled_from(range(4))),
    max_size=7,
    unique_by=lambda place: place[0],
)
PATTERNS = st.lists(st.sampled_from(["*", "S*", "?", "!S2*", "!C*", "1", "MR", "CT"]), max_size=2)


def manifest(places: list[tuple[str, int]]) -> list[ManifestFile]:
    """As the disk reads it: what comes again is a duplicate of what came first."""
    files: list[ManifestFile] = []
    seen: set[int] = set()
    for path, content in places:
        file = replace(dicom(path, uid=f"1.2.{content}", **CONTENTS[content]), sha256=bytes([content]) * 32)
        assert file.identity is not None
        file = replace(file, identity=replace(file.identity, series_number=str(content), description=f"S{content}"))
        files.append(replace(file, kind=Kind.DUPLICATE, reason="a twin") if content in seen else file)
        seen.add(content)
    return [*files, other("a/notes"), other("b/notes"), other("notes")]


@given(
    places=PLACES,
    keys=st.fixed_dictionaries(
        {},
        optional={
            "files": st.lists(st.sampled_from(["a/**", "!a/**", "**/1", "!**/2", "*/*"]), max_size=2),
            "dates": st.lists(st.sampled_from(["2026-01-01..", "!2025-01-01", "last 3d"]), max_size=2),
            **dict.fromkeys(("subjects", "sessions", "modalities", "scans", "scan_types"), PATTERNS),
        },
    ),
    attaching=st.booleans(),
)
def test_every_file_is_delivered_or_left_out(
    places: list[tuple[str, int]], keys: dict[str, list[str]], attaching: bool
) -> None:
    """In its place in the manifest, in one study or in none, with the key that says so; a twin never stands alone."""
    files = manifest(places)
    wanted = Wanted(Selection.parse(**keys)).on(date(2026, 3, 1))

    found = choose(files, ROUTING, "suffix", wanted, attaching=attaching)

    delivered = [file.path for study in found.studies for file in study.files]
    assert sorted(delivered) == sorted(file.path for file in found.files if file.kind is Kind.DICOM)
    contents = [file.sha256 for file in found.files if file.kind is Kind.DICOM]
    assert len(contents) == len(set(contents))
    assert {file.sha256 for file in found.files if file.kind is Kind.DUPLICATE} <= set(contents)
    for before, after in zip(files, found.files, strict=True):
        assert (after.path, after.key, after.sha256) == (before.path, before.key, before.sha256)
        if after.left_by:
            assert after.kind is Kind.OTHER
            assert keys[after.left_by]
            assert f"`{after.left_by}`" in after.reason
        else:
            assert (after.kind is Kind.OTHER) == (before.kind is Kind.OTHER)
    left_out = {file.path for file in found.files if file.left_by}
    assert not found.attached.keys() & left_out
    assert set(found.attached.values()) <= {study.study_uid for study in found.studies}


@given(places=PLACES, attaching=st.booleans())
def test_two_selections_that_exclude_each_other_take_everything_between_them(
    places: list[tuple[str, int]], attaching: bool
) -> None:
    """What one leaves, the other takes: no object falls between patterns."""
    files = manifest(places)

    halves = [
        choose(files, ROUTING, "suffix", Wanted(Selection.parse(scans=[pattern])), attaching=attaching)
        for pattern in ("[01]", "![01]")
    ]

    taken = [{file.path for file in half.files if file.identity is not None and not file.left_by} for half in halves]
    assert taken[0] | taken[1] == {file.path for file in files if file.identity is not None}
    assert not taken[0] & taken[1]
