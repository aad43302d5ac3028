"""Whatever is left of an object, under whatever name, is either delivered or in doubt: never taken for harmless."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from xnatsync.core.accounting import Rules, accounted, examined
from xnatsync.core.drop_selection import EVERY_DROP, choose
from xnatsync.core.group import Routing
from xnatsync.core.labels import Template
from xnatsync.core.manifest import Doubt, Kind, ManifestFile, ObjectIdentity, Reference
from xnatsync.dicom.classify import Classifier
from xnatsync.disk.local import LocalDisk

CLASSIFIER = Classifier(set(), pixels=False)
ROUTING = Routing("P1", Template.parse("S"), Template.parse("E"))
NAMES = ["IM0003", "1.2.3.4.5", "a.dcm", "a.txt", "README", "a.jpg", "Thumbs.db", ".DS_Store", "noname", "a.exe"]
SYNTAXES = {
    "implicit": ImplicitVRLittleEndian, "explicit": ExplicitVRLittleEndian, "big": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
}  # fmt: skip


def made(syntax: str, sop_class: str = "1.2.840.10008.5.1.4.1.1.4", *, preamble: bool = True) -> bytes:
    """A small image."""
    data = Dataset()
    data.SOPClassUID, data.SOPInstanceUID = sop_class, "1.2.3.1"
    data.StudyInstanceUID, data.SeriesInstanceUID, data.PatientID = "1.2.3.2", "1.2.3.3", "P1"
    data.Rows = data.Columns = 4
    data.BitsAllocated = 16
    item = Dataset()
    item.SeriesDescription = "inner"
    data.ReferencedImageSequence = [item]
    data.add_new("PixelData", "OW", bytes(range(1, 33)))
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = SYNTAXES[syntax]
    data.file_meta.MediaStorageSOPClassUID, data.file_meta.MediaStorageSOPInstanceUID = sop_class, "1.2.3.1"
    buffer = io.BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    whole = buffer.getvalue()
    return whole if preamble else whole[132:]


def file_of(data: bytes, name: str) -> ManifestFile:
    reading = CLASSIFIER.read([data], name)
    return ManifestFile(
        name, len(data), 1, hashlib.sha256(data).digest(), 0, bytes(16), reading.kind, reading.reason,
        identity=reading.identity, pixel_bytes=reading.pixel_bytes, doubt=reading.doubt, references=reading.references,
    )  # fmt: skip


def judged(files: list[ManifestFile], rules: Rules) -> tuple[ManifestFile, ...]:
    """The engine's own order of questions."""
    chosen = choose(examined(files, rules), ROUTING, "hold", EVERY_DROP, attaching=rules.other == "attach")
    return accounted(chosen.files, chosen.attached.keys(), rules)


def is_accounted(file: ManifestFile) -> bool:
    return file.kind is not Kind.BROKEN


def spoilt(whole: bytes) -> Iterator[tuple[str, bytes]]:
    for length in range(len(whole)):
        yield f"cut at {length}", whole[:length]
        yield f"zeroed from {length}", whole[:length] + bytes(len(whole) - length)
        yield f"zeroed up to {length}", bytes(length) + whole[length:]


CASES = [("explicit", True, name) for name in NAMES]
CASES += [(name, True, "a.txt") for name in SYNTAXES]
CASES += [("implicit", False, "a.txt"), ("explicit", False, "Thumbs.db")]


