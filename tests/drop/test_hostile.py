"""Folders as people and systems leave them: odd names, depths, links, pipes, clutter.  Content decides, never names."""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from pathlib import Path

import pytest

from drop_pieces import LABEL, edit, elsewhere, quick_sync
from drop_world import DropWorld, only, uids
from xnatsync.app.accept import accept
from xnatsync.config.load import load

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="names and links of POSIX systems")

ODD = [
    "with blank",
    " leading and trailing ",
    "-rf",
    "--help",
    "Grüße_日本語_😀",
    unicodedata.normalize("NFD", "Größe"),
    "new\nline",
    "tab\there",
    "quote'\"`$(x)",
    "percent%20%s{}",
    "dot.",
    ".hidden",
    "n" * 220,
    "CON",
    "a;b|c&d",
    "[glob]*?",
    "back\\slash",
]


@POSIX
@pytest.mark.parametrize("name", ODD, ids=range(len(ODD)))
def test_an_item_of_any_name_is_delivered_and_filed_under_it(world: DropWorld, name: str) -> None:
    """The same name for the folder, a folder in it and a file in that."""
    (file,) = elsewhere(world, series=(1,))
    sent = uids([file])
    place = world.folder / name / name
    place.mkdir(parents=True)
    shutil.copyfile(file, place / name)

    report = world.sync()

    assert report.exit_code == 0, report
    assert world.archived(LABEL) == sent
    assert world.filed() == {f"{name}/{name}/{name}"}
    assert world.in_drop() == set()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
@pytest.mark.parametrize("after", ["move", "delete"])
def test_names_that_are_no_text_are_delivered_and_filed_under_the_same_bytes(world: DropWorld, after: str) -> None:
    world.configure(after=after)
    (file,) = elsewhere(world, series=(1,))
    sent = uids([file])
    folder = os.path.join(os.fsencode(world.folder), b"exam\xff\xfe")
    os.mkdir(folder)
    shutil.copyfile(file, os.path.join(folder, b"im\xe4ge"))
    Path(os.fsdecode(os.path.join(folder, b"n\xf6te.txt"))).write_bytes(b"note")

    report = world.sync()

    assert report.exit_code == 0, report
    assert world.archived(LABEL) == sent
    assert world.in_drop() == set()
    found = [
        os.path.join(where, name) for where, _, names in os.walk(os.fsencode(world.folder / "done")) for name in names
    ]
    expected = {b"n\xf6te.txt"} | ({b"im\xe4ge"} if after == "move" else set())
    assert {os.path.basename(path) for path in found} == expected
    assert {os.path.basename(os.path.dirname(path)) for path in found} == {b"exam\xff\xfe"}


@POSIX
def test_names_that_differ_in_case_or_accents_only_are_different_items(world: DropWorld) -> None:
    nfc, nfd = unicodedata.normalize("NFC", "Größe"), unicodedata.normalize("NFD", "Größe")
    names = ["exam", "EXAM", nfc, nfd]
    sent = set()
    for number, name in enumerate(names):
        sent |= uids(world.study(name, patient=f"SUB{number}", seed=number, series=(1,)))
    if len(list(world.folder.iterdir())) < len(names):
        pytest.skip("this file system takes them for the same")

    report = world.sync()

    assert report.exit_code == 0
    assert set().union(*(world.archived(f"SUB{n}_MR_20260301") for n in range(len(names)))) == sent
    assert {name.split("/")[0] for name in world.filed()} == set(names)


@POSIX
def test_files_that_differ_in_case_only_are_all_delivered(world: DropWorld) -> None:
    """Stored names may clash on the server where ours do not: `original` keeps only what cannot."""
    world.configure(member_names="original")
    files = elsewhere(world, series=(4,))
    place = world.folder / "exam"
    place.mkdir()
    for file, name in zip(files, ["image.dcm", "IMAGE.dcm", "im ge", "im_ge"], strict=True):
        shutil.copyfile(file, place / name)
    if len(list(place.iterdir())) < 4:
        pytest.skip("this file system takes them for the same")

    report = world.sync()

    assert report.exit_code == 0, report
    assert world.archived(LABEL) == uids(files)


def test_an_item_of_forty_levels_is_delivered(world: DropWorld) -> None:
    (file,) = elsewhere(world, series=(1,))
    place = world.folder / "deep"
    for level in range(40):
        place /= f"level {level}"
    place.mkdir(parents=True)
    shutil.copyfile(file, place / "image")

    assert world.sync().exit_code == 0
    assert world.archived(LABEL) == uids([file])
    assert world.in_drop() == set()


def test_single_files_of_a_study_are_one_item(world: DropWorld) -> None:
    """Two objects of one study, dropped as files without a folder and without a suffix."""
    files = elsewhere(world, series=(2,))
    for number, file in enumerate(files):
        shutil.copyfile(file, world.folder / f"IM{number}")

    report = world.sync()

    assert report.exit_code == 0
    (item,) = report.items
    assert world.archived(LABEL) == uids(files)
    study = item.units[0].unit.study_uid
    assert (item.item.path, world.filed()) == (f"flat/{study}", {f"{study}/IM0", f"{study}/IM1"})


