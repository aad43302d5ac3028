"""What the demonstration needs around it: a stand-in XNAT, configurations, drop folders, and somebody who does damage.

Everything lies in one temporary folder; the person's own data are only ever read.
"""

from __future__ import annotations

import glob
import secrets
import shutil
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from xnatsync.app.app import App
from xnatsync.config.model import Config
from xnatsync.config.show import as_toml
from xnatsync.dicom.make import SeriesPlan, StudyPlan, make_study
from xnatsync.sandbox.http.exchange import Request, Response
from xnatsync.sandbox.http.faults import Fault
from xnatsync.sandbox.http.server import SandboxServer
from xnatsync.sandbox.model.creation import create_project
from xnatsync.sandbox.model.site import Site

PROJECT = "DEMO"
_USER = "demo"
_SIZE = (128, 128)
_DATE = "20260302"
_PREAMBLE = 132  # bytes: 128 of nothing and `DICM`


@dataclass(slots=True)
class Scenery:
    """One demonstration's surroundings."""

    root: Path
    server: SandboxServer
    config: Config  # of the first part
    careful: Config  # of the part in which damage is done
    damaged: str = ""  # SOP Instance UID of the object that was tampered with
    _file: Path | None = None
    _before: bytes = b""

    @property
    def config_file(self) -> Path:
        """The configuration of the first part, for whoever wants to go on with it."""
        return self.root / "demo.toml"

    @property
    def careful_file(self) -> Path:
        """The configuration of the second part."""
        return self.root / "careful.toml"

    def app(self, config: Config, stop: threading.Event) -> App:
        """The very application that the commands use."""
        return App(config, stop)

    def writes(self) -> int:
        """Count the requests that could have changed something on the server, logins aside."""
        return sum(
            entry["method"] != "GET" and not str(entry["path"]).endswith("/JSESSION") for entry in list(self.server.log)
        )

    def will_damage(self) -> None:
        """Arrange that right after the next session is archived, one stored object of it loses a few bits."""
        self.server.faults.add(
            Fault("POST", r"^/data/prearchive/.*action=commit", kind="call", after_call=self._after_commit)
        )

    def mend(self) -> None:
        """Put the damaged object right again, as an administrator would from a backup."""
        assert self._file is not None
        self._file.write_bytes(self._before)

    def _after_commit(self, request: Request, answer: Response) -> None:
        if answer.status < 400:
            newest = max(self.server.site.experiments.values(), key=lambda session: session.id)
            resource = next(iter(newest.scans.values())).resources["DICOM"]
            entry = sorted(resource.entries.values(), key=lambda entry: entry.path)[len(resource.entries) // 2]
            real = self.server.site.store.real_path(f"{resource.folder}/{entry.path}")
            assert real is not None
            self._file, self.damaged = Path(real), entry.uid
            self._before = self._file.read_bytes()
            middle = len(self._before) - _SIZE[0] * _SIZE[1]  # in the middle of 16-bit pixels
            self._file.write_bytes(
                self._before[:middle] + bytes(byte ^ 0xFF for byte in self._before[middle : middle + 16])
                + self._before[middle + 16 :]
            )  # fmt: skip


@contextmanager
def scenery(own: Path | None, *, keep: bool) -> Iterator[Scenery]:
    """Put everything up, and take it down again unless it shall be kept."""
    root = Path(tempfile.mkdtemp(prefix="xnatsync-demo-")).resolve()
    try:
        site = Site.on_disk(root / "xnat")
        try:
            password = secrets.token_urlsafe(12)
            create_project(site, PROJECT, site.accounts.add(_USER, password, admin=True))
            site.save_accounts()
            with SandboxServer(site, 0, root / "xnat") as server:
                yield _furnished(root, server, password, own)
        finally:
            site.close()
    finally:
        if not keep:
            shutil.rmtree(root)


def _furnished(root: Path, server: SandboxServer, password: str, own: Path | None) -> Scenery:
    secret = root / "password"
    secret.touch(mode=0o600)
    secret.write_text(password, encoding="utf-8")
    for name in ("drop", "careful"):
        (root / name).mkdir()
    route: dict[str, object] = _own_route(root, own) if own is not None else {"folder": root / "drop"}
    scene = Scenery(
        root,
        server,
        _config(root, server.url, "yours" if own is not None else "scanner", route),
        _config(root, server.url, "careful", {"folder": root / "careful", "verify": "pixels"}),
    )
    scene.config_file.write_text(as_toml(scene.config), encoding="utf-8")
    scene.careful_file.write_text(as_toml(scene.careful), encoding="utf-8")
    return scene


def _config(root: Path, url: str, name: str, route: dict[str, object]) -> Config:
    return Config.model_validate(
        {
            "ledger": {"path": root / "ledger.db"},
            "servers": {"sandbox": {"url": url, "user": _USER, "password_file": root / "password"}},
            "routes": {name: {"kind": "drop", "server": "sandbox", "project": PROJECT, "settle": "0s", **route}},
        }
    )


def _own_route(root: Path, own: Path) -> dict[str, object]:
    """Make one item of the person's folder: its parent is the drop folder, and everything else in it is ignored."""
    others = [entry.name for entry in own.parent.iterdir() if entry.name != own.name]
    return {
        "folder": own.parent,
        "done": own.parent / f".{root.name}",  # never made: under `keep` nothing is filed
        "after": "keep",
        "verify": "pixels",
        "collision": "suffix",
        "ignore": [_pattern(name) for name in others],
    }


def _pattern(name: str) -> str:
    """Write a name as a pattern of itself; characters that no TOML file can hold match any."""
    return "".join("?" if "\ud800" <= char <= "\udfff" else char for char in glob.escape(name))


# --- drops -------------------------------------------------------------------------------------------------------


def drop_awkward(folder: Path) -> None:
    """Fill a drop folder as real ones are filled."""
    monday = folder / "monday_scan"
    _study(monday, "MARIE", (("localizer", 3), ("T1 head", 48), ("T2 head", 36)), seed=1)
    (monday / "notes.txt").write_text("moved during the second run\n", encoding="utf-8")
    (monday / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    _zipped(folder / "export.zip", folder.parent / "export", "PIERRE", seed=2)
    _without_preamble(folder / "OLD00001", folder.parent / "old", "IRENE", seed=3)
    _study(folder / "unnamed", "", (("T1 head", 6),), seed=4)
    _study(folder / "repeat", "MARIE", (("T1 head", 12),), seed=5)


def drop_careful(folder: Path) -> None:
    """Drop one clean study."""
    _study(folder / "tuesday_scan", "ADA", (("T1 head", 16),), seed=6)


def _study(folder: Path, patient: str, series: tuple[tuple[str, int], ...], *, seed: int) -> list[Path]:
    plans = tuple(SeriesPlan(number, text, slices) for number, (text, slices) in enumerate(series, start=1))
    return make_study(folder, StudyPlan(patient, "Nobody^At^All", _DATE, plans, size=_SIZE), seed=seed)


def _zipped(archive: Path, work: Path, patient: str, *, seed: int) -> None:
    files = _study(work, patient, (("T1 head", 10),), seed=seed)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for file in files:
            target.write(file, file.relative_to(work.parent))
    shutil.rmtree(work)


def _without_preamble(place: Path, work: Path, patient: str, *, seed: int) -> None:
    file = _study(work, patient, (("T1 head", 1),), seed=seed)[0]
    place.write_bytes(file.read_bytes()[_PREAMBLE:])
    shutil.rmtree(work)
