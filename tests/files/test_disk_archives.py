"""Archives are read straight from their packed bytes, and what is damaged or wicked in them is refused by name."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import stat
import struct
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from xnatsync.core.errors import SourceChanged, SourceDamaged
from xnatsync.core.manifest import Doubt, Kind, ManifestFile
from xnatsync.disk import archive as limits
from xnatsync.disk.local import LocalDisk

Read = Callable[[Path], tuple[ManifestFile, ...]]


def zip_of(path: Path, *members: tuple[str, bytes], mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a name is there twice is the point
        for name, content in members:
            info = zipfile.ZipInfo(name, (2024, 1, 2, 3, 4, 6))
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return path


def tar_of(path: Path, *members: tuple[str, bytes], kind: bytes = tarfile.REGTYPE, packed: bool = False) -> Path:
    with tarfile.open(path, "w:gz" if packed else "w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            info.linkname = "elsewhere"
            info.size = len(content) if kind == tarfile.REGTYPE else 0
            info.mtime = 1_700_000_000
            archive.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture(params=["zip", "tar", "tar.gz"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Path]:
    """Makes an archive of each kind."""
    path = tmp_path / f"drop.{request.param}"
    if request.param == "zip":
        return lambda *members: zip_of(path, *members)
    return lambda *members: tar_of(path, *members, packed=request.param == "tar.gz")


def refused(read: Read, path: Path, *words: str) -> str:
    """Gives the refusal, after checking that it names the archive and has a remedy."""
    with pytest.raises(SourceDamaged) as caught:
        read(path)
    text = str(caught.value)
    assert path.name in text
    assert caught.value.remedy
    for word in words:
        assert word in text
    return text


def test_members_are_listed_by_their_path(make: Callable[..., Path], read: Read) -> None:
    """Cleaned of dots and doubled slashes, in the archive's order; folders are no files."""
    path = make(("b/x.txt", b"1"), ("./a//./y.log", b"22"), ("c.txt", b""))
    files = read(path)
    assert [(file.path, file.size, file.reason) for file in files] == [
        ("b/x.txt", 1, "not DICOM"),
        ("a/y.log", 2, "not DICOM"),
        ("c.txt", 0, "empty file"),
    ]
    assert all(file.mtime_ns > 1_600_000_000 * 10**9 for file in files)


@pytest.mark.parametrize("kind", ["zip", "tar", "gztar"])
def test_an_archive_says_the_same_as_its_folder(drop: Path, read: Read, kind: str) -> None:
    """The same objects with the same digests."""
    packed = Path(shutil.make_archive(str(drop), kind, drop))

    def facts(files: tuple[ManifestFile, ...]) -> list[tuple[object, ...]]:
        return sorted((file.path, file.sha256, file.crc32, file.kind, file.key) for file in files)

    assert facts(read(packed)) == facts(read(drop))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../x", "leads out"),
        ("a/../../x", "leads out"),
        ("a\\..\\..\\x", "leads out"),
        ("/etc/passwd", "absolute"),
        ("\\\\server\\x", "absolute"),
        ("C:\\x", "absolute"),
        ("c:x", "absolute"),
        ("./.", "no name"),
    ],
)
def test_names_that_lead_elsewhere_are_refused(make: Callable[..., Path], read: Read, name: str, words: str) -> None:
    """Nothing is unpacked, but names become keys and somebody's files later."""
    text = refused(read, make(("good", b"x"), (name, b"x")), words)
    assert repr(name)[1:-1] in text


def test_a_zero_byte_in_a_name_is_refused(tmp_path: Path, read: Read) -> None:
    """Other programs would cut the name there."""
    path = zip_of(tmp_path / "drop.zip", ("good#evil", b"x"))
    path.write_bytes(path.read_bytes().replace(b"good#evil", b"good\0evil"))
    refused(read, path, "zero byte")


def test_backslashes_part_folders(tmp_path: Path, read: Read) -> None:
    """As old Windows tools write them; an empty entry that ends in one is a folder."""
    path = zip_of(tmp_path / "drop.zip", ("a\\", b""), ("a\\b\\x", b"1"))
    assert [file.path for file in read(path)] == ["a/b/x"]


