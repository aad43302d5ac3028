"""Dropped archives that are made to do harm: read whole as what they are, or refused by name and reason."""

from __future__ import annotations

import gzip
import io
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from draws import examples
from fuzz import seeds, targets
from hostile.oracle import Caught, judged
from hostile.wicked import CLIMBING, LONG, NAMES, RESERVED, tar_of, zip_of
from xnatsync.core.errors import SourceDamaged
from xnatsync.core.manifest import ManifestFile
from xnatsync.disk import archive as limits
from xnatsync.disk import tars, zips
from xnatsync.disk.local import LocalDisk

QUICK = examples(120)


def read(path: Path, content: bytes) -> tuple[ManifestFile, ...] | SourceDamaged:
    """Reads it as a dropped one, under the oracle."""
    path.write_bytes(content)
    ended = judged(
        lambda: LocalDisk().read_manifest(path, tags=frozenset(), pixels=False), naming=path.name, root=path.parent
    )
    assert isinstance(ended, tuple | SourceDamaged), ended
    return ended


def refused(path: Path, content: bytes, words: str) -> None:
    """Expects a refusal for this reason."""
    ended = read(path, content)
    assert isinstance(ended, SourceDamaged), ended
    assert words in str(ended)


# --- names -------------------------------------------------------------------------------------------------------


@QUICK
@given(st.lists(NAMES, max_size=5))
def test_any_names_in_a_zip_end_well(names: list[str]) -> None:
    """Listed as safe, different, storable paths, or refused."""
    targets.zips(zip_of(*((name, b"x") for name in names if name.isprintable() or _is_text(name))))


@QUICK
@given(st.lists(NAMES, max_size=5), st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]), st.booleans())
def test_any_names_in_a_tar_end_well(names: list[str], form: int, packed: bool) -> None:
    """Whichever way a long name is written."""
    targets.tars(tar_of(*((name, b"x") for name in names if _is_text(name)), form=form, packed=packed))


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


@pytest.mark.parametrize("name", [name for name in CLIMBING if name.startswith(("..", "/", "C:", "c:", "\\\\"))])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, kind: str, name: str) -> None:
    """Not cleaned: cleaning makes one name of two."""
    if name == "..%2fx":
        pytest.skip("a plain name: nothing here decodes it")
    content = zip_of((name, b"x")) if kind == "zip" else tar_of((name, b"x"))
    assert isinstance(read(tmp_path / f"drop.{kind}", content), SourceDamaged)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_reserved_names_are_only_names(tmp_path: Path, kind: str) -> None:
    """They never become files of ours, so a `CON.dcm` of a scanner is delivered like any other."""
    members = [(name, b"x") for name in RESERVED if name != "a:b"]
    content = zip_of(*members) if kind == "zip" else tar_of(*members)
    ended = read(tmp_path / f"drop.{kind}", content)
    assert not isinstance(ended, SourceDamaged), ended
    assert [file.path for file in ended] == [name for name, _ in members]


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize("name", [name for name in LONG if len(name) > limits.MAX_NAME])
def test_a_name_without_end_is_refused_in_few_words(tmp_path: Path, kind: str, name: str) -> None:
    """The refusal is read by a person."""
    content = zip_of((name, b"x")) if kind == "zip" else tar_of((name, b"x"))
    refused(tmp_path / f"drop.{kind}", content, "longer than 4096 characters")


# --- what any bytes are ------------------------------------------------------------------------------------------


@QUICK
@given(st.sampled_from(list(seeds.zips())), st.lists(st.tuples(st.integers(0, 9999), st.integers(0, 255)), max_size=6))
def test_a_zip_with_any_bytes_changed_ends_well(content: bytes, changes: list[tuple[int, int]]) -> None:
    """And what is read of it is the same when it is read again."""
    targets.zips(_changed(content, changes))


@QUICK
@given(st.sampled_from(list(seeds.tars())), st.lists(st.tuples(st.integers(0, 9999), st.integers(0, 255)), max_size=6))
def test_a_tar_with_any_bytes_changed_ends_well(content: bytes, changes: list[tuple[int, int]]) -> None:
    """Plain and packed."""
    targets.tars(_changed(content, changes))


def _changed(content: bytes, changes: list[tuple[int, int]]) -> bytes:
    changed = bytearray(content)
    for place, byte in changes:
        changed[place % len(changed)] = byte
    return bytes(changed)


# --- the own reader of tars --------------------------------------------------------------------------------------


