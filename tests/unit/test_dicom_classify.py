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

from xnatsync.core.manifest import Doubt, Kind
from xnatsync.dicom.classify import Classifier, Reading
from xnatsync.dicom.elements import Coding
from xnatsync.dicom.fields import field_named, text_of
from xnatsync.dicom.identity import pixel_digest

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
# What it is, by its content and its name; each is read again under the name of an object.
NOT_DICOM = {
    "text": ("README-Series.txt", b"Series:mr_0001, Slices:00003\n" * 20, Doubt.NONE),
    "a text without a suffix": ("LICENSE", b"BSD", Doubt.NONE),
    "a text in UTF-16": ("desktop.ini", "[.ShellClassInfo]\r\n".encode("utf-16"), Doubt.NONE),
    "a text that speaks of DICM": ("a.log", b"DICM " * 100, Doubt.NONE),
    "a text with a name that nobody knows": ("a.par", b"DICM " * 100, Doubt.STRANGE),
    "JPEG": ("a.JPG", b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(range(200)), Doubt.NONE),
    "JPEG of another name": ("a.png", b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(range(200)), Doubt.STRANGE),
    "JSON": ("a.json", json.dumps({"SOPInstanceUID": "1.2.3"}).encode() * 20, Doubt.NONE),
    "a program": ("viewer/Viewer.exe", b"MZ\x90\0" + bytes(range(256)), Doubt.NONE),
    "no program": ("viewer/Viewer.exe", b"\x01\x02\x03" * 100, Doubt.STRANGE),
    "thumbnails": ("a/Thumbs.db", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), Doubt.NONE),
    "a Finder file": (".DS_Store", b"\0\0\0\1Bud1" + bytes(500), Doubt.NONE),
    "NIfTI": ("a.nii", NIFTI, Doubt.LOST),
    "NIfTI with content": ("a.nii", NIFTI + b"\1" * 5000, Doubt.STRANGE),
    "packed": ("a.nii.gz", gzip.compress(NIFTI), Doubt.CLOSED),
    "zip with an object inside": ("a.zip", zipped(), Doubt.CLOSED),
    "tar with an object inside": ("a.tar", tarred(), Doubt.CLOSED),
    "zeros": ("a.txt", bytes(5000), Doubt.LOST),
    "blanks": ("a.txt", b" " * 5000, Doubt.LOST),
    "a cut preamble": ("a.txt", bytes(128) + b"DI", Doubt.LOST),
    "a text with a tail of zeros": ("a.txt", b"text" + bytes(5000), Doubt.LOST),
    "a data set that is cut off": ("a.txt", b"\x08\0\5\0", Doubt.LOST),
    "group 8 by chance, explicit": ("a.txt", b"\x08\x00\x16\x00UI\x04\x001.2\0" + bytes(300), Doubt.LOST),
    "group 8 by chance, implicit": ("a.txt", b"\x08\x00\x16\x00\x04\x00\x00\x001.2\0" + bytes(300), Doubt.LOST),
    "one byte": ("a", b"\x08", Doubt.STRANGE),
    "the letters alone": ("a", b"DICM", Doubt.STRANGE),
    "nothing": ("a.txt", b"", Doubt.LOST),
}


@pytest.mark.parametrize(("name", "data", "doubt"), NOT_DICOM.values(), ids=NOT_DICOM.keys())
@pytest.mark.parametrize("size", [1 << 20, 1, 100])
def test_other_files_are_what_content_and_name_say(name: str, data: bytes, doubt: Doubt, size: int) -> None:
    """Nothing is harmless because it is not something: both must be known, however the pieces come."""
    reading = CLASSIFIER.read((data[at : at + size] for at in range(0, len(data), size)), name)
    assert (reading.doubt, reading.identity) == (doubt, None), reading
    assert reading.kind is (Kind.BROKEN if doubt is Doubt.LOST else Kind.OTHER)
    assert reading.reason
    under_an_objects_name = CLASSIFIER.read([data], "IM0003")
    assert under_an_objects_name.doubt is not Doubt.NONE


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


ODD_UIDS = ["abc", "1", "1.2." + "3" * 63, "1.2." + "3" * 70, "1..2", "1.2.", "1.2.a", "1.2 .3", "1.2.-3"]


@pytest.mark.parametrize("uid", ["1.2.3/../../x", "1.2\\1.3", "..", ". .", "1.2\x1b[2J", "1.2.é", "1" * 129])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_cannot_be_a_uid_is_not_used_as_one(uid: str) -> None:
    """It would become a file name and a key."""
    assert _with_uid(uid) == Reading(Kind.BROKEN, "DICOM, but its SOP Instance UID cannot be a UID")


@pytest.mark.parametrize("uid", ODD_UIDS)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_odd_uid_waits_for_a_person_and_can_be_delivered(uid: str) -> None:
    """Servers take it, so it is an object with an identity, and says what is odd about it."""
    reading = _with_uid(uid)
    assert (reading.kind, reading.doubt) == (Kind.BROKEN, Doubt.ODD)
    assert reading.reason == "DICOM, but its SOP Instance UID is no legal UID"
    assert reading.identity is not None
    assert reading.identity.sop_uid == uid.rstrip()


def _with_uid(uid: str) -> Reading:
    data = make(SOPInstanceUID="1.2.3.1" + "9" * 57)  # the longest there is
    assert read(data).kind is Kind.DICOM
    raw = uid.encode("latin-1") + b"\0" * (len(uid) % 2)
    old = struct.pack("<HH2sH", 8, 0x18, b"UI", 64) + b"1.2.3.1" + b"9" * 57
    assert old in data
    return read(data.replace(old, struct.pack("<HH2sH", 8, 0x18, b"UI", len(raw)) + raw))


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
    assert read(head + pixels + bytes(100)).reason == "damaged: the fragments of the pixel data cannot be distinguished"


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


