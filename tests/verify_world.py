"""What is done to both sides behind the product's back, and how it is asked what it sees."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol

from drop_world import WRITES, DropWorld
from xnatsync.app.app import App
from xnatsync.app.verify import Asked, verify
from xnatsync.config.load import load
from xnatsync.core.verification import Finding, Side, Verdict, VerifyReport
from xnatsync.engine.progress import Progress
from xnatsync.sandbox.http.server import SandboxServer
from xnatsync.sandbox.model.objects import Resource

LABEL = "SUB1_MR_20260301"


class Place(Protocol):
    """As much of a world as is needed to verify it."""

    config: Path
    server: SandboxServer


def look(world: Place, names: tuple[str, ...] = (), app: App | None = None, **asked: Any) -> VerifyReport:
    """Verifies everything, or what is asked."""
    return verify(app or App(load(world.config)), names, Asked(**asked), progress=Progress())


def found(report: VerifyReport) -> set[tuple[Side, str]]:
    """What was found, without the names."""
    return {(finding.side, finding.verdict.value) for _, finding in report.findings}


def only(report: VerifyReport) -> Finding:
    """The one finding."""
    assert len(report.findings) == 1, report.findings
    return report.findings[0][1]


def untouched(report: VerifyReport) -> bool:
    """Nothing was found but that all is the same, and something was looked at."""
    return not report.findings and report.counts[Verdict.SAME] > 0 and report.exit_code == 0


def writes(world: Place, since: int = 0) -> list[tuple[str, str]]:
    """The requests that write, apart from logging in and out."""
    return [
        (str(entry["method"]), str(entry["path"]))
        for entry in world.server.log[since:]
        if entry["method"] in WRITES and entry["path"] != "/data/JSESSION"
    ]


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Everything below a folder: size, time and content of each file."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_size, path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def flip(path: Path, at: int = -5, *, later_ns: int = 0) -> None:
    """Changes one byte; size and time stay, as when a disk forgets, or the time is another."""
    seen = path.stat()
    data = bytearray(path.read_bytes())
    data[at] ^= 0x40
    path.write_bytes(bytes(data))
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns + later_ns))


def resources(world: DropWorld, label: str = LABEL) -> list[Resource]:
    """The DICOM resources of a session, as the sandbox's model holds them."""
    session = world.session(label)
    assert session is not None
    return [resource for scan in session.scans.values() for resource in scan.resources.values()]


def lose(world: DropWorld, path: Path, label: str = LABEL) -> None:
    """Takes an object out of the archive: file and catalogue entry."""
    for resource in resources(world, label):
        resource.entries.pop(path.name, None)
    path.unlink()


def filed(world: DropWorld) -> list[Path]:
    """The filed copies of objects."""
    return sorted((world.folder / "done").rglob("*.dcm"))
