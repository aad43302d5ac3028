"""An item is done only when every file of it is accounted for: whatever lies beside objects, and alone."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000, MPEG4HP41, UID, JPEGBaseline8Bit, RLELossless

from dicom_pieces import without_pixels
from drop_pieces import LABEL, contents, edit, elsewhere, held, packed
from drop_world import DropWorld, only, uids
from xnatsync.app.accept import accept
from xnatsync.app.story import tell
from xnatsync.config.load import load

CODE = "XS-FILES-UNACCOUNTED"


def _tar(files: dict[str, bytes], mode: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=f"w:{mode}") as tar:
        for name, data in files.items():
            head = tarfile.TarInfo(name)
            head.size = len(data)
            tar.addfile(head, io.BytesIO(data))
    return stream.getvalue()


# Name and content of a file that lies where an object should be, made of that object.
JUNK: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "empty": ("{}", lambda data: b""),
    "cut in the preamble": ("{}", lambda data: data[:100]),
    "cut in DICM": ("{}", lambda data: data[:130]),
    "cut behind DICM": ("{}", lambda data: data[:140]),
    "cut in the head": ("{}", lambda data: data[:400]),
    "cut in the pixels": ("{}", lambda data: data[:-1]),
    "zeros": ("{}", lambda data: bytes(len(data))),
    "zeros from DICM on": ("{}", lambda data: data[:132] + bytes(len(data) - 132)),
    "zeros in the head": ("{}", lambda data: data[:300] + bytes(len(data) - 300)),
    "blanks": ("{}", lambda data: b" " * len(data)),
    "a text": ("{}", lambda data: b"this was an image once\n" * 30),
    "a page of a web server": ("IM0003", lambda data: b"<html>502 Bad Gateway</html>"),
    "noise": ("{}", lambda data: bytes((7 * n * n + 3) % 251 for n in range(len(data)))),
    "noise of another name": ("extra", lambda data: b"\x01\x02\x07" * 100),
    "zeros called a text": ("notes.txt", lambda data: bytes(100)),
    "nothing called a text": ("notes.txt", lambda data: b""),
    "noise called a picture": ("preview.jpg", lambda data: b"\x01\x02\x07" * 100),
    "an object cut, called a text": ("notes.txt", lambda data: data[:131]),
    "an object cut, called a picture": ("preview.jpg", lambda data: data[:131]),
    "an object cut, called litter": ("Thumbs.db", lambda data: data[:131]),
    "gzip, cut": ("{}.gz", lambda data: gzip.compress(data)[:-10]),
    "gzip of an object that is cut": ("{}.gz", lambda data: gzip.compress(data[:300])),
    "gzip of zeros": ("{}.gz", lambda data: gzip.compress(bytes(1000))),
    "gzip of gzip": ("{}.gz", lambda data: gzip.compress(gzip.compress(data))),
    "gzip of something else": ("image.nii.gz", lambda data: gzip.compress(b"\x5c\1\0\0" + b"\7" * 1000)),
    "bzip2, zeroed": ("{}.bz2", lambda data: bz2.compress(data)[:200] + bytes(300)),
    "xz of a text": ("notes.txt.xz", lambda data: lzma.compress(b"text\n" * 50)),
    "zip": ("more.zip", lambda data: packed({"a.dcm": data}, ".zip")),
    "zip without its name": ("more", lambda data: packed({"a.dcm": data}, ".zip")),
    "zip that calls itself a document": ("more.docx", lambda data: packed({"a.dcm": data}, ".zip")),
    "tar": ("more.tar", lambda data: packed({"a.dcm": data}, ".tar")),
    "tar.xz": ("more.tar.xz", lambda data: _tar({"a.dcm": data}, "xz")),
    "7z": ("more.7z", lambda data: b"7z\xbc\xaf\x27\x1c\0\4" + b"\1\2\3" * 100),
    "rar without its name": ("more", lambda data: b"Rar!\x1a\x07\x01\0" + b"\1\2\3" * 100),
    "zstd": ("{}.zst", lambda data: b"(\xb5/\xfd" + b"\1\2\3" * 100),
    "lz4": ("{}.lz4", lambda data: b"\x04\x22M\x18" + b"\1\2\3" * 100),
    "ISO image": ("cd.iso", lambda data: bytes(32769) + b"CD001" + b"\1" * 4000),
    "pixel data of no bytes": (
        "{}",
        lambda data: data[: data.rindex(b"\xe0\x7f\x10\0OW")] + b"\xe0\x7f\x10\0OW" + bytes(6),
    ),
    "a part of an archive": ("exam.r01", lambda data: b"\1\2\3" * 100),
}


@pytest.mark.parametrize("junk", JUNK)
def test_beside_objects_it_holds_its_item(world: DropWorld, junk: str) -> None:
    """The objects go, the item stays and says so everywhere; a person's one word lets it go, and nothing is lost."""
    files = world.study("exam")
    name, spoil = JUNK[junk]
    lost = files[-1]
    data = spoil(lost.read_bytes())
    lost.unlink()
    path = lost.parent / name.format(lost.name)
    path.write_bytes(data)

    report = world.sync()

    row = only(report).item
    relative = path.relative_to(world.folder / "exam").as_posix()
    assert (report.exit_code, row.hold, row.phase) == (3, "person", "settled")
    assert row.code in {CODE, "XS-OBJECTS-BROKEN"}
    assert relative in (row.detail or "")
    assert "accept the item" in (row.advice or "")
    assert world.archived(LABEL) == uids(files[:-1])
    assert only(report).account.in_doubt == 1
    assert (only(report).account.objects, only(report).account.files) == (len(files) - 1, len(files))
    assert world.in_drop() == {"exam"}

    accept(load(world.config), [str(row.id)])
    report = world.sync()

    assert (report.exit_code, only(report).item.phase) == (0, "done"), report
    assert [file.path for file in only(report).others if "accepted: not delivered" in file.reason] == [relative]
    assert only(report).account.accepted == 1
    assert (world.folder / "done").is_dir()
    (filed,) = (world.folder / "done").rglob(path.name)
    assert filed.read_bytes() == data
    (story,) = tell(load(world.config), "exam").stories
    words = " ".join(sentence.text for sentence in story.sentences)
    assert "4 of 4" not in words
    assert f"{len(files) - 1} objects, of an item of {len(files)} files," in words
    assert "a person accepted 1 file as not delivered" in words
    assert "accepted: not delivered" in words


