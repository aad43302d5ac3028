"""Something else lies where a file or a folder was: a link, a pipe, a folder of the name.

It is never followed, waited for, read or overwritten.  The report says what to do, and that is what then helps.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from drop_world import DropWorld
from mirror_world import MirrorWorld
from verify.test_repair import FIRST, LABEL, actions
from verify_world import filed, found, look, lose, untouched

FOLDER = str(Path(FIRST).parent.parent)


def bind(place: Path) -> None:
    """A socket: its address is short enough only when it is relative."""
    here = Path.cwd()
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(place.parent)
        try:
            listener.bind(place.name)
        finally:
            os.chdir(here)


def furnish(place: Path, file: str) -> None:
    place.mkdir()
    (place / file).write_text("mine")


ODD: dict[str, Callable[[Path, Path], object]] = {
    "a link to it": lambda place, aside: place.symlink_to(aside),
    "a link to nowhere": lambda place, aside: place.symlink_to(aside.parent / "nowhere"),
    "a pipe": lambda place, aside: os.mkfifo(place),
    "a socket": lambda place, aside: bind(place),
}


def put(place: Path, aside: Path, what: str) -> bytes:
    """Puts something odd into the place of a file or a folder, which is moved aside."""
    shutil.move(place, aside)
    ODD[what](place, aside)
    return b"".join(one.read_bytes() for one in sorted(aside.rglob("*")) if one.is_file())


@pytest.mark.parametrize("what", ODD)
@pytest.mark.parametrize("place", [FIRST, FOLDER], ids=["file", "folder"])
def test_what_is_no_file_in_a_tree_is_left_and_named(
    pulled: MirrorWorld, tmp_path: Path, place: str, what: str
) -> None:
    """As what a person takes away; then the next sync has it back."""
    held = pulled.files()
    before = put(pulled.tree / place, tmp_path / "aside", what)

    report = look(pulled, repair=True)

    assert found(report) == {("tree", "unreadable")}
    assert {action for action, _ in actions(report)} == {"person"}
    assert {repair.text for repair in report.repairs} == {
        "take away what is in its place, and run verify again: it is no file"
    }
    assert (report.exit_code, pulled.trash()) == (4, {})
    aside = sorted((tmp_path / "aside").rglob("*"))
    assert b"".join(one.read_bytes() for one in aside if one.is_file()) == before
    (pulled.tree / place).unlink()
    look(pulled, repair=True)
    assert pulled.mirror().exit_code == 0
    assert pulled.files() == held
    assert untouched(look(pulled))


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (FIRST, f"move the folder {FIRST} away, which is in its place"),
        (FOLDER, f"move the file {FOLDER} away, which is in its place"),
    ],
    ids=["a folder for a file", "a file for a folder"],
)
def test_nothing_is_promised_to_come_where_something_else_lies(
    pulled: MirrorWorld, tmp_path: Path, place: str, text: str
) -> None:
    """The next sync would not put it over what a person put there: it was called fetched by it."""
    held = pulled.files()
    shutil.move(pulled.tree / place, tmp_path / "aside")
    if place == FIRST:
        furnish(pulled.tree / place, "mine.txt")
    else:
        (pulled.tree / place).write_text("mine")

    report = look(pulled, repair=True)

    assert {repair.text for repair in report.repairs if repair.key} == {text}
    assert {action for action, _ in actions(report)} == {"person"}
    shutil.move(pulled.tree / place, tmp_path / "mine")
    assert {done for action, done in actions(look(pulled, repair=True)) if action == "fetch"} == {True}
    assert pulled.mirror().exit_code == 0
    assert pulled.files() == held


@pytest.mark.parametrize("what", ODD)
@pytest.mark.parametrize("whole", [False, True], ids=["a file of it", "all of it"])
def test_a_filed_copy_that_is_no_plain_one_is_not_sent_again(
    world: DropWorld, tmp_path: Path, whole: bool, what: str
) -> None:
    """Neither followed nor waited for: what the server lost stays lost, and the report says why."""
    copy = filed(world)[0]
    place = next(one for one in copy.parents if one.parent.parent == world.folder / "done") if whole else copy
    lose(world, world.stored(LABEL)[0])
    before = put(place, tmp_path / "aside", what)

    report = look(world, repair=True)

    assert ("redeliver", True) not in actions(report)
    assert report.exit_code == 4
    assert world.in_drop() == set()
    aside = tmp_path / "aside"
    files = sorted(one for one in aside.rglob("*") if one.is_file()) if aside.is_dir() else [aside]
    assert b"".join(one.read_bytes() for one in files) == (before or aside.read_bytes())
