"""The program as people start it, against a sandbox in a process of its own: killed, terminated, started twice."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from pathlib import Path
from random import Random

import pytest

from crash.crash_world import CrashWorld
from crash.processes import kill
from crash.real_world import PATIENCE_S, SandboxProcess, about, converges, started, until


def test_the_program_itself_is_killed_at_random_moments(world: CrashWorld) -> None:
    world.drop()
    wrong: list[str] = []
    kills = 0

    for draw in range(8):
        with started(world) as process:
            timer = threading.Timer(Random(f"real/{draw}").randint(20, 1200) / 1000, kill, [process.pid])
            timer.start()
            process.communicate(timeout=PATIENCE_S)
            timer.cancel()
            timer.join()
            kills += process.returncode == -9
            wrong += [f"kill {kills}: {complaint}" for complaint in world.complaints_after_a_kill()]

    assert kills > 0
    assert wrong == []
    converges(world)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM to be caught")
@pytest.mark.parametrize("where", ["import-handler", "action=build", "action=commit"])
def test_a_wish_to_stop_ends_the_run_cleanly(world: CrashWorld, sandbox: SandboxProcess, where: str) -> None:
    world.drop()
    sandbox.slow_down(where, 1.0)
    before = {"import-handler": "sessions", "action=build": "import-handler", "action=commit": "action=build"}

    with started(world) as process:
        until(lambda: any(about(entry, before[where]) for entry in sandbox.log()))
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=PATIENCE_S)

    assert process.returncode in {143, 5}, (out, err)
    assert "Traceback" not in err
    assert world.complaints_after_a_kill() == []
    with world.ledger_copy() as ask:
        assert ask("select outcome from run order by id desc limit 1") == [("interrupted",)]
        assert ask("select 1 from attempt where ended_at is null") == []
    converges(world)


def test_of_two_that_are_started_at_once_one_is_refused(world: CrashWorld, sandbox: SandboxProcess) -> None:
    world.drop()
    sandbox.slow_down("/", 1.5)  # four such requests: the second comes while the first is at work

    with started(world) as one, started(world) as other:
        ended = {process.pid: process.communicate(timeout=PATIENCE_S) for process in (one, other)}

    codes = {process.pid: process.returncode for process in (one, other)}
    assert sorted(codes.values()) == [0, 8], ended
    winner, loser = sorted(codes, key=codes.__getitem__)
    assert f"process {winner} on " in ended[loser][1]
    assert world.complaints_at_the_end() == []
    assert world.complaints_about_another_run() == []


def test_a_server_that_is_killed_in_mid_upload_and_comes_back_on_its_port(
    world: CrashWorld, sandbox: SandboxProcess
) -> None:
    """The same run goes on by itself: it waits, looks, and sends what is missing."""
    world.drop_study("large", (1, 2), size=512, slices=24)

    with started(world) as process:
        until(lambda: _holds_an_upload(sandbox.root))
        sandbox.stop(signal.SIGKILL)
        assert process.poll() is None
        sandbox.start()
        out, err = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 0, (out, err)
    with world.ledger_copy() as ask:
        assert ask("select 1 from attempt where effect = 'import' and outcome <> 'ok'")
    converges(world)


def _holds_an_upload(root: Path) -> bool:
    """Tells whether bytes of an upload lie on the server's disk."""
    for folder, _, names in os.walk(root):
        if re.search(r"prearchive|upload|incoming|tmp", folder) and any(name.endswith(".dcm") for name in names):
            return True
    return False
