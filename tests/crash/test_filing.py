"""Filing takes what was proven and nothing else, whatever was dropped under the same name before, between or after."""

from __future__ import annotations

import os
import shutil

import pytest

from crash.crash_world import LONG_AGO_NS, Arena, digests

INTO_CUSTODY = "after disk: rename_exclusively"


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "archive"])
def test_the_same_thing_dropped_twice_on_one_day_is_filed_twice(arena: Arena, packed: bool) -> None:
    with arena.world("plain") as world:
        world.drop_study("exam", (1,), packed=packed)
        name = "exam.zip" if packed else "exam"
        twin = world.root / "twin"
        (shutil.copy2 if packed else shutil.copytree)(world.folder / name, twin)
        assert world.run().code == 0
        world.dropped += digests(twin)
        twin.rename(world.folder / name)

        assert world.run().code == 0

        assert world.complaints_at_the_end() == []


@pytest.mark.parametrize("same", [True, False], ids=["the same again", "something else"])
@pytest.mark.parametrize("nth", [1, 2], ids=["in custody", "filed"])
def test_a_name_that_is_dropped_again_while_a_killed_run_was_filing_it(arena: Arena, nth: int, same: bool) -> None:
    with arena.world("plain") as world:
        world.drop()
        twin = world.root / "twin"
        shutil.copytree(world.folder / "exam", twin)
        trace = _trace(arena)
        number = [n for n, name in enumerate(trace, start=1) if name.endswith(INTO_CUSTODY)][nth - 1]
        assert world.run(kill_at=number).code == -9
        if same:
            world.dropped += digests(twin)
            twin.rename(world.folder / "exam")
        else:
            world.drop_study("exam", (5, 6))

        codes = [world.run().code for _ in range(2)]

        assert codes == [0, 0]
        assert world.complaints_at_the_end() == []


def _trace(arena: Arena) -> tuple[str, ...]:
    with arena.world("plain") as world:
        world.drop()
        return world.run().trace


@pytest.mark.parametrize("settle", ["0s", "300ms"])
def test_an_old_file_that_came_after_the_proof_is_never_taken_for_proven(arena: Arena, settle: str) -> None:
    """Copied with its old time, so that no clock betrays it."""
    with arena.world("plain") as world:
        world.configure(settle=settle)
        world.drop()
        assert world.run(until="before disk.move").code == -9
        world.drop_study("later", (9,), into=world.folder / "exam")

        assert world.run().code == 0

        assert world.complaints_at_the_end() == []


def test_an_archive_that_was_replaced_after_the_proof_is_delivered_anew(arena: Arena) -> None:
    with arena.world("zip") as world:
        world.drop()
        assert world.run(until="before disk.move").code == -9
        world.drop_study("other", (8,), packed=True)
        (world.folder / "other.zip").replace(world.folder / "exam.zip")
        os.utime(world.folder / "exam.zip", ns=(LONG_AGO_NS, LONG_AGO_NS))

        assert world.run().code == 0

        assert world.complaints_at_the_end() == []


def test_what_somebody_took_away_after_the_proof_is_not_said_to_be_filed(arena: Arena) -> None:
    """Though another item of that name was filed on the same day."""
    with arena.world("plain") as world:
        world.drop_study("exam", (1,))
        assert world.run().code == 0
        world.drop_study("exam", (2,))
        assert world.run(until="before disk.move").code == -9
        shutil.rmtree(world.folder / "exam")

        assert world.run().code == 0

        with world.ledger_copy() as ask:
            assert [row[0] is None for row in ask("select filed_as from item order by id")] == [False, True]
