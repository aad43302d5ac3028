"""Everything hostile at once in one drop folder: each is held by its reason or filed, and nobody else waits for it."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from cli_world import World
from fuzz import seeds
from hostile.conftest import bytes_below
from hostile.wicked import tar_of, zip_of
from xnatsync.disk.archive import Guard
from xnatsync.ledger.open import open_ledger
from xnatsync.sandbox.http.faults import Fault

CORPUS = Path(__file__).parents[1] / "fuzz" / "corpus"


def test_hostile_items_are_held_or_filed_and_the_good_one_is_delivered(box: World) -> None:
    """One run over all that was ever found: exit 3, no bug, no byte lost, and the next run writes nothing."""
    good = box.study("a good one", seed=2)  # another study than that of the fuzzer's objects
    objects = len(list(good.rglob("*.dcm")))
    for kind, suffix in (("zips", ".zip"), ("tars", ".tar"), ("dicom", "")):
        for path in sorted((CORPUS / kind).iterdir()):
            (box.drop / f"{path.name}{suffix}").write_bytes(path.read_bytes())
    (box.drop / "climbs.zip").write_bytes(zip_of(("../../x.dcm", seeds.objects()[0])))
    (box.drop / "climbs.tar.gz").write_bytes(tar_of(("../../x.dcm", seeds.objects()[0]), packed=True))
    before, outside = bytes_below(box.drop), set(box.root.iterdir())

    ran = box.run("sync", "--patience", "20s", "--output", "json")

    assert ran.code == 3, ran.err
    assert "XS-BUG" not in ran.out + ran.err
    assert bytes_below(box.drop) == before
    assert set(box.root.iterdir()) - outside <= {box.root / name for name in _LEDGER}
    with closing(open_ledger(box.root / "ledger.db", read_only=True)) as ledger:
        items = ledger.items(living=False)
        held = ledger.held_items()
        units = [unit for item in held for unit in ledger.units(item.id) if unit.hold == "person"]
        waiting = {unit.target for unit in ledger.units() if unit.hold != "person"}
    ids = {item.id for item in held}
    assert {item.phase for item in items if item.id not in ids} <= {"done", "left", "settled"}
    assert waiting <= {unit.target for unit in units}  # the others of a session that waits for a person
    assert [item.phase for item in items if item.path == "a good one"] == ["done"]
    assert {item.path for item in held} >= {"climbs.zip", "climbs.tar.gz", "lzma-damaged.zip", "size-below-zero.tar"}
    for row in (*units, *(item for item in held if item.hold is not None)):
        assert row.code
        assert row.detail
        assert row.advice
    archived = [e for e in box.server.site.experiments.values() if e.label.startswith("P1_MR")]
    assert sum(len(r.entries) for e in archived for s in e.scans.values() for r in s.resources.values()) == objects
    wrote = len(_writes(box))
    assert box.run("sync", "--patience", "2s").code == 3
    assert len(_writes(box)) == wrote
    json.loads(ran.out)


_LEDGER = ("ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db.lock", "ledger.lock")


def _writes(box: World) -> list[object]:
    return [e["path"] for e in box.server.log if e["method"] != "GET" and e["path"] != "/data/JSESSION"]


LABELS = ("../../x", "C:\\x", "/etc/x", "CON.txt", "NUL\0", "\x1b[2J", "\u202egnp", "x" * 65_536)


def _labelled(label: str) -> str:
    """An answer to whatever is asked, with this label in every column that names something."""
    row = dict.fromkeys(("label", "ID", "name", "project", "subject_label", "folderName", "url", "URI", "tag"), label)
    return json.dumps({"ResultSet": {"Result": [row]}, "items": [{"data_fields": row}]})


def test_a_server_of_hostile_answers_is_told_and_costs_nothing(box: World) -> None:
    """Every kind of answer to the first question: an exit code of its own, and the source as it was."""
    box.study("exam")
    before = bytes_below(box.drop)
    bodies = ["", "<html>", "[" * 50_000, "\x00" * 100, "9" * 5000, *map(_labelled, LABELS)]
    for body in bodies:
        fault = box.server.faults.add(Fault("GET", "/data/(projects|experiments|prearchive)", "body", 1000, body=body))
        ran = box.run("sync", "--patience", "0s", "--output", "json")
        fault.times = 0
        assert ran.code in {3, 5, 6}, (body[:50], ran)
        assert "XS-BUG" not in ran.out + ran.err
        assert not [label for label in LABELS if label in ran.out + ran.err]
        assert bytes_below(box.drop) == before
    box.run("retry", "--all")
    ran = box.run("sync", "--patience", "60s", "--output", "json")
    assert ran.code == 0, ran
    assert bytes_below(box.drop) == before


def test_a_reader_that_breaks_would_show_as_a_bug(box: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the first test looks for is what such a mistake leaves."""

    def weak(_guard: Guard, member: str) -> str:
        return {"x": "y"}[member]

    monkeypatch.setattr(Guard, "admit", weak)
    (box.drop / "drop.zip").write_bytes(zip_of(("a", b"x")))
    ran = box.run("sync", "--patience", "1s", "--output", "json")
    assert "XS-BUG" in ran.out + ran.err
