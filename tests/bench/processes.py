"""Whole processes, measured from outside: wall and CPU time, peak memory, bytes written to a disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

USER = PASSWORD = "admin"  # of the sandbox, which only this machine can reach


@dataclass(frozen=True, slots=True)
class Run:
    """One process from its start to its end."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    disk_bytes: int  # written to files on a disk, as the kernel counts them; -1 where it does not
    began: float  # seconds since 1970
    ended: float
    out: str


def environment(**more: str) -> dict[str, str]:
    """The environment of a child that imports the same xnatsync as we do, compiled as after an installation."""
    import xnatsync

    path = [str(Path(xnatsync.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    given = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**given, "PYTHONPATH": os.pathsep.join(filter(None, path)), **more}


def run(command: Sequence[str], env: Mapping[str, str] | None = None, *, accept: tuple[int, ...] = (0,)) -> Run:
    """Runs a command to its end; RuntimeError with what it said when its exit code is not among those accepted.

    Linux counts the peak memory of the parent as the child's before it executes: measure from a small process.
    """
    began, start = time.time(), time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, text=True)
    assert child.stdout is not None
    said = child.stdout.read()
    _, status, used = os.wait4(child.pid, 0)
    wall = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    child.stdout.close()
    if child.returncode not in accept:
        raise RuntimeError(f"{' '.join(command)} ended with {child.returncode}:\n{said}")
    mac = sys.platform == "darwin"
    return Run(
        wall,
        used.ru_utime + used.ru_stime,
        used.ru_maxrss / (1 << 20 if mac else 1 << 10),
        -1 if mac else used.ru_oublock * 512,
        began,
        time.time(),
        said,
    )


class Sandbox:
    """The stand-in XNAT as a process of its own."""

    def __init__(self, root: Path, child: subprocess.Popen[str], url: str) -> None:
        self.root, self.child, self.url = root, child, url

    def requests(self, since: float = 0.0) -> list[dict[str, Any]]:
        """The requests that ended since a moment, as the sandbox logged them."""
        lines = (self.root / "requests.log").read_text().splitlines()
        return [entry for line in lines if (entry := json.loads(line))["at"] >= since]

    def ask(self, method: str, path: str) -> str:
        """One request by curl; gives the body."""
        return run(["curl", "-sS", "--fail", "-u", f"{USER}:{PASSWORD}", "-X", method, self.url + path]).out


@contextmanager
def sandbox(root: Path) -> Iterator[Sandbox]:
    """Starts a sandbox, and ends it with the block."""
    command = [sys.executable, "-m", "xnatsync", "sandbox", "--root", str(root), "--port", "0"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment(), text=True)
    try:
        assert child.stdout is not None
        said = child.stdout.readline()
        if not said.startswith("ready "):
            raise RuntimeError(f"the sandbox did not start: {said}")
        yield Sandbox(root, child, said.split()[1])
    finally:
        child.terminate()
        child.wait(30)
        if child.stdout is not None:
            child.stdout.close()
