"""A file is what its content says, and what cannot be delivered says precisely why."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit

from xnatsync.core.manifest import Kind
from xnatsync.dicom.classify import Classifier, Reading
from xnatsync.dicom.elements import Coding
from xnatsync.dicom.fields import field_named, text_of

CLASSIFIER = Classifier({"PatientID", "PatientName"}, pixels=True)


def read(data: bytes) -> Reading:
    return CLASSIFIER.read([data])


def make(*, without: tuple[str, ...] = (), **fields: object) -> bytes:
    dataset = Dataset()
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    dataset.SOPInstanceUID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3.1", "1.2.3.2", "1.2.3.3"
    dataset.PatientID = "P1"
    dataset.Rows, dataset.Columns, dataset.BitsAllocated = 4, 4, 16
    dataset.add_new("PixelData", "OW", bytes(range(32)))
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = fields.pop("syntax", ExplicitVRLittleEndian)
    for name, value in fields.items():
        setattr(dataset, name, value)
    for name in without:
        delattr(dataset, name)
    buffer = io.BytesIO()
    dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.1"
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.dcm", make())
    return buffer.getvalue()


def tarred() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("a.dcm")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"DICM"))
    return buffer.getvalue()


NIFTI = struct.pack("<i", 348) + bytes(340) + b"n+1\0" + bytes(1000)
NOT_DICOM = {
    "text": b"Series:mr_0001, Slices:00003\n" * 20,
    "a text that speaks of DICM": b"DICM " * 100,
    "NIfTI": NIFTI,
    "NIfTI, packed": gzip.compress(NIFTI),
    "JPEG": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(200),
    "JSON": json.dumps({"SOPInstanceUID": "1.2.3", "StudyInstanceUID": "1.2"}).encode() * 20,
    "zip with an object inside": zipped(),
    "tar with an object inside": tarred(),
    "zeros": bytes(5000),
    "group 8 by chance, explicit": b"\x08\x00\x16\x00UI\x04\x001.2\0" + bytes(300),
    "group 8 by chance, implicit": b"\x08\x00\x16\x00\x04\x00\x00\x001.2\0" + bytes(300),
    "one byte": b"\x08",
    "the letters alone": b"DICM",
}


@pytest.mark.parametrize("data", NOT_DICOM.values(), ids=NOT_DICOM.keys())
def test_other_files_are_not_taken_for_dicom(data: bytes) -> None:
    """Text, images, archives and noise stay what they are."""
    assert read(data) == Reading(Kind.OTHER, "not DICOM")


def test_an_empty_file_says_so() -> None:
    """Nothing is not even something else."""
    assert read(b"").reason == "empty file"
    assert CLASSIFIER.read([]).reason == "empty file"
    assert CLASSIFIER.read([b"", b""]).reason == "empty file"


def test_an_object_is_read_with_its_identity_and_tags() -> None:
    """The positive case that all the negative ones are measured against."""
    reading = read(make(PatientName="Doe^J\u00f6rg", SpecificCharacterSet="ISO_IR 192", SeriesNumber=7, Modality="MR"))
    assert reading.kind is Kind.DICOM
    assert reading.identity is not None
    assert (reading.identity.sop_uid, reading.identity.study_uid) == ("1.2.3.1", "1.2.3.2")
    assert (reading.identity.series_number, reading.identity.modality) == ("7", "MR")
    assert reading.identity.transfer_syntax == ExplicitVRLittleEndian
    assert reading.tags == {"PatientID": "P1", "PatientName": "Doe^J\u00f6rg"}
    assert reading.pixel_bytes == 32


def test_the_same_object_without_preamble_and_meta_group_is_found() -> None:
    """Old exports begin with the data set itself."""
    whole = make()
    bare = whole[132 + 12 + struct.unpack("<L", whole[140:144])[0] :]
    assert bare[:2] == b"\x08\x00"
    assert read(bare).identity == read(whole).identity
    assert read(bare[:-1]).reason.startswith("truncated: the pixel data")


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("SOPClassUID", "no SOP Class UID"),
        ("SOPInstanceUID", "no SOP Instance UID"),
        ("StudyInstanceUID", "no Study Instance UID"),
        ("SeriesInstanceUID", "no Series Instance UID"),
    ],
)
def test_an_object_without_a_uid_is_listed_with_the_uid_it_lacks(field: str, words: str) -> None:
    """It cannot be filed anywhere, and the person learns why."""
    reading = read(make(without=(field,)))
    assert reading.kind is Kind.BROKEN
    assert words in reading.reason
    assert reading.identity is None


@pytest.mark.parametrize("uid", ["1.2.3/../../x", "abc", "1", "1.2." + "3" * 70, "1..2", "1.2\\1.3"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_cannot_be_a_uid_is_not_used_as_one(uid: str) -> None:
    """It would become a file name and a key."""
    data = make(SOPInstanceUID="1.2.3.1" + "9" * 57)  # the longest there is
    assert read(data).kind is Kind.DICOM
    raw = uid.encode() + b"\0" * (len(uid) % 2)
    old = struct.pack("<HH2sH", 8, 0x18, b"UI", 64) + b"1.2.3.1" + b"9" * 57
    assert old in data
    reading = read(data.replace(old, struct.pack("<HH2sH", 8, 0x18, b"UI", len(raw)) + raw))
    assert reading == Reading(Kind.BROKEN, "DICOM, but its SOP Instance UID cannot be a UID")


@pytest.mark.parametrize("name", ["DICOMDIR", "DICOMDIR-bigEnd", "DICOMDIR-implicit", "DICOMDIR-empty.dcm"])
def test_a_dicomdir_is_an_index_and_no_object(name: str) -> None:
    """Whatever its coding: it describes files by place, and would be meaningless elsewhere."""
    path = next(path for path in (Path(pydicom.__file__).parent / "data").rglob(name))
    assert read(path.read_bytes()).reason == "DICOMDIR index: not an imaging object"


def test_an_image_without_pixel_data_is_truncated() -> None:
    """A file cut exactly before its pixel data looks whole, and is not."""
    whole = make()
    cut = whole[: whole.index(struct.pack("<HH2s", 0x7FE0, 0x10, b"OW"))]
    assert read(cut).reason == "truncated: it is an image, and the pixel data is missing"
    assert read(make(without=("PixelData", "Rows"))).reason == read(cut).reason
    assert read(make(without=("PixelData", "Rows"), SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11")).kind is Kind.DICOM
    assert read(make(without=("PixelData",), PixelDataProviderURL="http://x")).kind is Kind.DICOM


def test_every_cut_of_an_object_is_noticed() -> None:
    """Byte by byte: no shorter copy of an object passes for the object."""
    whole = make(PatientName="A^B")
    for length in range(len(whole)):
        reading = read(whole[:length])
        assert reading.kind is not Kind.DICOM, length
        assert reading.reason


def test_every_cut_of_encapsulated_pixel_data_is_noticed() -> None:
    """The same where fragments carry the lengths."""
    frames = encapsulate([b"\xff\xd8" + bytes(20), b"\xff\xd8" + bytes(31)])
    dataset = pydicom.dcmread(io.BytesIO(make()))
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.add_new("PixelData", "OB", frames)
    dataset["PixelData"].is_undefined_length = True
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    whole = buffer.getvalue()
    assert read(whole).pixel_bytes == 22 + 34
    for length in range(whole.index(frames), len(whole)):
        assert read(whole[:length]).reason.startswith("truncated: "), length


def test_fragments_that_make_no_sense_are_damage() -> None:
    """A wrong item tag in the pixel data is named as damage."""
    head = make()[: make().index(struct.pack("<HH2s", 0x7FE0, 0x10, b"OW"))]
    pixels = struct.pack("<HH2sHL", 0x7FE0, 0x10, b"OB", 0, 0xFFFFFFFF) + struct.pack("<HHL", 0xFFFE, 0xE00D, 0)
    assert read(head + pixels + bytes(100)).reason == "damaged: the fragments of the pixel data cannot be told apart"


def test_sequences_without_bottom_are_refused() -> None:
    """Nesting has a bound, and reaching it is damage, not a crash."""
    deep = struct.pack("<HH2sHL", 0x0008, 0x1110, b"SQ", 0, 0xFFFFFFFF)
    deep += struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
    data = make()
    at = data.index(struct.pack("<HH2s", 0x10, 0x20, b"LO"))
    assert "nested deeper" in read(data[:at] + deep * 5000 + data[at:]).reason


def test_a_damaged_deflated_data_set_is_truncated() -> None:
    """What cannot be inflated to its end is not whole.  (Deflate has no checksum, so other damage can go unnoticed.)"""
    path = next((Path(pydicom.__file__).parent / "data").rglob("image_dfl.dcm"))
    data = path.read_bytes()
    assert read(data).kind is Kind.DICOM
    assert read(data[:-2000]).reason.startswith("truncated")
    assert read(data[: len(data) // 2] + b"\xff" * 100).kind is Kind.BROKEN


def test_a_deflate_bomb_is_read_in_bounded_pieces() -> None:
    """A thousand times its size comes out, a piece at a time."""
    data = make()
    meta_end = 132 + 12 + struct.unpack("<L", data[140:144])[0]
    pack = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = struct.pack("<HH2sHL", 0x7FE0, 0x10, b"OW", 0, 1 << 26)
    packed = pack.compress(data[meta_end : data.index(struct.pack("<HH2s", 0x7FE0, 0x10, b"OW"))] + body)
    packed += b"".join(pack.compress(bytes(1 << 20)) for _ in range(64)) + pack.flush()
    deflated = data[:meta_end].replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99")
    old, new = struct.unpack("<L", data[140:144])[0], struct.unpack("<L", data[140:144])[0] + 2
    deflated = deflated.replace(struct.pack("<L", old), struct.pack("<L", new), 1)
    deflated = deflated.replace(b"UI\x14\x001.2.840.10008.1.2.1.99", b"UI\x16\x001.2.840.10008.1.2.1.99")
    reading = read(deflated + packed)
    assert reading.reason == ""
    assert reading.pixel_bytes == 1 << 26


def test_fields_are_found_by_keyword_or_number() -> None:
    """The table of well-known names says what pydicom's dictionary says; a wrong name is refused."""
    from pydicom.datadict import dictionary_VR, tag_for_keyword

    from xnatsync.dicom.fields import _KNOWN

    for name, (tag, vr) in _KNOWN.items():
        assert (tag_for_keyword(name), dictionary_VR(tag)) == (tag, vr)
    assert field_named("EchoTime").vr == "DS"
    assert field_named("(0019,10bb)").tag == 0x001910BB
    with pytest.raises(ValueError, match="'PatientId' is not a DICOM keyword"):
        field_named("PatientId")


def test_binary_values_become_numbers_and_nothing_else() -> None:
    """A template can use a number; it never sees raw bytes."""
    little, big = Coding(explicit=True), Coding(explicit=True, big=True)
    assert text_of(struct.pack("<HH", 1, 2), "US", little) == "1\\2"
    assert text_of(struct.pack(">d", 1.5), "FD", big) == "1.5"
    assert text_of(struct.pack("<HH", 8, 0x18), "AT", little) == "(0008,0018)"
    assert text_of(b"\x01\x02", "OB", little) == ""
    assert text_of(b"\x01\x02", "UN", little) == ""
    assert text_of(b"text", "UN", little) == "text"
    assert text_of(b"a \\b \0", "LO", little) == "a\\b"
    assert text_of(b"a\\b ", "LT", little) == "a\\b"
    assert text_of("é".encode("latin-1"), "LO", little, b"ISO_IR 100") == "é"
    assert text_of("é".encode(), "LO", little, b"NO_SUCH SET") != ""
