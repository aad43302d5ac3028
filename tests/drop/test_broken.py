"""Broken DICOM: the good studies go at once, the item is not filed, and completes when somebody has mended it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest

from drop_pieces import LABEL, elsewhere, held, packed
from drop_world import DropWorld, only, uids


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-400])


def _truncate_head(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:300])


def _without_pixels(path: Path) -> None:
    data = pydicom.dcmread(path)
    del data.PixelData
    data.save_as(path, enforce_file_format=True)


def _without_study(path: Path) -> None:
    data = pydicom.dcmread(path)
    del data.StudyInstanceUID
    data.save_as(path, enforce_file_format=True)


def _bad_uid(path: Path) -> None:
    data = path.read_bytes()
    uid = str(pydicom.dcmread(path, stop_before_pixels=True).StudyInstanceUID).encode()
    path.write_bytes(data.replace(uid, b"../" + b"x" * (len(uid) - 3)))


def _numbered(number: bytes) -> Callable[[Path], None]:
    """Gives an object this Series Number, byte for byte."""

    def change(path: Path) -> None:
        data = pydicom.dcmread(path)
        data[0x00200011] = pydicom.dataelem.RawDataElement(
            pydicom.tag.Tag(0x00200011), "IS", len(number), number, 0, is_implicit_VR=False, is_little_endian=True
        )
        data.save_as(path, enforce_file_format=True)

    return change


DAMAGE: dict[str, Callable[[Path], None]] = {
    "truncated": _truncate,
    "cut in the head": _truncate_head,
    "no pixels": _without_pixels,
    "no study": _without_study,
    "wild uid": _bad_uid,
    "two series numbers": _numbered(b"3\\4 "),
    "a series number that climbs": _numbered(b"3/.."),
    "an endless series number": _numbered(b"1" * 400),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_the_good_objects_go_and_the_item_is_held(world: DropWorld, what: str) -> None:
    files = world.study("exam", series=(3,))
    good = uids(files[1:])
    DAMAGE[what](files[0])

    report = world.sync()

    row = held(report)
    assert (report.exit_code, row.code) == (3, "XS-OBJECTS-BROKEN")
    assert "0001.dcm" in (row.detail or "")
    assert world.archived(LABEL) == good
    assert world.in_drop() == {"exam"}
    (broken,) = [file for file in only(report).others if file.kind == "broken"]
    assert broken.reason
    before = len(world.server.log)
    assert world.sync().exit_code == 3
    assert world.writes(before) == []


def test_a_replaced_file_completes_the_item(world: DropWorld) -> None:
    """The good copy joins its session; what was archived is not sent again."""
    files = world.study("exam", series=(3,))
    sent = uids(files)
    whole = files[0].read_bytes()
    _truncate(files[0])
    assert world.sync().exit_code == 3

    files[0].write_bytes(whole)
    report = world.sync()

    assert report.exit_code == 0, report
    assert world.archived(LABEL) == sent
    assert world.in_drop() == set()
    assert len(world.filed()) == 3


def test_a_removed_file_completes_the_item(world: DropWorld) -> None:
    files = world.study("exam", series=(3,))
    good = uids(files[1:])
    _truncate(files[0])
    assert world.sync().exit_code == 3

    files[0].unlink()

    assert world.sync().exit_code == 0
    assert world.archived(LABEL) == good
    assert world.in_drop() == set()


def test_an_item_of_broken_objects_alone_is_held_and_sends_nothing(world: DropWorld) -> None:
    (file,) = world.study("exam", series=(1,))
    _truncate(file)

    report = world.sync()

    assert (report.exit_code, held(report).code) == (3, "XS-OBJECTS-BROKEN")
    assert world.writes() == [("PUT", "/data/projects/P1")]
    assert world.in_drop() == {"exam"}
    file.unlink()
    assert world.sync().exit_code == 0


def test_a_broken_object_in_an_archive_is_held_with_it(world: DropWorld) -> None:
    files = elsewhere(world, series=(2,))
    members = {"good": files[0].read_bytes(), "bad": files[1].read_bytes()[:-300]}
    (world.folder / "exam.zip").write_bytes(packed(members, ".zip"))

    report = world.sync()

    assert (report.exit_code, held(report).code) == (3, "XS-OBJECTS-BROKEN")
    assert world.archived(LABEL) == uids(files[:1])
    assert world.in_drop() == {"exam.zip"}


def test_broken_objects_are_never_deleted(world: DropWorld) -> None:
    """With `after = "delete"` the good ones are on the server, and the item stays whole until a person has seen it."""
    world.configure(after="delete")
    files = world.study("exam", series=(3,))
    _truncate(files[0])

    assert world.sync().exit_code == 3
    assert all(file.is_file() for file in files)


def test_a_broken_copy_of_a_whole_object_holds_the_item_too(world: DropWorld) -> None:
    """The object itself arrives; the half copy beside it is told."""
    files = world.study("exam", series=(2,))
    sent = uids(files)
    half = files[0].with_name("half.dcm")
    half.write_bytes(files[0].read_bytes()[:-100])

    report = world.sync()

    assert (report.exit_code, held(report).code) == (3, "XS-OBJECTS-BROKEN")
    assert world.archived(LABEL) == sent
