"""Files at the top of a drop folder on the real disk: whose study, and taking some of them away together."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from xnatsync.core.errors import LinkInOurWay
from xnatsync.dicom.make import SeriesPlan, StudyPlan, make_study
from xnatsync.disk.local import LocalDisk


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """An object of the study 2.25.7."""
    plan = StudyPlan("SUB1", "No^Body", "20260301", (SeriesPlan(1, "one", 1),), "2.25.7", (16, 16))
    return make_study(tmp_path / "made", plan, seed=1)[0]


def test_the_study_is_in_the_head_whatever_the_name(disk: LocalDisk, made: Path, tmp_path: Path) -> None:
    """Also of an object that is cut after it, and without a preamble; an archive's name says that it is one."""
    data = made.read_bytes()
    places = {
        "IM1": data, "x.jpg": data, "cut": data[:-100], "bare": data[132:],
        "empty": b"", "text": b"Study 2.25.7 " * 50, "zeros": bytes(2000), "a.zip": data, "early": data[:200],
    }  # fmt: skip
    for name, content in places.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "link").symlink_to(tmp_path / "IM1")
    os.mkfifo(tmp_path / "pipe")

    found = {
        name for name in (*places, "link", "pipe", "nowhere", "made") if disk.study_of(tmp_path / name) == "2.25.7"
    }

    assert found == {"IM1", "x.jpg", "cut", "bare"}


def test_a_huge_head_is_not_read_to_its_end(disk: LocalDisk, tmp_path: Path) -> None:
    """A file that begins like an object and goes on for ever costs a quarter of a megabyte."""
    place = tmp_path / "huge"
    with place.open("wb") as file:
        file.write(bytes(128) + b"DICM")
        file.truncate(1 << 40)
    assert disk.study_of(place) == ""


def test_files_are_gathered_and_nothing_is_replaced(disk: LocalDisk, tmp_path: Path) -> None:
    """One that is gone, or whose place is taken, stays out of it."""
    for name in ("a", "b", "c", "other"):
        (tmp_path / name).write_text(name)
    box = tmp_path / ".xnatsync" / "custody" / "1-00000000" / "exam"
    box.mkdir(parents=True)
    (box / "b").write_text("was there")

    disk.gather(tmp_path, ["a", "b", "c", "gone"], box)

    assert {path.name: path.read_text() for path in box.iterdir()} == {"a": "a", "b": "was there", "c": "c"}
    assert (tmp_path / "b").read_text() == "b"
    assert (tmp_path / "other").exists()


def test_a_link_in_the_way_of_a_box_is_not_followed(disk: LocalDisk, tmp_path: Path) -> None:
    """Our own folder as a link would take what was dropped to where nobody looks."""
    drop, elsewhere = tmp_path / "drop", tmp_path / "elsewhere"
    drop.mkdir()
    elsewhere.mkdir()
    (drop / "a").write_text("a")
    (drop / ".xnatsync").symlink_to(elsewhere)

    for act in (
        lambda: disk.gather(drop, ["a"], drop / ".xnatsync" / "custody" / "1-0" / "exam"),
        lambda: disk.write_mark(drop / ".xnatsync" / "done-folders", "done\n"),
    ):
        with pytest.raises(LinkInOurWay):
            act()

    assert (drop / "a").read_text() == "a"
    assert list(elsewhere.iterdir()) == []


def test_a_mark_is_read_back_and_replaced_whole(disk: LocalDisk, tmp_path: Path) -> None:
    """What cannot be a mark of ours says nothing: too long, no text, a link, a folder."""
    mark = tmp_path / ".xnatsync" / "ledgers" / "00000000"
    disk.write_mark(mark, "one\n")
    disk.write_mark(mark, "two\n")
    assert disk.read_mark(mark) == "two\n"
    assert [path.name for path in mark.parent.iterdir()] == ["00000000"]
    (tmp_path / "long").write_bytes(b"x" * 20_000)
    (tmp_path / "odd").write_bytes(b"\xff\xfe")
    (tmp_path / "link").symlink_to(mark)
    assert [disk.read_mark(tmp_path / name) for name in ("long", "odd", "link", "gone", ".xnatsync")] == [None] * 5


def test_several_threads_write_one_mark(disk: LocalDisk, tmp_path: Path) -> None:
    """Two items that are filed at one moment say whose ledger has them: neither fails, and the mark is whole."""
    mark, together = tmp_path / ".xnatsync" / "ledgers" / "c4948781", threading.Barrier(8)

    def write(number: int) -> None:
        together.wait()
        for _ in range(25):
            disk.write_mark(mark, f"{number}\n" * 10)

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(write, number) for number in range(8)]:
            done.result()

    assert disk.read_mark(mark) in {f"{number}\n" * 10 for number in range(8)}
    assert [path.name for path in mark.parent.iterdir()] == [mark.name]
