"""The judge of the crash tests sees bugs: each is planted into a process, which is killed where it hurts."""

from __future__ import annotations

import pytest

from crash.crash_world import Arena, CrashWorld
from crash.planted import PLANTS

CASES = {
    "files_before_proof": ("before xnat.commit", "in done without a receipt"),
    "records_before_acting": ("before xnat.commit", "the archive does not hold every object"),
    "sends_without_a_look": ("after xnat.commit", "the prearchive still holds 1 rows"),
    "vouches_for_whatever_is_there": ("after disk: rename_exclusively", "the archive does not hold every object"),
    "copies_into_done": ("", "are there twice"),
}


def _history(world: CrashWorld, where: str) -> list[str]:
    """Drops, kills at the first boundary of that name, puts a stranger into custody, runs again; all complaints."""
    world.drop()
    assert world.run(kill_at=0, until=where).code == -9
    found = world.complaints_after_a_kill()
    if box := [path for path in world.folder.glob(".xnatsync/custody/*/exam") if path.is_dir()]:
        world.drop_study("late", (7,), into=box[0])
    world.run()
    return found + world.complaints_at_the_end()


@pytest.mark.parametrize("plant", sorted(PLANTS))
def test_a_planted_bug_is_caught(arena: Arena, plant: str) -> None:
    where, complaint = CASES[plant]
    with arena.world("plain", plant=plant) as world:
        assert complaint in "\n".join(_history(world, where))


@pytest.mark.parametrize("where", sorted({where for where, _ in CASES.values()} - {""}))
def test_the_same_history_without_the_bug_has_no_complaint(arena: Arena, where: str) -> None:
    """What comes into custody after the proof is a stranger, and is delivered like everything else."""
    with arena.world("plain") as world:
        assert _history(world, where) == []