@pytest.mark.parametrize(
    ("names", "paths"),
    [
        (("a/x.1", "a/x.1", "./a/x.1"), ("a/x.1", "a/x (2).1", "a/x (3).1")),
        (("x", "x (2)", "x", "x"), ("x", "x (2)", "x (3)", "x (4)")),
        (("x", "x", "x (2)"), ("x", "x (2)", "x (2) (2)")),
        (("a/x", "A/X"), ("a/x", "A/X")),
        (("é", "e\u0301"), ("é", "e\u0301")),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_of_one_name_are_told_apart_by_their_place(
    make: Callable[..., Path], read: Read, disk: LocalDisk, names: tuple[str, ...], paths: tuple[str, ...]
) -> None:
    """Each is another file, known by the same name each time, and its own content is handed out."""
    path = make(*((name, str(number).encode()) for number, name in enumerate(names)))
    files = read(path)
    assert tuple(file.path for file in files) == paths
    assert read(path) == files
    handed = [b"".join(pieces) for _, pieces in disk.stream(path, files)]
    assert handed == [str(number).encode() for number in range(len(names))]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_many_members_of_one_name_are_numbered_in_linear_time(tmp_path: Path, read: Read) -> None:
    """The number to begin with is remembered."""
    files = read(zip_of(tmp_path / "drop.zip", *(("x", b"1") for _ in range(3000))))
    assert [file.path for file in files][-1] == "x (3000)"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (stat.S_IFLNK, "a link"),
        (stat.S_IFIFO, "neither a file nor a folder"),
        (stat.S_IFCHR, "neither a file nor a folder"),
    ],
)
def test_links_and_devices_in_a_zip_are_refused(tmp_path: Path, read: Read, kind: int, words: str) -> None:
    """A zip can carry them in the mode of an entry."""
    refused(read, zip_of(tmp_path / "drop.zip", ("strange", b"x"), mode=kind | 0o644), "'strange'", words)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (tarfile.SYMTYPE, "a link"),
        (tarfile.LNKTYPE, "a link"),
        (tarfile.FIFOTYPE, "neither a file nor a folder"),
        (tarfile.BLKTYPE, "neither a file nor a folder"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_links_and_devices_in_a_tar_are_refused(
    tmp_path: Path, read: Read, kind: bytes, words: str, packed: bool
) -> None:
    """Nothing is followed out of an archive."""
    path = tar_of(tmp_path / f"drop.tar{'.gz' * packed}", ("strange", b""), kind=kind, packed=packed)
    refused(read, path, "'strange'", words)


def test_an_encrypted_member_is_refused(tmp_path: Path, read: Read) -> None:
    """It says so, instead of calling the archive broken."""
    path = zip_of(tmp_path / "drop.zip", ("secret.dcm", b"x" * 100))
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    refused(read, path, "'secret.dcm'", "encrypted")


def test_an_unknown_packing_is_refused(tmp_path: Path, read: Read) -> None:
    """Deflate64 and the like cannot be read here."""
    path = zip_of(tmp_path / "drop.zip", ("x", b"x" * 100))
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[8:10] = data[at + 10 : at + 12] = struct.pack("<H", 9)
    path.write_bytes(data)
    refused(read, path, "'x'", "cannot be unpacked")


def test_a_damaged_member_is_named(make: Callable[..., Path], read: Read) -> None:
    """One flipped bit in the packed content.  A plain tar has no checksum for contents: there it is other data."""
    path = make(("good", os.urandom(3000)), ("bad", os.urandom(3000)))
    data = bytearray(path.read_bytes())
    middle = len(data) * 2 // 3 if path.suffix == ".zip" else len(data) // 2
    data[middle] ^= 1
    path.write_bytes(data)
    if path.suffix == ".tar":
        assert len(read(path)) == 2
    else:
        refused(read, path, *(["'bad'"] if path.suffix == ".zip" else []))


def test_every_cut_of_an_archive_is_noticed(make: Callable[..., Path], read: Read) -> None:
    """tarfile alone would take a cut between two members for the end, and lose the rest without a word."""
    path = make(*((f"m{number}", bytes([number]) * 700) for number in range(4)))
    whole = path.read_bytes()
    end = whole.rstrip(b"\0") if path.suffix == ".tar" else whole
    for length in range(0, len(end) + 1 if path.suffix == ".tar" else len(end), 61 if path.suffix == ".tar" else 1):
        path.write_bytes(whole[:length])
        refused(read, path)
    path.write_bytes(whole)
    assert len(read(path)) == 4


def test_a_damaged_head_in_mid_tar_is_noticed(tmp_path: Path, read: Read) -> None:
    """tarfile alone would stop there and be content."""
    path = tar_of(tmp_path / "drop.tar", ("a", b"1"), ("b", b"2"), ("c", b"3"))
    data = bytearray(path.read_bytes())
    data[1024 + 150] ^= 1
    path.write_bytes(data)
    refused(read, path, "after 'a'", "head of a member is damaged")


def test_joined_tars_are_refused(tmp_path: Path, read: Read) -> None:
    """What follows the end mark would not be read; so it must not be there."""
    one = tar_of(tmp_path / "one.tar", ("a", b"1")).read_bytes()
    (tmp_path / "drop.tar").write_bytes(one + one)
    refused(read, tmp_path / "drop.tar", "follows its end mark")


def test_rubbish_behind_a_gzip_stream_is_noticed(tmp_path: Path, read: Read) -> None:
    """The stream is read to its end, with its checksum."""
    path = tar_of(tmp_path / "drop.tar.gz", ("a", b"1"), packed=True)
    path.write_bytes(path.read_bytes() + b"rubbish")
    refused(read, path)


@pytest.mark.parametrize("name", ["drop.zip", "drop.tar", "drop.tar.gz", "drop.tgz"])
@pytest.mark.parametrize("content", [b"", b"<html>Not found</html>", bytes(5000)])
def test_what_is_no_archive_is_refused(tmp_path: Path, read: Read, name: str, content: bytes) -> None:
    """An empty download or an error page with an archive's name is not an empty archive."""
    (tmp_path / name).write_bytes(content)
    if name == "drop.zip" or content != bytes(5000):  # zeros are an empty tar
        refused(read, tmp_path / name)


def test_an_empty_archive_is_empty(make: Callable[..., Path], read: Read) -> None:
    """Whole, and without files."""
    assert read(make()) == ()


@pytest.mark.parametrize("packed", ["zip", "tar.gz"])
def test_a_bomb_is_refused(tmp_path: Path, read: Read, packed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Zeros shrink a thousandfold; what swells more than any image can is refused by its ratio."""
    monkeypatch.setattr(limits, "ALLOWANCE", 1 << 20)
    members = [(f"m{number}", bytes(4 << 20)) for number in range(3)]
    path = tmp_path / f"drop.{packed}"
    made = zip_of(path, *members) if packed == "zip" else tar_of(path, *members, packed=True)
    refused(read, made, "unpacks to more than 200 times its size")


def test_too_many_members_are_refused(make: Callable[..., Path], read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound on what has to be remembered."""
    monkeypatch.setattr(limits, "MAX_MEMBERS", 3)
    refused(read, make(*((f"m{number}", b"x") for number in range(4))), "more than 3 files")


def test_members_that_share_bytes_are_refused(tmp_path: Path, read: Read) -> None:
    """Two directory entries for one content: the trick of the smallest bombs."""
    path = zip_of(tmp_path / "drop.zip", ("a", os.urandom(500)), ("b", os.urandom(500)))
    data = bytearray(path.read_bytes())
    second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1)
    data[second + 42 : second + 46] = bytes(4)
    path.write_bytes(data)
    refused(read, path, "overlaps")


def test_a_long_extended_head_is_refused_before_it_is_read(tmp_path: Path, read: Read) -> None:
    """tarfile reads such a head into memory, however long it claims to be."""
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 1 << 40
    (tmp_path / "drop.tar.gz").write_bytes(gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 16)))
    refused(read, tmp_path / "drop.tar.gz", "extended head")


