"""Where processes are killed: a sandbox for many worlds, and a judge who only looks.

The judge never asks the product: it reads files, the server's own answers and request log, and a copy of the ledger.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import sqlite3
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

import httpx
import pydicom

from crash.processes import PASSWORD, Ended, Processes, Running
from xnatsync.dicom.make import SeriesPlan, StudyPlan, make_study
from xnatsync.sandbox.http.server import SandboxServer
from xnatsync.sandbox.model.site import Site

LONG_AGO_NS = 1_772_000_000_000_000_000
EFFECTIVE = {200, 301, 303}

Scenario = Literal["plain", "zip", "attach", "late", "flat"]
ROUTES: dict[Scenario, dict[str, str]] = {
    "plain": {},
    "zip": {"after": "delete", "verify": "pixels"},
    "attach": {"other": "attach"},
    "late": {},
    "flat": {},
}


# --- the server --------------------------------------------------------------------------------------------------


class Arena:
    """One sandbox on a real socket for many worlds, each with a project of its own, and the processes to kill."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.site = Site.on_disk(root / "site")
        self.site.accounts.add("agent", PASSWORD, admin=True)
        self.server = SandboxServer(self.site)
        self.processes = Processes(root)
        self.client = httpx.Client(base_url=self.server.url, auth=("agent", PASSWORD), timeout=60)
        self._count = 0

    def __enter__(self) -> Self:
        self.server.start()
        self.processes.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.processes.__exit__()
        self.client.close()
        self.server.stop()
        self.site.close()

    def messages(self) -> str:
        """What the processes complained about since the last question."""
        text = self.processes.messages.read_text()
        self.processes.messages.write_text("")
        return text

    @contextmanager
    def world(self, scenario: Scenario, *, plant: str | None = None) -> Iterator[CrashWorld]:
        """A fresh project, drop folder and ledger; removed when the block ends well."""
        self._count += 1
        root = self.root / f"world{self._count}"
        root.mkdir()
        world = CrashWorld(
            root, f"K{self._count}", self.client, lambda: self.server.log, self.processes, scenario, plant
        )
        world.http("PUT", f"/data/projects/{world.project}")
        yield world
        shutil.rmtree(root)


# --- a world -----------------------------------------------------------------------------------------------------


