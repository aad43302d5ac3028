"""`ledger list`, `query` and `export`: the ledger for people and their tools, which can change nothing in it."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import sqlite3
import stat
from pathlib import Path

import pytest

from cli_world import World
from xnatsync.core.errors import Usage
from xnatsync.ledger.open import open_ledger
from xnatsync.ledger.questions import ask, questions

RECEIPTS = (
    "select i.path, u.session, r.level, r.held from receipt r join unit u on u.id = r.unit_id "
    "join item i on i.id = u.item_id"
)


def ledger_of(world: World) -> Path:
    return world.root / "ledger.db"


@pytest.fixture
def delivered(box: World) -> World:
    box.study("good")
    assert box.run("sync").code == 0
    return box


def test_the_tables_with_their_columns(delivered: World) -> None:
    """As the file has them; `-q` is their names."""
    rows = delivered.run("ledger", "list", "-o", "json").document
    with sqlite3.connect(ledger_of(delivered)) as raw:
        names = {name for (name,) in raw.execute("select name from sqlite_master where type = 'table'")}
        receipts = raw.execute("select count(*) from receipt").fetchone()[0]

    found = {row["table"]: row for row in rows}
    assert found.keys() == {name for name in names if not name.startswith("sqlite_")}
    assert (found["receipt"]["rows"], receipts) == (1, 1)
    assert found["receipt"]["columns"].split()[:3] == ["id", "unit_id", "level"]
    assert delivered.run("ledger", "list", "-q").out.split() == sorted(found)


def test_a_question_of_the_documents_is_answered(delivered: World) -> None:
    """The same rows in each form."""
    row = {"path": "good", "session": delivered.run("ledger", "query", RECEIPTS, "-o", "json").document[0]["session"]}
    row |= {"level": "names", "held": 4}

    assert delivered.run("ledger", "query", RECEIPTS, "-o", "json").document == [row]
    told = delivered.run("ledger", "query", RECEIPTS, "-o", "csv").out
    assert list(csv.DictReader(io.StringIO(told))) == [{key: str(value) for key, value in row.items()}]
    assert "SESSION" in delivered.run("ledger", "query", RECEIPTS).out
    assert delivered.run("ledger", "query", RECEIPTS, "-q").out == "good\n"


def test_columns_of_one_name_are_told_apart_and_bytes_are_digits(delivered: World) -> None:
    """No value is lost because another has its name."""
    sql = "select id, unit_id as id, manifest from receipt"

    (row,) = delivered.run("ledger", "query", sql, "-o", "json").document

    assert list(row) == ["id", "id_2", "manifest"]
    assert int(row["manifest"], 16) > 0


WRITES = """delete from receipt; update item set phase = 'done'; drop table receipt; pragma user_version = 1;
attach 'x.db' as x; vacuum into 'x.db'; begin; commit; create table x (a); pragma query_only = off;
select load_extension('x'); select writefile('x', 'y'); insert into identity values ('x')"""


def others() -> list[str]:
    """What is in the folder, but for the memory that readers of SQLite share."""
    return [name for name in os.listdir() if not name.endswith(("-wal", "-shm"))]


def test_no_question_changes_anything(delivered: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the ledger nor any other file."""
    monkeypatch.chdir(delivered.root)
    before, files = hashlib.sha256(ledger_of(delivered).read_bytes()).digest(), sorted(others())

    for sql in WRITES.split(";"):
        ran = delivered.run("ledger", "query", sql)

        assert (ran.code, ran.out) == (2, ""), sql
        assert "[XS-USAGE]" in ran.err, sql
    assert (hashlib.sha256(ledger_of(delivered).read_bytes()).digest(), sorted(others())) == (before, files)


def test_what_reads_alone_keeps_a_ledger_from_being_changed(delivered: World) -> None:
    """The guard itself, on a connection that could write: without it the statement does what it says."""
    ledger = open_ledger(ledger_of(delivered))
    try:
        with questions(ledger), pytest.raises(Usage, match="only read"):
            ask(ledger, "delete from identity")
        assert ledger.database.execute("select count(*) from identity").fetchone()[0] == 1
    finally:
        ledger.close()


def test_a_question_that_is_none_leads_on(delivered: World) -> None:
    """The words of SQLite, and the command that lists what there is."""
    for sql in ("", "selec", "select * from nowhere", "select nothing from item", "select 1; select 2"):
        ran = delivered.run("ledger", "query", sql)

        assert (ran.code, ran.out) == (2, ""), sql
        assert "ledger list" in " ".join(ran.err.split()), sql


@pytest.mark.parametrize("form", ["csv", "tsv", "json"])
def test_an_export_holds_every_row(delivered: World, form: str) -> None:
    """Each table in a file of its own, which we alone may read."""
    folder = delivered.root / "out"

    ran = delivered.run("ledger", "export", "--to", str(folder), "--format", form, "-o", "json")

    assert ran.code == 0, ran.err
    tables = {row["table"]: row["rows"] for row in delivered.run("ledger", "list", "-o", "json").document}
    assert {one["table"]: one["rows"] for one in ran.document["files"]} == tables
    for table, rows in tables.items():
        path = folder / f"{table}.{form}"
        text = path.read_text("utf-8")
        if form == "json":
            assert len([json.loads(line) for line in text.splitlines()]) == rows
        else:
            read = list(csv.reader(io.StringIO(text), delimiter="," if form == "csv" else "\t"))
            assert len(read) == rows + 1
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_export_overwrites_only_what_it_may(delivered: World) -> None:
    """Nothing without `--force`, and then no link and no database; nothing is written when one is in the way."""
    folder = delivered.root / "out"
    folder.mkdir()
    (folder / "item.csv").write_text("mine")

    refused = delivered.run("ledger", "export", "unit", "item", "--to", str(folder))
    assert (refused.code, os.listdir(folder)) == (3, ["item.csv"])
    assert (folder / "item.csv").read_text() == "mine"

    assert delivered.run("ledger", "export", "item", "--to", str(folder), "--force").code == 0
    assert (folder / "item.csv").read_text().startswith("id,route,place,path")
    (folder / "unit.csv").symlink_to(ledger_of(delivered))
    assert delivered.run("ledger", "export", "unit", "--to", str(folder), "--force").code == 3
    assert (folder / "unit.csv").is_symlink()


def test_a_table_that_does_not_exist_is_named(delivered: World) -> None:
    """Before anything is written."""
    folder = delivered.root / "out"

    ran = delivered.run("ledger", "export", "item", "nowhere", "--to", str(folder))

    assert (ran.code, folder.exists()) == (2, False)
    assert "`nowhere`" in ran.err


def test_without_a_ledger_it_says_so(box: World) -> None:
    """Nothing is created by a question."""
    ran = box.run("ledger", "query", "select 1")

    assert (ran.code, ledger_of(box).exists()) == (2, False)
    assert "[XS-NOTHING-FOUND]" in ran.err
