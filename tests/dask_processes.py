"""A Dask cluster of real processes on loopback: a scheduler, and workers that may be killed.

All are forked from one process that has imported what they need: that is a second instead of five.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ENV = {"DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE": "False", "PYTHONWARNINGS": "ignore"}
SERVER = "127.0.0.1"


@dataclass
class Processes:
    """Its processes."""

    folder: Path
    mother: subprocess.Popen[bytes]
    address: str = ""
    running: dict[str, int] = field(default_factory=dict)

    def start(self, name: str, module: str, *words: str, **env: str) -> None:
        asked: dict[str, Any] = {"module": module, "words": words, "env": env, "log": str(self.folder / f"{name}.log")}
        assert self.mother.stdin is not None
        assert self.mother.stdout is not None
        self.mother.stdin.write(json.dumps(asked).encode() + b"\n")
        self.mother.stdin.flush()
        self.running[name] = int(self.mother.stdout.readline())

    def scheduler(self, name: str = "scheduler") -> str:
        file = self.folder / f"{name}.json"
        self.start(
            name, "dask_scheduler", "--host", SERVER, "--port", "0", "--no-dashboard", "--no-show", "--scheduler-file",
            str(file),
        )  # fmt: skip
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                self.address = json.loads(file.read_text())["address"]
                return self.address
            except (OSError, ValueError):
                time.sleep(0.02)
        raise AssertionError(self.log(name))

    def worker(self, name: str, threads: int = 1, **env: str) -> None:
        self.start(
            name, "dask_worker", self.address, "--no-nanny", "--nthreads", str(threads), "--name", name, "--host",
            SERVER, "--no-dashboard", "--local-directory", str(self.folder / name), **env,
        )  # fmt: skip

    def kill(self, name: str) -> None:
        with suppress(ProcessLookupError):  # a worker whose scheduler has gone ends by itself
            os.kill(self.running.pop(name), signal.SIGKILL)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def close(self) -> None:
        for name in list(self.running):
            self.kill(name)
        self.mother.kill()
        self.mother.communicate()


@contextmanager
def processes(folder: Path, **env: str) -> Iterator[Processes]:
    mother = subprocess.Popen(
        [sys.executable, __file__], env={**os.environ, **ENV, **env}, cwd=folder, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    found = Processes(folder, mother)
    try:
        yield found
    finally:
        found.close()


def _mother() -> None:
    """Forks a process for each line; has no thread of its own."""
    import distributed.cli.dask_scheduler
    import distributed.cli.dask_worker

    import xnatsync.app.dask_worker

    assert xnatsync.app.dask_worker.version()
    mains: Mapping[str, Any] = {
        "dask_scheduler": distributed.cli.dask_scheduler.main, "dask_worker": distributed.cli.dask_worker.main,
    }  # fmt: skip
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        number = os.fork()
        if number:
            sys.stdout.buffer.write(f"{number}\n".encode())
            sys.stdout.buffer.flush()
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        log = os.open(asked["log"], os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        null = os.open(os.devnull, os.O_RDONLY)
        for target, source in ((0, null), (1, log), (2, log)):
            os.dup2(source, target)
        os.environ.update(asked["env"])
        if old := os.environ.get("XNATSYNC_TEST_VERSION"):  # of a worker that was not brought up to date
            xnatsync.app.dask_worker.__version__ = old
        mains[asked["module"]].main(asked["words"], standalone_mode=False)
        os._exit(0)


if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1])]
    _mother()
