"""A small real ledger for tests: one route, one run, items of two studies."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path
from typing import Any

from xnatsync.core.manifest import Compared
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.open import open_ledger
from xnatsync.ledger.rows import AttemptRow, ItemRow, NewFile, NewUnit, ReceiptRow, UnitRow

NOW = "2026-03-01T12:00:00.000Z"
LATER = "2026-03-01T12:01:00.000Z"
MUCH_LATER = "2026-03-02T12:00:00.000Z"


def fresh(folder: Path) -> Ledger:
    """A ledger with one route `scanner` and one run."""
    ledger = open_ledger(folder / "ledger.db")
    ledger.remember_route("scanner", "drop", "digest", NOW)
    ledger.start_run("command", 1, "boot", "0", NOW)
    return ledger


def a_file(number: int, *, study: int | None = 0, kind: str = "dicom", **other: Any) -> NewFile:
    """One file of a manifest, of the study with that index."""
    facts: dict[str, Any] = {
        "path": f"{kind}/{number}",
        "position": number,
        "size": 100 + number,
        "mtime_ns": 1,
        "sha256": hashlib.sha256(str(number).encode()).digest(),
        "crc32": number,
        "md5": hashlib.md5(str(number).encode()).digest(),
        "kind": kind,
        "reason": "" if kind == "dicom" else "not DICOM",
        "unit": study,
        "key": f"1.2.{number}" if kind == "dicom" else f"{kind}/{number}",
        "member": f"1.2.{number}.dcm" if kind == "dicom" else "",
        "series_uid": "1.2.900" if kind == "dicom" else "",
        "modality": "MR" if kind == "dicom" else "",
    }
    return NewFile(**(facts | other))


def a_study(number: int = 0, session: str | None = None) -> NewUnit:
    """One session that is to be delivered."""
    label = session if session is not None else f"S{number}"
    return NewUnit("prod", "NEURO", "P1", label, f"1.2.80{number}", f"prod/NEURO/{label}", 1, 100)


def seen(ledger: Ledger, path: str = "visit1") -> ItemRow:
    """An item that was just seen."""
    return ledger.new_item("scanner", "drop", path, "looks", 1, 100, NOW)


def settled(ledger: Ledger, path: str = "visit1", studies: int = 1, label: str | None = None) -> list[UnitRow]:
    """An item with one object for each study."""
    item = seen(ledger, path)
    files = [a_file(number, study=number) for number in range(studies)]
    return ledger.settle_item(item.id, files, [a_study(number, label) for number in range(studies)], NOW)


def sent(ledger: Ledger, unit: UnitRow, request: str = "r", keys: tuple[str, ...] | None = None) -> AttemptRow:
    """Announces an upload of a unit."""
    if keys is None:
        keys = tuple(file.key for file in ledger.files(unit.item_id, kind="dicom", unit_id=unit.id))
    return ledger.open_attempt(
        unit.id, run_id=1, effect="import", request_id=f"{request}{unit.id}", now=NOW, quiet_at=LATER, keys=keys
    )


def landed(ledger: Ledger, unit: UnitRow) -> None:
    """Uploads a unit, successfully."""
    attempt = sent(ledger, unit)
    ledger.close_attempt(attempt.id, outcome="ok", now=NOW)
    ledger.move_unit(unit.id, "landed", NOW, session_id="XNAT_E1")


def concluded(
    ledger: Ledger,
    unit: UnitRow,
    *,
    expected: int = 1,
    held: int = 1,
    level: str = "names",
    compared: dict[str, Compared] | None = None,
    place: str = "archive",
    stripped: frozenset[str] = frozenset(),
) -> ReceiptRow:
    """Writes the receipt of a landed unit."""
    files = ledger.files(unit.item_id, unit_id=unit.id)
    return ledger.conclude(
        unit.id,
        level=level,
        place=place,
        evidence={"listed": "again"},
        manifest_digest=bytes(32),
        expected=expected,
        held=held,
        targets={file.key: (file.size, "aa") for file in files},
        compared=compared or {},
        stripped=stripped,
        now=NOW,
        session_id="XNAT_E1",
    )


def proven(ledger: Ledger, unit: UnitRow) -> ReceiptRow:
    """Brings a planned unit to its receipt."""
    landed(ledger, unit)
    return concluded(ledger, unit)


def raw(folder: Path) -> sqlite3.Connection:
    """The same file without our Python: what is refused here is refused by SQLite itself."""
    connection = sqlite3.connect(folder / "ledger.db", isolation_level=None)
    connection.execute("pragma foreign_keys = on")
    return connection
