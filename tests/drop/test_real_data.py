"""The scanner data of ../shared, dropped as it is: 608 objects of two studies that share one PatientID, and clutter."""

from __future__ import annotations

from pathlib import Path

import pytest

from drop_world import SHARED, DropWorld, copy_tree, uids

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data is not beside the project")

CLUTTER = {"README-Study.txt", "README-Series.txt", "LICENSE"}


def _everything_is_archived(world: DropWorld, ge: str, siemens: str) -> None:
    assert uids(sorted((SHARED / "20180918GE").rglob("*.dcm"))) == world.archived(ge)
    assert uids(sorted((SHARED / "20180918Si").rglob("*.dcm"))) == world.archived(siemens)
    assert len(world.archived(ge)) + len(world.archived(siemens)) == 608


def test_its_folders_become_two_sessions_with_receipts(world: DropWorld) -> None:
    world.configure(session="{PatientID}_{Manufacturer:^[A-Z]+}_{StudyDate}")
    copy_tree(SHARED, world.folder)

    report = world.sync()

    assert report.exit_code == 0
    _everything_is_archived(world, "DEV_GE_20180918", "DEV_SIEMENS_20180918")
    receipts = {part.unit.session: part.receipt for item in report.items for part in item.units}
    assert {name: (r.level, r.expected, r.held) for name, r in receipts.items() if r is not None} == {
        "DEV_GE_20180918": ("names", 600, 600),
        "DEV_SIEMENS_20180918": ("names", 8, 8),
    }
    others = [file for item in report.items for file in item.others]
    assert {Path(file.path).name for file in others} == CLUTTER
    assert all(file.reason for file in others)
    assert len(others) == 11
    assert world.in_drop() == {"LICENSE"}
    assert len(world.filed()) == 608 + 10


def test_as_one_folder_it_becomes_the_same_two_sessions(world: DropWorld) -> None:
    world.configure(session="{PatientID}_{Manufacturer:^[A-Z]+}_{StudyDate}")
    copy_tree(SHARED, world.folder / "dcm_qa_nih")

    report = world.sync()

    assert report.exit_code == 0
    _everything_is_archived(world, "DEV_GE_20180918", "DEV_SIEMENS_20180918")
    assert world.in_drop() == set()


def test_a_second_sync_writes_nothing(world: DropWorld) -> None:
    world.configure(collision="suffix")
    copy_tree(SHARED, world.folder)
    assert world.sync().exit_code == 0
    before = len(world.server.log)

    again = world.sync()

    assert again.exit_code == 0
    assert world.writes(before) == []


def test_two_studies_that_want_one_label_are_held_with_both_named(world: DropWorld) -> None:
    copy_tree(SHARED, world.folder / "both")

    report = world.sync()

    assert report.exit_code == 3
    held = [part.unit for part in report.items[0].units]
    assert {unit.code for unit in held} == {"XS-SESSION-COLLISION"}
    for unit in held:
        assert unit.detail is not None
        assert "20180918GE" in unit.detail
        assert "20180918Si" in unit.detail
    assert world.writes() == [("PUT", "/data/projects/P1")]
    assert world.in_drop() == {"both"}


def test_held_studies_go_when_the_person_says_suffix(world: DropWorld) -> None:
    copy_tree(SHARED, world.folder / "both")
    assert world.sync().exit_code == 3
    world.configure(collision="suffix")

    report = world.sync()

    assert report.exit_code == 0
    assert {len(world.archived("DEV_MR_20180918")), len(world.archived("DEV_MR_20180918_2"))} == {600, 8}
