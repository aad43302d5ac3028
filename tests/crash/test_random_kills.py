"""Processes killed at random moments, with two workers and two streams; what they leave is safe, and converges.

The moments come from counted draws, so a seed that fails can be run again (as far as processes repeat themselves).
`XNATSYNC_CRASH=all` kills about 400 times instead of 40.
"""

from __future__ import annotations

import os
import threading
from random import Random

import pytest

from crash.crash_world import Arena, CrashWorld
from crash.processes import kill

SEEDS = 80 if os.environ.get("XNATSYNC_CRASH") == "all" else 8
KILLS = 5  # of each seed
WAIT_MS = (20, 800)


def _drop(world: CrashWorld, number: int) -> None:
    """A study in two parts, another one, and what is not DICOM; each time of other patients."""
    one, other = f"A{number}", f"B{number}"
    world.drop_study(f"first{number}", (1, 2), patient=one, others={f"readme{number}.txt": b"%d" % number})
    world.drop_study(f"rest{number}", (3,), patient=one, new=True)
    world.drop_study(f"other{number}", (1, 2, 3), patient=other, new=bool(number % 2))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_kills_at_random_moments_lose_and_double_nothing(arena: Arena, seed: int) -> None:
    """S1 and a sound ledger after every kill; one session of each study, everything filed, at the end."""
    with arena.world("plain") as world:
        wrong: list[str] = []
        kills = drops = draws = 0
        while kills < KILLS:
            if not {path.name for path in world.folder.iterdir()} - {"done", ".xnatsync"}:
                drops += 1
                _drop(world, drops)
            draws += 1
            assert draws < 20 * KILLS
            running = world.start(workers=2)
            timer = threading.Timer(Random(f"{seed}/{draws}").randint(*WAIT_MS) / 1000, kill, [running.pid])
            timer.start()
            code = running.wait()
            timer.cancel()
            timer.join()
            assert code in {0, -9}, arena.messages()
            kills += code == -9
            wrong += [f"kill {kills}: {complaint}" for complaint in world.complaints_after_a_kill()]

        ended = world.run(workers=2)

        assert ended.code == 0, arena.messages()
        assert wrong == []
        assert world.complaints_at_the_end() == []
        assert world.complaints_about_another_run() == []
