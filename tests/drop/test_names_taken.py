"""Objects under their own file names: what the server would refuse because of a name is never sent under it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from drop_pieces import LABEL, held
from drop_world import DropWorld, uids


def parts(world: DropWorld) -> tuple[list[Path], list[Path]]:
    """Gives two parts of one series, in folders of their own, with the same file names."""
    files = world.study("a", series=(4,))
    second = []
    for old, new in zip(files[2:], files[:2], strict=True):
        place = world.root / "later" / new.name
        place.parent.mkdir(exist_ok=True)
        second.append(old.rename(place))
    return files[:2], second


def drop_later(world: DropWorld, files: list[Path]) -> set[str]:
    found = uids(files)
    os.rename(files[0].parent, world.folder / "b")
    return found


@pytest.mark.parametrize("together", [False, True])
def test_a_later_part_with_the_same_names_gets_names_of_its_own(world: DropWorld, together: bool) -> None:
    world.configure(member_names="original")
    first, second = parts(world)
    wanted = uids(first)
    if not together:
        assert world.sync().exit_code == 0
    wanted |= drop_later(world, second)

    report = world.sync()

    assert report.exit_code == 0, report
    assert world.archived(LABEL) == wanted


def test_names_that_only_the_server_knows_are_foreseen(world: DropWorld) -> None:
    """The ledger was lost: nothing is sent that would be refused, and the advice leads on."""
    world.configure(member_names="original")
    first, second = parts(world)
    wanted = uids(first)
    world.sync()
    for path in world.root.glob("ledger.db*"):
        path.unlink()
    wanted |= drop_later(world, second)
    before = len(world.server.log)

    row = held(world.sync())

    assert row.code == "XS-OBJECTS-CONFLICT"
    assert 'member_names = "uid"' in (row.advice or "")
    assert world.writes(before) == []
    world.configure(member_names="uid")
    assert world.sync().exit_code == 0
    assert world.archived(LABEL) == wanted


def test_what_a_server_rewrites_is_called_so_where_bytes_are_asked_for(world: DropWorld) -> None:
    """The advice was to have the administrator examine objects with which nothing was wrong."""
    world.configure(verify="bytes")
    world.study()

    row = held(world.sync())

    assert row.code == "XS-UNVERIFIABLE"
    assert 'verify = "pixels"' in (row.advice or "")
    world.configure(verify="pixels")
    assert world.sync().exit_code == 0
