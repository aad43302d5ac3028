"""Files that claim to be DICOM: recognised, or held with a reason, whatever their bytes say."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli_world import World
from draws import examples
from fuzz import seeds, targets
from hostile.oracle import Caught, judged
from xnatsync.core.manifest import Kind
from xnatsync.dicom.classify import Classifier
from xnatsync.disk.local import LocalDisk

QUICK = examples(150)


@QUICK
@given(
    st.sampled_from(seeds.objects()),
    st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=8),
    st.integers(0, 5000),
)
def test_an_object_with_any_bytes_changed_ends_well(
    content: bytes, changes: list[tuple[int, int]], length: int
) -> None:
    """Changed and cut, in every encoding."""
    changed = bytearray(content)
    for place, byte in changes:
        changed[place % len(changed)] = byte
    targets.dicom(bytes(changed[: length % len(changed)]) if length % 3 == 0 else bytes(changed))


@QUICK
@given(
    st.binary(max_size=400), st.sampled_from([b"", bytes(128) + b"DICM", b"\x08\x00\x05\x00CS", b"\x00\x08\x00\x05"])
)
def test_any_bytes_end_well(rest: bytes, start: bytes) -> None:
    """With and without a preamble, in both byte orders."""
    targets.dicom(start + rest)


@examples(60)
@given(st.text(max_size=30), st.binary(max_size=60))
def test_any_character_set_ends_well(terms: str, value: bytes) -> None:
    """What no character set can read holds U+FFFD, of which no label is made."""
    targets.dicom(with_element(0x00100010, b"PN", value, terms.encode("utf-8", "replace")[:60]))


def with_element(tag: int, vr: bytes, value: bytes, terms: bytes = b"") -> bytes:
    """The first seed with one value replaced or put in, and a character set."""
    import io

    import pydicom

    data = pydicom.dcmread(io.BytesIO(seeds.objects()[0]))
    data.SpecificCharacterSet = "ISO_IR 100"
    data.PatientName = "MARK"
    stream = io.BytesIO()
    data.save_as(stream, enforce_file_format=True)
    raw = stream.getvalue()

    def element(number: int, kind: bytes, content: bytes) -> bytes:
        content += b" " * (len(content) % 2)
        return (
            number.to_bytes(4, "big")[1::-1]
            + number.to_bytes(4, "big")[:1:-1]
            + kind
            + len(content).to_bytes(2, "little")
            + content
        )

    assert element(0x00100010, b"PN", b"MARK") in raw
    raw = raw.replace(element(0x00080005, b"CS", b"ISO_IR 100"), element(0x00080005, b"CS", terms))
    new = element(tag, vr, value)
    return raw.replace(
        element(0x00100010, b"PN", b"MARK"), new if tag == 0x00100010 else element(0x00100010, b"PN", b"MARK") + new
    )


@pytest.mark.parametrize(
    "terms", [b"zip", b"punycode", b"idna", b"undefined", b"hex", b"ISO_IR 999", b"\\\\", b"x" * 64]
)
def test_a_character_set_that_is_none_yields_no_label(terms: bytes) -> None:
    """And no exception of Python's codecs."""
    content = with_element(0x00100010, b"PN", b"M\xfcller\x1b", terms)
    reading = Classifier({"PatientName"}, pixels=False).read([content])
    assert reading.kind is Kind.DICOM
    assert "ü" not in reading.tags["PatientName"] or terms in {b"ISO_IR 999", b"\\\\", b"x" * 64}
    targets.dicom(content)


def test_an_object_that_unpacks_without_end_is_read_in_constant_memory() -> None:
    """A deflated object of much nothing, a thousand times as large as its file: it takes time, and no memory."""
    head = seeds.objects()[3]
    start = head.index(b"1.2.840.10008.1.2.1.99") + 22
    data_set = zlib.decompressobj(-15).decompress(_after_meta(head))
    at = data_set.index(b"\xe0\x7f\x10\x00")
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(data_set[:at] + b"\xe0\x7f\x10\x00OW\0\0" + (1 << 27).to_bytes(4, "little"))
    packed += b"".join(packer.compress(bytes(1 << 20)) for _ in range(1 << 7)) + packer.flush()
    content = head[: len(head) - len(_after_meta(head))] + packed
    assert start < len(content) < 1 << 20

    reading = judged(lambda: Classifier(set(), pixels=True).read([content]), seconds=60, growth_bytes=60 << 20)

    assert not isinstance(reading, Exception)
    assert (reading.kind, reading.pixel_bytes) == (Kind.DICOM, 1 << 27)


def _after_meta(content: bytes) -> bytes:
    """What follows the meta group, whose length stands in its first element."""
    length = int.from_bytes(content[140:144], "little")
    return content[144 + length :]


def test_sequences_in_sequences_are_bounded() -> None:
    """A hundred thousand levels, with and without lengths."""
    start = bytes(128) + b"DICM"
    undefined = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    targets.dicom(start + undefined * 100_000)
    assert Classifier(set(), pixels=False).read([start + undefined * 100_000]).kind is Kind.BROKEN


def test_a_file_from_the_far_future_is_delivered(box: World) -> None:
    """Times beyond the year 2262 do not fit into a ledger's nanoseconds; file systems hold them all the same."""
    study = box.study("exam")
    for number, path in enumerate(sorted(study.rglob("*.dcm"))):
        os.utime(path, (10**10 + number, 10**10 + number))
    if next(study.rglob("*.dcm")).stat().st_mtime_ns < 1 << 63:
        pytest.skip("this file system does not hold such times")

    assert box.run("sync", "--patience", "20s").code == 0
    assert not study.exists()


def test_the_time_of_a_file_is_one_that_a_ledger_holds(tmp_path: Path) -> None:
    """The look that is planned with, and the one that files: the same."""
    path = tmp_path / "a"
    path.write_bytes(b"x")
    os.utime(path, (10**10, 10**10))
    disk = LocalDisk()
    look = disk.look(path)
    assert look is not None
    (file,) = disk.read_manifest(path, tags=frozenset(), pixels=False)
    assert look.files[0].mtime_ns == file.mtime_ns < 1 << 63


# --- planted -----------------------------------------------------------------------------------------------------


def test_pydicom_alone_would_be_caught() -> None:
    """Reading such files with the library itself ends in its own exceptions."""
    import io

    import pydicom

    def weak(content: bytes) -> str:
        return str(pydicom.dcmread(io.BytesIO(content)).PatientName)

    caught = 0
    for content in (b"", b"text", seeds.objects()[0][:700], with_element(0x00280008, b"IS", b"9" * 5000)):
        try:
            judged(lambda content=content: weak(content))
        except Caught:
            caught += 1
    assert caught >= 2
