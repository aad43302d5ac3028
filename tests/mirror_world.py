"""A project on a sandbox with a real socket, a mirror of it, and the product between them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from drop_world import DropWorld, _toml
from xnatsync.app.app import App
from xnatsync.app.clock import SystemClock
from xnatsync.app.sync import SyncReport, sync
from xnatsync.app.trees import MirrorReport
from xnatsync.engine.progress import Progress
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.open import open_ledger

OURS = ".xnatsync"


class MirrorWorld(DropWorld):
    """One site with project P1, and a mirror of it called `m` in the folder `tree`."""

    make_app: Callable[[Any], App] = App
    number = ""  # of a session that a test is about

    def __init__(self, root: Path, monkeypatch: Any) -> None:
        self.tree = root / "tree"
        self.tree.mkdir(parents=True)
        super().__init__(root, monkeypatch)

    # --- arranging -----------------------------------------------------------------------------------------------

    def configure(self, **route: object) -> None:
        """Writes the configuration; keywords are keys of the route."""
        values = {"project": "P1", **route}
        lines = [f"{key} = {_toml(value)}" for key, value in values.items() if value is not None]
        self.config = self.root / "xnatsync.toml"
        self.config.write_text(
            f'[ledger]\npath = "{self.root}/ledger.db"\n[servers.s]\nurl = "{self.server.url}"\nuser = "agent"\n'
            f'[routes.m]\nkind = "mirror"\nfolder = "{self.tree}"\nserver = "s"\n' + "\n".join(lines) + "\n"
        )

    def session_with(self, label: str = "S1_MR", *, subject: str = "S1", scans: int = 2, project: str = "P1") -> str:
        """Makes a session with empty scans of types T1, T2…; gives its accession ID."""
        self.put(f"/data/projects/{project}/subjects/{subject}")
        where = f"/data/projects/{project}/subjects/{subject}/experiments/{label}"
        self.put(f"{where}?xsiType=xnat:mrSessionData&date=2026-03-01")
        for number in range(1, scans + 1):
            self.put(f"{where}/scans/{number}?xsiType=xnat:mrScanData&type=T{number}&quality=usable")
        session = self.session(label, project)
        assert session is not None
        return session.id

    def upload(self, url: str, content: bytes, *, overwrite: bool = False) -> None:
        """Stores a file: `url` is below /data, such as experiments/E/scans/1/resources/NIFTI/files/a.nii."""
        import httpx

        answer = httpx.put(
            f"{self.server.url}/data/{url}?inbody=true" + ("&overwrite=true" if overwrite else ""),
            content=content,
            headers={"Content-Type": "application/octet-stream"},
            auth=("agent", "secret"),
            timeout=60,
        )
        answer.raise_for_status()
        assert answer.text == "", answer.text

    def fill(
        self, session_id: str, *, scans: int = 2, files: int = 3, size: int = 100, resource: str = "NIFTI"
    ) -> None:
        """Puts files into a resource of each scan."""
        for scan in range(1, scans + 1):
            for number in range(1, files + 1):
                where = f"experiments/{session_id}/scans/{scan}/resources/{resource}/files/{number}.nii"
                self.upload(where, some_bytes(f"{session_id}/{scan}/{number}", size))

    def delete(self, url: str) -> None:
        """Deletes something below /data."""
        self._http("DELETE", f"/data/{url}")

    # --- acting --------------------------------------------------------------------------------------------------

    def mirror(self, **more: Any) -> MirrorReport:
        """Runs the mirror once."""
        return self.mirrors(**more).mirrors[0]

    def mirrors(self, **more: Any) -> SyncReport:
        """Runs `sync`."""
        from xnatsync.config.load import load

        more.setdefault("patience_s", 20.0)
        report = sync(self.make_app(load(self.config)), [], progress=Progress(), on_bug=self.bugs.append, **more)
        assert self.bugs == []
        return report

    # --- looking -------------------------------------------------------------------------------------------------

    def shown(self) -> dict[str, bytes]:
        """Everything a reader finds in the tree, apart from our own folder."""
        return {
            path.relative_to(self.tree).as_posix(): path.read_bytes()
            for path in sorted(self.tree.rglob("*"))
            if path.is_file() and path.relative_to(self.tree).parts[0] != OURS
        }

    def files(self) -> dict[str, bytes]:
        """The same without metadata."""
        return {path: content for path, content in self.shown().items() if not path.endswith(".xml")}

    def trash(self) -> dict[str, bytes]:
        """What lies in the trash, by its own name."""
        root = self.tree / OURS / "trash"
        return {path.name: path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}

    def requests(self, since: int = 0) -> list[str]:
        """The requests since a mark, without logging in and out."""
        return [
            f"{entry['method']} {entry['path']}"
            for entry in self.server.log[since:]
            if entry["path"] != "/data/JSESSION"
        ]

    @contextmanager
    def opened_ledger(self) -> Iterator[Ledger]:
        """The ledger, for reading."""
        opened = open_ledger(self.root / "ledger.db", read_only=True)
        try:
            yield opened
        finally:
            opened.close()


def some_bytes(seed: str, size: int) -> bytes:
    """Bytes that are another for each seed."""
    out = b""
    number = 0
    while len(out) < size:
        out += hashlib.sha256(f"{seed}/{number}".encode()).digest()
        number += 1
    return out[:size]


class Hurried(SystemClock):
    """Waits a hundredth of the time, and says that all of it has passed."""

    gone_s = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.gone_s)

    def elapsed_s(self) -> float:
        return super().elapsed_s() + self.gone_s

    def wait(self, seconds: float) -> bool:
        stopped = super().wait(seconds / 100)
        type(self).gone_s += seconds
        return stopped


class HurriedApp(App):
    """The application with that clock."""

    def make_clock(self) -> SystemClock:
        return Hurried(self.stop)
