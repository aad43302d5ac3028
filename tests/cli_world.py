"""A drop folder, a configuration and a stand-in XNAT on a real socket, and the program run against them."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xnatsync.cli.program import run
from xnatsync.dicom.make import SeriesPlan, StudyPlan, make_study
from xnatsync.sandbox.http.server import SandboxServer
from xnatsync.sandbox.model.creation import create_project
from xnatsync.sandbox.model.site import Site

REPOSITORY = Path(__file__).parents[1]
PASSWORD = "a-password-of-the-test"


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one document on stdout."""
        found: dict[str, Any] = json.loads(self.out)
        return found


@dataclass(slots=True)
class World:
    """Where the program is run."""

    root: Path
    server: SandboxServer
    read: Callable[[], tuple[str, str]]

    @property
    def drop(self) -> Path:
        return self.root / "drop"

    @property
    def config(self) -> Path:
        return self.root / "xnatsync.toml"

    def configure(self, *, route: str = "", server: str = "", url: str | None = None, project: str = "DEMO") -> None:
        """Writes the configuration anew; `route` and `server` are further lines of theirs."""
        self.config.write_text(
            f'[ledger]\npath = "{self.root / "ledger.db"}"\n\n'
            f'[servers.box]\nurl = "{url or self.server.url}"\nuser = "admin"\n{server}\n\n'
            f'[routes.scanner]\nkind = "drop"\nfolder = "{self.drop}"\nserver = "box"\nproject = "{project}"\n'
            f'settle = "0s"\n{route}\n',
            encoding="utf-8",
        )

    def run(self, *arguments: str) -> Ran:
        """Runs the program in this process, with this world's configuration."""
        self.read()
        code = run(["--config", str(self.config), *arguments])
        out, err = self.read()
        return Ran(code, out, err)

    def command(self, *arguments: str) -> list[str]:
        """The same as a command of a process of its own."""
        return [sys.executable, "-m", "xnatsync", "--config", str(self.config), *arguments]

    def spawn(self, *arguments: str) -> Ran:
        """Runs the program in a process of its own."""
        done = subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=60, cwd=REPOSITORY)
        return Ran(done.returncode, done.stdout, done.stderr)

    def study(self, name: str, patient: str = "P1", *, seed: int = 1, slices: int = 3, date: str = "20260302") -> Path:
        """Drops a study of two series, the second of one slice."""
        plan = (SeriesPlan(1, "T1 head", slices), SeriesPlan(2, "localizer", 1))
        make_study(self.drop / name, StudyPlan(patient, "Secret^Name", date, plan, size=(32, 32)), seed=seed)
        return self.drop / name

    def stable(self, text: str) -> str:
        """Replaces what differs from run to run."""
        text = text.replace(str(self.root), "ROOT").replace(self.server.url, "URL")
        text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{3}Z)?", "TIME", text)
        text = re.sub(r"\d{4}-\d\d-\d\d/", "DAY/", text)
        text = re.sub(r"\b\d+\.\d kB", "SIZE", text)
        text = re.sub(r"\b2\.25\.\d{30,40}", "UID", text)
        return re.sub(r"xs-[0-9a-f]{32}", "REQUEST", text)


@contextmanager
def world(root: Path, read: Callable[[], tuple[str, str]]) -> Iterator[World]:
    """Puts a world up in a folder."""
    site = Site.on_disk(root / "xnat")
    try:
        create_project(site, "DEMO", site.accounts.add("admin", PASSWORD, admin=True))
        with SandboxServer(site) as server:
            (root / "drop").mkdir()
            found = World(root, server, read)
            found.configure()
            yield found
    finally:
        site.close()


@contextmanager
def silent_port() -> Iterator[int]:
    """Hold a port on which nothing listens: nobody else can be given it meanwhile, so each connection is refused."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def plain_environment() -> dict[str, str]:
    """An environment without what changes the program's words."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("XNATSYNC_")}
    return {**kept, "NO_COLOR": "1", "XNATSYNC_BOX_PASSWORD": PASSWORD}
