"""Processes to be killed: each runs `boundary_process.py` once."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

REPOSITORY = Path(__file__).parents[2]
PROCESS = Path(__file__).with_name("boundary_process.py")
PASSWORD = "secret"


def environment() -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "XNATSYNC_S_PASSWORD": PASSWORD,
        "XNATSYNC_D_PASSWORD": PASSWORD,
    }


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended; minus the signal's number when one ended it."""

    code: int
    trace: tuple[str, ...] = field(default=(), repr=False)

    @property
    def last(self) -> str:
        return self.trace[-1] if self.trace else "nothing"


class Processes:
    """Runs `boundary_process.py`, each time in a process of its own.

    Where a fork without exec is safe (Linux), one server that has imported everything forks them; elsewhere each is
    started from nothing.
    """

    def __init__(self, folder: Path) -> None:
        self.messages = folder / "stderr"
        self._server: subprocess.Popen[str] | None = None
        self._last: Running | None = None

    def __enter__(self) -> Self:
        if sys.platform == "linux":
            self._server = self._start("--serve", stdin=subprocess.PIPE)
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            assert self._server.stdin is not None
            assert self._server.stdout is not None
            self._server.stdin.close()
            self._server.wait(30)
            self._server.stdout.close()

    def _start(self, *arguments: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        with self.messages.open("a") as messages:
            return subprocess.Popen(
                [sys.executable, str(PROCESS), *arguments],
                stdin=stdin, stdout=subprocess.PIPE, stderr=messages, text=True, env=environment(), cwd=REPOSITORY,
            )  # fmt: skip

    def start(self, *arguments: str) -> Running:
        """Starts a run, after the one before: a test that failed may have left it, and its status, unread."""
        if self._last is not None and self._last.code is None:
            self._last.wait()
        if self._server is None:
            process = self._start(*arguments)
            self._last = Running(process.pid, process, None)
            return self._last
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(shlex.join(arguments) + "\n")
        self._server.stdin.flush()
        self._last = Running(int(self._server.stdout.readline().split()[1]), self._server, self._server)
        return self._last


@dataclass(slots=True)
class Running:
    """A process that was started."""

    pid: int
    process: subprocess.Popen[str]
    server: subprocess.Popen[str] | None
    code: int | None = None  # with which it ended, once it was waited for

    def wait(self) -> int:
        """Waits for its end and gives its code; minus the signal's number when one ended it."""
        if self.server is None:
            self.process.communicate()
            self.code = self.process.returncode
        else:
            assert self.server.stdout is not None
            self.code = os.waitstatus_to_exitcode(int(self.server.stdout.readline().split()[1]))
        return self.code


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    """Ends a process that the test started; one that has just ended by itself is as well."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
