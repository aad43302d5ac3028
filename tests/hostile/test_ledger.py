"""A ledger that is damaged, changed by hand, or from a newer version: told as that, and left as it is."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import strategies as st

from draws import examples
from fuzz import targets
from hostile.oracle import judged
from unit.ledger_example import fresh, proven, raw, settled
from xnatsync.core.errors import LedgerDamaged, LedgerNewer, XnatsyncError
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.open import copy_apart, open_ledger

OPENED: dict[str, Callable[[Path], Ledger]] = {
    "writer": open_ledger,
    "reader": lambda path: open_ledger(path, read_only=True),
    "copy": copy_apart,
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed ledger with one delivered item of a patient."""
    ledger = fresh(tmp_path)
    (unit,) = settled(ledger, "NOBODY visit", label="NOBODY")
    proven(ledger, unit)
    ledger.close()
    return tmp_path / "ledger.db"


def read(path: Path, how: str) -> XnatsyncError | None:
    """Opens it and reads everything; gives the error of ours in which that ended."""
    ended = judged(lambda: targets._read_all(OPENED[how], path), root=path.parent, secrets=("NOBODY",))
    return ended if isinstance(ended, XnatsyncError) else None


@pytest.mark.parametrize("how", OPENED)
def test_a_good_ledger_is_read(path: Path, how: str) -> None:
    """So what follows is about the damage."""
    assert read(path, how) is None


@pytest.mark.parametrize("how", OPENED)
@pytest.mark.parametrize("version", [2_000, 2**31 - 1])
def test_a_newer_ledger_is_left_alone(path: Path, how: str, version: int) -> None:
    """With the advice to update, and not a byte changed."""
    with closing(sqlite3.connect(path)) as other:
        other.execute(f"pragma user_version = {version}")
        other.execute("create table something_new (x)")
        other.commit()
    before = path.read_bytes()

    ended = read(path, how)

    assert isinstance(ended, LedgerNewer)
    assert "Update" in ended.remedy
    assert path.read_bytes() == before


@pytest.mark.parametrize("how", OPENED)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"session_id", b"session_\xff\xff"),  # a column with another name, which is no text either
        (b"filed_as", b"filed_at"),  # a column that is there twice, or not at all
        (b"CREATE TABLE unit", b"CREATE TABLE umit"),
    ],
)
def test_a_damaged_schema_is_damage(path: Path, how: str, old: bytes, new: bytes) -> None:
    """SQLite calls it a wrong statement; it is not our statement that is wrong."""
    content = path.read_bytes()
    if old not in content:
        old, new = old.lower(), new.lower()
    assert old in content
    path.write_bytes(content.replace(old, new))
    assert isinstance(read(path, how), LedgerDamaged)


def test_a_damaged_check_is_damage_for_a_writer(path: Path) -> None:
    """It could not write; a reader, who asks no check, may read."""
    path.write_bytes(path.read_bytes().replace(b"json_valid", b"json_valia"))
    assert isinstance(read(path, "writer"), LedgerDamaged)


@pytest.mark.parametrize("how", ["reader", "copy"])
@pytest.mark.parametrize(
    ("statement", "values"),
    [
        ("update unit set session = cast(? as text)", [b"NOBODY\xff"]),
        ("update attempt set before = ?", ["[1"]),
        ("update attempt set before = ?", ["1"]),
        ("update attempt set before = ?", ["[[1]]"]),
        ("update item set moved_at = ?", ["yesterday"]),
        ("update item set moved_at = ?", ["2026-03-01T12:00:00.000"]),
        ("drop table file", []),
        ("alter table receipt rename column held to holds", []),
    ],
)
def test_what_a_reader_meets_is_damage_and_its_text_stays_where_it_is(
    path: Path, how: str, statement: str, values: list[object]
) -> None:
    """A label that is no text must not be shown in order to say so."""
    with closing(raw(path.parent)) as other:
        other.execute("pragma foreign_keys = off")
        other.execute("pragma ignore_check_constraints = on")
        for (trigger,) in other.execute("select name from sqlite_master where type = 'trigger'").fetchall():
            other.execute(f'drop trigger "{trigger}"')
        other.execute(statement, values)
    assert isinstance(read(path, how), LedgerDamaged)


@examples(60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, 2**24 - 1), st.integers(0, 255)), max_size=12))
def test_any_bytes_may_be_damaged(damage: list[tuple[int, int]]) -> None:
    """Whichever they are, opening and reading end in rows or in an error that says so."""
    targets.ledgers(b"".join(place.to_bytes(3, "big") + bytes([byte]) for place, byte in damage))


