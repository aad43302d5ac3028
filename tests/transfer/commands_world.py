"""The program between two stand-in XNATs, as a person calls it: two profiles, passwords in the environment."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli_world import Ran
from transfer_world import PASSWORD, USER, Pair, two_servers
from xnatsync.cli.program import run

HERE = ("-p", "prod", "-P", "NEURO")
THERE = ("--dest-profile", "staging", "--dest-project", "NEURO_DEV")


@dataclass(slots=True)
class Desk:
    """Where the program is called."""

    root: Path
    pair: Pair
    read: Callable[[], tuple[str, str]]

    def run(self, *words: str) -> Ran:
        """Call it."""
        self.read()
        code = run(words)
        return Ran(code, *self.read())

    def transfer(self, *words: str) -> Ran:
        """Transfer the project."""
        return self.run("project", "transfer", *HERE, *THERE, "--yes", *words)

    def document(self, *words: str) -> dict[str, Any]:
        """Transfer the project, and return what programs read."""
        ran = self.transfer("-o", "json", *words)
        found: dict[str, Any] = json.loads(ran.out)
        return found

    def certificate(self) -> dict[str, Any]:
        """The newest one."""
        found = sorted(
            (self.root / "data/xnatsync/certificates").glob("*.json"), key=lambda one: one.stat().st_mtime_ns
        )
        read: dict[str, Any] = json.loads(found[-1].read_text())
        return read


@contextmanager
def a_desk(root: Path, patch: pytest.MonkeyPatch, read: Callable[[], tuple[str, str]]) -> Iterator[Desk]:
    """Make it."""
    with two_servers() as pair:
        for name in ("XNAT_URL", "XNAT_USER", "XNAT_PASS", "XNATSYNC_CONFIG", "XNAT_PROFILE", "XNATSYNC_URL"):
            patch.delenv(name, raising=False)
        for name, folder in (("CONFIG", "config"), ("STATE", "state"), ("DATA", "data")):
            patch.setenv(f"XDG_{name}_HOME", str(root / folder))
        patch.setenv("NO_COLOR", "1")
        place = root / "config/xnatsync/xnatsync.toml"
        place.parent.mkdir(parents=True)
        lines = []
        for name, side in (("prod", pair.source), ("staging", pair.target)):
            lines += [f"[servers.{name}]", f'url = "{side.box.url}"', f'user = "{USER}"', ""]
            patch.setenv(f"XNATSYNC_{name.upper()}_PASSWORD", PASSWORD)
        place.write_text("\n".join(lines))
        yield Desk(root, pair, read)
