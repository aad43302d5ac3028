"""A drop folder, a sandbox on a real socket, and the product between them: what the route's tests are written in."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from xnatsync.app.app import App
from xnatsync.app.sync import ItemReport, SyncReport, UnitReport, sync
from xnatsync.config.load import load
from xnatsync.dicom.make import SeriesPlan, StudyPlan, make_study
from xnatsync.engine.progress import Progress
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.open import open_ledger
from xnatsync.sandbox.http.faults import Fault
from xnatsync.sandbox.http.server import SandboxServer
from xnatsync.sandbox.model.objects import Experiment
from xnatsync.sandbox.model.site import Site

SHARED = Path(__file__).parents[2] / "shared" / "data" / "dcm_qa_nih"
WRITES = {"PUT", "POST", "DELETE"}


class DropWorld:
    """One site with project P1, one drop folder, one route called `r`."""

    def __init__(self, root: Path, monkeypatch: Any) -> None:
        self.root = root
        self.folder = root / "drop"
        self.folder.mkdir()
        self.monkeypatch = monkeypatch
        monkeypatch.setenv("XNATSYNC_S_PASSWORD", "secret")
        self.site = Site.on_disk(root / "site")
        self.site.accounts.add("agent", "secret", admin=True)
        self.server = SandboxServer(self.site, folder=root / "site")
        self.server.start()
        self.put("/data/projects/P1")
        self.bugs: list[str] = []
        self.configure()

    def close(self) -> None:
        self.server.stop()
        self.site.close()

    # --- arranging -----------------------------------------------------------------------------------------------

    def configure(self, **route: object) -> None:
        """Writes the configuration; keywords are keys of the route."""
        values = {"project": "P1", "settle": "0s", "quiet": "1s", **route}
        lines = [f"{key} = {_toml(value)}" for key, value in values.items() if value is not None]
        self.config = self.root / "xnatsync.toml"
        self.config.write_text(
            f'[ledger]\npath = "{self.root}/ledger.db"\n[servers.s]\nurl = "{self.server.url}"\nuser = "agent"\n'
            f'[routes.r]\nkind = "drop"\nfolder = "{self.folder}"\nserver = "s"\n' + "\n".join(lines) + "\n"
        )

    def study(
        self,
        name: str = "exam",
        *,
        patient: str = "SUB1",
        date: str = "20260301",
        series: tuple[int, ...] = (2, 3),
        uid: str | None = None,
        seed: int = 1,
        first: int = 1,
    ) -> list[Path]:
        """Drops a study: `series` are numbers of slices, `first` the number of the first series."""
        plans = tuple(SeriesPlan(first + n, f"series {first + n}", slices) for n, slices in enumerate(series))
        plan = StudyPlan(patient, "Nobody^Nomen", date, plans, uid, (32, 32))
        return make_study(self.folder / name, plan, seed=seed)

    def fault(self, method: str, path: str, kind: Any, **more: Any) -> Fault:
        return self.server.faults.add(Fault(method, path, kind, **more))

    def after(self, method: str, path: str, act: Callable[[], None], *, times: int = 1) -> Fault:
        """Runs `act` when the server has done what was asked, before it answers."""

        def call(_request: Any, response: Any) -> None:
            act()

        return self.fault(method, path, "call", after_call=call, times=times)

    # --- acting --------------------------------------------------------------------------------------------------

    def sync(self, **more: Any) -> SyncReport:
        more.setdefault("patience_s", 20.0)
        report = sync(App(load(self.config)), [], progress=Progress(), on_bug=self.bugs.append, **more)
        assert self.bugs == []
        return report

    def put(self, url: str) -> None:
        self._http("PUT", url)

    def delete(self, url: str) -> None:
        self._http("DELETE", url)

    def _http(self, method: str, url: str) -> Any:
        import httpx

        answer = httpx.request(method, self.server.url + url, auth=("agent", "secret"), timeout=60)
        answer.raise_for_status()
        return answer

    def get(self, url: str) -> Any:
        return self._http("GET", url)

    # --- looking -------------------------------------------------------------------------------------------------

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        opened = open_ledger(self.root / "ledger.db", read_only=True)
        try:
            yield opened
        finally:
            opened.close()

    def writes(self, since: int = 0) -> list[tuple[str, str]]:
        """Lists the requests that write, apart from logging in and out."""
        return [
            (str(entry["method"]), str(entry["path"]))
            for entry in self.server.log[since:]
            if entry["method"] in WRITES and entry["path"] != "/data/JSESSION"
        ]

    def session(self, label: str, project: str = "P1") -> Experiment | None:
        return next((e for e in self.site.experiments.values() if e.project == project and e.label == label), None)

    def archived(self, label: str) -> set[str]:
        """The SOP Instance UIDs that the archive's own catalogues list for a session."""
        session = self.session(label)
        if session is None:
            return set()
        resources = [
            r for scan in session.scans.values() for r in scan.resources.values() if r.label in {"DICOM", "secondary"}
        ]
        return {entry.uid for resource in resources for entry in resource.entries.values()}

    def stored(self, label: str) -> list[Path]:
        """The archive's files of a session, as they lie on the sandbox's disk."""
        session = self.session(label)
        assert session is not None
        root = self.root / "site"
        return sorted(
            path
            for path in root.rglob("*.dcm")
            if f"/{label}/" in path.as_posix() and "archive" in path.as_posix() and "prearchive" not in path.as_posix()
        )

    def in_drop(self) -> set[str]:
        """Everything that is still at the top of the drop folder."""
        return {path.name for path in self.folder.iterdir()} - {".xnatsync", "done"}

    def filed(self) -> set[str]:
        done = self.folder / "done"
        return {path.relative_to(done).as_posix().split("/", 1)[1] for path in done.rglob("*") if path.is_file()}


def uids(files: list[Path]) -> set[str]:
    import pydicom

    return {str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in files}


def only(report: SyncReport) -> ItemReport:
    assert len(report.items) == 1
    return report.items[0]


def unit_of(report: ItemReport) -> UnitReport:
    assert len(report.units) == 1
    return report.units[0]


def copy_tree(source: Path, target: Path) -> None:
    shutil.copytree(source, target, copy_function=shutil.copyfile, dirs_exist_ok=True)
    for path in target.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _toml(value: object) -> str:
    import json

    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(part)}" for key, part in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(part) for part in value) + "]"
    return json.dumps(str(value) if isinstance(value, Path) else value)
