"""A dropped thing that its owner takes away again, before anything of it was sent: given up by itself, told once."""

from __future__ import annotations

import shutil

from drop_world import DropWorld, only
from xnatsync.core.errors import Exit


def test_a_held_bad_drop_that_is_taken_away_is_given_up(world: DropWorld) -> None:
    """The natural remedy: exit code 0, at once, and nothing of it is left to be asked."""
    world.study("exam", patient="")
    assert world.sync().exit_code == Exit.HELD
    shutil.rmtree(world.folder / "exam")

    report = world.sync(patience_s=0.0)

    assert report.exit_code == Exit.OK
    item = only(report).item
    assert (item.phase, item.hold) == ("dismissed", None)
    assert item.detail == "taken away before anything of it was sent"
    again = world.sync(patience_s=0.0)
    assert (again.exit_code, again.items) == (Exit.OK, [])


def test_what_is_put_back_is_a_new_item(world: DropWorld) -> None:
    """However like it looks: an empty mount point hides what comes back."""
    world.study("exam", patient="")
    world.sync()
    (world.folder / "exam").rename(world.root / "kept")
    world.sync(patience_s=0.0)
    (world.root / "kept").rename(world.folder / "exam")

    report = world.sync(patience_s=0.0)

    assert report.exit_code == Exit.HELD
    assert [part.item.id for part in report.items] == [2]


def test_what_was_sent_in_part_is_not_given_up(world: DropWorld) -> None:
    """The server may hold a half: a person is asked."""
    world.study("exam", series=(1,))
    world.fault("POST", "/data/services/import", "status", times=1000, status=507)
    world.sync(patience_s=0.0)
    shutil.rmtree(world.folder / "exam")

    report = world.sync(patience_s=0.0)

    assert only(report).item.phase == "settled"
    assert report.exit_code != Exit.OK