@pytest.mark.parametrize(("syntax", "preamble", "name"), CASES)
def test_no_cut_and_no_zeroed_copy_of_an_object_is_harmless(syntax: str, preamble: bool, name: str) -> None:
    """At every byte, under every name: an object that can be read is delivered, anything else is in doubt."""
    whole = made(syntax, preamble=preamble)
    padding = 1 if syntax == "deflated" else 0
    for what, data in spoilt(whole):
        file = file_of(data, name)
        if file.kind is Kind.DICOM:
            assert file.identity is not None, what
            assert len(data) >= len(whole) - padding, what
        else:
            assert file.kind is Kind.BROKEN or file.doubt is Doubt.STRANGE, (what, file)
            assert not is_accounted(judged([file], Rules())[0]), what


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress], ids=["gzip", "bzip2", "xz"])
def test_no_spoilt_packed_object_is_harmless(tmp_path: Path, pack: object) -> None:
    """Packed and cut anywhere, cut anywhere and packed, zeroed: delivered whole, or in doubt."""
    whole = made("explicit")
    packed = pack(whole)  # type: ignore[operator]
    disk = LocalDisk()
    samples = [packed[:length] for length in range(len(packed))]
    samples += [packed[:length] + bytes(len(packed) - length) for length in range(0, len(packed), 7)]
    samples += [pack(whole[:length]) for length in range(0, len(whole), 11)]  # type: ignore[operator]
    samples = [data for data in samples if data != packed]
    (tmp_path / "exam").mkdir()
    for number, data in enumerate([packed, *samples]):
        (tmp_path / "exam" / f"IM{number:04d}.gz").write_bytes(data)
    files = judged(list(disk.read_manifest(tmp_path / "exam", tags=frozenset(), pixels=False)), Rules())
    first, *rest = files
    assert (first.kind, first.packed, first.size) == (Kind.DICOM, len(packed), len(whole))
    assert all(not is_accounted(file) for file in rest), [file for file in rest if is_accounted(file)]


@given(st.binary(max_size=400), st.sampled_from(NAMES))
def test_nothing_binary_is_harmless_under_a_name_of_text(data: bytes, name: str) -> None:
    """Text is text to its end."""
    file = file_of(data, name)
    if name.endswith((".txt", ".log")) or name == "README":
        assert is_accounted(judged([file], Rules())[0]) is (not file.doubt)
        if not file.doubt:
            assert data
            assert b"\0" not in data or data[:2] in {b"\xff\xfe", b"\xfe\xff"}


FILES = st.lists(
    st.builds(
        lambda number, kind, doubt, size, named: ManifestFile(
            f"{number}/{named}", size, 1, bytes([number]) * 32, 0, bytes(16),
            Kind.BROKEN if doubt is Doubt.LOST else kind if doubt is Doubt.NONE else Kind.OTHER,
            "" if kind is Kind.DICOM and doubt is Doubt.NONE else f"reason {number}",
            identity=ObjectIdentity(f"1.2.{number}", "1.2.840.10008.5.1.4.1.1.4", "1.2", "1.3")
            if kind is Kind.DICOM and doubt is Doubt.NONE else None,
            doubt=doubt,
        ),
        st.integers(0, 40),
        st.sampled_from([Kind.DICOM, Kind.OTHER, Kind.BROKEN]),
        st.sampled_from([Doubt.NONE, Doubt.LOST, Doubt.CLOSED, Doubt.STRANGE]),
        st.integers(0, 3),
        st.sampled_from(["IM1", "IM2.dcm", "notes.txt"]),
    ),
    max_size=12, unique_by=lambda file: file.path,
)  # fmt: skip


@given(FILES, st.sampled_from(["keep", "attach", "ignore"]), st.data())
def test_every_file_is_accounted_for_or_holds(files: list[ManifestFile], other: str, data: st.DataObject) -> None:
    """Whoever accepts what: nothing in doubt is left over, nothing vanishes, and acceptance is for one content only."""
    rules = Rules(other=other)  # type: ignore[arg-type]
    first = judged(files, rules)
    assert Counter(file.path for file in first) == Counter(file.path for file in files)
    held = [file for file in first if file.kind is Kind.BROKEN]
    for before, after in zip(files, first, strict=True):
        if before.doubt is Doubt.LOST or before.kind is Kind.BROKEN:
            assert after.kind is Kind.BROKEN
        assert after.kind is Kind.BROKEN or after.doubt in {Doubt.NONE, Doubt.ODD}
    some = data.draw(st.lists(st.sampled_from(held), unique_by=lambda file: file.path)) if held else []
    accepted = Rules(other=other, accepted=frozenset((file.path, file.sha256, file.reason) for file in some))  # type: ignore[arg-type]
    second = judged(files, accepted)
    assert {file.path for file in second if file.kind is Kind.BROKEN} == {f.path for f in held} - {f.path for f in some}
    assert {file.path for file in second if file.doubt is Doubt.ACCEPTED} == {file.path for file in some}
    lapsed = frozenset((path, bytes(32), reason) for path, _, reason in accepted.accepted if bytes(32) != _)
    third = judged(files, Rules(other=other, accepted=lapsed))  # type: ignore[arg-type]
    assert all(file.doubt is not Doubt.ACCEPTED for file in third)