def test_recognition_is_by_content_never_by_suffix(world: DropWorld) -> None:
    """A renamed object, one without suffix, one without preamble are sent; what is known to be other is not."""
    place = world.folder / "exam"
    place.mkdir()
    files = elsewhere(world, series=(3,))
    shutil.copyfile(files[0], place / "holiday.jpg")
    shutil.copyfile(files[1], place / "noname")
    (place / "bare.txt").write_bytes(files[2].read_bytes()[132:])
    (place / "notes.txt").write_text("not an image at all, whatever its name says\n" * 20)
    (place / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0" + bytes(2000))

    report = world.sync()

    assert report.exit_code == 0, report
    assert world.archived(LABEL) == uids(files)
    reasons = {file.path: file.reason for file in only(report).others}
    assert reasons == {"notes.txt": "not DICOM", "Thumbs.db": "not DICOM"}
    assert world.filed() == {f"exam/{path.name}" for path in [*map(Path, reasons)]} | {
        "exam/holiday.jpg",
        "exam/noname",
        "exam/bare.txt",
    }


def test_an_empty_folder_stays_and_is_told(world: DropWorld) -> None:
    (world.folder / "empty" / "er").mkdir(parents=True)

    report = world.sync()

    assert (report.exit_code, only(report).item.phase, only(report).item.detail) == (0, "left", "it is empty")
    assert world.in_drop() == {"empty"}
    assert world.sync().exit_code == 0


def test_an_empty_folder_that_is_filled_later_is_delivered(world: DropWorld) -> None:
    """People make the folder first and export into it."""
    (world.folder / "exam").mkdir()
    assert world.sync().exit_code == 0

    files = world.study("exam")

    report = world.sync()
    assert report.exit_code == 0
    assert only(report).item.phase == "done"
    assert len(world.archived(LABEL)) == len(files)


@POSIX
def test_a_link_at_the_top_is_never_followed(world: DropWorld) -> None:
    """It would file somebody's folder away from under them."""
    files = elsewhere(world)
    (world.folder / "linked").symlink_to(files[0].parents[1])
    (world.folder / "file.dcm").symlink_to(files[0])
    (world.folder / "dangling").symlink_to(world.root / "nowhere")

    report = world.sync()

    assert report.exit_code == 3  # what they lead to may hold objects
    assert world.writes() == [("PUT", "/data/projects/P1")]
    assert {item.item.code for item in report.items} == {"XS-FILES-UNACCOUNTED"}
    assert all("it is a link" in file.reason for item in report.items for file in item.others)
    assert all(len(item.others) == 1 for item in report.items)
    assert world.in_drop() == {"linked", "file.dcm", "dangling"}
    assert all(file.is_file() for file in files)


@POSIX
@pytest.mark.parametrize("after", ["move", "delete"])
def test_links_in_an_item_are_listed_and_filed_as_links(world: DropWorld, after: str) -> None:
    world.configure(after=after)
    outside = elsewhere(world, "outside", seed=9, patient="OTHER")
    files = world.study("exam")
    sent = uids(files)
    (world.folder / "exam" / "to file.dcm").symlink_to(outside[0])
    (world.folder / "exam" / "to folder").symlink_to(outside[0].parents[1])
    (world.folder / "exam" / "to itself").symlink_to(world.folder / "exam")

    report = world.sync()

    assert (report.exit_code, only(report).item.code) == (3, "XS-FILES-UNACCOUNTED")
    accept(load(world.config), ["exam"])
    report = world.sync()

    assert report.exit_code == 0, report
    assert world.archived(LABEL) == sent
    assert len(world.site.experiments) == 1
    assert {file.path for file in only(report).others} == {"to file.dcm", "to folder", "to itself"}
    assert all("it is a link" in file.reason for file in only(report).others)
    assert world.in_drop() == set()
    filed = {path.name: path for path in (world.folder / "done").rglob("to *")}
    assert set(filed) == {"to file.dcm", "to folder", "to itself"}
    assert all(path.is_symlink() for path in filed.values())
    assert all(path.is_file() for path in outside)


@POSIX
@pytest.mark.parametrize("after", ["move", "delete"])
def test_a_pipe_in_an_item_keeps_nobody_waiting(world: DropWorld, after: str) -> None:
    world.configure(after=after)
    sent = uids(world.study("exam"))
    os.mkfifo(world.folder / "exam" / "pipe.dcm")
    os.mkfifo(world.folder / "pipe")

    assert world.sync().exit_code == 3
    accept(load(world.config), ["exam", "pipe"])
    report = world.sync()

    assert report.exit_code == 0, report
    assert world.archived(LABEL) == sent
    reasons = {file.path: file.reason for item in report.items for file in item.others}
    assert set(reasons) == {"pipe.dcm", "pipe"}
    assert all("named pipe" in reason for reason in reasons.values())
    assert world.in_drop() == {"pipe"}


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="needs a user whom permissions bind")
def test_a_file_that_cannot_be_read_holds_its_item_back(world: DropWorld) -> None:
    files = world.study("exam")
    files[0].chmod(0)

    report = world.sync(patience_s=0.2)

    assert report.exit_code == 5
    assert only(report).item.code == "XS-SOURCE-UNREADABLE"
    assert world.writes() == [("PUT", "/data/projects/P1")]
    files[0].chmod(0o644)
    assert quick_sync(world).exit_code == 0


def test_values_of_the_header_with_odd_characters_do_no_harm(world: DropWorld) -> None:
    """Blanks and punctuation become what XNAT makes of them; the session is found under that label again."""
    sent = set()
    for path in world.study("exam"):
        edit(path, PatientID="A/B 'c'; & <d>", StudyDescription="../../x", SeriesDescription="..\\..\\y")
        sent |= uids([path])

    report = world.sync()

    (unit,) = only(report).units
    assert report.exit_code == 0, unit
    assert world.archived(unit.unit.session) == sent
    before = len(world.server.log)
    assert world.sync().exit_code == 0
    assert world.writes(before) == []
