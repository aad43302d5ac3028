"""One file of a tree that the disk refuses: it is told, and everything else of its owner and of the others is done."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mirror_world import MirrorWorld
from ports_between import app_between
from xnatsync.app.trees import MirrorReport
from xnatsync.core.errors import DiskFull, DiskRefused, Exit, NameHostile
from xnatsync.disk.failures import Operation, one_thing, our_disk
from xnatsync.disk.tree_paths import failed

FILE = "P1/S1/S1_MR/scans/1/resources/NIFTI/files/1.nii"


def _refusing(number: int, position: int) -> Callable[..., Any]:
    """A method of the tree that refuses one path: the argument at a position."""

    def act(call: Callable[..., Any], *given: Any, **more: Any) -> Any:
        if given[position] == FILE:
            error = OSError(number, os.strerror(number))
            if number == errno.ENAMETOOLONG:
                raise failed(Path(given[0]), error, f"putting {FILE} in its place")
            raise one_thing(error, f"putting {FILE} in its place", Operation.RENAME)
        return call(*given, **more)

    return act


def _mirror(world: MirrorWorld, **trees: Callable[..., Any]) -> MirrorReport:
    world.make_app = lambda config: app_between(world.config, trees=trees)
    return world.mirror()


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.EACCES, DiskRefused.code), (errno.EPERM, DiskRefused.code), (errno.ENAMETOOLONG, NameHostile.code)],
)
def test_one_file_that_cannot_come_to_its_place_keeps_no_other_back(number: int, code: str, world: MirrorWorld) -> None:
    """It is held for a person, with its path; each further run ends with 3, not with 5 for ever."""
    world.fill(world.session_with())
    world.fill(world.session_with("S2_MR", subject="S2"))

    first = _mirror(world, land=_refusing(number, 2))
    again = _mirror(world, land=_refusing(number, 2))

    assert len(world.files()) == 11
    assert (first.exit_code, again.exit_code) == (Exit.HELD, Exit.HELD)
    assert [(row.path, row.code) for row in again.troubles] == [(FILE, code)]
    assert _mirror(world).exit_code == Exit.OK
    assert len(world.files()) == 12


def test_one_file_that_cannot_go_to_the_trash_keeps_no_other_there(world: MirrorWorld) -> None:
    """Under `replica` the others are removed; the one is told, and goes when it can."""
    world.configure(policy="replica")
    session = world.session_with()
    world.fill(session)
    world.mirror()
    for number in (1, 2):
        world.delete(f"experiments/{session}/scans/1/resources/NIFTI/files/{number}.nii")

    held = _mirror(world, discard=_refusing(errno.EACCES, 1))

    assert held.exit_code == Exit.HELD
    assert [(row.path, row.code) for row in held.troubles] == [(FILE, DiskRefused.code)]
    assert len(world.files()) == 5
    assert _mirror(world).exit_code == Exit.OK
    assert len(world.files()) == 4


def test_what_can_neither_follow_a_new_label_nor_go_back_keeps_nobody_else_waiting(world: MirrorWorld) -> None:
    """Of two files one came to its new place, and the disk refuses everything more: the owner waits as it is.

    Nothing of it is fetched a second time; the other session is brought, and when the disk takes it, it goes on.
    """
    world.configure(layout={"scan": "{resource}/{subject}/{session}/{scan}/{path}"}, metadata=False)
    session = world.session_with()
    world.fill(session, files=1)
    before = world.mirror()
    assert before.exit_code == Exit.OK
    world.put("/data/projects/P1/subjects/S1/experiments/S1_MR?label=NEW_MR")
    world.fill(world.session_with("S2_MR", subject="S2"))
    renamed: list[str] = []

    def once(call: Callable[..., Any], *given: Any, **more: Any) -> Any:
        if renamed:
            raise one_thing(OSError(errno.EACCES, os.strerror(errno.EACCES)), "moving", Operation.RENAME)
        renamed.append(given[1])
        return call(*given, **more)

    def refusing(call: Callable[..., Any], *given: Any, **more: Any) -> Any:
        raise one_thing(OSError(errno.EACCES, os.strerror(errno.EACCES)), "moving", Operation.RENAME)

    for rename in (once, refusing):
        held = _mirror(world, rename=rename)
        assert (held.exit_code, held.errors) == (Exit.HELD, ())
        assert [row.code for row in held.troubles] == [DiskRefused.code]
        assert len(world.files()) == 8
    requests = len(world.server.log)
    assert _mirror(world).exit_code == Exit.OK
    assert sorted(path.split("/")[2] for path in world.files()) == ["NEW_MR"] * 2 + ["S2_MR"] * 6
    assert not [line for line in world.requests(requests) if "/files/" in line]


def test_a_full_disk_of_which_the_probe_says_so_stops_the_route(world: MirrorWorld) -> None:
    """Then nobody is held for it."""
    world.fill(world.session_with())

    def full(call: Callable[..., Any], *given: Any, **more: Any) -> Any:
        raise our_disk(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "writing")

    report = _mirror(world, land=full, probe=full)

    assert [type(error) for error in report.errors] == [DiskFull]
    assert report.held == ()
