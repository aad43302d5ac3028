from __future__ import annotations

import io
import shutil
import subprocess
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stream_unzip import stream_unzip

from xnatsync.core.errors import Bug, SourceChanged
from xnatsync.core.manifest import Kind, ManifestFile
from xnatsync.xnat.zipstream import PIECE_BYTES, zip_pieces, zip_size

# How XNAT reads: every entry to its end, which checks size and CRC.
READER = """
import java.io.*;
import java.util.zip.*;

public class Reader {
    public static void main(String[] args) throws Exception {
        try (ZipInputStream zip = new ZipInputStream(new BufferedInputStream(new FileInputStream(args[0])))) {
            ZipEntry entry;
            byte[] buffer = new byte[1 << 16];
            while ((entry = zip.getNextEntry()) != null) {
                CRC32 crc = new CRC32();
                long size = 0;
                for (int n; (n = zip.read(buffer)) > 0; size += n) crc.update(buffer, 0, n);
                System.out.println(entry.getName().length() + " " + size + " " + crc.getValue());
            }
        }
    }
}
"""


def member(name: str, content: bytes) -> tuple[str, ManifestFile, Iterator[bytes]]:
    file = ManifestFile(name, len(content), 0, b"", zlib.crc32(content), b"", Kind.DICOM)
    pieces = (content[at : at + 1000] for at in range(0, len(content), 1000))
    return name, file, pieces


def written(contents: dict[str, bytes]) -> bytes:
    return b"".join(zip_pieces(member(name, content) for name, content in contents.items()))


SOME = {"1.2.3.dcm": b"one" * 1000, "leer.dcm": b"", "Größe/ä ö.dcm": bytes(300_000), "x" * 200: b"\xff"}


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8"), min_size=1, max_size=30), st.binary(max_size=3000), max_size=6
    )
)
def test_the_size_is_known_beforehand_to_the_byte(contents: dict[str, bytes]) -> None:
    """Content-Length is computed from names and sizes alone."""
    assert len(written(contents)) == zip_size((name, len(content)) for name, content in contents.items())


def test_python_reads_what_is_written() -> None:
    """Names, contents and checksums, by the directory at the end."""
    with zipfile.ZipFile(io.BytesIO(written(SOME))) as archive:
        assert archive.testzip() is None
        assert {info.filename: archive.read(info) for info in archive.infolist()} == SOME


def test_a_streaming_reader_reads_what_is_written() -> None:
    """Without the directory, as XNAT does: sizes and CRC stand in the local headers."""
    read = {name.decode(): b"".join(content) for name, _, content in stream_unzip([written(SOME)])}

    assert read == SOME


def test_the_same_content_gives_the_same_zip() -> None:
    """No clock is in it."""
    assert written(SOME) == written(SOME)


@pytest.fixture(scope="session")
def java(tmp_path_factory: pytest.TempPathFactory) -> Sequence[str]:
    if shutil.which("javac") is None or shutil.which("java") is None:
        pytest.skip("no Java here")
    folder = tmp_path_factory.mktemp("java")
    (folder / "Reader.java").write_text(READER)
    subprocess.run(["javac", "-d", str(folder), str(folder / "Reader.java")], check=True, capture_output=True)
    return ["java", "-cp", str(folder), "Reader"]


def read_by_java(java: Sequence[str], path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*java, str(path)], capture_output=True, text=True, check=False)


def test_java_reads_what_is_written(java: Sequence[str], tmp_path: Path) -> None:
    """`java.util.zip.ZipInputStream`, which XNAT reads imports with, accepts every member and its CRC."""
    path = tmp_path / "x.zip"
    path.write_bytes(written(SOME))

    result = read_by_java(java, path)

    expected = [f"{len(name)} {len(content)} {zlib.crc32(content)}" for name, content in SOME.items()]
    assert result.stdout.splitlines() == expected, result.stderr


def test_java_refuses_what_was_tampered_with(java: Sequence[str], tmp_path: Path) -> None:
    """One byte of a content changed: the check above is a real one."""
    path = tmp_path / "x.zip"
    path.write_bytes(written(SOME).replace(b"one", b"two", 1))

    assert "invalid entry CRC" in read_by_java(java, path).stderr


