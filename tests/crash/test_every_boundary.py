"""Killed with SIGKILL at every boundary in turn, then run again: the same end state (L4, issue 2 §5.4).

Every boundary of the plain drop is run, but of the 69 statements that make a new ledger in one transaction every third.
Of the other scenarios, those after which the world differs from before: a kill around a mere look, or in a transaction
that is not committed, leaves what the boundary before it left.  `XNATSYNC_CRASH=all` runs every boundary of every
scenario (about 960 kills).
"""

from __future__ import annotations

import os
import re

import pytest

from crash.crash_world import ROUTES, Arena, Scenario, digests

PARTS = 8  # how many tests share the boundaries of one scenario
EVERYTHING = os.environ.get("XNATSYNC_CRASH") == "all"
CHANGES = re.compile(
    r"after (a commit|disk: (make_folder|rename_exclusively|unlink|remove_if_empty)|opening the ledger"
    r"|xnat\.(import_zip|build|commit|put_file))|within disk\.stream"
)


def _chosen(scenario: Scenario, trace: tuple[str, ...]) -> list[int]:
    """Lists the numbers of the boundaries at which to kill."""
    if EVERYTHING:
        return list(range(1, len(trace) + 1))
    return [
        number
        for number, name in enumerate(trace, start=1)
        if (CHANGES.search(name) if scenario != "plain" else "within opening" not in name or number % 3 == 0)
    ]


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("scenario", list(ROUTES))
def test_a_kill_at_any_boundary_ends_in_the_same_state(arena: Arena, scenario: Scenario, part: int) -> None:
    with arena.world(scenario) as world:
        world.drop()
        undisturbed = world.run()
        assert undisturbed.code == 0
        assert world.complaints_at_the_end() == []
    wrong: list[str] = []

    for number in _chosen(scenario, undisturbed.trace)[part::PARTS]:
        with arena.world(scenario) as world:
            world.drop()
            killed = world.run(kill_at=number)
            found = [] if killed.code == -9 else [f"it ended with {killed.code} instead of being killed"]
            found += world.complaints_after_a_kill()
            again = world.run()
            found += [] if again.code == 0 else [f"the next run ended with {again.code}: {arena.messages()}"]
            found += world.complaints_at_the_end() + world.complaints_about_another_run()
            unanswered = scenario == "zip" and killed.last.endswith("after xnat.import_zip")
            if unanswered and digests(world.done) != world.dropped:
                found.append("it was removed though its upload was never acknowledged")
            wrong += [f"{killed.last}: {complaint}" for complaint in found]

    assert wrong == []


def test_there_are_boundaries_of_every_kind(arena: Arena) -> None:
    """Otherwise a port that nobody watches any more would go unnoticed."""
    passed = ""
    for scenario in ROUTES:
        with arena.world(scenario) as world:
            world.drop()
            passed += "\n".join(world.run().trace)

    for name in [
        "before opening the ledger", "before a commit", "after a commit", "after xnat.import_zip", "after xnat.build",
        "after xnat.commit", "after xnat.put_file", "within disk.stream", "within xnat.fetch_scans",
        "after disk: rename_exclusively", "after disk: unlink", "after disk: remove_if_empty",
    ]:  # fmt: skip
        assert name in passed


def test_a_second_kill_while_the_first_is_mended_changes_nothing(arena: Arena) -> None:
    """Killed after the archiving took effect, and then at each change of the ledger in the next life too."""
    with arena.world("plain") as world:
        world.drop()
        trace = world.run().trace
    first = next(number for number, name in enumerate(trace, start=1) if name.endswith("after xnat.commit"))
    wrong: list[str] = []

    with arena.world("plain") as world:
        world.drop()
        assert world.run(kill_at=first).code == -9
        kills = 0
        while (killed := world.run(kill_at=7 + 9 * kills)).code == -9:
            kills += 1
            wrong += [f"{killed.last}: {complaint}" for complaint in world.complaints_after_a_kill()]
        wrong += world.complaints_at_the_end() + world.complaints_about_another_run()

    assert kills > 3
    assert killed.code == 0
    assert wrong == []
