"""The small walker and pydicom agree on every file there is: identity, tags, pixel data."""

from __future__ import annotations

import hashlib
import io
import struct
import warnings
from pathlib import Path

import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import generate_fragments
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from xnatsync.core.manifest import Doubt, Kind
from xnatsync.dicom.classify import Classifier, Reading

BUNDLED = Path(pydicom.__file__).parent / "data"
SHARED = Path(__file__).parents[2].parent / "shared" / "data"
TAGS = (
    "PatientID",
    "PatientName",
    "StudyDate",
    "StudyTime",
    "Modality",
    "StudyDescription",
    "InstitutionName",
    "ImageType",
    "PatientComments",
    "Rows",
    "SliceThickness",
    "(0019,10BB)",
)
CLASSIFIER = Classifier(TAGS, pixels=True)
pytestmark = pytest.mark.filterwarnings("ignore:::pydicom")


def files() -> list[Path]:
    shared = sorted(SHARED.rglob("*.dcm"))[::23] if SHARED.is_dir() else []
    return sorted(path for path in BUNDLED.rglob("*") if path.is_file()) + shared


def read(data: bytes, size: int = 1 << 20) -> Reading:
    return CLASSIFIER.read(data[at : at + size] for at in range(0, len(data), size))


def text(dataset: Dataset, name: str) -> str | None:
    tag = pydicom.tag.Tag(name if not name.startswith("(") else tuple(int(half, 16) for half in name[1:-1].split(",")))
    if tag not in dataset:
        return None
    value = dataset[tag].value
    if value is None:
        return ""
    many = isinstance(value, pydicom.multival.MultiValue)
    return "\\".join(map(original, value)) if many else original(value)


def original(value: object) -> str:
    text = getattr(value, "original_string", None)  # of a number; that of a name is bytes
    return (text if isinstance(text, str) else str(value)).rstrip(" ")


def pixels(dataset: Dataset) -> bytes | None:
    for name in ("FloatPixelData", "DoubleFloatPixelData", "PixelData"):
        if name in dataset:
            value = dataset[name].value or b""
            if not dataset[name].is_undefined_length:
                return bytes(value)
            table = struct.unpack("<L", value[4:8])[0]
            return b"".join(generate_fragments(value[8 + table :]))
    return None


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_a_file_reads_as_pydicom_reads_it(path: Path) -> None:
    """What the walker calls deliverable, pydicom confirms field by field; the size of the pieces does not matter."""
    data = path.read_bytes()
    reading = read(data)
    assert read(data, 997) == reading
    assert read(data, 1 << 14) == reading
    if reading.kind is not Kind.DICOM:
        assert reading.reason
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(io.BytesIO(data), force=True)
        expected = {name: text(dataset, name) for name in TAGS}
        raw = pixels(dataset)
    assert reading.identity is not None
    assert reading.identity.sop_uid == dataset.SOPInstanceUID
    assert reading.identity.study_uid == dataset.StudyInstanceUID
    assert reading.identity.series_uid == dataset.SeriesInstanceUID
    assert reading.identity.sop_class == dataset.SOPClassUID
    assert reading.identity.series_number == (text(dataset, "SeriesNumber") or "")
    assert reading.tags == {name: value for name, value in expected.items() if value is not None}
    if raw is None:
        assert reading.pixels is None
        assert reading.pixel_bytes == 0
    else:
        raw = raw[: reading.pixel_bytes] if len(raw) - reading.pixel_bytes == 1 else raw
        assert reading.pixels == hashlib.sha256(raw).digest()


