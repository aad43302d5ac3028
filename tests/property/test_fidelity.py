"""Source and destination compared: what was changed is found, what makes no difference is not."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnatsync.core.described import Described, Share, Stored, ThingKind
from xnatsync.core.fidelity import (
    Arrival,
    Comparison,
    Contents,
    Difference,
    Fate,
    FilePlace,
    Terms,
    canonical,
    canonical_json,
    compare,
)
from xnatsync.core.imported import is_filled_in
from xnatsync.core.remote import RemoteFile
from xnatsync.core.transfer_filter import Inside, Names, SyncType, Things, TransferFilter

MR = "xnat:mrSessionData"
PROJECTS = {"NEURO": "NEURO_DEV", "OTHER": "OTHER_DEV"}


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def file(part: str, resource: str, name: str, uid: str = "") -> RemoteFile:
    text = f"{part}/{resource}/{name}"
    return RemoteFile(part, resource, name, len(text), md5(text), uid)


def scan(name: str, **fields: str) -> Described:
    facts = {"type": "T1", "quality": "usable", "UID": f"1.2.3.4.{name}"} | fields
    return Described(ThingKind.SCAN, name, "", "xnat:mrScanData", tuple(facts.items()))


SESSION = Described(
    ThingKind.SESSION, "XNAT_E00001", "S1_MR", MR,
    (("date", "2024-05-17"), ("note", "calm"), ("fields/field[name=iq]", "007"), ("dcmPatientName", "X")),
    (("form/age", '{"a": 1, "b": 2}'),),
    (Share("OTHER", "S1_MR"), Share("FAR", "S1_MR")),
    (Stored("QC", "", "CSV", "QC"), Stored("EMPTY")),
    (
        scan("1"), scan("2"),
        Described(ThingKind.RECONSTRUCTION, "R1", "", "xnat:reconstructedImageData", (("type", "mean"),)),
        Described(ThingKind.ASSESSOR, "XNAT_E00002", "QC1", "xnat:qcManualAssessorData", (("rater", "a"),),
                  resources=(Stored("SRC", "in"), Stored("RES", "out", "TXT"))),
    ),
)  # fmt: skip
FILES = Contents(
    (
        file("1", "DICOM", "1.dcm", "1.9.1.1"), file("1", "DICOM", "2.dcm", "1.9.1.2"),
        file("2", "DICOM", "1.dcm", "1.9.2.1"), file("2", "NIFTI", "a/b.nii.gz"),
        file("", "QC", "x.csv"), file("reconstructions/R1/out", "MEAN", "m.img"),
        file("assessors/QC1/in", "SRC", "i.txt"), file("assessors/QC1/out", "RES", "o.txt"),
    ),
)  # fmt: skip
THERE = replace(
    SESSION, id="STAGE_E00099", shares=(Share("OTHER_DEV", "S1_MR"),),
    parts=tuple(replace(one, id="STAGE_E00100") if one.kind is ThingKind.ASSESSOR else one for one in SESSION.parts),
)  # fmt: skip


def compared(
    there: Described | None = THERE, files: Contents = FILES, source: Described = SESSION, mine: Contents = FILES,
    **terms: object,
) -> Comparison:  # fmt: skip
    agreed = {"projects": PROJECTS, "parts": {}, "proven": dict[FilePlace, str]()} | terms
    return compare(source, there, Terms(**agreed), mine, files)  # type: ignore[arg-type]


def grave(found: Comparison) -> list[tuple[Fate, str, str, str]]:
    return [(one.fate, one.what, one.part, one.name) for one in found.differences if one.is_grave]


def test_what_is_the_same_is_complete_and_what_cannot_travel_is_told() -> None:
    found = compared()
    assert found.is_complete
    assert found.differences == (
        Difference(
            Fate.NOT_CARRIED, "share", "", "FAR", "the project was not transferred to this destination"
        ),
    )  # fmt: skip
    assert (found.files, found.digests) == (8, 8)
    assert found.size == sum(one.size or 0 for one in FILES.files)


def part_changed(number: int, change: Callable[[Described], Described | None]) -> Described:
    parts = [change(part) if at == number else part for at, part in enumerate(THERE.parts)]
    return replace(THERE, parts=tuple(part for part in parts if part is not None))


def fields_changed(thing: Described, name: str, value: str | None) -> Described:
    facts = dict(thing.fields)
    if value is None:
        del facts[name]
    else:
        facts[name] = value
    return replace(thing, fields=tuple(facts.items()))


def file_changed(number: int, **changes: object) -> Contents:
    files = list(FILES.files)
    files[number] = replace(files[number], **changes)  # type: ignore[arg-type]
    return replace(FILES, files=tuple(files))


def without(number: int) -> Contents:
    return replace(FILES, files=tuple(one for at, one in enumerate(FILES.files) if at != number))


TAMPERED: list[tuple[str, Described | None, Contents, tuple[Fate, str, str, str]]] = [
    ("gone", None, FILES, (Fate.MISSING, "thing", "", "")),
    ("a field", fields_changed(THERE, "note", "loud"), FILES, (Fate.DIFFERS, "field", "", "note")),
    ("a field gone", fields_changed(THERE, "note", None), FILES, (Fate.MISSING, "field", "", "note")),
    ("a field more", fields_changed(THERE, "room", "2"), FILES, (Fate.DIFFERS, "field", "", "room")),
    ("zeros of an ID", fields_changed(THERE, "fields/field[name=iq]", "7"), FILES,
     (Fate.DIFFERS, "field", "", "fields/field[name=iq]")),
    ("the type", replace(THERE, xsi_type="xnat:ctSessionData"), FILES, (Fate.DIFFERS, "field", "", "xsi:type")),
    ("a form", replace(THERE, custom=(("form/age", '{"a": 1, "b": 3}'),)), FILES,
     (Fate.DIFFERS, "custom", "", "form/age")),
    ("a form gone", replace(THERE, custom=()), FILES, (Fate.MISSING, "custom", "", "form/age")),
    ("a share gone", replace(THERE, shares=()), FILES, (Fate.MISSING, "share", "", "OTHER")),
    ("a share's label", replace(THERE, shares=(Share("OTHER_DEV", "Y"),)), FILES,
     (Fate.DIFFERS, "share", "", "OTHER")),
    ("a scan gone", part_changed(1, lambda part: None), FILES, (Fate.MISSING, "part", "2", "")),
    ("a scan's quality", part_changed(1, lambda part: fields_changed(part, "quality", "unusable")), FILES,
     (Fate.DIFFERS, "field", "2", "quality")),
    ("a reconstruction gone", part_changed(2, lambda part: None), FILES,
     (Fate.MISSING, "part", "reconstructions/R1", "")),
    ("an assessor's field", part_changed(3, lambda part: fields_changed(part, "rater", "b")), FILES,
     (Fate.DIFFERS, "field", "assessors/QC1", "rater")),
    ("a file gone", THERE, without(0), (Fate.MISSING, "file", "1", "DICOM/1.dcm")),
    ("a resource gone", THERE, without(3), (Fate.MISSING, "resource", "2", "NIFTI")),
    ("an empty resource gone", replace(THERE, resources=THERE.resources[:1]), FILES,
     (Fate.MISSING, "resource", "", "EMPTY")),
    ("a format that is gone", replace(THERE, resources=(Stored("QC", "", "", "QC"), Stored("EMPTY"))), FILES,
     (Fate.DIFFERS, "resource", "", "QC")),
    ("a format", replace(THERE, resources=(Stored("QC", "", "TXT", "QC"), Stored("EMPTY"))), FILES,
     (Fate.DIFFERS, "resource", "", "QC")),
    ("a size", THERE, file_changed(4, size=1), (Fate.DIFFERS, "file", "", "QC/x.csv")),
    ("a digest", THERE, file_changed(5, digest=md5("")),
     (Fate.DIFFERS, "file", "reconstructions/R1/out", "MEAN/m.img")),
    ("a name", THERE, file_changed(6, name="j.txt"), (Fate.MISSING, "file", "assessors/QC1/in", "SRC/i.txt")),
    ("in became out", THERE, file_changed(6, scan="assessors/QC1/out"),
     (Fate.MISSING, "resource", "assessors/QC1/in", "SRC")),
    ("no digest", THERE, file_changed(7, digest=""), (Fate.UNVERIFIABLE, "file", "assessors/QC1/out", "RES/o.txt")),
    ("not all listed", THERE, replace(FILES, complete=False), (Fate.UNVERIFIABLE, "listing", "", "")),
    ("a wicked name", THERE, replace(FILES, refused=(("1", "DICOM", "it holds a zero byte"),)),
     (Fate.UNVERIFIABLE, "file", "1", "DICOM")),
]  # fmt: skip


@pytest.mark.parametrize(("what", "there", "files", "expected"), TAMPERED, ids=[row[0] for row in TAMPERED])
def test_one_thing_changed_behind_its_back_is_found(
    what: str, there: Described | None, files: Contents, expected: tuple[Fate, str, str, str]
) -> None:
    """Each alone: it is named, nothing else is, and nothing is complete."""
    found = compared(there, files)
    assert not found.is_complete
    assert expected in grave(found)
    assert len(grave(found)) == 1


@given(st.randoms(use_true_random=False))
def test_order_never_decides(chance: random.Random) -> None:
    def mixed(thing: Described) -> Described:
        parts, fields = [mixed(part) for part in thing.parts], list(thing.fields)
        chance.shuffle(parts)
        chance.shuffle(fields)
        return replace(thing, parts=tuple(parts), fields=tuple(fields))

    files = list(FILES.files)
    chance.shuffle(files)
    assert compared(mixed(THERE), replace(FILES, files=tuple(files))) == compared()


@given(st.sampled_from(range(len(FILES.files))), st.sampled_from(["name", "size", "digest", "gone"]))
def test_no_change_of_a_file_is_missed(number: int, what: str) -> None:
    changes = {"name": {"name": "other"}, "size": {"size": 10**6}, "digest": {"digest": "0" * 32}}
    files = without(number) if what == "gone" else file_changed(number, **changes[what])
    found = compared(files=files)
    assert not found.is_complete
    assert found.files == len(FILES.files) - 1


def test_a_new_label_is_told_as_such() -> None:
    found = compared(replace(THERE, label="S1_MR_old"))
    assert found.is_complete
    assert found.differences[0].fate is Fate.RELABELLED
    assert compared(replace(THERE, label="S1_2024"), label="S1_2024").differences == compared().differences


def test_an_assessor_that_has_another_label_there_is_the_same_with_its_files() -> None:
    there = part_changed(3, lambda part: replace(part, label="QC_old"))
    files = tuple(replace(one, scan=one.scan.replace("QC1", "QC_old")) for one in FILES.files)
    assert not compared(there, replace(FILES, files=files)).is_complete
    mapped = {"assessors/QC1": "assessors/QC_old"}
    assert compared(there, replace(FILES, files=files), parts=mapped).is_complete


def test_what_the_source_lost_is_not_called_missing() -> None:
    lost = frozenset({("1", "DICOM", "1.dcm")})
    assert grave(compared(files=without(0), lost=lost)) == [(Fate.LOST, "file", "1", "DICOM/1.dcm")]
    whole = frozenset({("2", "NIFTI", "a/b.nii.gz")})
    assert grave(compared(files=without(3), lost=whole)) == [(Fate.LOST, "resource", "2", "NIFTI")]


def test_a_digest_that_the_source_never_made_is_that_of_what_was_delivered() -> None:
    bare = replace(FILES, files=tuple(replace(one, digest="") for one in FILES.files))
    assert not compared(mine=bare).is_complete
    proven = {(one.scan, one.resource, one.name): one.digest for one in FILES.files}
    assert compared(mine=bare, proven=proven).is_complete
    proven["1", "DICOM", "1.dcm"] = md5("other")
    assert grave(compared(mine=bare, proven=proven)) == [(Fate.DIFFERS, "file", "1", "DICOM/1.dcm")]


def test_filters_apply_to_verification_too() -> None:
    """What was not to be sent is no difference; what was is still found."""
    inside = Inside(scan_types=Names(), scan_resources=Names(SyncType.EXCLUDE, frozenset({"NIFTI"})))
    chosen = TransferFilter(sessions=Things(types=((MR, inside),)))
    assert not compared(files=without(3)).is_complete
    assert compared(files=without(3), filter=chosen).is_complete
    assert not compared(files=without(0), filter=chosen).is_complete
    types = TransferFilter(sessions=Things(inside=Inside(scan_types=Names(SyncType.NONE))))
    left = replace(THERE, parts=tuple(part for part in THERE.parts if part.kind is not ThingKind.SCAN))
    files = replace(FILES, files=tuple(one for one in FILES.files if one.scan not in {"1", "2"}))
    assert compared(left, files, filter=types).is_complete


def test_imported_dicom_is_compared_by_its_uids() -> None:
    """Scans get their IDs anew and files their names; a missing object is found all the same."""
    there = replace(
        THERE, parts=tuple(replace(p, id=f"{p.id}1") if p.kind is ThingKind.SCAN else p for p in THERE.parts)
    )
    files = tuple(
        replace(one, scan=f"{one.scan}1", name=f"{one.sop_uid}.dcm" if one.sop_uid else one.name, size=9, digest="")
        if one.scan in {"1", "2"} and one.resource == "DICOM"
        else replace(one, scan=f"{one.scan}1") if one.scan in {"1", "2"} else one
        for one in FILES.files
    )  # fmt: skip
    went = [(one, other) for one, other in zip(FILES.files, files, strict=True) if one.resource == "DICOM"]
    objects = {
        (one.scan, one.resource, one.name): Arrival(there=(other.scan, other.resource, other.name))
        for one, other in went
    }
    keys: dict[str, object] = {"dicom": "import", "made": frozenset({"", "1", "2"})}
    found = compared(there, replace(FILES, files=files), objects=objects, **keys)
    assert found.is_complete, grave(found)
    assert found.digests == compared(there, replace(FILES, files=files), objects=objects, **keys).files
    for fate in (Fate.MISSING, Fate.DIFFERS, Fate.LOST, Fate.UNVERIFIABLE):
        changed = objects | {("1", "DICOM", "1.dcm"): Arrival(fate)}
        assert grave(compared(there, replace(FILES, files=files), objects=changed, **keys)) == [
            (fate, "file", "1", "DICOM/1.dcm")
        ]
    fewer = {place: arrival for place, arrival in objects.items() if place != ("1", "DICOM", "1.dcm")}
    assert grave(compared(there, replace(FILES, files=files), objects=fewer, **keys)) == [
        (Fate.UNVERIFIABLE, "file", "1", "DICOM/1.dcm")
    ]
    known = compared(
        there, replace(FILES, files=files), objects=objects | {("1", "DICOM", "1.dcm"): Arrival(Fate.BY_UID)}, **keys
    )
    assert (known.is_complete, known.files - known.digests) == (True, 1)


FILLED = [(ThingKind.SESSION, "@UID", "9"), (ThingKind.SESSION, "dcmPatientName", "X"),
          (ThingKind.SESSION, "scanner/@model", "M"), (ThingKind.SCAN, "parameters/tr", "7"),
          (ThingKind.SCAN, "frames", "3"), (ThingKind.SCAN, "@UID", "8")]  # fmt: skip
PEOPLES = [(ThingKind.SESSION, "note"), (ThingKind.SESSION, "fields/field[name=iq]"), (ThingKind.SCAN, "@type"),
           (ThingKind.SCAN, "quality"), (ThingKind.SCAN, "note"), (ThingKind.SUBJECT, "@UID")]  # fmt: skip


def test_what_an_import_fills_in_is_no_loss_and_what_people_wrote_is() -> None:
    """Whether the destination has another value, none, or one that the source has not."""
    for kind, path, value in FILLED:
        assert is_filled_in(kind, path)
        source = Described(kind, "1", "", "xnat:x", ((path, value),))
        for there in ((), ((path, "other"),)):
            found = compare(source, replace(source, fields=there), _terms("import", {""}), Contents(), Contents())
            assert [one.fate for one in found.differences] == [Fate.FILLED]
            copied = compare(source, replace(source, fields=there), _terms("copy", set()), Contents(), Contents())
            assert not copied.is_complete
        more = compare(replace(source, fields=()), source, _terms("import", {""}), Contents(), Contents())
        assert [one.fate for one in more.differences] == [Fate.FILLED]
    for kind, path in PEOPLES:
        assert not is_filled_in(kind, path)
        source = Described(kind, "1", "", "xnat:x", ((path, "v"),))
        assert not compare(
            source, replace(source, fields=()), _terms("import", {""}), Contents(), Contents()
        ).is_complete


def test_what_names_the_patient_is_filled_in_whatever_the_session_holds() -> None:
    """Also where nothing was imported: no transfer by import writes it."""
    source = Described(ThingKind.SESSION, "1", "", "xnat:x", (("dcmPatientName", "v"), ("date", "2026-01-01")))
    found = compare(source, replace(source, fields=()), _terms("import", set()), Contents(), Contents())
    assert [(one.fate, one.name) for one in found.differences] == [
        (Fate.FILLED, "dcmPatientName"), (Fate.MISSING, "date")
    ]  # fmt: skip


def _terms(dicom: str, made: set[str]) -> Terms:
    return Terms(dicom=dicom, projects={}, parts={}, proven={}, made=frozenset(made), label="")  # type: ignore[arg-type]


def test_what_is_more_at_the_destination_is_told_and_hinders_nothing() -> None:
    files = replace(FILES, files=(*FILES.files, file("", "QC", "y.csv"), file("", "OURS", "z")))
    given = (Stored("QC", "", "CSV", "QC"), Stored("EMPTY", "", "", "RAW"))  # XNAT does, of its own accord
    there = replace(THERE, resources=given, parts=(*THERE.parts, scan("9")), shares=(*THERE.shares, Share("X", "Y")))
    found = compared(there, files)
    assert found.is_complete
    assert {(one.what, one.part, one.name) for one in found.differences if one.fate is Fate.EXTRA} == {
        ("part", "9", ""), ("share", "", "X"), ("file", "", "QC/y.csv"), ("resource", "", "OURS"),
        ("resource", "", "EMPTY"),
    }  # fmt: skip


SAME = [("1.50", "1.5"), ("2.0", "2"), ("10:00:00.0", "10:00:00"), ("2024-05-17 10:00:00.0", "2024-05-17T10:00:00"),
        ("a\r\nb", "a\nb"), ("-1.10", "-1.1")]  # fmt: skip
OTHER = [("007", "7"), ("1", "1a"), ("a", "A"), ("", " "), ("01.5", "1.5"), ("1.2.3", "1.2.30"), ("é", "e\u0301")]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_two_ways_of_writing_a_value_are_one(one: str, other: str) -> None:
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_texts_that_may_mean_something_else_stay_apart(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


@given(st.text())
def test_a_canonical_text_stays_as_it_is(text: str) -> None:
    assert canonical(canonical(text)) == canonical(text)


def test_forms_are_compared_as_values() -> None:
    assert canonical_json('{"b":1,"a":[1,2]}') == canonical_json('{"a": [1, 2], "b": 1}')
    assert canonical_json("[1,2]") != canonical_json("[2,1]")
    assert canonical_json("not json") == "not json"


def test_no_value_of_a_field_is_repeated() -> None:
    """S8: what is told may go anywhere."""
    there = replace(THERE, fields=tuple((name, "SECRET^NAME") for name, _ in THERE.fields))
    assert "SECRET" not in repr(compared(there))