@pytest.mark.parametrize("other", ["attach", "ignore"])
@pytest.mark.parametrize("junk", ["empty", "zeros", "cut in DICM", "a text", "zeros called a text", "gzip, cut"])
def test_no_policy_for_other_files_takes_a_lost_object_for_one(world: DropWorld, junk: str, other: str) -> None:
    """What may have been an object is neither attached nor ignored."""
    world.configure(other=other)
    files = world.study("exam")
    name, spoil = JUNK[junk]
    data = spoil(files[-1].read_bytes())
    files[-1].unlink()
    (files[-1].parent / name.format(files[-1].name)).write_bytes(data)

    report = world.sync()

    assert (report.exit_code, only(report).account.in_doubt) == (3, 1)


@pytest.mark.parametrize("junk", JUNK)
def test_alone_it_holds_its_item(world: DropWorld, junk: str) -> None:
    """At the top of the folder too: nobody is told to take away what was not looked into."""
    (file,) = elsewhere(world, series=(1,))
    name, spoil = JUNK[junk]
    name = name.format("alone.dcm")
    if name in {"more.zip", "more", "more.tar", "more.tar.xz", "more.docx"} and junk != "rar without its name":
        name = f"{name}.gz"  # at the top it is opened
    data = spoil(file.read_bytes())
    (world.folder / name).write_bytes(gzip.compress(data) if name.startswith("more") and name.endswith(".gz") else data)

    report = world.sync()

    if unit := [part for item in report.items for part in item.units]:
        assert name.startswith("more")  # a packed tar is an archive like any other
        assert unit[0].receipt is not None
        return
    assert report.exit_code == 3, report
    assert only(report).item.hold == "person"
    assert world.in_drop() == {name}


def test_what_was_accepted_is_not_asked_again_and_lapses_with_its_content(world: DropWorld) -> None:
    """It is this content for this reason that was accepted: another one is another matter."""
    files = world.study("exam")
    odd = files[0].parent / "IM9"
    odd.write_bytes(b"")
    world.sync()
    world.configure(after="keep")
    accept(load(world.config), ["exam"])
    odd.write_bytes(bytes(50))

    report = world.sync()

    assert (report.exit_code, held(report).code) == (3, CODE)
    assert "zeros" in (held(report).detail or "")
    accept(load(world.config), ["exam"])
    assert world.sync().exit_code == 0
    assert world.sync().exit_code == 0


