"""What the ledger never lets happen, asked with our Python bypassed: SQLite itself refuses."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import product
from pathlib import Path

import pytest

from unit.ledger_example import NOW, a_file, a_study, concluded, fresh, landed, proven, raw, seen, sent, settled
from xnatsync.core.errors import Bug, ImpossibleMove
from xnatsync.core.phases import ITEM_MOVES, UNIT_MOVES, ItemPhase, UnitPhase
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.open import STRICT_SQLITE


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


def test_both_machines_know_the_same_moves_in_python_and_in_sqlite(bypass: sqlite3.Connection) -> None:
    """The table of moves in the ledger is exactly the one in core/phases.py."""
    known = {tuple(row) for row in bypass.execute("select machine, from_phase, to_phase from move")}

    expected = {("item", str(a), str(b)) for a, b in ITEM_MOVES} | {("unit", str(a), str(b)) for a, b in UNIT_MOVES}
    assert expected == known


def force(bypass: sqlite3.Connection, table: str, number: int, phase: str) -> None:
    """Puts a row into a phase with the guards taken away for a moment: how tests get to every starting point."""
    guards = [
        row[0]
        for row in bypass.execute("select sql from sqlite_master where type = 'trigger' and tbl_name = ?", [table])
    ]
    names = [
        row[0]
        for row in bypass.execute("select name from sqlite_master where type = 'trigger' and tbl_name = ?", [table])
    ]
    for name in names:
        bypass.execute(f"drop trigger {name}")
    bypass.execute(f"update {table} set phase = ? where id = ?", [phase, number])
    for sql in guards:
        bypass.execute(sql)


@pytest.mark.parametrize("start", list(UnitPhase))
def test_no_unit_makes_a_move_that_is_not_in_the_table(
    ledger: Ledger, bypass: sqlite3.Connection, start: UnitPhase
) -> None:
    """Every forbidden pair is refused by Python and, with Python bypassed, by SQLite."""
    unit = proven_then_forced(ledger, bypass)
    for to in UnitPhase:
        if (start, to) in UNIT_MOVES or start == to:
            continue
        force(bypass, "unit", unit, start)
        with pytest.raises(ImpossibleMove):
            ledger.move_unit(unit, to, NOW)
        assert "cannot make this move" in refused(bypass, "update unit set phase = ? where id = ?", to, unit)


def proven_then_forced(ledger: Ledger, bypass: sqlite3.Connection) -> int:
    """A unit that has a receipt, so that only the table of moves can refuse it."""
    (unit,) = settled(ledger)
    proven(ledger, unit)
    return unit.id


@pytest.mark.parametrize("start", list(ItemPhase))
def test_no_item_makes_a_move_that_is_not_in_the_table(
    ledger: Ledger, bypass: sqlite3.Connection, start: ItemPhase
) -> None:
    """Every forbidden pair is refused by Python and, with Python bypassed, by SQLite."""
    (unit,) = settled(ledger)
    proven(ledger, unit)
    for to in ItemPhase:
        if (start, to) in ITEM_MOVES or start == to:
            continue
        force(bypass, "item", unit.item_id, start)
        with pytest.raises(ImpossibleMove):
            ledger.move_item(unit.item_id, to, NOW)
        assert "cannot make this move" in refused(bypass, "update item set phase = ? where id = ?", to, unit.item_id)


@pytest.mark.parametrize("table", ["item", "unit"])
def test_nothing_begins_in_the_middle(ledger: Ledger, bypass: sqlite3.Connection, table: str) -> None:
    """Items begin as seen and units as planned, whoever writes them."""
    settled(ledger)
    for phase in ItemPhase if table == "item" else UnitPhase:
        if phase in {"seen", "planned"}:
            continue
        names = [info[1] for info in bypass.execute(f"pragma table_info({table})")]
        values = list(bypass.execute(f"select * from {table}").fetchone())
        values[names.index("id")] = None
        values[names.index("phase")] = str(phase)
        marks = ", ".join("?" for _ in values)
        assert "begin as" in refused(bypass, f"insert into {table} values ({marks})", *values)


def test_a_unit_is_not_verified_without_a_receipt(ledger: Ledger, bypass: sqlite3.Connection) -> None:
    """Landed is seen, not proven: the move needs the receipt."""
    (unit,) = settled(ledger)
    landed(ledger, unit)

    assert "no receipt" in refused(bypass, "update unit set phase = 'verified' where id = ?", unit.id)
    with pytest.raises(Bug, match="no receipt"):
        ledger.move_unit(unit.id, "verified", NOW)
    assert ledger.unit(unit.id).phase == "landed"


def test_a_receipt_vouches_for_everything_it_expects(ledger: Ledger) -> None:
    """One object less than expected is no receipt, and nothing of the conclusion stays."""
    (unit,) = settled(ledger)
    landed(ledger, unit)

    with pytest.raises(Bug, match="held = expected"):
        concluded(ledger, unit, expected=1, held=0)

    assert ledger.receipt(unit.id) is None
    assert {entry.state for entry in ledger.entries("scanner", unit.target).values()} == {"sent"}
    assert ledger.unit(unit.id).phase == "landed"


def test_a_receipt_vouches_for_the_whole_manifest(ledger: Ledger) -> None:
    """A receipt that expects less than its unit was to deliver is refused."""
    item = seen(ledger)
    (unit,) = ledger.settle_item(item.id, [a_file(0), a_file(1)], [a_study()], NOW)
    landed(ledger, unit)

    with pytest.raises(Bug, match="whole manifest"):
        concluded(ledger, unit, expected=1, held=1)
    assert concluded(ledger, unit, expected=2, held=2).held == 2


def test_what_has_landed_is_where_it_was_seen_last(ledger: Ledger) -> None:
    """Its session was deleted, and it was found in the prearchive: the old session is not asked again and again."""
    (unit,) = settled(ledger)
    landed(ledger, unit)
    ledger.move_unit(unit.id, "planned", NOW)

    ledger.move_unit(unit.id, "landed", NOW)

    assert ledger.unit(unit.id).session_id is None


def test_a_receipt_needs_something_that_landed(ledger: Ledger, bypass: sqlite3.Connection) -> None:
    """No receipt can be written ahead of its time."""
    (unit,) = settled(ledger)
    sql = (
        "insert into receipt (unit_id, level, place, expected, held, manifest, evidence, at) "
        "values (?, 'names', 'archive', 1, 1, zeroblob(32), '{}', 'now')"
    )

    assert "what has landed" in refused(bypass, sql, unit.id)
    sent(ledger, unit)
    assert "what has landed" in refused(bypass, sql, unit.id)


@pytest.mark.parametrize("level", ["counts", "hearsay"])
def test_counts_are_not_enough_for_a_receipt(ledger: Ledger, bypass: sqlite3.Connection, level: str) -> None:
    """A receipt says names, pixels or bytes."""
    (unit,) = settled(ledger)
    landed(ledger, unit)

    sql = (
        "insert into receipt (unit_id, level, place, expected, held, manifest, evidence, at) "
        "values (?, ?, 'archive', 1, 1, zeroblob(32), '{}', 'now')"
    )
    assert "CHECK constraint" in refused(bypass, sql, unit.id, level)


@pytest.mark.parametrize(
    "sql", ["update receipt set held = held", "update receipt set level = 'bytes'", "delete from receipt"]
)
def test_a_receipt_is_never_changed_or_removed(ledger: Ledger, bypass: sqlite3.Connection, sql: str) -> None:
    """Receipts are append-only."""
    (unit,) = settled(ledger)
    proven(ledger, unit)

    assert "append-only" in refused(bypass, sql)


@pytest.mark.parametrize("phase", ["verified", "done"])
def test_an_item_is_not_proven_while_one_of_its_sessions_is_not(
    ledger: Ledger, bypass: sqlite3.Connection, phase: str
) -> None:
    """Two studies, one receipt: the item stays settled."""
    first, second = settled(ledger, studies=2)
    proven(ledger, first)
    if phase == "done":
        force(bypass, "item", first.item_id, "verified")

    assert "not every session" in refused(bypass, "update item set phase = ? where id = ?", phase, first.item_id)
    proven(ledger, second)
    ledger.move_item(first.item_id, phase, NOW)


def test_an_item_without_any_session_is_never_proven(ledger: Ledger, bypass: sqlite3.Connection) -> None:
    """Nothing delivered is nothing proven."""
    item = seen(ledger)
    ledger.settle_item(item.id, [], [], NOW)

    assert "not every session" in refused(bypass, "update item set phase = 'verified' where id = ?", item.id)


def test_dismissing_one_session_does_not_make_the_rest_the_whole(ledger: Ledger, bypass: sqlite3.Connection) -> None:
    """S2: an item of which one session was given up is not filed as if everything of it had arrived."""
    first, second = settled(ledger, studies=2)
    proven(ledger, first)
    ledger.move_unit(second.id, "dismissed", NOW)

    assert "not every session" in refused(bypass, "update item set phase = 'verified' where id = ?", first.item_id)


def test_what_an_earlier_manifest_gave_up_does_not_stand_in_the_way(ledger: Ledger) -> None:
    """After a reset only the sessions of the new manifest count."""
    (old,) = settled(ledger)
    ledger.reset_item(old.item_id, "other looks", 1, 100, NOW)
    (new,) = ledger.settle_item(old.item_id, [a_file(0)], [a_study()], NOW)
    proven(ledger, new)

    ledger.move_item(old.item_id, "verified", NOW)

    assert ledger.unit(old.id).phase == "dismissed"
    assert ledger.item(old.item_id).phase == "verified"


def test_an_object_that_no_session_delivers_keeps_its_item_from_being_proven(ledger: Ledger) -> None:
    """A DICOM object without a unit would be filed without a receipt."""
    item = seen(ledger)
    (unit,) = ledger.settle_item(item.id, [a_file(0), a_file(1, study=None)], [a_study()], NOW)
    proven(ledger, unit)

    with pytest.raises(Bug, match="not every session"):
        ledger.move_item(item.id, "verified", NOW)


def test_one_writer_at_a_time_for_each_target(ledger: Ledger, bypass: sqlite3.Connection) -> None:
    """S5: the lease is a unique index; the second upload is refused and leaves no attempt behind."""
    (first,) = settled(ledger, "visit1", label="SAME")
    (second,) = settled(ledger, "visit2", label="SAME")
    sent(ledger, first)

    with pytest.raises(Bug, match=r"unit\.target"):
        sent(ledger, second)

    assert ledger.attempts(second.id) == []
    assert "unit.target" in refused(bypass, "update unit set phase = 'sent' where id = ?", second.id)
    writer = ledger.writer_of(first.target)
    assert writer is not None
    assert first.id == writer.id


def test_the_lease_is_free_again_once_there_is_a_receipt(ledger: Ledger) -> None:
    """The next writer may begin when the first is proven."""
    (first,) = settled(ledger, "visit1", label="SAME")
    (second,) = settled(ledger, "visit2", label="SAME")
    proven(ledger, first)

    sent(ledger, second)

    assert ledger.unit(second.id).phase == "sent"


def test_one_living_item_for_each_name(ledger: Ledger, bypass: sqlite3.Connection) -> None:
    """The same name comes again only when the first has come to its end."""
    first = seen(ledger, "visit1")
    with pytest.raises(Bug, match=r"item\.path"):
        seen(ledger, "visit1")

    ledger.dismiss_item(first.id, NOW)

    assert seen(ledger, "visit1").id > first.id


def test_one_living_session_for_each_study_of_an_item(ledger: Ledger) -> None:
    """The same study is not planned twice; nothing of the item is written then."""
    item = seen(ledger)

    with pytest.raises(Bug, match="study_uid"):
        ledger.settle_item(item.id, [a_file(0)], [a_study(), a_study()], NOW)

    assert ledger.item(item.id).phase == "seen"
    assert ledger.files(item.id) == []


def test_a_manifest_is_frozen(ledger: Ledger, bypass: sqlite3.Connection) -> None:
    """It is replaced as a whole with the item's reset, never updated, and kept once the item is proven."""
    (unit,) = settled(ledger)
    assert "frozen" in refused(bypass, "update file set size = 0")

    proven(ledger, unit)
    ledger.move_item(unit.item_id, "verified", NOW)

    assert "kept" in refused(bypass, "delete from file")
    assert "kept" in refused(bypass, "delete from item")
    assert "kept" in refused(bypass, "delete from unit")