@dataclass(slots=True, repr=False)
class CrashWorld:
    """A drop folder, a project, a ledger; what was dropped; and the judge."""

    root: Path
    project: str
    client: httpx.Client
    log: Callable[[], Sequence[dict[str, Any]]]  # the requests that the server was ever asked
    processes: Processes
    scenario: Scenario
    plant: str | None = None
    dropped: Counter[str] = field(default_factory=Counter)  # sha256 of every file dropped
    objects: Counter[tuple[str, str]] = field(default_factory=Counter)  # SOP Instance UID and digest of the pixels
    attached: Counter[str] = field(default_factory=Counter)
    labels: set[str] = field(default_factory=set)
    commits: int = 0  # how many requests to archive may take effect

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.configure()

    def configure(self, **more: str) -> None:
        """Writes the configuration; keywords are further keys of the route."""
        route = {"project": self.project, "settle": "0s", "quiet": "0.3s", **ROUTES[self.scenario], **more}
        lines = [f'{key} = "{value}"' for key, value in route.items()]
        self.config.write_text(
            f'[ledger]\npath = "{self.ledger}"\n[servers.s]\nurl = "{self.client.base_url}"\nuser = "agent"\n'
            f'[routes.r]\nkind = "drop"\nfolder = "{self.folder}"\nserver = "s"\n' + "\n".join(lines) + "\n"
        )

    @property
    def folder(self) -> Path:
        return self.root / "drop"

    @property
    def done(self) -> Path:
        return self.folder / "done"

    @property
    def config(self) -> Path:
        return self.root / "xnatsync.toml"

    @property
    def ledger(self) -> Path:
        return self.root / "ledger" / "ledger.db"

    # --- dropping ------------------------------------------------------------------------------------------------

    def drop(self) -> None:
        """Drops what the scenario says; times are old for half of them, so that both ways of filing are gone."""
        match self.scenario:
            case "plain":
                self.drop_study("exam", (1, 2), others={"readme.txt": b"for people"})
            case "zip":
                self.drop_study("exam", (1, 2), packed=True)
            case "attach":
                others = {"notes.txt": b"attach me", "deep/protocol.pdf": b"%PDF-1.4 no pdf", "one.log": b"1"}
                self.drop_study("exam", (1, 2), others=others, new=True)
            case "flat":
                self.drop_study("one", (1, 2), flat=True)
                self.drop_study("two", (3,), flat=True, new=True, patient="SUB2")
            case "late":
                self.drop_study("first", (1,))
                ended = self.run()
                assert ended.code == 0, ended
                self.drop_study("rest", (2, 3), new=True, others={"readme.txt": b"the rest"})

    def drop_study(
        self, name: str, series: Sequence[int], *, others: dict[str, bytes] | None = None, packed: bool = False,
        new: bool = False, flat: bool = False, patient: str = "SUB1", size: int = 32, slices: int = 2,
        into: Path | None = None,
    ) -> None:  # fmt: skip
        """Drops a study of one patient; `into` puts it somewhere else than into the drop folder."""
        made = self.root / f"made-{name}"
        self.labels.add(f"{patient}_MR_20260301")
        self.commits += 1
        for number in series:  # a seed of its own, so that a series is the same wherever it is made
            plans = (SeriesPlan(number, f"series {number}", slices),)
            uid = f"2.25.{int.from_bytes(patient.encode(), 'big')}"
            make_study(made, StudyPlan(patient, "No^Body", "20260301", plans, uid, (size, size)), seed=number)
        for path in sorted(made.rglob("*.dcm")):
            data = pydicom.dcmread(path)
            self.objects[str(data.SOPInstanceUID), _digest(data.PixelData)] += 1
        for place, content in (others or {}).items():
            (made / place).parent.mkdir(parents=True, exist_ok=True)
            (made / place).write_bytes(content)
            if self.scenario == "attach":
                self.attached[_digest(content)] += 1
        if not new:
            for path in made.rglob("*"):
                os.utime(path, ns=(LONG_AGO_NS, LONG_AGO_NS))
        if packed:
            with zipfile.ZipFile(self.root / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
                for path in sorted(made.rglob("*.dcm")):
                    archive.write(path, path.relative_to(made))
            shutil.rmtree(made)
            made = self.root / f"{name}.zip"
        self.dropped += digests(made)
        if flat:  # names tell nothing of what belongs together
            for number, path in enumerate(sorted(made.rglob("*.dcm"))):
                path.rename((into or self.folder) / f"IM{number}{name}")
            shutil.rmtree(made)
            return
        made.rename((into or self.folder) / (f"{name}.zip" if packed else name))

    # --- acting --------------------------------------------------------------------------------------------------

    def start(self, kill_at: int = 0, *, workers: int = 1, until: str = "") -> Running:
        arguments = [str(self.config), "--kill-at", str(kill_at), "--until", until, "--workers", str(workers)]
        arguments += ["--trace", str(self.root / "trace")]
        arguments += ["--plant", self.plant] if self.plant is not None else []
        return self.processes.start(*arguments)

    def run(self, kill_at: int = 0, *, workers: int = 1, until: str = "") -> Ended:
        """Runs `sync`, killed at a boundary told by its number or by its name; 0 and "" let it go to its end."""
        code = self.start(kill_at, workers=workers, until=until).wait()
        trace = self.root / "trace"
        return Ended(code, tuple(trace.read_text().splitlines()) if trace.exists() else ())

    def http(self, method: str, path: str) -> httpx.Response:
        answer = self.client.request(method, path)
        answer.raise_for_status()
        return answer

    def fetch(self, uri: str) -> bytes:
        return self.http("GET", "/data" + uri.removeprefix("/data")).content

    def rows(self, path: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.http("GET", path).json()["ResultSet"]["Result"]
        return found

    # --- judging -------------------------------------------------------------------------------------------------

    def complaints_after_a_kill(self) -> list[str]:
        """What must hold at every moment: S1, S2, and a ledger that is whole."""
        with self.ledger_copy() as ask:
            found = [f"the ledger is damaged: {row[0]}" for row in _damage(ask)]
            proven = ask("select 1 from receipt where level in ('pixels', 'bytes')")
            verified = ask("select path from item where phase in ('verified', 'done')")
        here = digests(self.folder)
        if doubled := here - self.dropped:
            found.append(f"{doubled.total()} files are there twice, or are not what was dropped")
        missing = self.dropped - here
        if missing and not (self.scenario == "zip" and proven and self._archived() == self.objects):
            found.append(f"{missing.total()} dropped files are neither in drop nor in custody nor in done")
        filed = [path for path in self.done.rglob("*") if path.is_file()]
        items = {str(row[0]).split("/", 1)[-1] for row in verified}
        names = [path.relative_to(self.done).parts[1] for path in filed]
        strays = [name for name in names if not any(name == item or name.startswith(f"{item}.") for item in items)]
        if strays:
            found.append(f"{len(strays)} files are in done without a receipt")
        return found

    def complaints_at_the_end(self) -> list[str]:
        """The end state that every history must come to."""
        found = self._complaints_about_ledger()
        left = {path.name for path in self.folder.iterdir()} - {".xnatsync", "done"}
        if left:
            found.append(f"the drop folder still holds {left}")
        custody = self.folder / ".xnatsync" / "custody"
        if boxes := [path for path in custody.rglob("*") if path.name != "custody"]:
            found.append(f"custody still holds {[path.relative_to(custody).as_posix() for path in boxes]}")
        removed = self.scenario == "zip" and not self._stored_without_an_answer()
        expected = Counter[str]() if removed else self.dropped
        if digests(self.done) != expected:
            found.append("done does not hold exactly the files that were dropped")
        return found + self._complaints_about_server()

    def _stored_without_an_answer(self) -> bool:
        """What nobody acknowledged to us, and is not proven byte for byte, is filed and not removed (ADR 8)."""
        with self.ledger_copy() as ask:
            return bool(ask("select 1 from evidence where acknowledged = 0 and compared <> 'bytes'"))

    def _complaints_about_server(self) -> list[str]:
        found = []
        sessions = self.rows(f"/data/projects/{self.project}/experiments?format=json")
        if sorted(row["label"] for row in sessions) != sorted(self.labels):
            found.append(f"the project holds the sessions {[row['label'] for row in sessions]}, not {self.labels}")
        if rows := self.rows(f"/data/prearchive/projects/{self.project}?format=json"):
            found.append(f"the prearchive still holds {len(rows)} rows")
        if self._archived() != self.objects:
            found.append("the archive does not hold every object once, with its pixels")
        if self.attached and sessions:
            names = self.rows(f"/data/experiments/{sessions[0]['ID']}/resources/ATTACHED/files?format=json")
            held = Counter(_digest(self.fetch(row["URI"])) for row in names)
            if held != self.attached:
                found.append("the session does not hold every attached file once")
        commits = [entry for entry in self.requests() if "action=commit" in str(entry["query"])]
        effective = [entry for entry in commits if entry["status"] in EFFECTIVE]
        if len(effective) > self.commits or len(commits) > self.commits:
            found.append(f"{len(effective)} of {len(commits)} requests to archive took effect, not {self.commits}")
        return found

    def _archived(self) -> Counter[tuple[str, str]]:
        """Every object of every session of the project, fetched: UID and digest of the pixels."""
        held = Counter[tuple[str, str]]()
        for session in self.rows(f"/data/projects/{self.project}/experiments?format=json"):
            for row in self.rows(f"/data/experiments/{session['ID']}/scans/ALL/files?format=json"):
                if row["collection"] in {"DICOM", "secondary"}:
                    data = pydicom.dcmread(io.BytesIO(self.fetch(row["URI"])))
                    held[str(data.SOPInstanceUID), _digest(data.PixelData)] += 1
        return held

    def _complaints_about_ledger(self) -> list[str]:
        questions = {
            "an item is not done": "select 1 from item where phase <> 'done'",
            "an item is held": "select 1 from item where hold is not null",
            "a unit is held": "select 1 from unit where hold is not null",
            "a unit is open": "select 1 from unit where phase not in ('closed', 'dismissed')",
            "a unit has no receipt": (
                "select 1 from unit where phase = 'closed' and id not in (select unit_id from receipt)"
            ),
            "a receipt vouches for less than was expected": "select 1 from receipt where held <> expected",
            "an attempt has no end": "select 1 from attempt where ended_at is null",
            "a run has no end": "select 1 from run where ended_at is null",
        }
        with self.ledger_copy() as ask:
            damaged = [f"the ledger is damaged: {row[0]}" for row in _damage(ask)]
            return damaged + [f"the ledger says: {what}" for what, sql in questions.items() if ask(sql)]

    def complaints_about_another_run(self) -> list[str]:
        """L3: running again does nothing."""
        before, since = _tree(self.folder), len(self.log())
        ended = self.run()
        found = [] if ended.code == 0 else [f"another run ends with {ended.code}"]
        if writes := [entry for entry in self.requests(since) if entry["method"] in {"PUT", "POST", "DELETE"}]:
            found.append(f"another run writes: {[(entry['method'], entry['path']) for entry in writes]}")
        if _tree(self.folder) != before:
            found.append("another run changes the folder")
        return found

    def requests(self, since: int = 0) -> list[dict[str, Any]]:
        """The server's own log of what was asked about this project."""
        marks = (f"/projects/{self.project}/", f"PROJECT_ID={self.project}&", f"project={self.project}&")
        return [
            entry for entry in self.log()[since:]
            if any(mark in f"{entry['path']}/?{entry['query']}&" for mark in marks)
        ]  # fmt: skip

    @contextmanager
    def ledger_copy(self) -> Iterator[Callable[[str], list[Any]]]:
        """Asks a copy of the ledger, so that looking changes nothing; answers nothing when there is none yet."""
        copy = self.root / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for end in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(f"{self.ledger}{end}", copy / f"ledger.db{end}")
        with closing(sqlite3.connect(copy / "ledger.db")) as raw:
            raw.execute("pragma synchronous = off")
            begun = raw.execute("select 1 from sqlite_master where name = 'unit'").fetchall()
            yield lambda sql: raw.execute(sql).fetchall() if begun else []


def _damage(ask: Callable[[str], list[Any]]) -> list[Any]:
    return [row for row in ask("pragma integrity_check") if row[0] != "ok"] + ask("pragma foreign_key_check")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def digests(root: Path) -> Counter[str]:
    paths = [root] if root.is_file() else root.rglob("*")
    return Counter(_digest(path.read_bytes()) for path in paths if path.is_file() and not _is_mark(path))


def _is_mark(path: Path) -> bool:
    """Our own notes beside custody: which ledgers have boxes there, and which done folders there were."""
    return ".xnatsync" in path.parts and "custody" not in path.parts


def _tree(root: Path) -> set[tuple[str, int]]:
    return {(path.relative_to(root).as_posix(), path.stat().st_mtime_ns) for path in root.rglob("*")}
