"""The digest of what an object says: blind to what servers rewrite and to how it is written, and to nothing else."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.data import get_testdata_files
from pydicom.dataset import Dataset, FileDataset

from dicom_pieces import KINDS, without_pixels
from xnatsync.dicom.content import is_rewritten
from xnatsync.dicom.identity import pixel_digest


def digest(data: bytes, step: int = 1 << 20) -> bytes | None:
    facts = pixel_digest((data[at : at + step] for at in range(0, len(data), step)), content=True)
    assert not facts.problem, facts.problem
    return facts.content


def written(data: FileDataset) -> bytes:
    sink = io.BytesIO()
    data.save_as(sink, enforce_file_format=True)
    return sink.getvalue()


def made(folder: Path, kind: str = "report", text: str = "what it says.") -> bytes:
    return without_pixels(folder / "o.dcm", kind, text, study="2.25.7", sop_uid="2.25.7.1").read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_another_text_is_another_content(tmp_path: Path, kind: str) -> None:
    assert digest(made(tmp_path, kind)) == digest(made(tmp_path, kind)) is not None
    assert digest(made(tmp_path, kind)) != digest(made(tmp_path, kind, "what it sayz."))


def _set(keyword: str, value: Any) -> Any:
    return lambda data: setattr(data, keyword, value)


HEADS = {
    "default script": lambda data: (_set("PatientName", "S1")(data), _set("PatientID", "S1_MR")(data)),
    "description": _set("StudyDescription", "P1"), "dates": _set("StudyDate", "20200101"),
    "UIDs": lambda data: (_set("StudyInstanceUID", "2.25.1")(data), _set("SeriesInstanceUID", "2.25.2")(data)),
    "SOP": _set("SOPInstanceUID", "2.25.3"), "no birth date": lambda data: delattr(data, "PatientBirthDate"),
    "marked": _set("PatientIdentityRemoved", "YES"), "institution": _set("InstitutionName", "X"),
    "order": _set("RequestingPhysician", "X"), "step": _set("PerformedProcedureStepID", "X"),
}  # fmt: skip
CONTENTS = {
    "position": _set("PatientPosition", "FFS"), "orientation": _set("ImageOrientationPatient", [0, 1, 0, 1, 0, 0]),
    "scaling": _set("DoseGridScaling", "0.5"), "modality": _set("Modality", "KO"), "image type": _set("ImageType", "D"),
    "flag": _set("CompletionFlag", "PARTIAL"), "private": lambda data: data.add_new(0x00291010, "LO", "x"),
}  # fmt: skip


@pytest.mark.parametrize("what", HEADS)
def test_what_servers_rewrite_is_not_in_it(tmp_path: Path, what: str) -> None:
    data = pydicom.dcmread(io.BytesIO(made(tmp_path)))
    before = digest(written(data))
    HEADS[what](data)

    assert digest(written(data)) == before


@pytest.mark.parametrize("what", CONTENTS)
def test_whatever_else_changes_is_another_content(tmp_path: Path, what: str) -> None:
    data = pydicom.dcmread(io.BytesIO(made(tmp_path)))
    before = digest(written(data))
    CONTENTS[what](data)

    assert digest(written(data)) != before


def test_lengths_of_sequences_do_not_count(tmp_path: Path) -> None:
    """One writer ends items by a mark, another says beforehand how long they are."""
    data = pydicom.dcmread(io.BytesIO(made(tmp_path)))
    defined = written(data)
    data["ContentSequence"].is_undefined_length = True
    data.ContentSequence[0].is_undefined_length_sequence_item = True
    undefined = written(data)

    assert defined != undefined
    assert digest(defined) == digest(undefined)


def test_only_identification_is_no_evidence() -> None:
    """An object that says nothing but who it is has no digest, on neither side."""
    data = FileDataset("", Dataset(), file_meta=pydicom.dataset.FileMetaDataset(), preamble=bytes(128))
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = "2.25.1"
    data.Modality, data.PatientName = "SR", "x"

    assert digest(written(data)) is None


def _examples() -> list[str]:
    return sorted(path for path in get_testdata_files() if Path(path).is_file())


def test_pixels_and_problems_are_found_alike_with_and_without_it() -> None:
    """Over everything that pydicom tests itself with; in pieces of any size."""
    for path in _examples():
        data = Path(path).read_bytes()
        plain, deep = pixel_digest(iter([data])), pixel_digest(iter([data]), content=True)
        assert (plain.sop_uid, plain.pixels, plain.problem) == (deep.sop_uid, deep.pixels, deep.problem), path
        small = pixel_digest((data[at : at + 7] for at in range(0, min(len(data), 40_000), 7)), content=True)
        assert len(data) > 40_000 or small == deep, path


def test_no_letter_after_the_head_is_left_out(tmp_path: Path) -> None:
    """Each byte of each kind's content, changed one at a time, is another content or no whole object any more."""
    for kind in KINDS:
        data = made(tmp_path, kind)
        before, start = digest(data), data.index(b"what it says.")
        for at in range(start, start + len(b"what it says.")):
            changed = bytearray(data)
            changed[at] ^= 1
            assert digest(bytes(changed)) != before, (kind, at)


@pytest.mark.parametrize(("tag", "rewritten"), [(0x00100010, True), (0x00280000, True), (0x0020000D, True)])
def test_what_is_head(tag: int, rewritten: bool) -> None:
    assert is_rewritten(tag) is rewritten
    assert not any(
        is_rewritten(one) for one in (0x00185100, 0x00200037, 0x0040A730, 0x30060020, 0x56000020, 0x7FE11010)
    )


def test_empty_pixel_data_are_none() -> None:
    """An empty value would equal every other empty value."""
    path = next(path for path in _examples() if path.endswith("MR_small.dcm"))
    data = pydicom.dcmread(path)
    data.PixelData = b""
    facts = pixel_digest(iter([written(data)]), content=True)

    assert (facts.problem, facts.pixels) == ("", None)


@pytest.mark.parametrize("compressed", [False, True])
def test_what_stands_behind_the_pixel_data_is_content_and_no_head(compressed: bool) -> None:
    """An ultrasound scanner keeps its volume there, in a private element that a script may remove."""
    data = pydicom.dcmread(get_testdata_files("JPEG2000.dcm" if compressed else "MR_small.dcm")[0])
    for tag in [element.tag for element in data if element.tag > 0x7FE00010]:
        del data[tag]
    digests = []
    for volume in (None, b"volume", b"volumf"):
        if volume is not None:
            data.add_new(0x7FE10010, "LO", "KRETZ_US")
            data.add_new(0x7FE11001, "OB", volume)
        facts = pixel_digest([written(data)], content=True)
        digests.append((facts.content, facts.public))
        assert not facts.has_private or volume is None or 0x00090010 in data

    for column in zip(*digests, strict=True):
        assert len(set(column)) == 3