def test_one_path_is_one_file_of_a_manifest(ledger: Ledger) -> None:
    """A manifest that names a file twice is refused as a whole."""
    item = seen(ledger)

    with pytest.raises(Bug, match=r"file\.path"):
        ledger.settle_item(item.id, [a_file(0), a_file(1, path="dicom/0")], [a_study()], NOW)

    assert ledger.item(item.id).phase == "seen"


def test_nothing_is_left_behind_without_a_reason(ledger: Ledger) -> None:
    """A file that is not delivered says why."""
    item = seen(ledger)

    with pytest.raises(Bug, match="CHECK constraint"):
        ledger.leave_item(item.id, [a_file(0, kind="other", reason="", study=None)], "nothing", NOW)


@pytest.mark.parametrize(("table", "hold", "code", "retry_at"), [
    (table, *facts)
    for table, facts in product(
        ("item", "unit"),
        [("person", None, None), (None, "XS-BUG", None), ("retry", "XS-BUG", None), ("person", "XS-BUG", NOW)],
    )
])  # fmt: skip
def test_a_hold_always_says_why_and_until_when(
    ledger: Ledger, bypass: sqlite3.Connection, table: str, hold: str | None, code: str | None, retry_at: str | None
) -> None:
    """A hold has a code, a retry has a time, and nothing else has either."""
    settled(ledger)

    sql = f"update {table} set hold = ?, code = ?, retry_at = ?"
    assert "CHECK constraint" in refused(bypass, sql, hold, code, retry_at)


def test_an_attempt_is_open_or_has_an_outcome(ledger: Ledger, bypass: sqlite3.Connection) -> None:
    """There is no third state: an attempt without an end is one whose outcome nobody knows."""
    (unit,) = settled(ledger)
    sent(ledger, unit)

    assert "CHECK constraint" in refused(bypass, "update attempt set ended_at = 'now'")
    assert "CHECK constraint" in refused(bypass, "update attempt set outcome = 'ok'")
    assert "CHECK constraint" in refused(bypass, "update attempt set ended_at = 'now', outcome = 'perhaps'")


@pytest.mark.skipif(sqlite3.sqlite_version_info < STRICT_SQLITE, reason="this SQLite knows no strict tables")
def test_columns_hold_what_they_are_declared_for(ledger: Ledger, bypass: sqlite3.Connection) -> None:
    """The tables are strict: a text where a number belongs is refused, not stored."""
    settled(ledger)

    assert "cannot store TEXT" in refused(bypass, "update item set files = 'many'")
