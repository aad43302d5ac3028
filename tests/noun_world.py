"""A stand-in XNAT with a small known archive, and the program run against it without a configuration file."""

from __future__ import annotations

import base64
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from cli_world import REPOSITORY, Ran
from xnatsync.cli.program import run
from xnatsync.sandbox.http.exchange import Response
from xnatsync.sandbox.http.faults import Fault
from xnatsync.sandbox.http.server import SandboxServer
from xnatsync.sandbox.model.accounts import User
from xnatsync.sandbox.model.creation import create_experiment, create_project, create_scan, create_subject, touch_up
from xnatsync.sandbox.model.site import Site

PROJECT = "NEUROIMAGING"
USER, PASSWORD = "reader", "a-password-of-the-test"
Files = dict[str, bytes]


def content(name: str, size: int = 3000) -> bytes:
    """Bytes that tell which file they are of."""
    return (f"{name} ".encode() * (size // (len(name) + 1) + 1))[:size]


@dataclass(slots=True)
class NounWorld:
    """Where the program is run."""

    root: Path
    server: SandboxServer
    owner: User
    read: Callable[[], tuple[str, str]]

    @property
    def site(self) -> Site:
        return self.server.site

    @property
    def environment(self) -> dict[str, str]:
        """All that the program is told."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("XNATSYNC_", "XNAT_"))}
        return {
            **kept,
            "NO_COLOR": "1",
            "XDG_CONFIG_HOME": str(self.root / "config"),
            "XDG_STATE_HOME": str(self.root / "state"),
            "XDG_DATA_HOME": str(self.root / "data"),
            "XNAT_URL": self.server.url,
            "XNAT_USER": USER,
            "XNAT_PASS": PASSWORD,
        }

    def session(
        self, label: str, subject: str = "SUB001", *, date: str = "2026-03-02", scans: int = 0, kind: str = "mr"
    ) -> str:
        """Makes a session with some empty scans; gives its accession ID."""
        known = [held for held in self.site.subjects.values() if held.label == subject and held.project == PROJECT]
        held = known[0] if known else create_subject(self.site, PROJECT, subject, self.owner)
        made = create_experiment(self.site, PROJECT, held, label, f"xnat:{kind}SessionData", self.owner)
        made.fields["date"] = date
        for number in range(1, scans + 1):
            scan = create_scan(self.site, made, str(number), f"xnat:{kind}ScanData", self.owner)
            scan.fields |= {"type": "T1 head", "quality": "usable", "series_description": f"series {number}"}
        touch_up(self.site, made)
        return made.id

    def store(self, session: str, resource: str, files: Files, scan: str | None = None) -> None:
        """Stores files in a resource of a session or a scan, as any client would."""
        place = f"/data/experiments/{session}" + (f"/scans/{scan}" if scan else "")
        for name, body in files.items():
            path = f"{place}/resources/{resource}/files/{quote(name)}?inbody=true&overwrite=true"
            status, text = self.ask("PUT", path, body)
            assert status in {200, 201}, (status, text)

    def ask(
        self, method: str, path: str, body: bytes | None = None, media: str = "application/octet-stream"
    ) -> tuple[int, str]:
        """One request as the owner."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        headers = {"Authorization": f"Basic {login}", "Content-Type": media}
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        finally:
            connection.close()

    def writes(self) -> list[str]:
        """The changes that were asked of the server, in their order, but for the files that this world is made of."""
        asked = [(str(line["method"]), str(line["path"])) for line in self.server.log]
        kept = [(method, path) for method, path in asked if "/files/" not in path and "JSESSION" not in path]
        return [f"{method} {path}" for method, path in kept if method in {"PUT", "POST", "DELETE"}]

    def says_yes(self, method: str, path: str) -> None:
        """Answer the next such request with 200 and do nothing, as XNAT does with some."""
        self.server.faults.add(Fault(method, path, "call", before=lambda _: Response()))

    def run(self, *arguments: str) -> Ran:
        """Runs the program in this process; the caller's environment must be this world's."""
        self.read()
        code = run(arguments)
        out, err = self.read()
        return Ran(code, out, err)

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        """Runs a listing that must succeed, and reads it."""
        ran = self.run(*arguments, "-o", "json")
        assert ran.code == 0, ran.err
        found: list[dict[str, Any]] = json.loads(ran.out)
        return found

    def spawn(self, *arguments: str, **environment: str) -> Ran:
        """Runs the program in a process of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "xnatsync", *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=REPOSITORY,
            env=self.environment | environment,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def stable(self, text: str) -> str:
        """Replaces what differs from run to run."""
        return text.replace(str(self.root), "ROOT").replace(self.server.url, "URL")


@contextmanager
def noun_world(root: Path, read: Callable[[], tuple[str, str]]) -> Iterator[NounWorld]:
    """Puts a world up in a folder."""
    site = Site.on_disk(root / "xnat")
    try:
        owner = site.accounts.add(USER, PASSWORD, admin=True)
        create_project(site, PROJECT, owner)
        site.save_accounts()
        with SandboxServer(site) as server:
            yield NounWorld(root, server, owner, read)
    finally:
        site.close()


@contextmanager
def here(root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[NounWorld]:
    """Put a world up for commands that run in this process: its environment is ours."""

    def read() -> tuple[str, str]:
        captured = capsys.readouterr()
        return captured.out, captured.err

    with noun_world(root, read) as found:
        for name in ("XNATSYNC_BOX_PASSWORD", "XNATSYNC_CONFIG", "XNATSYNC_URL"):
            monkeypatch.delenv(name, raising=False)
        for name, value in found.environment.items():
            monkeypatch.setenv(name, value)
        yield found


def furnish(world: NounWorld) -> dict[str, str]:
    """Fills the archive: two sessions of one subject, a PET of another; gives label -> accession ID."""
    ids = {}
    for label, subject, scans in (("MR001", "SUB001", 2), ("MR002", "SUB001", 1), ("PET001", "SUB002", 1)):
        ids[label] = session = world.session(label, subject, scans=scans, kind="pet" if label == "PET001" else "mr")
        for scan in range(1, scans + 1):
            slices = {f"{number:04}.dcm": content(f"{label}/{scan}/{number}") for number in range(1, 4)}
            world.store(session, "DICOM", slices, str(scan))
    world.store(ids["MR001"], "NIFTI", {"t1.nii.gz": content("nifti", 9000), "bids/t1.json": b"{}"})
    world.store(ids["MR001"], "NIFTI", {"t1.nii.gz": content("scan nifti")}, "1")
    world.store(ids["MR001"], "QC", {"report.txt": b"fine\n"})
    return ids