def test_a_session_that_was_proven_again_is_counted_once(world: DropWorld) -> None:
    """Also its bytes: an item that is read again has another receipt, and no more data."""
    files = world.study("exam")
    (files[0].parent / "IM9").write_bytes(b"")
    world.sync()
    with world.ledger() as ledger:
        before = ledger.delivered()
    accept(load(world.config), ["exam"])
    world.sync()

    with world.ledger() as ledger:
        assert ledger.delivered() == before
        assert [row[2] for row in before] == [1]
        assert sum(ledger.receipt(unit.id) is not None for unit in ledger.units(item_id=1, living=False)) == 2
    world.study("later", patient="SUB2", seed=2)
    world.sync()
    with world.ledger() as ledger:
        assert [row[2] for row in ledger.delivered()] == [2]


@pytest.mark.parametrize("after", ["move", "delete"])
def test_what_was_accepted_is_never_removed(world: DropWorld, after: str) -> None:
    """Whatever becomes of what was delivered."""
    world.configure(after=after)
    files = world.study("exam")
    (files[0].parent / "IM9").write_bytes(b"")
    (world.folder / "exam" / "link").symlink_to(world.root)
    assert world.sync().exit_code == 3
    accept(load(world.config), ["exam"])

    assert world.sync().exit_code == 0

    left = {path.name for path in (world.folder / "done").rglob("*") if path.is_symlink() or path.is_file()}
    assert {"IM9", "link"} <= left
    assert (left == {"IM9", "link"}) is (after == "delete")


def test_a_selection_leaves_such_files_out_for_ever(world: DropWorld) -> None:
    """Then they are accounted for by a setting."""
    world.configure(files=["!**/*.par", "!*.par"])
    files = world.study("exam")
    (world.folder / "exam" / "exam.par").write_bytes(b"\x01\x02" * 50)
    (files[0].parent / "empty.par").write_bytes(b"")

    report = world.sync()

    assert report.exit_code == 0, report
    assert only(report).account.left_out == 2
    assert only(report).account.files == len(files) + 2


def test_harmless_files_hold_nothing(world: DropWorld) -> None:
    """A CD with its viewer, litter of three systems, and notes."""
    files = world.study("exam")
    harmless = {
        "README": b"read me",
        "AUTORUN.INF": b"[autorun]\r\nopen=viewer.exe\r\n",
        "viewer/viewer.exe": b"MZ\x90\0" + bytes(3000) + b"\1",
        "viewer/lib.dll": b"MZ\x90\0" + b"\2" * 300,
        "viewer/help.chm": b"ITSF\3\0" + b"\2" * 300,
        "index.html": b"<html></html>",
        "report.pdf": b"%PDF-1.4\n" + b"\2" * 300,
        "Thumbs.db": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(300),
        ".DS_Store": b"\0\0\0\1Bud1" + bytes(300),
        "._IM1": b"\0\5\x16\7\0\2\0\0" + bytes(300),
        "desktop.ini": "[.ShellClassInfo]\r\n".encode("utf-16"),
        "checksums.md5": b"d41d8cd98f00b204e9800998ecf8427e  a\n",
        "notes.json": b"{}",
    }
    for name, data in harmless.items():
        (world.folder / "exam" / name).parent.mkdir(exist_ok=True)
        (world.folder / "exam" / name).write_bytes(data)

    report = world.sync()

    assert report.exit_code == 0, only(report).item
    assert only(report).account.harmless == len(harmless)
    assert {f"exam/{name}" for name in harmless} <= world.filed()
    assert len(world.archived(LABEL)) == len(files)


# --- packed objects ----------------------------------------------------------------------------------------------

PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


