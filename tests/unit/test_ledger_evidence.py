"""What was compared of each object, and what may be removed for it: asked of SQLite itself."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from unit.ledger_example import NOW, a_file, a_study, concluded, fresh, landed, raw, seen, sent, settled
from xnatsync.core.errors import Bug
from xnatsync.core.manifest import Compared
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.rows import UnitRow


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = fresh(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def bypass(tmp_path: Path, ledger: Ledger) -> Iterator[sqlite3.Connection]:
    connection = raw(tmp_path)
    yield connection
    connection.close()


def proven_by(
    ledger: Ledger,
    compared: Compared,
    *,
    acknowledged: bool,
    level: str = "pixels",
    place: str = "archive",
    stripped: bool = False,
) -> UnitRow:
    (unit,) = settled(ledger)
    landed(ledger, unit)
    if acknowledged:
        ledger.acknowledge(unit, ["1.2.0"])
    only_stripped = frozenset({"1.2.0"}) if stripped else frozenset[str]()
    concluded(ledger, unit, level=level, compared={"1.2.0": compared}, place=place, stripped=only_stripped)
    return unit


# The whole table: what of an object was compared, whether its upload was acknowledged, whether its head was stripped by
# a script and nothing else; and whether it may be removed.
EVIDENCE = list(itertools.product(Compared, (False, True), (False, True)))
REMOVABLE = {(by, acknowledged, stripped): by is Compared.BYTES for by, acknowledged, stripped in EVIDENCE} | {
    (Compared.PIXELS, True, True): True,
    (Compared.CONTENT, True, False): True,
    (Compared.CONTENT, True, True): True,
}


@pytest.mark.parametrize(("by", "acknowledged", "stripped"), EVIDENCE)
def test_a_file_is_removed_by_evidence_of_its_own(
    ledger: Ledger, bypass: sqlite3.Connection, by: Compared, acknowledged: bool, stripped: bool
) -> None:
    """Python lists it, and SQLite asks again; nothing but the table above."""
    weak = by in {Compared.NAMES, Compared.LISTED}
    unit = proven_by(ledger, by, acknowledged=acknowledged, level="names" if weak else "pixels", stripped=stripped)
    allowed = REMOVABLE[by, acknowledged, stripped]

    assert ledger.removable(unit.item_id) == ({"dicom/0": 0} if allowed else {})
    if allowed:
        ledger.announce_removals(unit.item_id, [0], NOW)
        ledger.announce_removals(unit.item_id, [0], NOW)  # after a crash
    else:
        with pytest.raises(Bug, match="nothing shows"):
            ledger.announce_removals(unit.item_id, [0], NOW)
        with pytest.raises(sqlite3.IntegrityError, match="nothing shows"):
            bypass.execute("insert into removal values (?, 0, 'now')", [unit.item_id])
    assert bypass.execute("select count(*) from removal").fetchone() == (int(allowed),)


def test_nothing_is_removed_for_what_waits_in_the_prearchive(ledger: Ledger) -> None:
    unit = proven_by(ledger, Compared.BYTES, acknowledged=True, place="prearchive")

    assert ledger.removable(unit.item_id) == {}
    with pytest.raises(Bug, match="nothing shows"):
        ledger.announce_removals(unit.item_id, [0], NOW)


@pytest.mark.parametrize(("level", "by"), list(itertools.product(("names", "pixels", "bytes"), (None, *Compared))))
def test_a_receipt_says_only_what_was_compared(ledger: Ledger, level: str, by: Compared | None) -> None:
    """The weakest evidence of an object that each level takes."""
    (unit,) = settled(ledger)
    landed(ledger, unit)
    enough = {"names": set(Compared), "bytes": {Compared.BYTES}}.get(
        level, {Compared.BYTES, Compared.PIXELS, Compared.CONTENT}
    )
    compared = {} if by is None else {"1.2.0": by}
    if by in enough or level == "names":
        assert concluded(ledger, unit, level=level, compared=compared).level == level
        return
    with pytest.raises(Bug, match="only what was compared"):
        concluded(ledger, unit, level=level, compared=compared)
    assert ledger.receipt(unit.id) is None
    assert ledger.compared(unit.item_id) == {}


@pytest.mark.parametrize(
    "sql",
    [
        "update evidence set compared = 'bytes'", "delete from evidence", "update removal set position = 7",
        "delete from removal", "insert into evidence values (1, 'x', 'bytes', 1, 1)",
        "update evidence set stripped = 1",
        "insert or replace into evidence values (1, '1.2.0', 'bytes', 1, 1)",
        "insert or replace into removal values (1, 0, 'later')",
    ],
)  # fmt: skip
def test_evidence_and_removals_are_append_only(ledger: Ledger, bypass: sqlite3.Connection, sql: str) -> None:
    unit = proven_by(ledger, Compared.CONTENT, acknowledged=True)
    ledger.announce_removals(unit.item_id, [0], NOW)

    with pytest.raises(sqlite3.IntegrityError, match=r"append-only|once|nothing shows"):
        bypass.execute(sql)


def test_an_upload_that_is_sent_again_is_not_acknowledged_any_more(ledger: Ledger) -> None:
    """It is sent again because the target lost it: what lies there since may be anybody's."""
    (unit,) = settled(ledger)
    sent(ledger, unit)
    ledger.acknowledge(unit, ["1.2.0"])
    assert ledger.acknowledged(unit) == {"1.2.0"}

    sent(ledger, unit, request="again")

    assert ledger.acknowledged(unit) == frozenset()


def test_only_this_very_content_counts_as_acknowledged(ledger: Ledger) -> None:
    """Another version of the object, dropped later, was never sent."""
    (unit,) = settled(ledger)
    landed(ledger, unit)
    ledger.acknowledge(unit, ["1.2.0"])
    concluded(ledger, unit)
    item = seen(ledger, "visit2")
    (other,) = ledger.settle_item(item.id, [a_file(0, sha256=bytes(range(32)))], [a_study()], NOW)
    again = seen(ledger, "visit3")
    (same,) = ledger.settle_item(again.id, [a_file(0)], [a_study()], NOW)

    assert ledger.acknowledged(other) == frozenset()
    assert ledger.acknowledged(same) == {"1.2.0"}


def test_a_receipt_does_not_make_others_content_ours(ledger: Ledger) -> None:
    """It was found there and agreed: that is proven, and still nothing that was acknowledged."""
    (unit,) = settled(ledger)
    ledger.move_unit(unit.id, "landed", NOW, session_id="XNAT_E1")
    concluded(ledger, unit, level="pixels", compared={"1.2.0": Compared.CONTENT})

    assert ledger.acknowledged(unit) == frozenset()
    assert ledger.removable(unit.item_id) == {}


def test_a_twin_goes_with_its_object_and_an_attached_file_by_its_own_name(ledger: Ledger) -> None:
    item = seen(ledger)
    files = [a_file(0), a_file(1, kind="duplicate", key="1.2.0"), a_file(2, kind="other", member="1/note")]
    (unit,) = ledger.settle_item(item.id, files, [a_study()], NOW)
    landed(ledger, unit)
    ledger.acknowledge(unit, ["1.2.0"])
    compared = {"1.2.0": Compared.CONTENT, "attached/1/note": Compared.LISTED}
    concluded(ledger, unit, expected=2, held=2, level="pixels", compared=compared)

    assert ledger.removable(item.id) == {"dicom/0": 0, "duplicate/1": 1}
