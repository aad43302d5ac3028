"""The program as people start it, and a sandbox in a process of its own, which can be killed as well."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from crash.crash_world import CrashWorld
from crash.processes import PASSWORD, REPOSITORY, environment, kill

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


@contextmanager
def started(world: CrashWorld, *command: str) -> Iterator[subprocess.Popen[str]]:
    """`xnatsync sync`, or another command, as a person starts it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "xnatsync", "--config", str(world.config), *(command or ("sync",))],
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


def converges(world: CrashWorld) -> None:
    ended = world.run()
    assert ended.code == 0, world.processes.messages.read_text()
    assert world.complaints_at_the_end() == []
    assert world.complaints_about_another_run() == []


def about(entry: dict[str, Any], what: str) -> bool:
    if what == "sessions":
        return entry["method"] == "GET" and "experiments" in str(entry["path"])
    return what in str(entry["query"])
