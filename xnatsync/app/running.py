"""Is a run at work, or was it killed?  Told by its process, and by the boot of the machine it ran in."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from xnatsync.core.moment import seconds_between, stamp
from xnatsync.ledger.rows import RunRow

_SLACK_S = 60.0  # a process began before the run that it made, or about then


def boot() -> str:
    """Name this boot of the machine where that is known, so that a recycled pid is not taken for a living run."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text(encoding="ascii").strip() if path.exists() else platform.node()


def is_alive(run: RunRow) -> bool:
    """Return whether the process of a run that has no end is still there."""
    if run.ended_at is not None or run.boot_id != boot():
        return False
    if os.name == "nt":  # there a signal of 0 would end the process
        return True
    try:
        os.kill(run.pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    began = _began(run.pid)
    return began is None or seconds_between(stamp(began), run.started_at) > -_SLACK_S


def _began(pid: int) -> datetime | None:
    """Return when a process began; None where the system does not tell."""
    try:
        ticks = int(
            Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[19]
        )
        lines = Path("/proc/stat").read_text(encoding="ascii", errors="replace").splitlines()
        booted = next(int(line.split()[1]) for line in lines if line.startswith("btime "))
        return datetime.fromtimestamp(booted + ticks / os.sysconf("SC_CLK_TCK"), UTC)
    except (OSError, ValueError, IndexError, StopIteration):
        return None