def test_what_pydicom_could_deliver_is_not_called_something_else() -> None:
    """Of pydicom's files with all four UIDs and whole pixel data none is left out: the list of the others is known."""
    left_out = {}
    for path in files():
        reading = read(path.read_bytes())
        if reading.kind is Kind.BROKEN and reading.doubt is Doubt.NONE:
            left_out[path.name] = reading.reason
    known = {name for name, why in left_out.items() if "has no" in why}
    heads = {name for name, why in left_out.items() if "it is an image" in why}  # stripped of their pixel data
    assert heads == {path.name for path in BUNDLED.rglob("IM0000*")} | {
        "chrJapMulti.dcm",
        "chrJapMultiExplicitIR6.dcm",
        "chrKoreanMulti.dcm",
    }
    assert {name: why.split(":")[0] for name, why in left_out.items() if name not in known | heads} == {
        "MR_truncated.dcm": "truncated",
        "rtplan_truncated.dcm": "truncated",
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in known:
            if "has no" in left_out[name]:
                dataset = pydicom.dcmread(next(BUNDLED.rglob(name)), force=True)
                wanted = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
                assert not all(dataset.get(keyword) for keyword in wanted)


def test_files_that_are_not_dicom_to_pydicom_are_not_to_us() -> None:
    """Neither tool sees an object where there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in files():
            if read(path.read_bytes()).kind is Kind.OTHER:
                try:
                    dataset = pydicom.dcmread(path, force=True)
                    assert "SOPInstanceUID" not in dataset or "StudyInstanceUID" not in dataset
                except (OSError, ValueError, EOFError, struct.error, AttributeError, NotImplementedError, LookupError):
                    pass


# --- made-up objects ---------------------------------------------------------------------------------------------

names = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="\\=^"), max_size=20)


def items(depth: int) -> st.SearchStrategy[list[Dataset]]:
    def build(text: str, inner: list[Dataset]) -> Dataset:
        item = Dataset()
        item.CodeMeaning = text
        if inner:
            item.ConceptNameCodeSequence = inner
        return item

    below = items(depth - 1) if depth else st.just([])
    return st.lists(st.builds(build, names, below), max_size=3)


@st.composite
def objects(draw: st.DrawFn) -> tuple[Dataset, bytes]:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    dataset.SOPInstanceUID = f"1.2.{draw(st.integers(0, 10**30))}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3", "1.2.3.4"
    dataset.PatientID, dataset.PatientName = draw(names), draw(names)
    dataset.StudyDescription = draw(names)
    dataset.ProcedureCodeSequence = draw(items(3))
    private = dataset.private_block(0x0019, "XNATSYNC TEST", create=True)
    private.add_new(0xBB, "LO", draw(names))
    private.add_new(0xCC, "OB", draw(st.binary(max_size=300).filter(lambda data: len(data) % 2 == 0)))
    private.add_new(0xDD, "SQ", draw(items(1)))
    for element in dataset.iterall():
        if element.VR == "SQ":
            element.is_undefined_length = draw(st.booleans())
            for item in element.value:
                item.is_undefined_length_sequence_item = draw(st.booleans())
    syntax = draw(
        st.sampled_from(
            [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
        )
    )
    samples = draw(st.binary(min_size=2, max_size=3000).filter(lambda data: len(data) % 2 == 0))
    dataset.add_new("PixelData", "OB", samples)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    buffer = io.BytesIO()
    bare = draw(st.booleans()) and syntax != DeflatedExplicitVRLittleEndian
    if bare:
        dataset.save_as(buffer, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian)
        whole = buffer.getvalue()
        return dataset, whole[132 + meta_length(whole) :] if whole[128:132] == b"DICM" else whole
    dataset.save_as(buffer, enforce_file_format=True)
    return dataset, buffer.getvalue()


def meta_length(data: bytes) -> int:
    return 12 + int(struct.unpack("<L", data[140:144])[0])


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(objects(), st.integers(1, 700))
def test_made_up_objects_read_as_they_were_written(made: tuple[Dataset, bytes], size: int) -> None:
    """Any coding, nesting and lengths, with or without preamble and meta group, in pieces of any size."""
    dataset, data = made
    reading = read(data, size)
    assert reading.kind is Kind.DICOM, reading.reason
    assert reading.identity is not None
    assert reading.identity.sop_uid == dataset.SOPInstanceUID
    assert reading.tags["PatientID"] == dataset.PatientID
    assert reading.tags["PatientName"] == str(dataset.PatientName)
    assert reading.tags["StudyDescription"] == dataset.StudyDescription
    assert reading.pixels == hashlib.sha256(dataset.PixelData).digest()
    assert reading.pixel_bytes == len(dataset.PixelData)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(objects(), st.data())
def test_an_object_cut_anywhere_is_never_deliverable(made: tuple[Dataset, bytes], data: st.DataObject) -> None:
    """One byte less than everything is not an object: it must never count as delivered.

    The only part that may be missing is padding behind a deflated data set.
    """
    _, whole = made
    kept = whole[: data.draw(st.integers(0, len(whole) - 1))]
    reading = read(kept)
    padded = whole[-1:] == b"\0" and kept == whole[:-1]
    assert reading.kind is not Kind.DICOM or padded, len(kept)


@given(st.binary(max_size=400), st.sampled_from([b"", b"\x08\x00", b"\x08\x00\x16\x00UI", bytes(128) + b"DICM"]))
def test_any_bytes_are_classified_without_a_crash(data: bytes, start: bytes) -> None:
    """Whatever was dropped gets a kind and a reason."""
    reading = read(start + data)
    assert reading.kind is Kind.DICOM or reading.reason


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(objects(), st.data())
def test_a_flipped_byte_never_crashes_the_walk(made: tuple[Dataset, bytes], data: st.DataObject) -> None:
    """Damage may change what is read, or be noticed; it is never an unknown exception."""
    damaged = bytearray(made[1])
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    reading = read(bytes(damaged))
    assert reading.kind is Kind.DICOM or reading.reason