def test_endless_extended_heads_are_refused(tmp_path: Path, read: Read) -> None:
    """Heads that announce heads end in a refusal, not in a crash."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2
    (tmp_path / "drop.tar").write_bytes((info.tobuf() + b"a\0" + bytes(510)) * 5000)
    refused(read, tmp_path / "drop.tar")


def test_an_archive_that_still_grows_has_changed(disk: LocalDisk, make: Callable[..., Path]) -> None:
    """Half copied it looks damaged; it is waited for instead of being refused for good."""
    path = make(*((f"m{number}", os.urandom(3000)) for number in range(50)))
    whole = path.read_bytes()

    def copy_on(files: int, size_bytes: int) -> None:
        path.write_bytes(whole + bytes(files))

    with pytest.raises(SourceChanged, match=r"changed while it was read$"):
        disk.read_manifest(path, tags=frozenset(), pixels=False, on_progress=copy_on)


def test_an_archive_inside_an_archive_is_listed(tmp_path: Path, read: Read) -> None:
    """It is not opened, and says so."""
    inner = zip_of(tmp_path / "inner.zip", ("a", b"1")).read_bytes()
    (file,) = read(zip_of(tmp_path / "drop.zip", ("inner.zip", inner)))
    assert (file.kind, file.doubt) == (Kind.OTHER, Doubt.CLOSED)
    assert file.reason == "archive inside an archive: not opened; drop it at the top level to have it delivered"


def test_a_name_that_is_no_text_becomes_one(tmp_path: Path, read: Read, disk: LocalDisk) -> None:
    """It can be stored, and the member is found again by it."""
    path = tar_of(tmp_path / "drop.tar", ("M\udcfcller", b"1"))
    files = read(path)
    files[0].path.encode()
    assert [b"".join(content) for _, content in disk.stream(path, files)] == [b"1"]
