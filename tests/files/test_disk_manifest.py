"""The manifest says exactly what an item is: every file once, with its digests and what it is."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pydicom
import pytest

from xnatsync.core.errors import SourceChanged, SourceUnreadable, Stopped
from xnatsync.core.manifest import Kind, ManifestFile
from xnatsync.disk.local import LocalDisk

Read = Callable[[Path], tuple[ManifestFile, ...]]
SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "dcm_qa_nih"


def test_every_file_is_there_with_its_digests(drop: Path, read: Read) -> None:
    """Path, size, time, sha256 and CRC are those of the bytes on the disk, md5 too of what may be attached."""
    files = read(drop)
    assert [file.path for file in files] == sorted(
        path.relative_to(drop).as_posix() for path in drop.rglob("*") if path.is_file()
    )
    for file in files:
        data = (drop / file.path).read_bytes()
        assert (file.size, file.crc32) == (len(data), zlib.crc32(data))
        md5 = b"" if file.kind is Kind.DICOM else hashlib.md5(data).digest()
        assert (file.sha256, file.md5) == (hashlib.sha256(data).digest(), md5)
        assert file.mtime_ns == (drop / file.path).stat().st_mtime_ns
    assert [file.kind for file in files].count(Kind.DICOM) == 5
    assert {file.tags["PatientID"] for file in files if file.kind is Kind.DICOM} == {"P1"}


def test_a_single_file_is_an_item(drop: Path, read: Read) -> None:
    """Its path is its name; the suffix plays no part."""
    single = drop.parent / "scan.txt"
    shutil.copy(drop / "01_a" / "0001.dcm", single)
    files = read(single)
    assert [(file.path, file.kind) for file in files] == [("scan.txt", Kind.DICOM)]


def test_an_object_called_an_archive_is_still_an_object(drop: Path, read: Read) -> None:
    """DICOM is recognised by content, whatever the name promises."""
    for name in ("scan.zip", "scan.tar.gz"):
        shutil.copy(drop / "01_a" / "0001.dcm", drop.parent / name)
        assert [(file.path, file.kind) for file in read(drop.parent / name)] == [(name, Kind.DICOM)]


def test_pixels_are_digested_when_asked_for(drop: Path, disk: LocalDisk) -> None:
    """In the same pass, over the pixel data alone; its length is known in any case."""
    for pixels in (True, False):
        files = disk.read_manifest(drop, tags=frozenset(), pixels=pixels)
        for file in files:
            if file.kind is Kind.DICOM:
                value = pydicom.dcmread(drop / file.path).PixelData
                assert file.pixels == (hashlib.sha256(value).digest() if pixels else None)
                assert file.pixel_bytes == len(value)


def test_the_same_object_twice_is_delivered_once(drop: Path, read: Read) -> None:
    """The later one by path is a duplicate and names its twin."""
    shutil.copy(drop / "01_a" / "0001.dcm", drop / "zz.dcm")
    twin = read(drop)[-1]
    assert twin.path == "zz.dcm"
    assert twin.kind is Kind.DUPLICATE
    assert twin.reason == "the same object as 01_a/0001.dcm, byte for byte"


def test_two_different_objects_of_one_uid_are_both_reported(drop: Path, read: Read) -> None:
    """One changed byte makes it another object: the core decides, nothing is swallowed here."""
    data = bytearray((drop / "01_a" / "0001.dcm").read_bytes())
    data[-1] ^= 1
    (drop / "zz.dcm").write_bytes(data)
    files = {file.path: file for file in read(drop)}
    assert files["zz.dcm"].kind is files["01_a/0001.dcm"].kind is Kind.DICOM
    assert files["zz.dcm"].key == files["01_a/0001.dcm"].key


def test_what_is_not_delivered_says_why(drop: Path, read: Read) -> None:
    """Each in words for people."""
    whole = (drop / "01_a" / "0001.dcm").read_bytes()
    (drop / "a_empty").touch()
    (drop / "b_cut.dcm").write_bytes(whole[:-1])
    shutil.make_archive(str(drop / "c_more"), "zip", drop, "01_a")
    files = read(drop)
    reasons = {file.path: file.reason for file in files if file.reason}
    assert [file.path for file in files if file.kind is Kind.BROKEN] == ["a_empty", "b_cut.dcm"]
    assert reasons == {
        "a_empty": "empty file",
        "b_cut.dcm": f"truncated: the pixel data should have {16 * 16 * 2} bytes, and only {16 * 16 * 2 - 1} are there",
        "c_more.zip": "archive inside a folder: not opened; drop it at the top level to have it delivered",
        "readme.txt": "not DICOM",
    }


def test_an_item_that_is_gone_has_changed(tmp_path: Path, read: Read) -> None:
    """Absence is not emptiness."""
    with pytest.raises(SourceChanged, match="is gone"):
        read(tmp_path / "nowhere")


@pytest.mark.parametrize("deed", ["grow", "shrink", "rewrite", "remove", "add", "link"])
def test_an_item_that_changes_while_it_is_read_is_noticed(drop: Path, disk: LocalDisk, deed: str) -> None:
    """Whatever happens to any file between the first look and the last."""
    victim = drop / "02_b" / "0002.dcm"

    def meddle(files: int, size_bytes: int) -> None:
        if files != 2:
            return
        match deed:
            case "grow":
                with victim.open("ab") as file:
                    file.write(b"x")
            case "shrink":
                os.truncate(victim, 100)
            case "rewrite":
                data = victim.read_bytes()
                victim.write_bytes(data[::-1])
                os.utime(victim, ns=(1, 1))
            case "remove":
                victim.unlink()
            case "add":
                (drop / "01_a" / "late.dcm").touch()
            case "link":
                target = victim.rename(drop.parent / "elsewhere")
                victim.symlink_to(target)

    with pytest.raises(SourceChanged):
        disk.read_manifest(drop, tags=frozenset(), pixels=False, on_progress=meddle)


def test_a_file_that_grows_under_our_eyes_is_noticed(tmp_path: Path, disk: LocalDisk) -> None:
    """Between two pieces of one large file."""
    big = tmp_path / "big"
    big.write_bytes(bytes(80 << 20))
    told = []

    def meddle(files: int, size_bytes: int) -> None:
        told.append(size_bytes)
        with big.open("ab") as file:
            file.write(b"x")

    with pytest.raises(SourceChanged, match="big"):
        disk.read_manifest(big, tags=frozenset(), pixels=False, on_progress=meddle)
    assert told[0] < 80 << 20


def test_an_unreadable_file_is_named(
    open_folder: Path, disk: LocalDisk, as_nobody: Callable[[], AbstractContextManager[None]]
) -> None:
    """The owner learns which one; nothing is concluded about the item."""
    (open_folder / "item").mkdir(mode=0o755)
    (open_folder / "item" / "closed.dcm").write_bytes(b"x")
    (open_folder / "item" / "closed.dcm").chmod(0)
    with as_nobody(), pytest.raises(SourceUnreadable, match=r"^closed\.dcm cannot be read: "):
        disk.read_manifest(open_folder / "item", tags=frozenset(), pixels=False)


def test_an_unreadable_folder_stops_the_manifest(
    open_folder: Path, disk: LocalDisk, as_nobody: Callable[[], AbstractContextManager[None]]
) -> None:
    """What may hold data is never passed over."""
    (open_folder / "item" / "closed").mkdir(parents=True)
    (open_folder / "item" / "closed").chmod(0)
    with as_nobody(), pytest.raises(SourceUnreadable, match=r"^closed: the folder cannot be listed"):
        disk.read_manifest(open_folder / "item", tags=frozenset(), pixels=False)


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes")
def test_links_and_pipes_are_left_alone(drop: Path, read: Read) -> None:
    """They are in the look, with their reason; reading neither follows nor waits for them."""
    before = read(drop)
    os.mkfifo(drop / "pipe")
    (drop / "link.dcm").symlink_to(drop / "01_a" / "0001.dcm")
    assert read(drop) == before


def test_reading_can_be_stopped_between_files(drop: Path, disk: LocalDisk) -> None:
    """And then concludes nothing."""
    answers = iter([False, False, True])
    seen: list[int] = []
    with pytest.raises(Stopped):
        disk.read_manifest(
            drop,
            tags=frozenset(),
            pixels=False,
            stop=lambda: next(answers),
            on_progress=lambda files, size_bytes: seen.append(files),
        )
    assert seen == [1, 2]


def test_progress_counts_files_and_bytes(drop: Path, disk: LocalDisk) -> None:
    """The last word is everything."""
    told: list[tuple[int, int]] = []
    files = disk.read_manifest(drop, tags=frozenset(), pixels=False, on_progress=lambda *seen: told.append(seen))
    assert told[-1] == (len(files), sum(file.size for file in files))
    assert told == sorted(told)


def test_a_field_that_does_not_exist_is_refused(drop: Path, disk: LocalDisk) -> None:
    """A misspelt keyword would silently be empty for every patient."""
    with pytest.raises(ValueError, match="PatientId"):
        disk.read_manifest(drop, tags=frozenset({"PatientId"}), pixels=False)


def test_memory_does_not_grow_with_a_file(tmp_path: Path, disk: LocalDisk) -> None:
    """A file of 200 MB passes through a few pieces."""
    with (tmp_path / "big").open("wb") as file:
        file.truncate(200 << 20)
    tracemalloc.start()
    try:
        files = disk.read_manifest(tmp_path, tags=frozenset(), pixels=True)
        list(map(len, next(disk.stream(tmp_path, files))[1]))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data is not here")
def test_the_shared_scans_are_all_found(disk: LocalDisk) -> None:
    """608 objects of two studies and the clutter beside them."""
    files = disk.read_manifest(SHARED, tags=frozenset({"PatientID"}), pixels=True)
    objects = [file for file in files if file.kind is Kind.DICOM]
    assert len(objects) == 608
    assert len({file.key for file in objects}) == 608
    assert len({file.identity.study_uid for file in objects if file.identity}) == 2
    assert {file.reason for file in files if file.kind is Kind.OTHER} == {"not DICOM"}
    assert all(file.pixels for file in objects)