@pytest.mark.parametrize("how", PACKERS)
@pytest.mark.parametrize("place", ["folder", "top", "zip"])
@pytest.mark.parametrize(("after", "names"), [("move", "uid"), ("delete", "uid"), ("move", "original")])
def test_packed_objects_are_delivered(world: DropWorld, how: str, place: str, after: str, names: str) -> None:
    """In a folder, alone and in an archive: what is delivered is the object."""
    world.configure(after=after, member_names=names)
    files = elsewhere(world, series=(3,))
    data = {f"{path.name}.{how}": PACKERS[how](path.read_bytes()) for path in files[:2]}
    data[files[2].name] = files[2].read_bytes()
    if place == "zip":
        (world.folder / "exam.zip").write_bytes(packed(data, ".zip"))
    else:
        folder = world.folder / "exam" if place == "folder" else world.folder
        folder.mkdir(exist_ok=True)
        for name, content in data.items():
            (folder / name).write_bytes(content)

    report = world.sync()

    assert report.exit_code == 0, report
    assert world.archived(LABEL) == uids(files)
    stored = [pydicom.dcmread(path) for path in world.stored(LABEL)]
    assert sorted(one.PixelData for one in stored) == sorted(pydicom.dcmread(path).PixelData for path in files)
    assert world.in_drop() == set()
    if names == "original" and place == "folder":
        assert {path.name for path in world.stored(LABEL)} == {path.name for path in files}
    assert bool(list((world.folder / "done").rglob("*.*"))) is (after == "move")
    assert world.sync().exit_code == 0


def test_a_packed_twin_is_a_twin(world: DropWorld) -> None:
    """The same object, packed and plain: delivered once."""
    files = world.study("exam", series=(1,))
    files[0].with_suffix(".dcm.gz").write_bytes(gzip.compress(files[0].read_bytes()))

    report = world.sync()

    assert report.exit_code == 0
    assert (only(report).account.objects, only(report).account.duplicates) == (1, 1)


@pytest.mark.parametrize("name", ["exam.tar.bz2", "exam.tbz2", "exam.tar.xz", "exam.txz", "exam", "exam.bin"])
def test_archives_that_the_standard_library_reads_are_opened(world: DropWorld, name: str) -> None:
    """By their content: a name only helps."""
    files = elsewhere(world)
    mode = "xz" if name.endswith("xz") else "bz2"
    (world.folder / name).write_bytes(_tar(contents(files[0].parents[1]), mode))

    assert world.sync().exit_code == 0
    assert world.archived(LABEL) == uids(files)
    assert world.filed() == {name}


def test_a_zip_without_its_name_is_opened(world: DropWorld) -> None:
    files = elsewhere(world)
    (world.folder / "exam").write_bytes(packed(contents(files[0].parents[1]), ".zip"))

    assert world.sync().exit_code == 0
    assert world.archived(LABEL) == uids(files)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_three_members_of_one_name_are_three_objects(world: DropWorld) -> None:
    files = elsewhere(world, series=(3,))
    with zipfile.ZipFile(world.folder / "exam.zip", "w") as archive:
        for path in files:
            archive.writestr("IM1.dcm", path.read_bytes())

    report = world.sync()

    assert report.exit_code == 0, report
    assert world.archived(LABEL) == uids(files)
    assert only(report).account.objects == 3


# --- odd objects -------------------------------------------------------------------------------------------------

ODD_UIDS = ["1.2." + "3" * 63, "1.2.840.abc", "1.2.840.1.", "12345", "1..2", "1.2 .3"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("uid", ODD_UIDS)
@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "SeriesInstanceUID"])
@pytest.mark.parametrize("how", ["accept", "deliver"])
def test_odd_uids_are_delivered_as_they_are(world: DropWorld, uid: str, keyword: str, how: str) -> None:
    """When a person or the route says so; the receipt says it too."""
    world.configure(odd="deliver" if how == "deliver" else None)
    files = world.study("exam", series=(2,))
    edit(files[0], **{keyword: uid})
    expected = uids(files)

    report = world.sync()

    if how == "accept":
        assert (report.exit_code, held(report).code) == (3, "XS-OBJECTS-ODD")
        assert "no legal UID" in (held(report).detail or "")
        assert 'odd = "deliver"' in (held(report).advice or "")
        accept(load(world.config), ["exam"])
        report = world.sync()
    assert report.exit_code == 0, only(report)
    assert {name.rstrip() for name in world.archived(LABEL)} == {name.rstrip() for name in expected}
    assert only(report).account.odd == 1
    receipt = only(report).units[-1].receipt
    assert receipt is not None
    assert '"odd": 1' in receipt.evidence
    assert world.filed() == {f"exam/{path.relative_to(world.folder / 'exam').as_posix()}" for path in files}


@pytest.mark.filterwarnings("ignore")
def test_an_odd_study_uid_is_delivered_as_it_is(world: DropWorld) -> None:
    world.configure(odd="deliver")
    files = world.study("exam", series=(2,))
    for path in files:
        edit(path, StudyInstanceUID="1.2." + "4" * 63)
    expected = uids(files)

    report = world.sync()

    assert report.exit_code == 0, only(report)
    assert world.archived(LABEL) == expected


