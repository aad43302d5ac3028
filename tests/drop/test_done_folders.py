"""Where a route files may change; what it filed before is still known, and is never delivered again."""

from __future__ import annotations

import pytest

from drop_pieces import LABEL, elsewhere, quick_sync
from drop_world import DropWorld, copy_tree, uids
from xnatsync.app.doctor import examine


@pytest.mark.parametrize("former", [None, "filed"])
@pytest.mark.parametrize("ledger", ["kept", "lost"])
def test_a_former_done_folder_is_never_an_item(world: DropWorld, former: str | None, ledger: str) -> None:
    """`done` is set to another folder: the old one stays what it is, also without the ledger."""
    old = world.folder / (former or "done")
    world.configure(**({"done": str(old)} if former is not None else {}))
    sent = uids(world.study())
    assert quick_sync(world).exit_code == 0
    world.configure(done=str(world.folder / "new"))
    if ledger == "lost":
        for path in world.root.glob("ledger.db*"):
            path.unlink()
    begun = len(world.server.log)

    report = quick_sync(world)

    assert (report.exit_code, report.items) == (0, [])
    assert world.writes(begun) == []
    assert len(list(old.rglob("*.dcm"))) == len(sent)
    told = [check.text for check in examine(world.config).checks if "former done folder" in check.text]
    assert len(told) == 1
    assert str(old) in told[0]


def test_an_exam_that_is_called_like_a_former_done_folder_is_delivered(world: DropWorld) -> None:
    """The old folder was removed, and somebody drops an exam of that name: nothing is kept from the archive."""
    world.study(patient="SUB0", seed=4)
    assert quick_sync(world).exit_code == 0
    world.configure(done=str(world.folder / "new"))
    assert quick_sync(world).exit_code == 0
    (world.folder / "done").rename(world.root / "taken away")
    sent = uids(world.study("done"))

    assert quick_sync(world).exit_code == 0

    assert world.archived(LABEL) == sent


def test_a_copy_of_what_was_filed_is_an_item_where_it_is_dropped(world: DropWorld) -> None:
    """Only the place where a route filed is a done folder: who drops a copy of it means that."""
    world.study()
    assert quick_sync(world).exit_code == 0
    copy_tree(world.folder / "done", world.folder / "again")

    report = quick_sync(world)

    assert [(item.item.path, item.item.phase) for item in report.items] == [("again", "done")]


@pytest.mark.parametrize("line", ["../..", "/", "", "exam", "."])
def test_the_list_beside_custody_can_hide_nothing_that_was_dropped(world: DropWorld, line: str) -> None:
    """Anybody who may write in the drop folder may write there: an exam that it names is delivered all the same."""
    made = elsewhere(world)
    (world.folder / ".xnatsync").mkdir()
    (world.folder / ".xnatsync" / "done-folders").write_text(f"{line}\n")
    copy_tree(made[0].parents[1], world.folder / "exam")

    assert quick_sync(world).exit_code == 0

    assert world.archived(LABEL) == uids(made)