# --- the index of a medium ---------------------------------------------------------------------------------------


def _index(*references: Reference) -> ManifestFile:
    return ManifestFile("CD/DICOMDIR", 9, 1, b"i" * 32, 0, bytes(16), Kind.OTHER, "index", references=references)


def _object(path: str, uid: str, kind: Kind = Kind.DICOM) -> ManifestFile:
    identity = ObjectIdentity(uid, "1.2.840.10008.5.1.4.1.1.4", "1.2", "1.3") if kind is Kind.DICOM else None
    return ManifestFile(path, 5, 1, b"o" * 32, 0, bytes(16), kind, "" if identity else "why", identity=identity)


@pytest.mark.parametrize(
    ("path", "uid", "kind", "missing"),
    [
        ("CD/DIR/IM1", "1.9", Kind.DICOM, False),
        ("CD/dir/im1", "1.9", Kind.DICOM, False),
        ("CD/DIR/IM1.;1", "1.9", Kind.DICOM, False),
        ("CD/dir/im1.dcm", "1.9", Kind.DICOM, False),
        ("elsewhere/x", "1.1", Kind.DICOM, False),
        ("CD/DIR/IM1", "", Kind.BROKEN, False),  # it holds the item itself
        ("CD/DIR/IM1", "", Kind.OTHER, True),
        ("DIR/IM1", "1.9", Kind.DICOM, True),
        ("CD/DIR/IM11", "1.9", Kind.DICOM, True),
    ],
)
def test_what_an_index_names_is_found_as_cds_write_it(path: str, uid: str, kind: Kind, missing: bool) -> None:
    """By its place in any spelling, or by its UID anywhere; a reference to nothing holds the item."""
    files = [_index(Reference("DIR/IM1", "1.1")), _object(path, uid, kind)]
    index = judged(files, Rules())[0]
    assert (index.kind is Kind.BROKEN) is missing
    if missing:
        assert "1 is not there: DIR/IM1" in index.reason
        told = judged(files, Rules(dicomdir="ignore"))[0]
        assert told.kind is Kind.OTHER
        assert "1 is not there: DIR/IM1" in told.reason
        seen = Rules(accepted={(index.path, index.sha256, index.reason)})
        assert judged(files, seen)[0].doubt is Doubt.ACCEPTED


def test_references_are_those_that_pydicom_reads() -> None:
    """Of each DICOMDIR that it brings, in three codings."""
    for path in sorted((Path(pydicom.__file__).parent / "data").rglob("DICOMDIR*")):
        if path.name == "DICOMDIR-nooffset":  # its records claim to be longer than they are: in doubt
            assert CLASSIFIER.read([path.read_bytes()], path.name).doubt is Doubt.LOST
            continue
        data = pydicom.dcmread(path)
        expected = [
            ("/".join([one.ReferencedFileID] if isinstance(one.ReferencedFileID, str) else one.ReferencedFileID),
             str(one.ReferencedSOPInstanceUIDInFile))
            for one in data.DirectoryRecordSequence if "ReferencedFileID" in one
        ]  # fmt: skip
        found = CLASSIFIER.read([path.read_bytes()], path.name).references
        assert [(one.path, one.sop_uid) for one in found] == expected


def test_a_cut_index_says_nothing_of_what_should_be_there() -> None:
    """So it is in doubt itself, at every cut."""
    path = next((Path(pydicom.__file__).parent / "data").rglob("DICOMDIR"))
    whole = path.read_bytes()
    for length in range(400, len(whole), 97):
        assert not is_accounted(judged([file_of(whole[:length], "DICOMDIR")], Rules())[0]), length