SPECTROSCOPY, PRIVATE = "1.2.840.10008.5.1.4.1.1.4.2", "1.3.46.670589.11.0.0.12.1"


@pytest.mark.parametrize("sop_class", [SPECTROSCOPY, PRIVATE, "1.2.840.10008.5.1.4.1.1.66"])
def test_rows_and_columns_make_no_image(world: DropWorld, sop_class: str) -> None:
    """Whether pixel data is due is a matter of the SOP class."""
    files = world.study("exam", series=(1,))
    data = pydicom.dcmread(files[0])
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = sop_class
    del data.PixelData
    data.Rows = data.Columns = 1
    data.save_as(files[0], enforce_file_format=True)

    assert world.sync().exit_code == 0
    assert len(world.archived(LABEL)) == 1


def test_a_private_object_without_pixels_among_others_with_some_is_in_doubt(world: DropWorld) -> None:
    """It may have been cut between two elements; nobody knows, so a person is asked, and it can be delivered."""
    files = world.study("exam", series=(3,))
    for path in files:
        data = pydicom.dcmread(path)
        data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = PRIVATE
        data.save_as(path, enforce_file_format=True)
    whole = files[1].read_bytes()
    files[1].write_bytes(whole[: whole.index(b"\xe0\x7f\x10\x00OW")])

    report = world.sync()

    assert (report.exit_code, held(report).code) == (3, "XS-OBJECTS-ODD")
    assert len(world.archived(LABEL)) == 2
    accept(load(world.config), ["exam"])
    assert world.sync().exit_code == 0
    assert len(world.archived(LABEL)) == 3


BEHIND: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "another object": (lambda data: data + data.replace(b"2.25.", b"2.26."), "another object follows it"),
    "an object behind zeros": (lambda data: data + bytes(50) + data, "something that is no part of it"),
    "a page of a proxy": (lambda data: data + b"<html>502 Bad Gateway</html>", "something that is no part of it"),
    "a few bytes": (lambda data: data + b"xyz", "something that is no part of it"),
    "an element that is cut": (lambda data: data + b"\xe1\x7f\x10\x10OB\0\0\xff\0\0\0cut", "is cut off"),
}


