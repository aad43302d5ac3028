"""Mirrors and pushes killed with SIGKILL at a boundary, then run again: the same end state, and never a part of a file.

A boundary is the moment before or after a call of a port, within a stream, around a rename, and around each transaction
of the ledger.  A sample of them is run; `XNATSYNC_CRASH=all` runs every one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import get_args

import pytest

from crash.crash_world import Arena
from crash.mirror_crash_world import MirrorCrashWorld, Scenario

PARTS = 4  # how many tests share the boundaries of one scenario
EVERYTHING = os.environ.get("XNATSYNC_CRASH") == "all"
EACH = 6  # of the boundaries after which something differs, every so many are run
CHANGES = re.compile(
    r"after (a commit|tree\.(mark|stage|land|keep|discard|rename|settle_folders|clear_staging)|disk: rename_exclusively"
    r"|xnat\.put_resource_file)|within (xnat|tree)\.|before a commit"
)
_worlds = iter(range(1, 1_000_000))


@contextmanager
def arranged(arena: Arena, scenario: Scenario) -> Iterator[MirrorCrashWorld]:
    """A world of its own."""
    number = next(_worlds)
    world = MirrorCrashWorld(arena.root / f"mirror{number}", f"M{number}", arena.client, arena.processes, scenario)
    world.arrange()
    yield world


def _chosen(trace: tuple[str, ...]) -> list[int]:
    every = [number for number, name in enumerate(trace, start=1) if "within opening" not in name]
    if EVERYTHING:
        return every
    return [number for number in every if CHANGES.search(trace[number - 1])][::EACH]


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("scenario", get_args(Scenario))
def test_a_kill_at_any_boundary_ends_in_the_same_state(arena: Arena, scenario: Scenario, part: int) -> None:
    with arranged(arena, scenario) as world:
        undisturbed = world.run()
        assert undisturbed.code == 0, arena.messages()
        assert world.complaints_at_the_end() + world.complaints_about_another_run() == []
        wrong: list[str] = []
        chosen = _chosen(undisturbed.trace)[part::PARTS]
        print(f"{scenario}: {len(undisturbed.trace)} boundaries, {len(chosen)} kills in part {part}")
        for number in chosen:
            if scenario == "push":
                with arranged(arena, scenario) as fresh:
                    wrong += _killed(arena, fresh, number)
            else:
                world.rewind()
                wrong += _killed(arena, world, number)
    assert wrong == []


def _killed(arena: Arena, world: MirrorCrashWorld, number: int) -> list[str]:
    killed = world.run(kill_at=number)
    found = [] if killed.code == -9 else [f"it ended with {killed.code} instead of being killed"]
    found += world.complaints_after_a_kill()
    again = world.run()
    found += [] if again.code == 0 else [f"the next run ended with {again.code}: {arena.messages()}"]
    found += world.complaints_at_the_end() + world.complaints_about_another_run()
    return [f"{killed.last}: {complaint}" for complaint in found]


def test_there_are_boundaries_of_every_kind(arena: Arena) -> None:
    """Otherwise a port that nobody watches any more would go unnoticed."""
    passed = ""
    for scenario in get_args(Scenario):
        with arranged(arena, scenario) as world:
            passed += "\n".join(world.run().trace)

    for name in [
        "after tree.mark", "after tree.stage", "after tree.flush", "after tree.land", "after tree.keep",
        "after tree.discard", "after tree.rename", "after tree.settle_folders", "after disk: rename_exclusively",
        "within xnat.fetch_resources", "after xnat.put_resource_file", "within tree.open", "after xnat.metadata",
    ]:  # fmt: skip
        assert name in passed, name


@pytest.mark.parametrize("scenario", ["pull", "replica"])
def test_the_judge_sees_what_is_wrong(arena: Arena, scenario: Scenario) -> None:
    """A part, a lost file, a touched stranger, a folder that stays behind."""
    with arranged(arena, scenario) as world:
        assert world.run().code == 0
        whole = next(path for path in world.new if path.endswith("4.nii"))
        world.write(whole, world.new[whole][:100])
        assert f"{whole} holds neither the old nor the new content" in world.complaints_after_a_kill()
        assert "other bytes" in world.complaints_at_the_end()[0]
        world.write(whole, world.new[whole])
        assert world.complaints_after_a_kill() == []
        (world.tree / "mine.txt").unlink()
        assert world.complaints_after_a_kill() == ["mine.txt is lost"]
