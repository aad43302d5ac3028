"""Archives are read as they arrive, by the rules of Java's ZipInputStream."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile

import pytest

from xnatsync.sandbox.model import unpack, zipstream
from xnatsync.sandbox.model.unpack import BrokenArchiveError, FormatError

CONTENT = {"a.txt": b"first " * 3000, "d/b.txt": b"", "d/c.bin": bytes(range(256)) * 500}


def in_pieces(data: bytes, size: int = 777) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def unpacked(name: str, data: bytes, size: int = 777) -> dict[str, bytes]:
    return {member.name: b"".join(member.content) for member in unpack.members(name, in_pieces(data, size))}


def made(method: int, *, seekable: bool = True) -> bytes:
    class OneWay(io.BytesIO):
        def seekable(self) -> bool:
            return seekable

        def seek(self, *_: object) -> int:
            raise io.UnsupportedOperation

    stream = io.BytesIO() if seekable else OneWay()
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.writestr("d/", b"")
        for name, content in CONTENT.items():
            archive.writestr(name, content)
    return stream.getvalue()


def tarred(mode: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, content in CONTENT.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


@pytest.mark.parametrize("size", [1, 777, 1 << 20])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_is_read_whatever_the_pieces(method: int, size: int) -> None:
    assert unpacked("x.zip", made(method), size) == CONTENT


def test_deflated_members_may_carry_a_data_descriptor() -> None:
    assert unpacked("x.zip", made(zipfile.ZIP_DEFLATED, seekable=False)) == CONTENT


def test_stored_members_with_a_data_descriptor_are_refused() -> None:
    with pytest.raises(BrokenArchiveError, match="only DEFLATED entries can have EXT descriptor"):
        unpacked("x.zip", made(zipfile.ZIP_STORED, seekable=False))


def test_a_zip64_descriptor_behind_a_small_member_is_refused_as_by_java_8() -> None:
    data = bytearray(made(zipfile.ZIP_DEFLATED, seekable=False))
    first = data.index(b"PK\x07\x08", data.index(b"PK\x07\x08") + 4)  # the first one belongs to a folder
    crc, packed, size = struct.unpack_from("<LLL", data, first + 4)
    data[first : first + 16] = b"PK\x07\x08" + struct.pack("<LQQ", crc, packed, size)
    with pytest.raises(zipstream.ZipError, match="invalid entry size"):
        unpacked("x.zip", bytes(data))


def test_a_flipped_bit_is_noticed_by_the_checksum() -> None:
    data = bytearray(made(zipfile.ZIP_STORED))
    data[data.index(b"first ") + 2] ^= 1
    with pytest.raises(zipstream.ZipError, match="invalid entry CRC"):
        unpacked("x.zip", bytes(data))


def test_an_encrypted_member_is_refused() -> None:
    data = bytearray(made(zipfile.ZIP_STORED))
    data[data.rindex(b"PK\x03\x04") + 6] |= 1
    with pytest.raises(BrokenArchiveError, match="encrypted ZIP entry not supported"):
        unpacked("x.zip", bytes(data))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_cut_zip_is_refused(method: int) -> None:
    data = made(method)
    with pytest.raises((zipstream.ZipError, EOFError)):
        unpacked("x.zip", data[: data.rindex(b"PK\x03\x04") + 60])


@pytest.mark.parametrize("data", [b"", b"no zip at all", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_zip_has_no_members(data: bytes) -> None:
    assert unpacked("x.zip", data) == {}


@pytest.mark.parametrize(("name", "mode"), [("x.tar", "w"), ("x.tar.gz", "w:gz"), ("x.tgz", "w:gz"), ("x.xar", "w")])
@pytest.mark.parametrize("size", [100, 1 << 20])
def test_tar_archives_are_read(name: str, mode: str, size: int) -> None:
    assert unpacked(name, tarred(mode), size) == CONTENT


def test_a_cut_tgz_is_refused() -> None:
    with pytest.raises((BrokenArchiveError, EOFError, tarfile.TarError)):
        unpacked("x.tgz", tarred("w:gz")[:-40])


def test_archives_within_archives_are_opened() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("inner.zip", made(zipfile.ZIP_DEFLATED))
        archive.writestr("inner.tgz", tarred("w:gz"))
        archive.writestr("plain.txt", b"x")
    names = [member.name for member in unpack.members("x.zip", in_pieces(stream.getvalue()))]
    assert names == [*CONTENT, *CONTENT, "plain.txt"]


@pytest.mark.parametrize("name", ["x.ZIP", "x.gz", "upload", "x.dcm", "x.rar"])
def test_other_endings_are_no_archive(name: str) -> None:
    with pytest.raises(FormatError, match="Unsupported format UNKNOWN"):
        unpacked(name, made(zipfile.ZIP_STORED))


def test_a_member_that_nobody_reads_is_passed_over() -> None:
    names = [member.name for member in unpack.members("x.zip", in_pieces(made(zipfile.ZIP_DEFLATED)))]
    assert names == list(CONTENT)
