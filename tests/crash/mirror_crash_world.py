"""A mirror and a push whose processes are killed, and the judge: only files and the server's own answers count."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree as ET

import httpx

from crash.processes import Ended, Processes, Running

Scenario = Literal["pull", "replica", "push"]
OURS = ".xnatsync"
SCAN = "{project}/S/{session}/scans/{scan}/resources/NIFTI/files/{name}"


def some_bytes(seed: str, size: int) -> bytes:
    """Bytes that are another for each seed."""
    return (hashlib.sha256(seed.encode()).digest() * (size // 32 + 1))[:size]


@dataclass(slots=True, repr=False)
class MirrorCrashWorld:
    """A project, a tree, a ledger, and what may and must lie there."""

    root: Path
    project: str
    client: httpx.Client
    processes: Processes
    scenario: Scenario
    ids: dict[str, str] = field(default_factory=dict)
    old: dict[str, bytes] = field(default_factory=dict)  # what lay in the tree before the run that is killed
    new: dict[str, bytes] = field(default_factory=dict)  # what is to lie there in the end
    there: dict[str, bytes] = field(default_factory=dict)  # what a push is to have stored in the end
    before: dict[str, bytes] = field(default_factory=dict)  # what the server had before it

    @property
    def tree(self) -> Path:
        return self.root / "tree"

    @property
    def config(self) -> Path:
        return self.root / "xnatsync.toml"

    # --- arranging -------------------------------------------------------------------------------------------------

    def arrange(self) -> None:
        """Brings server, tree and ledger to where the killed run begins, and keeps a copy of it."""
        kind = "push" if self.scenario == "push" else "mirror"
        more = 'resources = ["QC"]\nsettle = "0s"\nquiet = "0.3s"\n' if kind == "push" else "max_delete = 100\n"
        more += 'policy = "replica"\n' if self.scenario == "replica" else ""
        self.tree.mkdir(parents=True)
        self.config.write_text(
            f'[ledger]\npath = "{self.root}/ledger/ledger.db"\n[servers.s]\nurl = "{self.client.base_url}"\n'
            f'user = "agent"\n[routes.m]\nkind = "{kind}"\nfolder = "{self.tree}"\nserver = "s"\n'
            f'project = "{self.project}"\n{more}'
        )
        self.http("PUT", f"/data/projects/{self.project}")
        {"pull": self._arrange_pull, "replica": self._arrange_replica, "push": self._arrange_push}[self.scenario]()
        self.old = self.shown()
        self.before = self.stored() if kind == "push" else {}
        shutil.copytree(self.root, self.kept)

    @property
    def kept(self) -> Path:
        return self.root.with_name(f"{self.root.name}-kept")

    def rewind(self) -> None:
        """Back to where the run begins: a mirror changes nothing on its server."""
        shutil.rmtree(self.root)
        shutil.copytree(self.kept, self.root)

    def _arrange_pull(self) -> None:
        self._session("A")
        for scan in (1, 2):
            for name in ("1.nii", ".hidden", "deep/3.nii", "4.nii"):
                self.store("A", scan, name, some_bytes(f"A{scan}{name}", 5000))
        self.store("A", 1, "empty", b"")
        self._session("B", scans=1)
        self.store("B", 1, "1.nii", some_bytes("B", 3000))
        self._stranger("mine.txt")
        self._stranger(f"{self.project}/S/A/mine.txt")

    def _arrange_replica(self) -> None:
        self._arrange_pull()
        for name in ("5.nii", "6.nii"):
            self.store("B", 1, name, some_bytes(f"B{name}", 3000))
        assert self.run().code == 0
        self._stranger(f"{self.project}/S/B/mine.txt")
        self.store("A", 1, "1.nii", b"another", overwrite=True)
        self.store("A", 1, "new.nii", b"new")
        self.http("DELETE", f"/data/experiments/{self.ids['A']}/scans/2?removeFiles=true")
        self.http("PUT", f"/data/projects/{self.project}/subjects/S/experiments/B?label=C")
        gone = {path for path in self.new if "/A/scans/2/" in path}
        self.new = {path.replace("/S/B/", "/S/C/"): content for path, content in self.new.items() if path not in gone}

    def _arrange_push(self) -> None:
        self._session("A")
        where = f"{self.project}/S/A/resources/QC/files"
        self.write(f"{where}/one.txt", b"first version")
        assert self.run().code == 0
        theirs = f"/data/experiments/{self.ids['A']}/resources/QC/files/theirs.txt?inbody=true"
        self.http("PUT", theirs, content=b"another's")
        self.write(f"{where}/one.txt", b"second version")
        self.write(f"{where}/two.txt", some_bytes("two", 4000))
        self.write(f"{self.project}/S/A/scans/1/resources/QC/files/empty", b"")
        self._stranger(f"{self.project}/S/A/mine.txt")
        self.there = {
            "resources/QC/one.txt": b"second version",
            "resources/QC/two.txt": some_bytes("two", 4000),
            "resources/QC/theirs.txt": b"another's",
            "scans/1/resources/QC/empty": b"",
        }
        self.new = self.shown()

    def _session(self, label: str, scans: int = 2) -> None:
        self.http("PUT", f"/data/projects/{self.project}/subjects/S")
        where = f"/data/projects/{self.project}/subjects/S/experiments/{label}"
        self.http("PUT", f"{where}?xsiType=xnat:mrSessionData")
        for scan in range(1, scans + 1):
            self.http("PUT", f"{where}/scans/{scan}?xsiType=xnat:mrScanData&type=T1")
        rows = self.http("GET", f"/data/projects/{self.project}/experiments?format=json").json()["ResultSet"]["Result"]
        self.ids[label] = next(row["ID"] for row in rows if row["label"] == label)

    def store(self, session: str, scan: int, name: str, content: bytes, *, overwrite: bool = False) -> None:
        url = f"/data/experiments/{self.ids[session]}/scans/{scan}/resources/NIFTI/files/{name}"
        more = "?overwrite=true" if overwrite else ""
        self.http("PUT", f"{url}{more}", files={"file": (name.rpartition("/")[2], content)})
        self.new[SCAN.format(project=self.project, session=session, scan=scan, name=name)] = content

    def _stranger(self, path: str) -> None:
        self.write(path, f"an analyst's {path}".encode())
        self.new[path] = f"an analyst's {path}".encode()

    def write(self, path: str, content: bytes) -> None:
        place = self.tree / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)

    # --- acting ----------------------------------------------------------------------------------------------------

    def start(self, kill_at: int = 0) -> Running:
        (self.root / "trace").unlink(missing_ok=True)
        return self.processes.start(
            str(self.config), "--kill-at", str(kill_at), "--until", "", "--workers", "1",
            "--trace", str(self.root / "trace"),
        )  # fmt: skip

    def run(self, kill_at: int = 0) -> Ended:
        """Runs `sync`, killed at a boundary; 0 lets it go to its end."""
        code = self.start(kill_at).wait()
        trace = self.root / "trace"
        return Ended(code, tuple(trace.read_text().splitlines()) if trace.exists() else ())

    def http(self, method: str, path: str, **more: object) -> httpx.Response:
        answer = self.client.request(method, path, **more)  # type: ignore[arg-type]
        answer.raise_for_status()
        return answer

    # --- looking ---------------------------------------------------------------------------------------------------

    def shown(self) -> dict[str, bytes]:
        """What a reader finds in the tree, apart from metadata and our own folder."""
        return {path: content for path, content in self._everything().items() if not path.endswith(".xml")}

    def metadata(self) -> dict[str, bytes]:
        return {path: content for path, content in self._everything().items() if path.endswith(".xml")}

    def trash(self) -> set[bytes]:
        root = self.tree / OURS / "trash"
        return {path.read_bytes() for path in root.rglob("*") if path.is_file()} if root.exists() else set()

    def stored(self) -> dict[str, bytes]:
        """What the server gives back of the session."""
        where = f"/data/experiments/{self.ids['A']}"
        rows = self.http("GET", f"{where}/files?all=true&format=json").json()["ResultSet"]["Result"]
        found = {}
        for row in rows:
            holder, _, name = row["URI"].partition("/files/")
            scan = holder.partition("/scans/")[2].partition("/")[0]
            place = f"scans/{scan}/resources" if scan else "resources"
            found[f"{place}/{row['collection']}/{name}"] = self.http("GET", row["URI"]).content
        return found

    def _everything(self) -> dict[str, bytes]:
        return {
            path.relative_to(self.tree).as_posix(): path.read_bytes()
            for path in sorted(self.tree.rglob("*"))
            if path.is_file() and path.relative_to(self.tree).parts[0] != OURS
        }

    # --- judging ---------------------------------------------------------------------------------------------------

    def complaints_after_a_kill(self) -> list[str]:
        """At any moment: whole files, old or new, each where it was or is to be; nothing lost; strangers' untouched."""
        shown = self.shown()
        found = [
            f"{path} holds neither the old nor the new content"
            for path, content in shown.items()
            if content not in {self.old.get(path), self.new.get(path)}
        ]
        kept = {*shown.values(), *self.trash()}
        found += [f"{path} is lost" for path, content in self.old.items() if content not in kept]
        for path, content in self.metadata().items():
            try:
                ET.fromstring(content)
            except ET.ParseError:
                found.append(f"{path} is no whole XML")
        if self.scenario == "push":
            allowed: Mapping[str, bytes] = self.there
            found += [
                f"the server holds something else at {path}"
                for path, content in self.stored().items()
                if content not in {self.before.get(path), allowed.get(path)}
            ]
        return found

    def complaints_at_the_end(self) -> list[str]:
        """Every history comes to this."""
        found = [] if self.shown() == self.new else [f"the tree holds {_differences(self.shown(), self.new)}"]
        if self.scenario == "push":
            stored = self.stored()
            found += [] if stored == self.there else [f"the server holds {_differences(stored, self.there)}"]
        else:
            lost = set(self.old.values()) - set(self.new.values()) - self.trash()
            found += [f"{len(lost)} old contents are neither in the tree nor in the trash"] if lost else []
            staging = self.tree / OURS / "staging"
            left = [path.name for path in staging.rglob("*") if path.is_file()] if staging.exists() else []
            found += [f"staging still holds {left}"] if left else []
            sessions = {"A", "B"} if self.scenario == "pull" else {"A", "C"}
            expected = {f"{self.project}/project.xml", f"{self.project}/S/subject.xml"}
            expected |= {f"{self.project}/S/{session}/session.xml" for session in sessions}
            if self.metadata().keys() != expected:
                found.append(f"metadata lie at {sorted(self.metadata())}")
        return found

    def complaints_about_another_run(self) -> list[str]:
        """Running again does nothing."""
        before = {path: path.stat().st_mtime_ns for path in self.tree.rglob("*")}
        ended = self.run()
        found = [] if ended.code == 0 else [f"another run ends with {ended.code}"]
        writes = [name for name in ended.trace if "put_resource_file" in name or "tree.land" in name]
        found += [f"another run acts: {writes}"] if writes else []
        if before != {path: path.stat().st_mtime_ns for path in self.tree.rglob("*")}:
            found.append("another run changes the tree")
        return found


def _differences(held: Mapping[str, bytes], wanted: Mapping[str, bytes]) -> list[str]:
    names = sorted({*held, *wanted})
    words = {(True, False): "too much", (False, True): "missing", (True, True): "other bytes"}
    return [f"{name}: {words[name in held, name in wanted]}" for name in names if held.get(name) != wanted.get(name)]