@examples(80)
@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_characters="\0\\:"), min_size=1, max_size=300),
        st.binary(max_size=1500),
        max_size=6,
    ),
    st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT]),
    st.booleans(),
)
@example(
    {"a/" + "b" * 98: b"", "n" * 100: b"x", "m" * 101: b"y", "p" * 150 + "/" + "q" * 95: b"z"},
    tarfile.USTAR_FORMAT,
    False,
)
def test_a_good_tar_is_read_as_pythons_own_reader_reads_it(members: dict[str, bytes], form: int, packed: bool) -> None:
    """Names, sizes, times and bytes, in the same order."""
    try:
        content = tar_of(*members.items(), form=form, packed=packed)
    except (ValueError, UnicodeEncodeError):  # ustar cannot write every name
        return
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        theirs = [(i.name, i.size, int(i.mtime), archive.extractfile(i).read()) for i in archive if i.isreg()]  # type: ignore[union-attr]
    path = targets.scratch() / "good.tar"
    path.write_bytes(content)
    guard = _Trusting(path.name, len(content))
    ours = [(p.path, p.size, p.mtime_ns // 10**9, b"".join(p.open())) for p in tars.tar_members(path, guard)]
    assert ours == theirs


class _Trusting(limits.Guard):
    """Gives the names as they stand there."""

    def admit(self, member: str) -> str:
        return member


def test_other_peoples_tars_are_read(tmp_path: Path) -> None:
    """v7 without magic, GNU with numbers in base 256, star with a short prefix, a checksum of signed bytes."""

    def head(name: bytes, size: bytes, mtime: bytes, rest: bytes, *, signed: bool = False) -> bytes:
        raw = name.ljust(100, b"\0") + b"0000644\0" * 3 + size + mtime + b" " * 8 + rest.ljust(356, b"\0")
        total = sum(struct.unpack("512b", raw)) if signed else sum(raw)
        return raw[:148] + b"%06o\0 " % total + raw[156:] + b"x".ljust(512, b"\0")

    one, then = b"00000000001\0", b"14524742400\0"
    v7 = head(b"v7", one, then, b"\0")
    gnu = head(
        b"gnu",
        b"\x80" + (1).to_bytes(11, "big"),
        b"\xff" * 11 + b"\xfe",
        b"0" + bytes(100) + b"ustar  \0" + bytes(80) + b"1452474" * 9,
    )
    star = head(
        b"star",
        one,
        then,
        b"0"
        + bytes(100)
        + b"ustar\x0000"
        + bytes(80)
        + b"folder".ljust(131, b"\0")
        + b"14524742400 " * 2
        + bytes(8)
        + b"tar\0",
    )
    signed = head("gr\xfc\xdfe".encode("latin-1"), one, then, b"0", signed=True)
    files = read(tmp_path / "drop.tar", v7 + gnu + star + signed + bytes(1024))
    assert not isinstance(files, SourceDamaged), files
    assert [(file.path, file.size) for file in files[:3]] == [("v7", 1), ("gnu", 1), ("folder/star", 1)]
    assert files[1].mtime_ns == -2_000_000_000
    assert len(files) == 4


def _one_head(kind: bytes, content: bytes = b"", name: str = "a") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(content)
    return info.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512)


END = _one_head(b"0", b"x") + bytes(1024)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (_one_head(b"x", b"9 path=b\n") + END, ""),
        (_one_head(b"x", b"99 path=b\n") + END, "extended head of a member is damaged"),
        (_one_head(b"x", b"9 path=bc") + END, "extended head of a member is damaged"),
        (_one_head(b"x", b"0 path=b\n") + END, "extended head of a member is damaged"),
        (_one_head(b"x", b"-9 path=b\n") + END, "extended head of a member is damaged"),
        (_one_head(b"x", b"9 path b\n\n") + END, "extended head of a member is damaged"),
        (_one_head(b"x", b"11 size=-1\n") + END, "invalid number"),
        (_one_head(b"x", b"11 size=1e\n") + END, "invalid number"),
        (_one_head(b"x", b"13 size=9999\n") + END, "unexpected end"),
        (_one_head(b"x", b"13 mtime=NaN\n") + END, "invalid number"),
        (_one_head(b"x", b"28 GNU.sparse.realsize=9999\n") + END, "sparse"),
        (_one_head(b"g", b"9 path=b\n") + END, "for all members"),
        (_one_head(b"S") + END, "sparse"),
        (_one_head(b"V") + END, "neither a file nor a folder"),
        (_one_head(b"x", b"9 path=b\n") * 17 + END, "extended heads stand before one member"),
        (_one_head(b"x", b"9 path=b\n") + bytes(1024), "inside the head"),
        (_one_head(b"L", b"name\0")[:514], "inside an extended head"),
        (END[:512] + END[512:700], "unexpected end"),
        (END[:1024], "without its end mark"),
    ],
)  # fmt: skip
def test_a_damaged_tar_is_refused_for_its_reason(tmp_path: Path, content: bytes, words: str) -> None:
    """The first is a good one."""
    if words:
        refused(tmp_path / "drop.tar", content, words)
    else:
        files = read(tmp_path / "drop.tar", content)
        assert not isinstance(files, SourceDamaged)
        assert [file.path for file in files] == ["b"]