def test_java_refuses_stored_members_with_a_descriptor(java: Sequence[str], tmp_path: Path) -> None:
    """The reason for this module: what Python's zipfile streams, XNAT cannot read."""

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.written = b""

        def writable(self) -> bool:
            return True

        def write(self, piece: object) -> int:
            self.written += bytes(piece)  # type: ignore[call-overload]
            return len(bytes(piece))  # type: ignore[call-overload]

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as archive:  # type: ignore[call-overload]
        archive.writestr("1.dcm", b"content")
    path = tmp_path / "x.zip"
    path.write_bytes(pipe.written)

    assert "only DEFLATED entries can have EXT descriptor" in read_by_java(java, path).stderr


def test_members_and_offsets_beyond_four_gigabytes(tmp_path: Path) -> None:
    """zip64 in the local header and in the directory: a second member behind 4 GiB is found and whole."""
    size = (4 << 30) + 7
    zeros = bytes(16 << 20)
    big = ManifestFile("big", size, 0, b"", 0, b"", Kind.DICOM)
    name, small, content = member("small.dcm", b"behind")
    pieces = zip_pieces([("big.dcm", big, _zeros(size, zeros)), (name, small, content)])
    path = tmp_path / "big.zip"
    with path.open("wb") as sink:
        for piece in pieces:
            if piece is zeros:
                sink.seek(len(piece), io.SEEK_CUR)
            else:
                sink.write(piece)
        end = sink.tell()

    assert end == zip_size([("big.dcm", size), ("small.dcm", 6)])
    with zipfile.ZipFile(path) as archive:
        infos = {info.filename: info for info in archive.infolist()}
        assert infos["big.dcm"].file_size == size
        assert infos["small.dcm"].header_offset > 4 << 30
        assert archive.read("small.dcm") == b"behind"


def test_more_members_than_sixteen_bits_count() -> None:
    """70,000 objects in one series: the zip64 end record counts them."""
    count = 70_000
    zipped = b"".join(zip_pieces(member(f"{number}.dcm", b"") for number in range(count)))

    assert len(zipped) == zip_size((f"{number}.dcm", 0) for number in range(count))
    with zipfile.ZipFile(io.BytesIO(zipped)) as archive:
        assert len(archive.namelist()) == count


def test_pieces_are_large() -> None:
    """A thousand small files go out in pieces of 256 KiB at least, not in two thousand writes."""
    sizes = [len(piece) for piece in zip_pieces(member(f"{number}.dcm", bytes(10_000)) for number in range(1000))]

    assert min(sizes[:-1]) >= PIECE_BYTES
    assert max(sizes) < 2 * PIECE_BYTES


def test_members_are_opened_one_after_the_other() -> None:
    """Nothing is read ahead: a member is asked for when the one before it has gone out."""
    opened: list[int] = []

    def members() -> Iterator[tuple[str, ManifestFile, Iterator[bytes]]]:
        for number in range(100):
            opened.append(number)
            yield member(f"{number}.dcm", bytes(PIECE_BYTES))

    pieces = zip_pieces(members())
    next(pieces)

    assert len(opened) <= 2


def test_memory_does_not_grow_with_the_upload() -> None:
    """256 MiB pass through in less than 4 MiB."""
    block = bytes(1 << 18)
    file = ManifestFile("f", 256 << 20, 0, b"", 0, b"", Kind.DICOM)
    tracemalloc.start()
    for piece in zip_pieces([("f.dcm", file, (block for _ in range(1024)))]):
        assert piece
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 4 << 20


@pytest.mark.parametrize("content", [b"", b"12345", b"1234567"])
def test_a_source_of_another_length_is_noticed_before_the_end(content: bytes) -> None:
    """Shorter or longer than promised: SourceChanged, and no directory was written."""
    file = ManifestFile("scan/1", 6, 0, b"", 0, b"", Kind.DICOM)
    out: list[bytes] = []

    with pytest.raises(SourceChanged, match="scan/1"):
        out.extend(zip_pieces([("1.dcm", file, iter([content]))]))

    assert b"PK\x05\x06" not in b"".join(out)


def test_two_members_of_one_name_are_our_bug() -> None:
    """XNAT would keep one of them."""
    with pytest.raises(Bug):
        list(zip_pieces([member("a.dcm", b"1"), member("a.dcm", b"2")]))


def _zeros(size: int, block: bytes) -> Iterator[bytes]:
    while size >= len(block):
        yield block
        size -= len(block)
    yield bytes(size)
