"""Ways around the proofs that go through no move of the table: each is closed by SQLite itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from unit.ledger_example import LATER, NOW, a_file, a_study, concluded, fresh, landed, proven, raw, seen, sent, settled
from xnatsync.core.errors import Bug
from xnatsync.ledger.ledger import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = fresh(tmp_path)
    yield ledger
    ledger.close()


@pytest.fixture
def bypass(ledger: Ledger, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(raw(tmp_path)) as connection:
        yield connection


def refused(bypass: sqlite3.Connection, sql: str, *values: object) -> str:
    with pytest.raises(sqlite3.IntegrityError) as caught:
        bypass.execute(sql, values)
    return str(caught.value)


@pytest.mark.parametrize("verb", ["insert or replace", "replace"])
def test_a_receipt_is_never_replaced(ledger: Ledger, bypass: sqlite3.Connection, verb: str) -> None:
    """`replace` deletes the old row without asking any trigger of deletion."""
    (first,) = settled(ledger)
    receipt = proven(ledger, first)
    (second,) = settled(ledger, "visit2", label="S9")
    landed(ledger, second)
    columns = "id, unit_id, level, place, expected, held, manifest, evidence, at"
    into = f"{verb} into receipt ({columns}) values (?, ?, 'bytes', 'archive', 1, 1, zeroblob(32), '{{}}', 't')"

    assert "append-only" in refused(bypass, into, receipt.id, second.id)
    refused(bypass, into, None, first.id)

    assert ledger.receipt(first.id) == receipt
    assert ledger.receipt(second.id) is None


@pytest.mark.parametrize(("table", "words"), [("item", "begin as seen"), ("unit", "begin as planned")])
def test_no_row_is_replaced_by_its_own_beginning(
    ledger: Ledger, bypass: sqlite3.Connection, table: str, words: str
) -> None:
    """A finished row would begin anew, and no table of moves would be asked."""
    (unit,) = settled(ledger)
    proven(ledger, unit)
    ledger.move_item(unit.item_id, "verified", NOW)
    before = bypass.execute(f"select * from {table}").fetchone()
    names = [info[1] for info in bypass.execute(f"pragma table_info({table})")]
    values = list(before)
    values[names.index("phase")] = "seen" if table == "item" else "planned"

    assert words in refused(bypass, f"insert or replace into {table} values ({','.join('?' * len(values))})", *values)

    assert bypass.execute(f"select * from {table}").fetchone() == before


def test_a_receipt_does_not_vouch_for_what_is_sent_after_it(ledger: Ledger, bypass: sqlite3.Connection) -> None:
    """A unit with a receipt goes on to be verified, and cannot go back and change what it vouched for."""
    (unit,) = settled(ledger)
    landed(ledger, unit)
    bypass.execute(
        "insert into receipt (unit_id, level, place, expected, held, manifest, evidence, at) "
        "values (?, 'names', 'archive', 1, 1, zeroblob(32), '{}', 't')",
        [unit.id],
    )

    for phase in ("planned", "dismissed"):
        with pytest.raises(Bug, match="a unit with a receipt is verified"):
            ledger.move_unit(unit.id, phase, NOW)
    ledger.move_unit(unit.id, "verified", NOW)

    assert ledger.unit(unit.id).phase == "verified"


def test_a_settled_manifest_takes_no_further_file(ledger: Ledger, bypass: sqlite3.Connection) -> None:
    """Late files become a new item; one smuggled in would be filed without having been delivered."""
    (unit,) = settled(ledger)
    names = [info[1] for info in bypass.execute("pragma table_info(file)")]
    values = list(bypass.execute("select * from file").fetchone())
    values[names.index("position")], values[names.index("path")] = 99, "late"

    assert "frozen" in refused(bypass, f"insert into file values ({','.join('?' * len(values))})", *values)
    assert "kept" in refused(bypass, "delete from file where item_id = ?", unit.item_id)

    assert len(ledger.files(unit.item_id)) == 1


def test_a_file_is_never_vouched_for_by_another_items_receipt(ledger: Ledger, bypass: sqlite3.Connection) -> None:
    """A unit of its own item delivers it, or nobody does."""
    (foreign,) = settled(ledger)
    proven(ledger, foreign)
    item = seen(ledger, "visit2")
    names = [info[1] for info in bypass.execute("pragma table_info(file)")]
    values = list(bypass.execute("select * from file").fetchone())
    values[names.index("item_id")] = item.id

    words = refused(bypass, f"insert into file values ({','.join('?' * len(values))})", *values)

    assert "of its own item" in words
    assert ledger.files(item.id) == []


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("unit", "item_id = 2"), ("unit", "study_uid = '9'"), ("unit", "server = 'other'"), ("unit", "project = 'O'"),
        ("unit", "subject = 'other'"), ("unit", "id = 99"), ("item", "path = 'other'"), ("item", "place = 'custody'"),
        ("item", "id = 99"),
    ],
)  # fmt: skip
def test_what_a_row_is_about_never_changes(ledger: Ledger, bypass: sqlite3.Connection, table: str, change: str) -> None:
    """A proven unit that moved to another item would prove that one."""
    (unit,) = settled(ledger)
    proven(ledger, unit)
    seen(ledger, "visit2")

    assert "stays what it is" in refused(bypass, f"update {table} set {change} where id = 1")


@pytest.mark.parametrize("phase", ["sent", "landed", "verified"])
def test_the_target_of_what_was_sent_never_changes(ledger: Ledger, bypass: sqlite3.Connection, phase: str) -> None:
    """The lease and the merge base hang on it."""
    (unit,) = settled(ledger)
    sent(ledger, unit)
    if phase != "sent":
        ledger.move_unit(unit.id, "landed", NOW)
    if phase == "verified":
        concluded(ledger, unit)

    assert "keeps its target" in refused(bypass, "update unit set target = 'prod/NEURO/other'")
    assert "keeps its target" in refused(bypass, "update unit set session = 'other'")


def test_the_trace_of_what_was_tried_is_kept(ledger: Ledger, bypass: sqlite3.Connection) -> None:
    """Without it a late effect would find nobody waiting for it."""
    (unit,) = settled(ledger)
    sent(ledger, unit)

    assert "attempts are kept" in refused(bypass, "delete from attempt")
    assert "units are kept" in refused(bypass, "delete from unit")
    assert "is kept" in refused(bypass, "delete from item")


def test_what_is_sent_again_is_half_done_again(ledger: Ledger) -> None:
    """The target lost a proven object: until the new proof, whatever lies there may be our own unfinished upload."""
    (first,) = settled(ledger)
    proven(ledger, first)
    ledger.move_item(first.item_id, "verified", NOW)
    ledger.move_unit(first.id, "closed", NOW)
    ledger.move_item(first.item_id, "done", NOW)
    (second,) = settled(ledger)
    sent(ledger, second, request="again")

    (entry,) = ledger.entries("scanner", second.target).values()

    assert (entry.state, entry.target_size, entry.target_digest, entry.unit_id) == ("sent", None, "", second.id)


def test_a_dismissed_item_claims_no_label_any_more(ledger: Ledger) -> None:
    """Its proven session is closed with it; another study that wants the label asks the server, not a dead unit."""
    first, second = settled(ledger, studies=2)
    proven(ledger, first)
    assert ledger.claimed_sessions("prod", "NEURO", "1.9") == {"S0", "S1"}

    ledger.dismiss_item(first.item_id, LATER)

    assert ledger.claimed_sessions("prod", "NEURO", "1.9") == frozenset()
    assert ledger.unit(second.id).phase == "dismissed"
    assert ledger.receipt(first.id) is not None


def test_numbers_are_never_given_twice(ledger: Ledger, bypass: sqlite3.Connection) -> None:
    """`#12` in a person's notes means one thing for ever, even when it was forgotten."""
    first = seen(ledger)
    ledger.forget_item(first.id)

    assert seen(ledger).id == first.id + 1


def test_a_reset_item_settles_again_with_the_same_study(ledger: Ledger) -> None:
    """The former proof stays in the books and does not stand in for the new one."""
    (unit,) = settled(ledger)
    proven(ledger, unit)
    ledger.reset_item(unit.item_id, "new looks", 1, 100, NOW)

    (again,) = ledger.settle_item(unit.item_id, [a_file(0)], [a_study()], NOW)

    assert ledger.unit(unit.id).phase == "closed"
    with pytest.raises(Bug, match="not every session"):
        ledger.move_item(unit.item_id, "verified", NOW)
    proven(ledger, again)
    ledger.move_item(unit.item_id, "verified", NOW)
    assert len(ledger.receipts(unit.item_id)) == 2
