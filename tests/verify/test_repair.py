"""What `--repair` makes due, what the next run makes of it, and what it leaves to a person."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drop_pieces import delete
from drop_world import DropWorld, uids
from mirror_world import MirrorWorld
from ports_between import Died, app_between, raising, raising_after
from verify_world import LABEL, filed, flip, found, look, lose, snapshot, untouched, writes
from xnatsync.core.errors import DiskFull, SourceUnreadable
from xnatsync.core.manifest import Level
from xnatsync.core.verification import VerifyReport

FIRST = "P1/S1/S1_MR/scans/1/resources/NIFTI/files/1.nii"
URL = "experiments/{number}/scans/1/resources/NIFTI/files/{name}"


def actions(report: VerifyReport) -> list[tuple[str, bool]]:
    """What was done, or would be."""
    return [(repair.action, repair.done) for repair in report.repairs]


# --- drops -------------------------------------------------------------------------------------------------------


def test_what_the_server_lost_is_sent_again_from_the_filed_copy(world: DropWorld) -> None:
    """The item is back in the drop folder; the next sync sends the one object, and all is the same again."""
    before = uids(filed(world))
    lose(world, world.stored(LABEL)[0])
    since = len(world.server.log)

    report = look(world, repair=True)

    assert (actions(report), report.exit_code) == ([("redeliver", True)], 4)
    assert writes(world, since) == []
    assert (world.in_drop(), filed(world)) == ({"exam"}, [])
    assert world.sync().exit_code == 0
    assert world.archived(LABEL) == before
    assert len(filed(world)) == 5
    assert untouched(look(world))


def test_a_session_that_was_deleted_comes_again(world: DropWorld) -> None:
    """Under another accession ID."""
    session = world.session(LABEL)
    assert session is not None
    delete(world, f"/data/experiments/{session.id}?removeFiles=true")

    look(world, repair=True)

    assert world.sync().exit_code == 0
    report = look(world)
    assert untouched(report), report.findings


def test_a_rehearsal_says_what_would_be_done_and_does_nothing(world: DropWorld) -> None:
    """Neither here nor on the server."""
    lose(world, world.stored(LABEL)[0])
    disk, since = snapshot(world.folder), len(world.server.log)

    report = look(world, repair=True, rehearse=True)

    assert actions(report) == [("redeliver", False)]
    assert "sends what is missing" in report.repairs[0].text
    assert (snapshot(world.folder), writes(world, since)) == (disk, [])
    assert actions(look(world, repair=True)) == [("redeliver", True)]


def test_what_differs_on_the_server_is_never_overwritten(world: DropWorld) -> None:
    """A person must remove it first; then it is missing, and that can be mended."""
    path = world.stored(LABEL)[0]
    flip(path, later_ns=10**9)

    report = look(world, repair=True, level=Level.PIXELS)

    assert actions(report) == [("person", False)]
    assert len(filed(world)) == 5
    lose(world, path)
    look(world, repair=True)
    assert world.sync().exit_code == 0
    assert untouched(look(world, level=Level.PIXELS))


def test_a_copy_that_is_not_whole_is_not_sent(world: DropWorld) -> None:
    """Lost there and damaged here: only a person can mend that."""
    lose(world, world.stored(LABEL)[0])
    flip(filed(world)[0])

    report = look(world, repair=True, level=Level.NAMES)

    assert actions(report) == [("person", False)]
    assert "is not whole" in report.repairs[0].text
    assert len(filed(world)) == 5


def test_bit_rot_in_a_filed_copy_is_a_matter_for_a_person(world: DropWorld) -> None:
    """The server may have rewritten heads: what it holds is not what was filed."""
    flip(filed(world)[0])

    assert actions(look(world, repair=True)) == [("person", False)]


def test_without_a_filed_copy_a_person_is_told(empty: DropWorld) -> None:
    """The source was deleted after it had been proven."""
    empty.configure(after="delete")
    empty.study()
    empty.sync()
    lose(empty, empty.stored(LABEL)[0])

    report = look(empty, repair=True)

    assert actions(report) == [("person", False)]
    assert "no filed copy" in report.repairs[0].text


def test_nothing_is_put_over_what_lies_in_the_drop_folder(world: DropWorld) -> None:
    """Another item has the name meanwhile: it gets a number."""
    lose(world, world.stored(LABEL)[0])
    world.study("exam", patient="S2", seed=5)

    look(world, repair=True)

    assert world.in_drop() == {"exam", "exam.1"}
    assert world.sync().exit_code == 0
    assert untouched(look(world))


def test_an_attached_file_that_was_lost_comes_again(empty: DropWorld) -> None:
    """Under another name, with the number of the item that brought it."""
    empty.configure(other="attach")
    empty.study()
    (empty.folder / "exam" / "notes.txt").write_text("as they were")
    empty.sync()
    session = empty.session(LABEL)
    assert session is not None
    (name,) = [name for name in session.resources["ATTACHED"].entries if name.endswith("notes.txt")]
    delete(empty, f"/data/experiments/{session.id}/resources/ATTACHED/files/{name}")
    assert found(look(empty)) == {("server", "missing")}

    look(empty, repair=True)

    assert empty.sync().exit_code == 0
    report = look(empty)
    assert untouched(report), report.findings


# --- trees -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["add", "replica"])
def test_a_damaged_file_comes_again_and_the_damaged_one_is_in_the_trash(pulled: MirrorWorld, policy: str) -> None:
    """No sync would have seen it; after repair and sync all is the same."""
    pulled.configure(policy=policy)
    held = pulled.files()
    flip(pulled.tree / FIRST)
    damaged, since = (pulled.tree / FIRST).read_bytes(), len(pulled.server.log)

    report = look(pulled, repair=True)

    assert (actions(report), report.exit_code) == ([("fetch", True)], 4)
    assert writes(pulled, since) == []
    assert pulled.trash() == {"1.nii": damaged}
    assert pulled.mirror().exit_code == 0
    assert pulled.files() == held
    assert untouched(look(pulled))
    with pulled.opened_ledger() as ledger:
        assert [version.ended for version in ledger.versions_of("m", FIRST)] == ["edited", None]


def test_damaged_metadata_comes_again(pulled: MirrorWorld) -> None:
    """It lies in the tree as any other file."""
    (sidecar,) = [path for path in pulled.tree.rglob("session.xml") if ".xnatsync" not in path.parts]
    held = sidecar.read_bytes()
    flip(sidecar)

    assert actions(look(pulled, repair=True)) == [("fetch", True)]

    assert pulled.mirror().exit_code == 0
    assert sidecar.read_bytes() == held
    assert untouched(look(pulled))


def test_a_missing_file_comes_again(pulled: MirrorWorld) -> None:
    """A whole folder as well."""
    held = pulled.files()
    shutil.rmtree(pulled.tree / Path(FIRST).parent)

    report = look(pulled, repair=True)

    assert actions(report) == [("fetch", True)] * 3
    assert pulled.mirror().exit_code == 0
    assert pulled.files() == held
    assert untouched(look(pulled))


def test_an_edit_is_left_to_the_person_who_made_it(pulled: MirrorWorld) -> None:
    """Nothing of it is thrown away."""
    (pulled.tree / FIRST).write_bytes(b"my own work")

    report = look(pulled, repair=True)

    assert actions(report) == [("person", False)]
    assert ((pulled.tree / FIRST).read_bytes(), pulled.trash()) == (b"my own work", {})


def test_damage_is_not_moved_away_when_the_server_has_lost_it(pulled: MirrorWorld) -> None:
    """What is left of it may be all there is."""
    flip(pulled.tree / FIRST)
    pulled.delete(URL.format(number=pulled.number, name="1.nii"))

    report = look(pulled, repair=True)

    assert ("person", False) in actions(report)
    assert (pulled.tree / FIRST).exists()
    assert pulled.trash() == {}


def test_a_replacement_of_equal_size_is_brought_under_replica(pulled: MirrorWorld) -> None:
    """No inventory shows it; once it is due, the policy decides."""
    pulled.configure(policy="replica")
    assert pulled.mirror().exit_code == 0  # other settings: everything is looked at once
    pulled.upload(URL.format(number=pulled.number, name="1.nii"), b"x" * 100, overwrite=True)
    assert pulled.mirror().exit_code == 0

    assert actions(look(pulled, repair=True)) == [("fetch", True)]

    assert pulled.mirror().exit_code == 0
    assert pulled.files()[FIRST] == b"x" * 100
    assert untouched(look(pulled))


def test_under_add_a_replacement_waits_for_a_person(pulled: MirrorWorld) -> None:
    """The next sync says so; nothing is replaced here."""
    held = pulled.files()
    pulled.upload(URL.format(number=pulled.number, name="1.nii"), b"x" * 100, overwrite=True)

    look(pulled, repair=True)

    assert pulled.mirror().exit_code == 3
    assert pulled.files() == held


def test_a_rehearsal_leaves_the_tree_alone(pulled: MirrorWorld) -> None:
    """And the ledger: nothing is due."""
    flip(pulled.tree / FIRST)
    tree = snapshot(pulled.tree)

    report = look(pulled, repair=True, rehearse=True)

    assert actions(report) == [("fetch", False)]
    assert snapshot(pulled.tree) == tree
    assert pulled.mirror().due == 0


def test_not_more_is_moved_away_than_one_run_may_remove(pulled: MirrorWorld) -> None:
    """A disk that damages everything is a matter for a person."""
    pulled.configure(max_delete=2)
    for path in pulled.tree.rglob("*.nii"):
        flip(path)

    report = look(pulled, repair=True)

    assert sorted(actions(report)) == [("fetch", True)] * 2 + [("person", False)] * 4
    assert len(pulled.trash()) == 2


# --- items of several studies, and studies of several items ------------------------------------------------------


def test_an_item_of_two_studies_goes_back_once(empty: DropWorld) -> None:
    """Both lost something; both are mended by the one item."""
    for number in (1, 2):
        empty.study(f"exams/{number}", patient=f"S{number}", seed=number)
    assert empty.sync().exit_code == 0
    for number in (1, 2):
        label = f"S{number}_MR_20260301"
        lose(empty, empty.stored(label)[0], label)

    report = look(empty, repair=True)

    assert actions(report) == [("redeliver", True)]
    assert empty.sync().exit_code == 0
    assert untouched(look(empty))


def test_of_two_items_of_one_study_one_goes_back(world: DropWorld) -> None:
    """The newer one holds all that is missing."""
    world.study("again")
    assert world.sync().exit_code == 0
    lose(world, world.stored(LABEL)[0])

    assert actions(look(world, repair=True)) == [("redeliver", True)]

    assert world.in_drop() == {"again"}
    assert world.sync().exit_code == 0
    assert untouched(look(world))


def test_what_was_lost_twice_is_mended_twice(world: DropWorld) -> None:
    """The copy that went back and was filed again is the one that goes back the next time."""
    for _ in range(2):
        lose(world, world.stored(LABEL)[0])
        assert actions(look(world, repair=True)) == [("redeliver", True)]
        assert world.sync().exit_code == 0
        assert untouched(look(world))


def test_a_copy_that_is_damaged_in_another_study_is_not_sent(empty: DropWorld) -> None:
    """The item is whole or it stays where it is."""
    for number in (1, 2):
        empty.study(f"exams/{number}", patient=f"S{number}", seed=number)
    assert empty.sync().exit_code == 0
    lose(empty, empty.stored("S1_MR_20260301")[0], "S1_MR_20260301")
    flip(next(path for path in filed(empty) if "/exams/2/" in path.as_posix()))

    report = look(empty, repair=True)

    assert {repair.action for repair in report.repairs} == {"person"}
    assert empty.in_drop() == set()


# --- dying in between --------------------------------------------------------------------------------------------


def test_a_repair_that_dies_after_the_move_is_no_loss(world: DropWorld) -> None:
    """The copy is in the drop folder and the ledger does not know: it is on its way, and not missing."""
    lose(world, world.stored(LABEL)[0])
    with pytest.raises(Died):
        look(world, app=app_between(world.config, disk={"move": raising_after(Died())}), repair=True)
    assert world.in_drop() == {"exam"}
    with world.ledger() as ledger:
        assert ledger.items(living=False)[0].filed_as is not None

    assert found(look(world)) == {("server", "missing")}
    assert world.sync().exit_code == 0
    assert untouched(look(world))


def test_a_move_that_fails_leaves_the_copy_where_it_is(world: DropWorld) -> None:
    """A person is told; and a copy that is gone later is no longer kept."""
    lose(world, world.stored(LABEL)[0])
    full = app_between(world.config, disk={"move": raising(DiskFull("no space is left"))})
    assert actions(look(world, app=full, repair=True)) == [("person", False)]
    assert len(filed(world)) == 5

    shutil.rmtree(filed(world)[0].parents[1])

    report = look(world)
    assert found(report) == {("server", "missing")}
    assert [part.item_id for part in report.unkept] == [1]


@pytest.mark.parametrize("dies", [raising, raising_after])
def test_a_repair_of_a_tree_that_dies_is_mended_by_the_next_sync(
    pulled: MirrorWorld, dies: Callable[[BaseException], Callable[..., Any]]
) -> None:
    """Before or after the damaged file has gone to the trash, which was announced."""
    held = pulled.files()
    flip(pulled.tree / FIRST)
    with pytest.raises(Died):
        look(pulled, app=app_between(pulled.config, trees={"discard": dies(Died())}), repair=True)
    assert (pulled.tree / FIRST).exists() == (dies is raising)

    assert pulled.mirror().exit_code == 0
    look(pulled, repair=True)
    assert pulled.mirror().exit_code == 0

    assert pulled.files() == held
    assert untouched(look(pulled))


# --- what a disk does not give -----------------------------------------------------------------------------------


def test_what_cannot_be_read_is_unreadable_and_a_matter_for_a_person(world: DropWorld) -> None:
    """It is there: neither missing nor different; the other files of the copy are judged."""
    bad = filed(world)[0]
    error = SourceUnreadable("input/output error")
    failing = raising(error, lambda path, files: path / files[0].path == bad)

    report = look(world, app=app_between(world.config, disk={"stream": failing}), repair=True)

    assert found(report) == {("filed", "unreadable")}
    assert (report.local.same, report.exit_code, actions(report)) == (4, 4, [("person", False)])


def test_what_a_tree_does_not_give_is_unreadable(pulled: MirrorWorld) -> None:
    """And stays where it is."""
    failing = raising(SourceUnreadable("input/output error"), lambda _root, path: path == FIRST)

    report = look(pulled, app=app_between(pulled.config, trees={"read": failing}), repair=True)

    assert found(report) == {("tree", "unreadable")}
    assert (report.exit_code, actions(report)) == (4, [("person", False)])
    assert (pulled.tree / FIRST).exists()