def _with_fewer_pixels(path: Path, **elements: Any) -> None:
    """Its writer stopped early, and counted what was there."""
    data = pydicom.dcmread(path)
    data.PixelData = data.PixelData[: len(data.PixelData) // 2 - 2]
    for keyword, value in elements.items():
        setattr(data, keyword, value)
    data.save_as(path)


@pytest.mark.parametrize("implicit", [False, True])
def test_fewer_pixels_than_the_picture_has_are_asked_about(world: DropWorld, implicit: bool) -> None:
    """A length field that agrees with what is there proves nothing: the picture is not whole."""
    files = world.study("exam")
    _with_fewer_pixels(files[-1])
    if implicit:
        data = pydicom.dcmread(files[-1])
        data.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
        data.save_as(files[-1], implicit_vr=True, little_endian=True)

    report = world.sync()

    row = only(report).item
    assert (report.exit_code, row.code) == (3, "XS-OBJECTS-ODD")
    assert "its pixel data have" in (row.detail or "")
    assert world.archived(LABEL) == uids(files[:-1])
    accept(load(world.config), ["exam"])
    assert world.sync().exit_code == 0


def test_a_picture_of_several_frames_needs_all_of_them(world: DropWorld) -> None:
    """One frame less than it says is not the whole."""
    files = world.study("exam")
    data = pydicom.dcmread(files[-1])
    data.NumberOfFrames = 2
    data.save_as(files[-1])

    report = world.sync()

    assert (report.exit_code, only(report).item.code) == (3, "XS-OBJECTS-ODD")
    data.PixelData = data.PixelData * 2
    data.save_as(files[-1])
    assert world.sync().exit_code == 0


@pytest.mark.parametrize("interpretation", ["YBR_FULL_422", "YBR_PARTIAL_420"])
def test_colours_that_are_stored_with_fewer_samples_are_whole(world: DropWorld, interpretation: str) -> None:
    """Two thirds, or half, of what three samples for each point would need."""
    files = world.study("exam")
    data = pydicom.dcmread(files[-1])
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.SamplesPerPixel, data.PlanarConfiguration = 7, 3, 0
    data.PhotometricInterpretation = interpretation
    points = data.Rows * data.Columns
    data.PixelData = bytes(points * 2 if interpretation == "YBR_FULL_422" else points * 3 // 2)
    data.save_as(files[-1])

    assert world.sync().exit_code == 0


@pytest.mark.parametrize("packing", ["plain", "gzip"])
@pytest.mark.parametrize("behind", BEHIND)
def test_what_follows_the_pixel_data_is_asked_about(world: DropWorld, behind: str, packing: str) -> None:
    """Pixels prove nothing of it: the file is held, and goes whole when a person says so."""
    files = world.study("exam")
    spoil, words = BEHIND[behind]
    data = spoil(files[-1].read_bytes())
    files[-1].write_bytes(gzip.compress(data) if packing == "gzip" else data)

    report = world.sync()

    row = only(report).item
    assert (report.exit_code, row.code) == (3, "XS-OBJECTS-ODD")
    assert words in (row.detail or "")
    assert world.archived(LABEL) == uids(files[:-1])
    accept(load(world.config), ["exam"])
    assert world.sync().exit_code == 0


@pytest.mark.parametrize(
    "behind",
    [
        b"",
        bytes(1),
        bytes(512),
        b"\xe1\x7f\x10\x10OB\0\0\x04\0\0\0abcd",
        b"\xfc\xff\xfc\xffOB\0\0\x04\0\0\0" + bytes(4),
    ],
)
def test_padding_and_elements_behind_the_pixel_data_are_well(world: DropWorld, behind: bytes) -> None:
    """Scanners write private elements, and media pad to whole blocks."""
    files = world.study("exam")
    for file in files:
        file.write_bytes(file.read_bytes() + behind)

    report = world.sync()

    assert (report.exit_code, only(report).account.objects) == (0, len(files)), report


def test_a_link_at_the_top_is_held_and_can_be_accepted(world: DropWorld) -> None:
    """Also one to a file that is there: what it leads to is not looked at to tell what it is."""
    files = elsewhere(world, series=(1,))
    (world.folder / "latest").symlink_to(files[0])

    report = world.sync()

    row = held(report)
    assert (report.exit_code, row.code) == (3, CODE)
    assert "a link" in (row.detail or "")
    accept(load(world.config), ["latest"])
    assert world.sync().exit_code == 0


def test_a_program_alone_may_unpack_itself(world: DropWorld) -> None:
    """Nobody is told to take it away; beside objects it is somebody's viewer."""
    (world.folder / "exam.exe").write_bytes(b"MZ" + bytes(range(200)))
    files = world.study("cd")
    (files[0].parent / "viewer.exe").write_bytes(b"MZ" + bytes(range(200)))

    report = world.sync()

    row = held(report)
    assert (report.exit_code, row.path, row.code) == (3, "exam.exe", CODE)
    assert "unpacks itself" in (row.detail or "")
    assert {item.item.path: item.item.phase for item in report.items}["cd"] == "done"


def test_where_a_file_came_from_is_harmless(world: DropWorld) -> None:
    """What Windows notes beside each file of a download is clutter."""
    files = world.study("exam")
    for file in files:
        (file.parent / f"{file.name}:Zone.Identifier").write_bytes(b"[ZoneTransfer]\r\nZoneId=3\r\n")

    assert world.sync().exit_code == 0


@pytest.mark.parametrize("how", ["a person", "the route"])
def test_an_odd_object_is_removed_for_its_bytes_alone(world: DropWorld, how: str) -> None:
    """Its pixels say nothing of the object that follows them: it is filed, though the rest is removed."""
    world.configure(after="delete", odd="deliver" if how == "the route" else "hold")
    files = world.study("exam")
    data = BEHIND["another object"][0](files[-1].read_bytes())
    files[-1].write_bytes(data)
    if how == "a person":
        assert world.sync().exit_code == 3
        accept(load(world.config), ["exam"])

    assert world.sync().exit_code == 0

    left = [path for path in world.folder.rglob("*.dcm") if path.is_file()]
    assert [path.name for path in left] == [files[-1].name]
    assert left[0].read_bytes() == data
    assert "done" in left[0].parts


def _frames(syntax: str, fragments: int, frames: int) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        data = pydicom.dcmread(path)
        data.file_meta.TransferSyntaxUID, data.NumberOfFrames = UID(syntax), frames
        data.PixelData = encapsulate([b"one frame."] * fragments)
        data["PixelData"].VR, data["PixelData"].is_undefined_length = "OB", True
        data.save_as(path, enforce_file_format=True)

    return write


@pytest.mark.parametrize(
    ("write", "code"),
    [
        (_frames(JPEGBaseline8Bit, 2, 5), 3),
        (_frames(RLELossless, 1, 2), 3),
        (_frames(JPEGBaseline8Bit, 5, 5), 0),
        (_frames(JPEG2000, 7, 5), 0),  # a frame may have several fragments
        (_frames(MPEG4HP41, 1, 5), 0),  # a film is one stream
    ],
)
def test_fewer_fragments_than_frames_are_asked_about(
    world: DropWorld, write: Callable[[Path], None], code: int
) -> None:
    """Its writer stopped between two frames, and ended the sequence."""
    write(world.study("exam", series=(1,))[0])

    report = world.sync()

    assert report.exit_code == code, only(report)
    if code:
        assert held(report).code == "XS-OBJECTS-ODD"
        accept(load(world.config), ["exam"])
        assert world.sync().exit_code == 0
    assert len(world.archived(LABEL)) == 1


WITHOUT = {"document": ("EncapsulatedDocument", "DOC"), "waveform": ("WaveformSequence", "ECG"),
           "structures": ("StructureSetROISequence", "RTSTRUCT")}  # fmt: skip


@pytest.mark.parametrize("kind", WITHOUT)
def test_an_object_without_what_its_class_is_for_is_asked_about(world: DropWorld, kind: str) -> None:
    """A document of no bytes is one as little as pixel data of no bytes are a picture."""
    keyword, modality = WITHOUT[kind]
    path = without_pixels(world.folder / "exam" / "o.dcm", kind, "what it says", study="2.25.7", sop_uid="2.25.7.1")
    whole = path.read_bytes()
    data = pydicom.dcmread(path)
    data[keyword].value = None
    data.save_as(path, enforce_file_format=True)

    report = world.sync()

    assert (report.exit_code, held(report).code) == (3, "XS-OBJECTS-ODD")
    path.write_bytes(whole)
    assert world.sync().exit_code == 0
    assert len(world.archived(f"SUB1_{modality}_20260301")) == 1


def _zip_with_object(data: bytes, first: str) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(first, b"x")
        archive.writestr("IM3.dcm", data)
    return sink.getvalue()


INSIDE: dict[str, Callable[[bytes], bytes]] = {
    "report.pdf": lambda data: b"%PDF-1.4\n%%EOF\n" + data,
    "report.docx": lambda data: _zip_with_object(data, "[Content_Types].xml"),
    "viewer.jar": lambda data: _zip_with_object(data, "META-INF/MANIFEST.MF"),
    "mail.txt": lambda data: b"Content-Type: application/dicom\n\n" + base64.encodebytes(data),
    "object.json": lambda data: b'{"file": "' + base64.b64encode(data) + b'"}',
    "picture.bmp": lambda data: b"BM" + data,
}


@pytest.mark.parametrize("name", INSIDE)
def test_a_harmless_file_with_an_object_in_it_is_asked_about(world: DropWorld, name: str) -> None:
    files = world.study("exam", series=(3,))
    files[2].rename(files[2].with_name(name))
    (files[2].parent / name).write_bytes(INSIDE[name]((files[2].parent / name).read_bytes()))

    report = world.sync()

    assert (report.exit_code, held(report).code) == (3, "XS-FILES-UNACCOUNTED")
    assert len(world.archived(LABEL)) == 2


DOUBLE = b"\0\5\x16\x07\0\2\0\0Mac OS X        " + bytes(4000)
BESIDE = {
    "@eaDir/0001.dcm@SynoEAStream": DOUBLE, ".AppleDouble/0001.dcm": DOUBLE, ".~lock.report.odt#": b",anna,host;",
    ".fseventsd/fseventsd-uuid": b"5F0C", ".Spotlight-V100/Store-V2/0.indexHead": b"8tsd\0\1",
    "System Volume Information/IndexerVolumeGuid": b"{\0A\0",
}  # fmt: skip


@pytest.mark.parametrize("name", BESIDE)
def test_what_systems_keep_on_each_medium_is_harmless(world: DropWorld, name: str) -> None:
    files = world.study("exam", series=(2,))
    place = files[0].parent / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(BESIDE[name])

    assert world.sync().exit_code == 0
