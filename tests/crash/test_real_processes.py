"""The program as people start it, against a sandbox in a process of its own: killed, terminated, started twice."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from crash.crash_world import CrashWorld
from crash.processes import PASSWORD, REPOSITORY, Processes, environment, kill

PATIENCE_S = 60.0


class SandboxProcess:
    """`xnatsync sandbox` as a process, which can be killed and started again on its port."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.port = 0
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> str:
        command = [sys.executable, "-m", "xnatsync", "sandbox", "--root", str(self.root), "--port", str(self.port)]
        self.process = subprocess.Popen(
            [*command, "--user", "agent", "--password", PASSWORD],
            stdout=subprocess.PIPE, text=True, env=environment(), cwd=REPOSITORY,
        )  # fmt: skip
        assert self.process.stdout is not None
        url = self.process.stdout.readline().split()[1]
        self.port = int(url.rsplit(":", 1)[1])
        return url

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process is not None:
            kill(self.process.pid, number)
            self.process.communicate(timeout=30)
            self.process = None

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.root / "requests.log").read_text().splitlines()]

    def slow_down(self, path_regex: str, seconds: float) -> None:
        """Lets each such POST wait before it is served."""
        fault = {"method": "POST", "path_regex": path_regex, "kind": "delay", "seconds": seconds, "times": 99}
        (self.root / "faults.json").write_text(json.dumps([fault]))


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[SandboxProcess]:
    made = SandboxProcess(tmp_path / "site")
    yield made
    made.stop()


@pytest.fixture
def world(sandbox: SandboxProcess, tmp_path: Path) -> Iterator[CrashWorld]:
    (tmp_path / "world").mkdir()
    url = sandbox.start()
    with (
        httpx.Client(base_url=url, auth=("agent", PASSWORD), timeout=60) as client,
        Processes(tmp_path) as processes,
    ):
        made = CrashWorld(tmp_path / "world", "P1", client, sandbox.log, processes, "plain")
        made.http("PUT", "/data/projects/P1")
        yield made


@contextmanager
def started(world: CrashWorld) -> Iterator[subprocess.Popen[str]]:
    """`xnatsync sync` as a person starts it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "xnatsync", "--config", str(world.config), "sync"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(), cwd=REPOSITORY,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until(true: Callable[[], bool]) -> None:
    """Waits until something has happened in another process."""
    deadline = time.monotonic() + PATIENCE_S
    pause = threading.Event()
    while not true():
        assert time.monotonic() < deadline
        pause.wait(0.005)


def _converges(world: CrashWorld) -> None:
    ended = world.run()
    assert ended.code == 0, world.processes.messages.read_text()
    assert world.complaints_at_the_end() == []
    assert world.complaints_about_another_run() == []


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
    _converges(world)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM to be caught")
@pytest.mark.parametrize("where", ["import-handler", "action=build", "action=commit"])
def test_a_wish_to_stop_ends_the_run_cleanly(world: CrashWorld, sandbox: SandboxProcess, where: str) -> None:
    world.drop()
    sandbox.slow_down(where, 1.0)
    before = {"import-handler": "sessions", "action=build": "import-handler", "action=commit": "action=build"}

    with started(world) as process:
        until(lambda: any(_about(entry, before[where]) for entry in sandbox.log()))
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=PATIENCE_S)

    assert process.returncode in {143, 5}, (out, err)
    assert "Traceback" not in err
    assert world.complaints_after_a_kill() == []
    with world.ledger_copy() as ask:
        assert ask("select outcome from run order by id desc limit 1") == [("interrupted",)]
        assert ask("select 1 from attempt where ended_at is null") == []
    _converges(world)


def _about(entry: dict[str, Any], what: str) -> bool:
    if what == "sessions":
        return entry["method"] == "GET" and "experiments" in str(entry["path"])
    return what in str(entry["query"])


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
    _converges(world)


def _holds_an_upload(root: Path) -> bool:
    """Tells whether bytes of an upload lie on the server's disk."""
    for folder, _, names in os.walk(root):
        if re.search(r"prearchive|upload|incoming|tmp", folder) and any(name.endswith(".dcm") for name in names):
            return True
    return False
