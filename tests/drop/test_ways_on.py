"""Whatever is refused, or was given up, has a way on that leads somewhere."""

from __future__ import annotations

from drop_pieces import LABEL, held
from drop_world import DropWorld, uids
from xnatsync.app.app import App
from xnatsync.app.dismiss import dismiss
from xnatsync.app.resolve import release
from xnatsync.app.story import tell
from xnatsync.config.load import load


def test_a_session_that_was_made_by_hand_gives_its_label(world: DropWorld) -> None:
    """The advice was to give two studies different labels, and there was one study."""
    place = f"/data/projects/P1/subjects/SUB1/experiments/{LABEL}"
    world.put(f"{place}?xsiType=xnat:mrSessionData")
    files = world.study()
    wanted = uids(files)

    row = held(world.sync())

    assert row.code == "XS-SESSION-COLLISION"
    assert "Rename it on the server" in (row.advice or "")
    world.put(f"{place}?label=BY_HAND")
    release(load(world.config), [f"u{row.id}"])
    assert world.sync().exit_code == 0
    assert world.archived(LABEL) == wanted


def test_what_was_given_up_by_mistake_can_be_delivered(world: DropWorld) -> None:
    world.study()
    (world.folder / "exam" / "IM.dcm").write_bytes(b"")
    world.sync()
    dismiss(App(load(world.config)), 1)

    assert "rename it in the drop folder" in str(tell(load(world.config), "1"))
    (world.folder / "exam" / "IM.dcm").unlink()
    (world.folder / "exam").rename(world.folder / "exam again")

    assert world.sync().exit_code == 0
    assert world.in_drop() == set()
