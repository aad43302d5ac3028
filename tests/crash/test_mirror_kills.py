"""`xnatsync sync` itself, killed at random moments of a pull of a few hundred files: whole files, and an end.

`XNATSYNC_CRASH=all` kills 200 times instead of 30.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from random import Random

import pytest

from crash.crash_world import Arena
from crash.mirror_crash_world import OURS, MirrorCrashWorld, some_bytes
from crash.processes import REPOSITORY, environment

EVERYTHING = os.environ.get("XNATSYNC_CRASH") == "all"
KILLS = 200 if EVERYTHING else 30
FILES = 300
STARTED_S = 120.0


@pytest.fixture(scope="module")
def world(arena: Arena) -> MirrorCrashWorld:
    """A session with three hundred files more, and two files of strangers."""
    made = MirrorCrashWorld(arena.root / "kills", "KILLS", arena.client, arena.processes, "pull")
    made.arrange()
    for number in range(FILES):
        made.store("A", 1 + number % 2, f"many/{number}.nii", some_bytes(f"many{number}", 20_000))
    return made


def _files(tree: Path) -> int:
    return sum(len(names) for folder, _, names in os.walk(tree) if f"/{OURS}" not in folder)


def _killed(world: MirrorCrashWorld, chance: Random) -> int:
    """Starts the program, waits until so many more files are there and a moment more, and kills it."""
    goal = _files(world.tree) + chance.choice([0, 0, 1, 20, 100, 200])
    moment = chance.random() * 0.1
    process = subprocess.Popen(
        [sys.executable, "-m", "xnatsync", "--config", str(world.config), "sync"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(), cwd=REPOSITORY,
    )  # fmt: skip
    deadline = time.monotonic() + STARTED_S
    pause = threading.Event()
    staging = world.tree / OURS / "staging"
    while process.poll() is None and not (staging.exists() and _files(world.tree) >= goal):
        assert time.monotonic() < deadline
        pause.wait(0.002)
    pause.wait(moment)
    process.kill()
    return process.wait()


def test_a_pull_that_is_killed_at_random_moments(world: MirrorCrashWorld) -> None:
    """After each kill only whole files; begun anew whenever everything was there."""
    wrong: list[str] = []
    kills = draws = 0
    while kills < KILLS:
        draws += 1
        assert draws < 4 * KILLS
        code = _killed(world, Random(f"mirror/{draws}"))
        kills += code == -9
        wrong += [f"kill {kills}: {complaint}" for complaint in world.complaints_after_a_kill()]
        if code != -9 or len(world.shown()) == len(world.new):
            wrong += [] if code in {0, -9} else [f"it ended with {code}"]
            ended = world.run()
            wrong += [f"kill {kills}, {ended.code}: {complaint}" for complaint in world.complaints_at_the_end()]
            shutil.rmtree(world.root)
            shutil.copytree(world.kept, world.root)

    ended = world.run()

    assert ended.code == 0
    assert wrong == []
    assert world.complaints_at_the_end() + world.complaints_about_another_run() == []