# --- bombs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["folders", "zeros behind the end", "heads"])
def test_a_packed_tar_of_nothing_is_refused(tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every byte that comes out of the packing counts, whether or not it belongs to a file."""
    monkeypatch.setattr(limits, "ALLOWANCE", 1 << 20)
    plain = {
        "folders": _one_head(b"5", name="f/") * 40_000,
        "zeros behind the end": END + bytes(20 << 20),
        "heads": (_one_head(b"K", b"x" * 500_000) + _one_head(b"5", name="f/")) * 40,
    }[what]
    refused(tmp_path / "drop.tar.gz", gzip.compress(plain), "unpacks to more than 200 times its size")


def test_a_directory_without_end_is_not_taken_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the number of its entries, and by its length."""
    content = zip_of(*((f"{number}", b"") for number in range(50)))
    monkeypatch.setattr(limits, "MAX_MEMBERS", 20)
    refused(tmp_path / "drop.zip", content, "more than 20 files")
    monkeypatch.setattr(zips, "MAX_DIRECTORY", 1000)
    refused(tmp_path / "drop.zip", content, "its directory has")


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packings_without_bounds_are_not_opened(tmp_path: Path, packing: int) -> None:
    """They unpack a piece to any size, in memory, before anybody can count."""
    refused(tmp_path / "drop.zip", zip_of(("a", b"x" * 1000), packing=packing), "only deflate is")


@pytest.mark.parametrize("change", [1, -1, 1 << 31])
def test_a_size_that_lies_is_damage_not_change(tmp_path: Path, change: int) -> None:
    """A change would be waited for, again and again."""
    content = bytearray(zip_of(("a", b"x" * 1000), packing=zipfile.ZIP_STORED))
    at = content.index(b"PK\x01\x02") + 24
    content[at : at + 4] = struct.pack("<L", 1000 + change)
    assert isinstance(read(tmp_path / "drop.zip", bytes(content)), SourceDamaged)


def test_links_and_devices_are_refused_in_both(tmp_path: Path) -> None:
    """Whatever they point to."""
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE):
        assert isinstance(read(tmp_path / "drop.tar", tar_of(("a", b""), kind=kind)), SourceDamaged)
    for mode in (stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK):
        assert isinstance(read(tmp_path / "drop.zip", zip_of(("a", b"x"), mode=mode | 0o644)), SourceDamaged)


# --- planted -----------------------------------------------------------------------------------------------------


def _unpack_zip(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            place = path.parent / "in" / info.orig_filename
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(archive.read(info))


def _unpack_tar(path: Path) -> None:
    with tarfile.open(path) as archive:
        for info in archive:
            (path.parent / "in" / info.name).write_bytes(archive.extractfile(info).read())  # type: ignore[union-attr]


@pytest.mark.parametrize("unpack", [_unpack_zip, _unpack_tar])
def test_a_reader_that_unpacks_where_the_name_says_is_caught(tmp_path: Path, unpack: Callable[[Path], None]) -> None:
    """The oracle sees the write, wherever it goes."""
    root = tmp_path / "in"
    root.mkdir()
    path = tmp_path / "drop"
    path.write_bytes((zip_of if unpack is _unpack_zip else tar_of)(("../evil", b"x")))
    with pytest.raises(Caught, match="writes where"):
        judged(lambda: unpack(path), root=root)


def test_a_reader_that_takes_pythons_word_for_it_is_caught(tmp_path: Path) -> None:
    """The same extended head keeps tarfile busy, or its memory full, as long as anybody waits."""
    path = tmp_path / "drop.tar"
    path.write_bytes(_one_head(b"x", b"1" * 400_000) + END)
    with pytest.raises(Caught):
        judged(lambda: _unpack_tar(path), seconds=2)
