"""Zips read as they come: Python's own zip writer is the judge, and every kind of damage is seen."""

from __future__ import annotations

import io
import random
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnatsync.core.errors import ReadFailed, ReplyStrange
from xnatsync.xnat import zipreader

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/\\"), min_size=1, max_size=30)
FILES = st.dictionaries(NAMES, st.tuples(st.binary(max_size=3000), st.booleans()), max_size=6)
SOME = {"E/a.dcm": b"abc" * 1000, "E/empty": b"", "E/ü.txt": b"x", "E/big": random.Random(1).randbytes(200_000)}


class Pipe(io.RawIOBase):
    """What cannot be wound back makes a writer put sizes behind the content."""

    def __init__(self) -> None:
        self.sink = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.sink += data
        return len(data)


def made(files: dict[str, bytes], *, packed: bool = False, streamed: bool = False) -> bytes:
    sink: io.BytesIO | Pipe = Pipe() if streamed else io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, archive.compression)
    return bytes(sink.sink) if isinstance(sink, Pipe) else sink.getvalue()


def pieces(raw: bytes, size: int = 1000) -> Iterator[bytes]:
    return (raw[at : at + size] for at in range(0, len(raw), size))


def read(raw: bytes, size: int = 1000) -> dict[str, bytes]:
    return {name: b"".join(content) for name, content in zipreader.members(pieces(raw, size), "x")}


@given(FILES, st.integers(1, 5000))
def test_what_zipfile_writes_is_read(files: dict[str, tuple[bytes, bool]], size: int) -> None:
    """Stored and deflated members mixed, names of any script, cut into pieces of any size."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, (content, packed) in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED)

    assert read(sink.getvalue(), size) == {name: content for name, (content, _) in files.items()}


@given(st.dictionaries(NAMES, st.binary(max_size=3000), max_size=6), st.integers(1, 5000))
def test_sizes_behind_the_content_are_read(files: dict[str, bytes], size: int) -> None:
    """As Java writes deflated members."""
    assert read(made(files, packed=True, streamed=True), size) == files


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("wide", [True, False])
def test_every_shape_of_descriptor_is_read(signed: bool, wide: bool) -> None:
    """With a sign or without, with short numbers or long ones, of an empty file too."""
    for content in (b"", b"abc" * 500):
        squeezed = zlib.compress(content, wbits=-15)
        numbers = (zlib.crc32(content), len(squeezed), len(content))
        late = (b"PK\7\x08" if signed else b"") + struct.pack("<LQQ" if wide else "<LLL", *numbers)
        head = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 8, 8, 0, 33, 0, 0, 0, 1, 0) + b"n"
        entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 8, 8, 0, 33, *numbers, 1, 0, 0, 0, 0, 0, 0) + b"n"
        start = len(head + squeezed + late)
        end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(entry), start, 0)
        assert read(head + squeezed + late + entry + end, 7) == {"n": content}


def test_long_numbers_are_read() -> None:
    """As they are written for what may be larger than 4 GiB."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive, archive.open("n", "w", force_zip64=True) as member:
        member.write(b"abc")

    assert read(sink.getvalue()) == {"n": b"abc"}


def test_more_members_than_two_bytes_can_count_are_read() -> None:
    """The directory then ends in the long form."""
    files = {f"{number}": b"" for number in range(70_000)}
    assert read(made(files), 1 << 16) == files


def test_a_member_nobody_reads_is_checked_all_the_same() -> None:
    """And the next one is found behind it, also when the reader closed what it was given."""
    names = []
    for name, content in zipreader.members(pieces(made(SOME)), "x"):
        names.append(name)
        next(content, None)
        del content

    assert names == list(SOME)


@pytest.mark.parametrize("packed", [False, True])
def test_a_zip_cut_anywhere_is_seen(packed: bool) -> None:
    """Between two members too, where all that came looks whole."""
    raw = made({"a": b"abc" * 20, "b": b"d" * 50, "c": b""}, packed=packed, streamed=packed)
    for cut in range(len(raw)):
        with pytest.raises((ReadFailed, ReplyStrange)) as caught:
            read(raw[:cut], 16)
        assert cut < 4 or isinstance(caught.value, ReadFailed), cut