def test_what_we_ask_for_ourselves_needs_no_dictionary() -> None:
    """Every field that is read whatever a route's templates say is in the table: else each run imports pydicom."""
    from xnatsync.core.group import ORDER_TAGS
    from xnatsync.core.otherwise import OTHERWISE
    from xnatsync.dicom.fields import _KNOWN

    assert {*ORDER_TAGS, *OTHERWISE} <= set(_KNOWN)


_STORAGE = "1.2.840.10008.5.1.4.1.1."
# Part 3 wants pixel data of them, though their names do not say so; pydicom's dictionary has no 66.7 and 66.8 yet.
_IMAGES_BY_ANOTHER_NAME = {
    _STORAGE + "6.2": "Enhanced US Volume Storage",
    _STORAGE + "30": "Parametric Map Storage",
    _STORAGE + "66.4": "Segmentation Storage",
    _STORAGE + "66.7": "Label Map Segmentation Storage",
    _STORAGE + "66.8": "Height Map Segmentation Storage",
    _STORAGE + "77.1.5.8": "Ophthalmic Optical Coherence Tomography B-scan Volume Analysis Storage",
    _STORAGE + "81.1": "Ophthalmic Thickness Map Storage",
    _STORAGE + "82.1": "Corneal Topography Map Storage",
}


def _storage_classes() -> dict[str, str]:
    from pydicom._uid_dict import UID_dictionary

    return {uid: row[0] for uid, row in UID_dictionary.items() if uid.startswith(_STORAGE) and row[1] == "SOP Class"}


def test_the_table_of_images_is_that_of_the_dictionary() -> None:
    """Whatever pydicom's dictionary calls an image is in it, and of all others only those that are named above."""
    from xnatsync.dicom.classify import _IMAGE_CLASSES

    known = _storage_classes()
    by_name = {uid for uid, name in known.items() if "Image" in name}

    assert sorted(by_name | set(_IMAGES_BY_ANOTHER_NAME)) == sorted(_IMAGE_CLASSES)
    assert {uid: known.get(uid, name) for uid, name in _IMAGES_BY_ANOTHER_NAME.items()} == _IMAGES_BY_ANOTHER_NAME
    assert len(by_name) > 60


@pytest.mark.parametrize("sop_class", sorted(_storage_classes() | _IMAGES_BY_ANOTHER_NAME))
def test_an_image_without_pixel_data_is_cut_and_nothing_else_is(sop_class: str) -> None:
    """Each storage class of the standard: a report has no pixel data, an image that has none lost it on its way."""
    name = (_storage_classes() | _IMAGES_BY_ANOTHER_NAME)[sop_class]
    reading = read(make(SOPClassUID=sop_class, without=("PixelData",)))

    image = "Image" in name or sop_class in _IMAGES_BY_ANOTHER_NAME
    assert (reading.reason == "truncated: it is an image, and the pixel data is missing") is image
    assert (reading.kind is Kind.DICOM) is not image


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


# --- what a writer did not know (UN), in sequences of undefined length -------------------------------------------


def _element(group: int, number: int, vr: bytes, value: bytes, *, explicit: bool) -> bytes:
    head = struct.pack("<HH", group, number)
    return head + (vr + struct.pack("<H", len(value)) if explicit else struct.pack("<L", len(value))) + value


def _unknown(items: list[bytes], *, bounded: bool, explicit: bool = True) -> bytes:
    """A sequence with VR UN and undefined length; `bounded` items say how long they are."""
    found = struct.pack("<HH", 0x0029, 0x1010) + (b"UN\0\0" if explicit else b"") + b"\xff" * 4
    for item in items:
        found += struct.pack("<HHL", 0xFFFE, 0xE000, len(item) if bounded else 0xFFFFFFFF) + item
        found += b"" if bounded else struct.pack("<HHL", 0xFFFE, 0xE00D, 0)
    return found + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("bounded", [False, True])
@pytest.mark.parametrize("written", ["explicit", "implicit", "one item each"])
def test_each_item_of_an_unknown_sequence_tells_how_it_is_written(written: str, bounded: bool, nested: bool) -> None:
    """The standard wants implicit VR there, some write explicit VR: both are read to their end, and nothing is cut."""
    ways = {"explicit": [True, True], "implicit": [False, False], "one item each": [True, False]}[written]
    uid = b"1.2.840.10008.5.1.4.1.1.4\0"
    items = [
        _element(0x0008, 0x0016, b"UI", uid, explicit=way) + _element(0x0008, 0x1140, b"LO", b"text", explicit=way)
        for way in ways
    ]
    if nested:
        items = [
            _element(0x0008, 0x0016, b"UI", uid, explicit=way) + _unknown([item], bounded=bounded, explicit=way)
            for way, item in zip(ways, items, strict=True)
        ]
    data = make()
    at = data.index(b"\xe0\x7f\x10\x00")
    whole = data[:at] + _unknown(items, bounded=bounded) + data[at:]

    found, plain = read(whole), read(data)

    assert (found.kind, found.reason, found.identity, found.pixels) == (
        Kind.DICOM, "", plain.identity, plain.pixels,
    )  # fmt: skip
    facts, other = (pixel_digest(iter([one]), content=True) for one in (whole, data))
    assert (facts.problem, facts.pixels) == ("", other.pixels)
    assert facts.content not in {None, other.content}
    assert read(whole[: at + 40]).kind is Kind.BROKEN
