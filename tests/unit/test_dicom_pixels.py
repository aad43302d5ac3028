"""The pixel digest survives what a server may do to a head, and nothing else."""

from __future__ import annotations

import hashlib
import io
import struct
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
)

from xnatsync.core.manifest import Kind
from xnatsync.dicom.classify import Classifier
from xnatsync.dicom.identity import PixelFacts, pixel_digest

SAMPLES = bytes(range(256)) * 2


def image(samples: bytes = SAMPLES) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    dataset.SOPInstanceUID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3.1", "1.2.3.2", "1.2.3.3"
    dataset.PatientName, dataset.PatientID = "Doe^Jane", "P1"
    dataset.Rows, dataset.Columns, dataset.BitsAllocated = 16, 16, 16
    dataset.add_new("PixelData", "OW", samples)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def written(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    dataset.file_meta.TransferSyntaxUID = syntax
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def facts(data: bytes, size: int = 4096) -> PixelFacts:
    return pixel_digest(data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
@pytest.mark.parametrize("size", [1, 100, 1 << 20])
def test_another_coding_of_the_head_has_the_same_pixels(syntax: str, size: int) -> None:
    """VRs come and go with the transfer syntax; the samples stay."""
    found = facts(written(image(), syntax), size)
    assert found == PixelFacts("1.2.3.1", syntax, hashlib.sha256(SAMPLES).digest())


def test_a_rewritten_head_has_the_same_pixels() -> None:
    """Anonymised, with group lengths, private tags gone, sequences of other lengths: still ours."""
    rewritten = image()
    rewritten.PatientName = rewritten.PatientID = "anonymous"
    rewritten.DeidentificationMethod = "XNAT"
    item = Dataset()
    item.CodeValue = "1"
    rewritten.ProcedureCodeSequence = [item]
    rewritten["ProcedureCodeSequence"].is_undefined_length = True
    data = written(rewritten)
    at = data.index(struct.pack("<HH2s", 0x0010, 0x0010, b"PN"))
    data = data[:at] + struct.pack("<HH2sHL", 0x0010, 0, b"UL", 4, 48) + data[at:]
    assert facts(data) == facts(written(image()))


@pytest.mark.parametrize("at", [0, 1, 255, 511])
def test_one_changed_sample_is_caught(at: int) -> None:
    """A single flipped bit anywhere in the pixel data gives another digest."""
    changed = bytearray(SAMPLES)
    changed[at] ^= 1
    assert facts(written(image(bytes(changed)))).pixels != facts(written(image())).pixels


def test_a_truncated_stream_proves_nothing() -> None:
    """Whatever is missing, the facts carry a problem and no digest."""
    whole = written(image())
    for length in (0, 1, 131, 132, 200, len(whole) - 512, len(whole) - 1):
        found = facts(whole[:length])
        assert found.pixels is None
        assert found.problem


@pytest.mark.parametrize("page", [b"<html>Log in</html>" * 50, b"", b"{}"])
def test_something_else_than_an_object_proves_nothing(page: bytes) -> None:
    """A login page with status 200 is no object."""
    assert facts(page) == PixelFacts("", "", None, "not a DICOM object")


def test_an_object_without_pixels_has_none_and_no_problem() -> None:
    """A report is proven by its UID alone."""
    report = image()
    del report.PixelData
    assert facts(written(report)) == PixelFacts("1.2.3.1", ExplicitVRLittleEndian, None)


def test_the_offset_table_of_encapsulated_pixels_does_not_count() -> None:
    """A server may write it anew or leave it out; the fragments are the pixels."""
    frames = [b"\xff\xd8" + bytes(40), b"\xff\xd8" + bytes(range(60))]
    seen = set()
    for value in (
        encapsulate(frames, has_bot=True),
        encapsulate(frames, has_bot=False),
        encapsulate_extended(frames)[0],
    ):
        dataset = image()
        dataset.add_new("PixelData", "OB", value)
        dataset["PixelData"].is_undefined_length = True
        seen.add(facts(written(dataset, JPEGBaseline8Bit)))
    assert seen == {PixelFacts("1.2.3.1", JPEGBaseline8Bit, hashlib.sha256(b"".join(frames)).digest())}


def test_the_byte_that_makes_an_odd_image_even_does_not_count() -> None:
    """One writer pads three samples of a byte to four bytes, another writes three."""
    odd = image(b"abc\0")
    odd.Rows, odd.Columns, odd.BitsAllocated = 1, 3, 8
    padded = written(odd)
    bare = padded[:-8] + struct.pack("<L", 3) + b"abc"
    assert facts(padded).pixels == facts(bare).pixels == hashlib.sha256(b"abc").digest()


@pytest.mark.parametrize(("name", "vr"), [("FloatPixelData", "OF"), ("DoubleFloatPixelData", "OD")])
def test_samples_of_other_types_are_pixels_too(name: str, vr: str) -> None:
    """Parametric maps carry floating-point numbers."""
    dataset = image()
    del dataset.PixelData
    dataset.add_new(name, vr, SAMPLES)
    assert facts(written(dataset)).pixels == hashlib.sha256(SAMPLES).digest()


def test_the_manifest_and_the_verifier_compute_the_same_digest() -> None:
    """Both sides of the comparison come from one walk."""
    classifier = Classifier((), pixels=True)
    compared = 0
    for path in (Path(pydicom.__file__).parent / "data").rglob("*.dcm"):
        data = path.read_bytes()
        reading = classifier.read([data])
        if reading.kind is Kind.DICOM and reading.identity is not None:
            found = facts(data)
            assert (found.sop_uid, found.pixels) == (reading.identity.sop_uid, reading.pixels)
            compared += 1
    assert compared > 70


def test_memory_does_not_grow_with_the_object() -> None:
    """128 MB of pixel data pass through a few pieces."""
    head = written(image())[: -len(SAMPLES) - 4]
    piece = bytes(1 << 18)

    def stream() -> Iterator[bytes]:
        yield head + struct.pack("<L", 512 * len(piece))
        for _ in range(512):
            yield piece

    tracemalloc.start()
    try:
        found = pixel_digest(stream())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.problem == ""
    assert peak < 4 << 20
