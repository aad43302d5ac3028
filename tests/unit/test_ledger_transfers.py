"""What the ledger keeps of transfers: what stands for what, what the listings told, and how runs ended."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from unit.ledger_example import LATER, NOW, fresh, raw
from xnatsync.core.inventory import Owner, OwnerKind
from xnatsync.ledger.counterparts import CounterpartRow
from xnatsync.ledger.ledger import Ledger

SESSION = Owner(OwnerKind.SESSION, "NEURO", "XNAT_E1", "S1", "XNAT_S1", "S1_MR1", stamp="a")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    found = fresh(tmp_path)
    found.remember_route("t", "transfer", "digest", NOW)
    found.ensure_owners("t", [SESSION], NOW)
    yield found
    found.close()


def test_what_stands_for_what_is_kept_by_part(ledger: Ledger) -> None:
    """The entity itself, and each part of it; noted anew, the last word counts."""
    ledger.note_counterpart(1, "", source_id="XNAT_E1", there_id="D_E9", there_label="A", facts={"note": ("1", "1")})
    ledger.note_counterpart(1, "4", source_id="4", there_id="4", there_label="4", facts={})
    ledger.note_counterpart(1, "", source_id="XNAT_E1", there_id="D_E9", there_label="B", facts={"note": ("1", "2")})

    entity = CounterpartRow(1, "", "XNAT_E1", "D_E9", "B", {"note": ("1", "2")})
    assert ledger.counterparts(1) == {"": entity, "4": CounterpartRow(1, "4", "4", "4", "4", {})}
    assert ledger.counterparts_of("t") == {1: entity}
    assert ledger.counterparts_of("another") == {}


def test_listings_count_only_for_what_is_in_agreement(ledger: Ledger) -> None:
    """An entity of which the settings changed since is looked at again, whatever the listings told."""
    ledger.note_look(1, "here", "there")
    assert ledger.agreed_looks("t") == {}

    ledger.agree_owner(1, SESSION, {}, NOW)
    assert ledger.agreed_looks("t") == {1: ("here", "there")}

    ledger.note_look(1, "here2", "there2")
    assert ledger.agreed_looks("t") == {1: ("here2", "there2")}
    ledger.remember_route("t", "transfer", "another", LATER)
    assert ledger.agreed_looks("t") == {}


def test_a_run_is_one_row(ledger: Ledger) -> None:
    """However many passes it takes; it tells which projects were ever transferred between two servers."""
    for project, there in (("NEURO", "N2"), ("OTHER", "O2")):
        for _ in range(2):
            ledger.begin_transfer_run(
                1, "t" if project == "NEURO" else "scanner", server="a", project=project, to_server="b",
                to_project=there, now=NOW,
            )  # fmt: skip
    ledger.end_transfer_run(1, "t", "complete", {"files": 3}, LATER)

    (row,) = ledger.transfer_runs(project="NEURO")
    assert (row.outcome, row.ended_at, row.counts) == ("complete", LATER, {"files": 3})
    assert [row.route for row in ledger.transfer_runs()] == ["scanner", "t"]
    assert ledger.transferred_projects("a", "b") == {"NEURO": "N2", "OTHER": "O2"}
    assert ledger.transferred_projects("b", "a") == {}


@pytest.mark.parametrize(
    "sql",
    [
        "delete from counterpart",
        "update counterpart set part = '5'",
        "delete from transfer_run",
        "update transfer_run set outcome = 'complete'",
        "update transfer_run set outcome = 'fine', ended_at = 'x'",
    ],
)
def test_whatever_program_writes_it_is_kept(ledger: Ledger, tmp_path: Path, sql: str) -> None:
    """Counterparts and runs stay; an outcome comes with its end, and is one of five."""
    ledger.note_counterpart(1, "", source_id="XNAT_E1", there_id="D_E9", there_label="A", facts={})
    ledger.begin_transfer_run(1, "t", server="a", project="NEURO", to_server="b", to_project="N2", now=NOW)

    with closing(raw(tmp_path)) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute(sql)
