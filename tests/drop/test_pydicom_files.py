"""pydicom's own test files, dropped together: odd, old, compressed, multi-frame, no preamble.  Nothing vanishes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pydicom.data

from drop_world import DropWorld

ROOT = Path(pydicom.data.DATA_ROOT) / "test_files"


def _bundled() -> list[Path]:
    return sorted(path for path in ROOT.rglob("*") if path.is_file())


def test_every_file_is_archived_or_held_or_listed_with_a_reason(world: DropWorld) -> None:
    world.configure(subject="{PatientID|'unknown'}", session="{PatientID|'unknown'}_{StudyInstanceUID:([0-9.]{1,20})$}")
    for path in _bundled():
        target = world.folder / "pydicom" / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    count = len(_bundled())
    assert count > 100

    report = world.sync()

    with world.ledger() as ledger:
        item = ledger.items()[0] if ledger.items() else ledger.history()[0]
        files = ledger.files(item.id)
        units = {unit.id: unit for unit in ledger.units(item_id=item.id, living=False)}
    assert report.exit_code == 3  # truncated objects and two objects of one UID are among them
    assert len(files) == count
    archived = 0
    for file in files:
        if file.kind in {"other", "broken"}:
            assert file.reason, file.path
            continue
        assert file.unit_id is not None, file.path
        unit = units[file.unit_id]
        if unit.phase in {"verified", "closed"}:
            archived += 1
            assert file.key in world.archived(unit.session), file.path
        else:
            assert unit.hold == "person", (file.path, unit)
            assert unit.code, file.path
            assert unit.detail, file.path
            assert unit.advice, file.path
    assert archived > 40
    still = {
        path.relative_to(world.folder / "pydicom") for path in (world.folder / "pydicom").rglob("*") if path.is_file()
    }
    filed = {Path(name).relative_to("pydicom") for name in world.filed()}
    assert still | filed == {path.relative_to(ROOT) for path in _bundled()}
