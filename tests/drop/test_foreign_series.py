"""Series of another study in the same folder, and several studies in one item: never merged."""

from __future__ import annotations

from pathlib import Path

from drop_pieces import edit, elsewhere
from drop_world import DropWorld, only, uids


def _mixed(world: DropWorld, **foreign: str) -> tuple[set[str], set[str]]:
    """Drops a study in whose folder one series carries a foreign StudyInstanceUID."""
    files = world.study("exam", series=(2, 2))
    own, other = files[:2], files[2:]
    for file in other:
        edit(file, StudyInstanceUID="2.25.999", **foreign)
    return uids(own), uids(other)


def test_a_foreign_series_of_the_same_label_holds_both_studies(world: DropWorld) -> None:
    _mixed(world)

    report = world.sync()

    units = [part.unit for part in only(report).units]
    assert report.exit_code == 3
    assert [unit.code for unit in units] == ["XS-SESSION-COLLISION"] * 2
    for unit in units:
        assert unit.detail is not None
        assert all(other.study_uid in unit.detail for other in units)
        assert "01_series_1" in unit.detail
        assert "02_series_2" in unit.detail
    assert world.writes() == [("PUT", "/data/projects/P1")]
    assert world.in_drop() == {"exam"}


def test_a_foreign_series_becomes_a_session_of_its_own_under_suffix(world: DropWorld) -> None:
    world.configure(collision="suffix")
    own, foreign = _mixed(world)

    report = world.sync()

    assert report.exit_code == 0
    sessions = {part.unit.study_uid: part.unit.session for part in only(report).units}
    assert world.archived(sessions.pop("2.25.999")) == foreign
    (label,) = sessions.values()
    assert world.archived(label) == own
    assert world.in_drop() == set()


def test_a_foreign_series_with_a_label_of_its_own_is_a_session_of_its_own(world: DropWorld) -> None:
    own, foreign = _mixed(world, PatientID="SUB9")

    assert world.sync().exit_code == 0
    assert world.archived("SUB1_MR_20260301") == own
    assert world.archived("SUB9_MR_20260301") == foreign


def test_several_studies_in_one_item_become_several_sessions(world: DropWorld) -> None:
    sent = {}
    for number in range(3):
        sent[f"SUB{number}_MR_20260301"] = uids(world.study(f"cd/st{number}", patient=f"SUB{number}", seed=number))
    (world.folder / "cd" / "DICOMDIR.txt").write_text("clutter of the whole medium")

    report = world.sync()

    assert report.exit_code == 0
    assert {label: world.archived(label) for label in sent} == sent
    assert [file.path for file in only(report).others] == ["DICOMDIR.txt"]
    assert world.in_drop() == set()


def test_one_held_study_keeps_its_item_but_not_its_neighbours(world: DropWorld) -> None:
    """The good study is archived at once; the item is filed when the other is resolved, and nothing is sent twice."""
    good = uids(world.study("cd/a", patient="SUB1", seed=1))
    bad = world.study("cd/b", patient="SUB2", seed=2)
    bad_uids = uids(bad)
    for file in bad:
        edit(file, PatientID="***")

    report = world.sync()

    assert report.exit_code == 3
    assert world.archived("SUB1_MR_20260301") == good
    assert world.in_drop() == {"cd"}

    for file in bad:
        edit(file, PatientID="SUB2")
    before = len(world.server.log)
    report = world.sync()
    assert report.exit_code == 0, report
    assert world.archived("SUB2_MR_20260301") == bad_uids
    assert world.archived("SUB1_MR_20260301") == good
    assert all("EXPT_LABEL=SUB1" not in str(entry["query"]) for entry in world.server.log[before:])
    assert world.in_drop() == set()


def test_two_different_objects_of_one_uid_in_an_item_hold_its_study(world: DropWorld) -> None:
    files = world.study("exam", series=(2,))
    copy = Path(files[0]).with_name("copy.dcm")
    copy.write_bytes(files[0].read_bytes())
    edit(copy, SeriesDescription="another")

    report = world.sync()

    (part,) = only(report).units
    assert (report.exit_code, part.unit.code) == (3, "XS-OBJECTS-CONFLICT")
    assert part.unit.detail is not None
    assert "copy.dcm" in part.unit.detail
    assert "0001.dcm" in part.unit.detail
    assert world.writes() == [("PUT", "/data/projects/P1")]

    copy.unlink()
    assert world.sync().exit_code == 0


def test_one_uid_in_two_studies_of_an_item_goes_to_both(world: DropWorld) -> None:
    """Some systems copy an object into another study and keep its UID: each session gets its own."""
    first = world.study("cd/a", patient="SUB1", series=(1,))
    second = world.study("cd/b", patient="SUB2", seed=2, series=(1,))
    (uid,) = uids(first)
    edit(second[0], SOPInstanceUID=uid)

    report = world.sync()

    assert report.exit_code == 0, report
    assert world.archived("SUB1_MR_20260301") == {uid}
    assert world.archived("SUB2_MR_20260301") == {uid}


def test_the_same_file_twice_in_an_item_is_sent_once_and_listed(world: DropWorld) -> None:
    files = world.study("exam", series=(2,))
    copy = files[0].with_name("copy of 1.dcm")
    copy.write_bytes(files[0].read_bytes())
    sent = uids(files)

    report = world.sync()

    assert report.exit_code == 0
    assert world.archived("SUB1_MR_20260301") == sent
    (duplicate,) = only(report).others
    assert (duplicate.kind, "byte for byte" in duplicate.reason) == ("duplicate", True)
    assert len(world.filed()) == 3


def test_objects_of_several_studies_dropped_as_single_files_find_their_sessions(world: DropWorld) -> None:
    files = elsewhere(world, "a", series=(2,)) + elsewhere(world, "b", series=(2,), patient="SUB2", seed=2)
    for number, file in enumerate(files):
        (world.folder / f"{number}").write_bytes(file.read_bytes())

    assert world.sync().exit_code == 0
    assert world.archived("SUB1_MR_20260301") == uids(files[:2])
    assert world.archived("SUB2_MR_20260301") == uids(files[2:])
