"""A ledger that is damaged, changed by hand, or from a newer version: told as that, and left as it is."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from draws import examples
from fuzz import targets
from hostile.oracle import judged
from unit.ledger_example import fresh, proven, raw, settled
from xnatsync.core.errors import LedgerDamaged, LedgerNewer, XnatsyncError
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.open import copy_in_memory, open_ledger

OPENED: dict[str, Callable[[Path], Ledger]] = {
    "writer": open_ledger,
    "reader": lambda path: open_ledger(path, read_only=True),
    "copy": copy_in_memory,
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
