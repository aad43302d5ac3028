"""Processes ended at random moments, with two workers and two streams; what they leave is safe, and converges.

The moments come from counted draws, so a seed that fails can be run again (as far as processes repeat themselves).
`XNATSYNC_CRASH=all` kills 500 times instead of 40, and asks to stop 120 times instead of 15.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence
from random import Random

import pytest

from crash.crash_world import Arena, CrashWorld
from crash.processes import kill

EVERYTHING = os.environ.get("XNATSYNC_CRASH") == "all"
SEEDS = 100 if EVERYTHING else 8
STOPS = 24 if EVERYTHING else 3
KILLS = 5  # of each seed
WAIT_MS = (20, 800)
KILLED, STOPPED, TERMINATED = -signal.SIGKILL, 143, -signal.SIGTERM


def _drop(world: CrashWorld, number: int) -> None:
    """A study in two parts, another one, and what is not DICOM; each time of other patients."""
    one, other = f"A{number}", f"B{number}"
    world.drop_study(f"first{number}", (1, 2), patient=one, others={f"readme{number}.txt": b"%d" % number})
    world.drop_study(f"rest{number}", (3,), patient=one, new=True)
    world.drop_study(f"other{number}", (1, 2, 3), patient=other, new=bool(number % 2))


def _ended_again_and_again(world: CrashWorld, seed: str, ways: Sequence[tuple[int, ...]], arena: Arena) -> set[int]:
    """Ends KILLS runs, each by signals drawn from `ways`, a moment apart; gives the codes with which they ended."""
    wrong: list[str] = []
    codes: list[int] = []
    drops = draws = 0
    while sum(code != 0 for code in codes) < KILLS:
        if not {path.name for path in world.folder.iterdir()} - {"done", ".xnatsync"}:
            drops += 1
            _drop(world, drops)
        draws += 1
        assert draws < 20 * KILLS
        running = world.start(workers=2)
        chance = Random(f"{seed}/{draws}")
        moments = [chance.randint(*WAIT_MS) / 1000]
        way = chance.choice(ways)
        moments += [moments[0] + chance.randint(1, 60) / 1000 for _ in way[1:]]
        timers = [
            threading.Timer(moment, kill, [running.pid, number]) for moment, number in zip(moments, way, strict=True)
        ]
        for timer in timers:
            timer.start()
        codes.append(running.wait())
        for timer in timers:
            timer.cancel()
            timer.join()
        assert codes[-1] in {0, KILLED, STOPPED, TERMINATED}, arena.messages()
        wrong += [f"end {len(codes)}: {complaint}" for complaint in world.complaints_after_a_kill()]

    ended = world.run(workers=2)

    assert ended.code == 0, arena.messages()
    assert wrong == []
    assert world.complaints_at_the_end() == []
    assert world.complaints_about_another_run() == []
    return set(codes)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_kills_at_random_moments_lose_and_double_nothing(arena: Arena, seed: int) -> None:
    """S1 and a sound ledger after every kill; one session of each study, everything filed, at the end."""
    with arena.world("plain") as world:
        assert _ended_again_and_again(world, str(seed), [(signal.SIGKILL,)], arena) <= {0, KILLED}


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGTERM to be caught")
@pytest.mark.parametrize("seed", range(STOPS))
def test_wishes_to_stop_at_random_moments_lose_and_double_nothing(arena: Arena, seed: int) -> None:
    """One SIGTERM, a second one soon after it, or SIGKILL after the first: as with a kill."""
    ways = [(signal.SIGTERM,), (signal.SIGTERM, signal.SIGTERM), (signal.SIGTERM, signal.SIGKILL)]
    with arena.world("plain") as world:
        _ended_again_and_again(world, f"stop {seed}", ways, arena)
