"""What is streamed is what the manifest froze, or it is not streamed to its end."""

from __future__ import annotations

import gzip
import os
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from xnatsync.core.errors import SourceChanged
from xnatsync.core.manifest import ManifestFile
from xnatsync.disk.item import PIECE
from xnatsync.disk.local import LocalDisk

Read = Callable[[Path], tuple[ManifestFile, ...]]


def packed(drop: Path, kind: str) -> Path:
    """The drop as it is, or as an archive beside it."""
    match kind:
        case "folder":
            return drop
        case "zip":
            return Path(shutil.make_archive(str(drop), "zip", drop))
        case "tar":
            return Path(shutil.make_archive(str(drop), "tar", drop))
        case _:
            return Path(shutil.make_archive(str(drop), "gztar", drop))


kinds = pytest.mark.parametrize("kind", ["folder", "zip", "tar", "tar.gz"])


@kinds
def test_everything_is_streamed_in_the_manifests_order(drop: Path, read: Read, disk: LocalDisk, kind: str) -> None:
    """Byte for byte, from folders and from archives alike."""
    item = packed(drop, kind)
    files = read(item)
    assert len(files) == 6
    streamed = [(file, b"".join(content)) for file, content in disk.stream(item, files)]
    assert [file for file, _ in streamed] == list(files)
    assert all(content == (drop / file.path).read_bytes() for file, content in streamed)


@kinds
def test_a_part_can_be_streamed(drop: Path, read: Read, disk: LocalDisk, kind: str) -> None:
    """Only what is missing on the server is read again."""
    item = packed(drop, kind)
    files = read(item)[1::2]
    assert [(file.path, len(b"".join(content))) for file, content in disk.stream(item, files)] == [
        (file.path, file.size) for file in files
    ]
    assert list(disk.stream(item, ())) == []


def test_a_single_file_is_streamed(drop: Path, read: Read, disk: LocalDisk) -> None:
    """Its path is its name, not a path below it."""
    single = drop / "readme.txt"
    assert [b"".join(content) for _, content in disk.stream(single, read(single))] == [b"hello"]


def test_large_files_come_in_pieces(tmp_path: Path, read: Read, disk: LocalDisk) -> None:
    """At most a megabyte at a time, and nothing for an empty file."""
    (tmp_path / "item").mkdir()
    (tmp_path / "item" / "big").write_bytes(os.urandom(3 * PIECE + 5))
    (tmp_path / "item" / "nothing").touch()
    pieces = [list(content) for _, content in disk.stream(tmp_path / "item", read(tmp_path / "item"))]
    assert [len(piece) for piece in pieces[0]] == [PIECE, PIECE, PIECE, 5]
    assert pieces[1] == []


@pytest.mark.parametrize("deed", ["flip", "grow", "shrink", "remove", "link"])
@pytest.mark.parametrize("size", [5, PIECE, 2 * PIECE + 5])
def test_a_changed_file_is_never_handed_out_whole(
    tmp_path: Path, read: Read, disk: LocalDisk, deed: str, size: int
) -> None:
    """The last piece stays back, so an upload of it cannot be completed.  The time stamp proves nothing."""
    item = tmp_path / "item"
    item.mkdir()
    victim = item / "file"
    victim.write_bytes(bytes(size))
    files = read(item)
    match deed:
        case "flip":
            victim.write_bytes(bytes(size - 1) + b"x")
            os.utime(victim, ns=(files[0].mtime_ns, files[0].mtime_ns))
        case "grow":
            victim.write_bytes(bytes(size + 1))
        case "shrink":
            victim.write_bytes(bytes(size - 1))
        case "remove":
            victim.unlink()
        case _:
            victim.symlink_to(victim.rename(tmp_path / "elsewhere"))
    received: list[bytes] = []
    with pytest.raises(SourceChanged):
        received.extend(piece for _, content in disk.stream(item, files) for piece in content)
    assert sum(map(len, received)) < size


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
@pytest.mark.parametrize("deed", ["other content", "member gone", "cut", "no archive", "gone"])
def test_a_changed_archive_is_never_handed_out_whole(
    drop: Path, read: Read, disk: LocalDisk, kind: str, deed: str
) -> None:
    """Whatever became of it: it changed, and is looked at anew."""
    item = packed(drop, kind)
    files = read(item)
    match deed:
        case "other content":
            (drop / "02_b" / "0002.dcm").write_bytes(b"x" * files[-1].size)
            packed(drop, kind)
        case "member gone":
            (drop / "02_b" / "0002.dcm").unlink()
            packed(drop, kind)
        case "cut":
            os.truncate(item, item.stat().st_size // 2)
        case "no archive":
            item.write_bytes(b"x" * 1000)
        case _:
            item.unlink()
    whole: list[tuple[ManifestFile, bytes]] = []
    with pytest.raises(SourceChanged):
        whole.extend((file, b"".join(content)) for file, content in disk.stream(item, files))
    assert len(whole) < len(files)
    assert all(zlib.crc32(content) == file.crc32 for file, content in whole)


def test_a_tar_is_read_in_one_pass(drop: Path, read: Read, disk: LocalDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many files are wanted of it, a packed archive is opened and unpacked once."""
    item = packed(drop, "tar.gz")
    files = read(item)
    opened = []
    original = gzip.GzipFile
    monkeypatch.setattr(gzip, "GzipFile", lambda *args, **options: opened.append(1) or original(*args, **options))
    assert len([b"".join(content) for _, content in disk.stream(item, files)]) == 6
    assert len(opened) == 1