@examples(40)
@given(st.integers(0, 200_000), st.binary(max_size=300))
def test_any_length_may_be_missing(length: int, tail: bytes) -> None:
    """Cut anywhere, with rubbish behind it."""
    content = targets.intact_ledger()
    targets.ledgers(content[: max(16, length % len(content))] + tail)


@examples(60)
@given(st.integers(-(2**31), 2**31 - 1), st.sampled_from(["user_version", "application_id"]))
@example(0, "user_version")
@example(1, "user_version")
@example(-1, "user_version")
def test_any_mark_of_a_version_ends_well(number: int, mark: str) -> None:
    """Older, newer, or no ledger at all: told as that, and not a byte changed where it is not ours to change."""
    folder = targets.scratch() / "marked"
    path = _put(folder, targets.intact_ledger())
    with closing(sqlite3.connect(path)) as other:
        (usual,) = other.execute(f"pragma {mark}").fetchone()
        other.execute(f"pragma {mark} = {number}")
        other.execute("pragma journal_mode = delete")
    before = path.read_bytes()
    for how in OPENED:
        ended = read(path, how)
        assert (ended is None) == (number == usual), (how, ended)
        if mark == "user_version" and number > usual:
            assert isinstance(ended, LedgerNewer)
        assert 0 < number <= usual or path.read_bytes() == before  # only one that is perhaps ours is opened for writing


def _put(folder: Path, content: bytes) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    path = folder / "ledger.db"
    path.write_bytes(content)
    return path


@cache
def killed_ledger() -> tuple[bytes, bytes]:
    """A ledger as a killed process leaves it: the file, and the log that is not yet part of it."""
    folder = targets.scratch() / "killed"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    ledger = fresh(folder)
    for number in range(3):
        (unit,) = settled(ledger, f"visit {number}", label=f"L{number}")
        proven(ledger, unit)
    left = (folder / "ledger.db").read_bytes(), (folder / "ledger.db-wal").read_bytes()
    ledger.close()
    return left


@examples(60, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.integers(0, 2**24 - 1), st.integers(0, 255)), max_size=8),
    st.integers(0, 2**20),
    st.binary(max_size=200),
)
def test_any_bytes_of_the_log_may_be_damaged(damage: list[tuple[int, int]], length: int, tail: bytes) -> None:
    """Changed, cut, with rubbish behind it: the rows of whole transactions, or an error that says so."""
    content, log = killed_ledger()
    changed = bytearray(log)
    for place, byte in damage:
        changed[place % len(changed)] = byte
    for how in OPENED:
        path = _put(targets.scratch() / "log", content)
        path.with_name("ledger.db-wal").write_bytes(bytes(changed[: length % len(changed) or None]) + tail)
        assert isinstance(read(path, how), LedgerDamaged | None)


def test_the_log_of_a_killed_process_is_read(tmp_path: Path) -> None:
    """So what was damaged above was worth something: without the log the ledger has no row."""
    content, log = killed_ledger()
    path = _put(tmp_path / "whole", content)
    path.with_name("ledger.db-wal").write_bytes(log)
    with closing(open_ledger(path)) as ledger:
        assert len(ledger.history()) == 3
    with pytest.raises(sqlite3.OperationalError), closing(sqlite3.connect(_put(tmp_path / "cut", content))) as other:
        other.execute("select * from item")


def _folder(path: Path) -> None:
    path.mkdir()


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _nowhere(path: Path) -> None:
    path.symlink_to(path.parent / "not there" / "ledger.db")


def _itself(path: Path) -> None:
    path.symlink_to(path)


def _without_end(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.skipif(sys.platform == "win32", reason="there is none of these")
@pytest.mark.parametrize("how", OPENED)
@pytest.mark.parametrize("make", [_folder, _pipe, _nowhere, _itself, _without_end])
def test_what_is_no_file_is_no_ledger(tmp_path: Path, make: Callable[[Path], None], how: str) -> None:
    """Told at once: a pipe is not waited for, and nothing without an end is read."""
    path = tmp_path / "ledger.db"
    make(path)
    before = sorted(tmp_path.iterdir())
    ended = judged(lambda: targets._read_all(OPENED[how], path), root=tmp_path)
    begun = make is _nowhere and how == "copy"  # as where there is none yet
    assert isinstance(ended, XnatsyncError) != begun, ended
    assert [name for name in sorted(tmp_path.iterdir()) if name.name == "ledger.db"] == before