@given(st.data())
def test_no_changed_byte_yields_other_content(data: st.DataObject) -> None:
    """A flipped bit anywhere is seen, or concerns nothing that is used (dates, attributes, versions)."""
    packed = data.draw(st.booleans())
    files = {"a": b"abc" * 20, "b": b"d" * 50}
    raw = bytearray(made(files, packed=packed, streamed=packed))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= 1 << data.draw(st.integers(0, 7))
    try:
        found = read(bytes(raw))
    except (ReadFailed, ReplyStrange):
        return
    assert found == files


@given(st.binary(max_size=300))
def test_rubbish_is_refused(raw: bytes) -> None:
    """With an error of ours, whatever it is."""
    with pytest.raises((ReadFailed, ReplyStrange)):
        read(b"PK\3\4" + raw)


def test_a_wrong_crc_is_seen_before_the_content_ends() -> None:
    """Whoever writes the content never sees its end."""
    raw = made({"a": b"abc" * 1000})
    at = raw.index(b"abcabc")
    content = next(zipreader.members(pieces(raw[:at] + b"X" + raw[at + 1 :]), "x"))[1]
    got = []
    with pytest.raises(ReadFailed, match="damaged"):
        got.extend(content)
    assert len(b"".join(got)) == 3000


def changed(raw: bytes, old: bytes, new: bytes) -> bytes:
    assert raw.count(old) == 1
    return raw.replace(old, new)


def test_the_directory_must_tell_what_came() -> None:
    """A member renamed, swapped or left out in the directory; something behind the end."""
    raw = made({"aa": b"1", "bb": b"2"})
    start = raw.index(b"PK\1\2")
    body, directory = raw[:start], raw[start:]
    entries = directory[: directory.index(b"PK\5\6")]
    first, second = entries[: len(entries) // 2], entries[len(entries) // 2 :]
    end = directory[len(entries) :]
    for wrong in (
        changed(directory, b"bb", b"cc"),
        changed(directory, b"bb", b"aa"),
        second + end,
        first + first + end,
        directory + b"more",
        end,
    ):
        with pytest.raises(ReplyStrange):
            read(body + wrong)
    swapped = {"aa": b"2", "bb": b"1"}
    assert read(made(swapped)) == swapped
    with pytest.raises(ReplyStrange, match="contradicts"):
        read(made(swapped)[:start] + directory)


def test_a_name_that_comes_twice_is_refused() -> None:
    """Which of the two is meant, nobody can tell."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a", b"2")
    with pytest.raises(ReplyStrange, match="twice"):
        read(sink.getvalue())


def test_a_link_is_refused() -> None:
    """The directory tells that a member is one."""
    sink = io.BytesIO()
    link = zipfile.ZipInfo("a")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr(link, b"/etc/passwd")
    with pytest.raises(ReplyStrange, match="link"):
        read(sink.getvalue())


@pytest.mark.parametrize("raw", [b"", b"<!DOCTYPE html><html>", b"{}" * 10, b"PK\7\x08"])
def test_what_is_no_zip_is_refused(raw: bytes) -> None:
    """An empty answer counts as cut."""
    with pytest.raises((ReadFailed, ReplyStrange)):
        read(raw)


@pytest.mark.parametrize(("flags", "method"), [(1, 0), (0, 9), (0, 12), (8, 0)])
def test_packings_that_no_xnat_writes_are_refused(flags: int, method: int) -> None:
    """Encrypted, deflate64, bz2, stored of unknown length."""
    raw = struct.pack("<4s5H3L2H", b"PK\3\4", 20, flags, method, 0, 33, 0, 3, 3, 1, 0) + b"nabc"
    with pytest.raises(ReplyStrange):
        read(raw)


def test_a_bomb_swells_in_small_pieces() -> None:
    """A gigabyte of zeros would never lie in memory as a whole."""
    raw = made({"a": b"\0" * (20 << 20)}, packed=True)
    sizes = [len(piece) for _, content in zipreader.members(iter([raw]), "x") for piece in content]
    assert sum(sizes) == 20 << 20
    assert max(sizes) <= zipreader.PIECE_MAX
