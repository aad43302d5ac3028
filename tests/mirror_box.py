"""A mirror, and the program run against it in this process."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cli_world import Ran
from mirror_world import MirrorWorld
from xnatsync.cli.program import run

SCAN = "P1/S1/S1_MR/scans/{scan}/resources/NIFTI/files/{name}"
FIRST = SCAN.format(scan=1, name="1.nii")


class MirrorBox(MirrorWorld):
    """A site with a project, a mirror `m` of it, and the commands."""

    read: Callable[[], tuple[str, str]]
    arranged = 0  # writes that this side made

    def _http(self, method: str, url: str) -> Any:
        self.arranged += method != "GET"
        return super()._http(method, url)

    def upload(self, url: str, content: bytes, *, overwrite: bool = False) -> None:
        """Stores a file."""
        self.arranged += 1
        super().upload(url, content, overwrite=overwrite)

    def mark(self) -> int:
        """The end of the server's log, once it holds all that was arranged: it is written after the answer."""
        while len(self.writes()) < self.arranged:
            time.sleep(0.001)
        return len(self.server.log)

    def command(self, *arguments: str) -> Ran:
        """Runs the program with this world's configuration."""
        self.read()
        code = run(["--config", str(self.config), *arguments])
        return Ran(code, *self.read())

    def fill_one(self, **more: Any) -> str:
        """Makes a session of two scans with three files each and mirrors it; gives its accession ID."""
        self.number = self.session_with(**more)
        self.fill(self.number)
        return self.number

    def url(self, name: str = "1.nii", scan: int = 1) -> str:
        """The URL of a file of that session."""
        return f"experiments/{self.number}/scans/{scan}/resources/NIFTI/files/{name}"

    def more_routes(self, lines: str) -> None:
        """Adds routes to the configuration."""
        self.config.write_text(self.config.read_text() + lines)

    def stable(self, text: str) -> str:
        """Replaces what differs from run to run."""
        text = text.replace(str(self.root), "ROOT").replace(self.server.url, "URL")
        head = r"ROOT/tree:[^\n]*(?:\n  (?!now )\w[^\n]*)*"  # which may be too long for one line
        text = re.sub(head, lambda found: " ".join(found.group().split()), text)
        text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{3}Z)?", "TIME", text)
        return re.sub(r"\b\d+\.\d kB", "SIZE", text)

    def everything(self) -> dict[str, tuple[bytes, int]]:
        """All that a reading command must leave alone on this side: the tree with what is ours, and the ledger."""
        files = [path for path in self.tree.rglob("*") if path.is_file()] + sorted(self.root.glob("ledger.db"))
        return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def now() -> str:
    """This moment, as a person would write it; nothing else happens within its millisecond."""
    moment = datetime.now(UTC)
    while datetime.now(UTC).timestamp() - moment.timestamp() < 0.002:
        pass
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@contextmanager
def mirror_box(root: Path, monkeypatch: Any, capsys: Any) -> Iterator[MirrorBox]:
    """Puts the world up."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("XNATSYNC_CONFIG", raising=False)
    box = MirrorBox(root, monkeypatch)

    def read() -> tuple[str, str]:
        captured = capsys.readouterr()
        return captured.out, captured.err

    box.read = read
    try:
        yield box
    finally:
        box.close()
