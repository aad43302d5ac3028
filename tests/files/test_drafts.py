"""Files in the making: what a kill left is removed, what somebody writes never is, and others read nothing of ours."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from xnatsync.app import named_files as handwritten
from xnatsync.core.errors import ContentDiffers, LinkInOurWay, PlaceTaken
from xnatsync.disk import drafts
from xnatsync.disk.handing_out import write_whole
from xnatsync.disk.zipdraft import ZipDraft

ROOT = Path(__file__).parents[2]
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="processes cannot be asked there, and modes mean little")
BEGIN = """
import os, sys
from pathlib import Path
from xnatsync.disk.zipdraft import ZipDraft
draft = ZipDraft(Path(sys.argv[1]))
draft.add("a", iter([b"patient" * 200_000]), lambda size, md5: None)
print(os.getpid(), flush=True)
sys.stdin.read()
"""


def began(target: Path) -> subprocess.Popen[str]:
    """Another process in the middle of a zip."""
    child = subprocess.Popen(
        [sys.executable, "-c", BEGIN, str(target)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert child.stdout is not None
    assert child.stdout.readline() == f"{child.pid}\n"
    return child


def zipped(target: Path) -> None:
    with ZipDraft(target) as draft:
        draft.add("b", iter([b"1"]), lambda size, md5: None)
        draft.land("listing", "E1", replace=False)


WAYS: dict[str, Callable[[Path], object]] = {
    "a zip": zipped,
    "a report": lambda place: handwritten.write_whole(place, "text", force=False),
    "a list": lambda place: write_whole(place, b"text"),
}


@POSIX
@pytest.mark.parametrize("way", WAYS)
def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not(tmp_path: Path, way: str) -> None:
    """Whoever makes the same file again clears up after the dead."""
    target = tmp_path / "scans.zip"
    dead, living = began(target), began(target)
    dead.kill()
    dead.communicate()
    left = tmp_path / f".scans.zip.{dead.pid}.part"
    assert left.stat().st_size > 1_000_000
    try:
        WAYS[way](target)
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
            [f".scans.zip.{living.pid}.part", "scans.zip"]
        )
    finally:
        living.kill()
        living.communicate()


@POSIX
@pytest.mark.parametrize("kind", ["another name", "a link", "a folder", "a second name", "no number", "our number"])
def test_what_is_not_certainly_ours_stays(tmp_path: Path, kind: str) -> None:
    """Neither what is called otherwise, nor what has a name elsewhere, nor what is no file; nothing stops the work."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    name = {
        "another name": f".other.zip.{gone.pid}.part",
        "no number": ".scans.zip.x1.part",
        "our number": ".scans.zip.1.part",
    }.get(kind, f".scans.zip.{gone.pid}.part")
    place, precious = tmp_path / name, tmp_path / "precious"
    precious.write_bytes(b"precious")
    match kind:
        case "a link":
            place.symlink_to(precious)
        case "a folder":
            place.mkdir()
        case "a second name":
            place.hardlink_to(precious)
        case _:
            place.write_bytes(b"somebody's")
    zipped(tmp_path / "scans.zip")
    assert os.path.lexists(place)
    assert precious.read_bytes() == b"precious"


@POSIX
def test_a_draft_never_goes_through_a_link(tmp_path: Path) -> None:
    """Its name can be guessed: who puts a link there has nothing of theirs truncated."""
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    (tmp_path / f".scans.zip.{os.getpid()}.part").symlink_to(precious)
    with pytest.raises(LinkInOurWay, match="part is a link"):
        zipped(tmp_path / "scans.zip")
    assert precious.read_bytes() == b"precious"
    assert not (tmp_path / "scans.zip").exists()


@pytest.mark.parametrize("how", ["a bit", "cut", "another member"])
def test_a_zip_is_read_back_before_it_has_its_name(tmp_path: Path, how: str) -> None:
    """What the disk does not give back as it was written is no zip of ours."""
    target = tmp_path / "scans.zip"
    with ZipDraft(target) as draft:
        draft.add("a", iter([os.urandom(3 << 20)]), lambda size, md5: None)
        (begun,) = tmp_path.glob(".scans.zip.*.part")
        with begun.open("rb+") as file:
            if how == "a bit":
                file.seek(1_000_000)
                byte = file.read(1)
                file.seek(1_000_000)
                file.write(bytes([byte[0] ^ 1]))
            elif how == "cut":
                file.truncate(100)
            else:
                file.seek(30)
                file.write(b"b")
        with pytest.raises(ContentDiffers, match="read back"):
            draft.land("listing", "E1", replace=False)
    assert list(tmp_path.iterdir()) == []


@POSIX
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
@pytest.mark.parametrize("way", ["a report", "a list"])
def test_what_may_hold_labels_is_for_us_alone(tmp_path: Path, umask: int, way: str) -> None:
    """Whatever the umask says; a file that is replaced by force becomes so."""
    place = tmp_path / "out"
    before = os.umask(umask)
    try:
        WAYS[way](place)
        assert place.stat().st_mode & 0o777 == 0o600
        place.chmod(0o666)
        handwritten.write_whole(place, "new", force=True)
        assert place.stat().st_mode & 0o777 == 0o600
        zipped(tmp_path / "data.zip")
        assert (tmp_path / "data.zip").stat().st_mode & 0o777 == 0o666 & ~umask  # meant for whom the umask says
    finally:
        os.umask(before)


def test_a_draft_is_never_put_over_another_file(tmp_path: Path) -> None:
    """Nor is anything of it left."""
    (tmp_path / "out").write_bytes(b"theirs")
    with pytest.raises(FileExistsError):
        drafts.write(tmp_path / "out", b"ours", replace=False)
    with pytest.raises(PlaceTaken):
        zipped(tmp_path / "out")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("out", b"theirs")]
