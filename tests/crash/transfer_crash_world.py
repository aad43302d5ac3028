"""A transfer whose coordinator is killed, and the judge: only the answers of both servers count."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx

from crash.processes import PASSWORD, Ended, Processes, Running
from xnatsync.sandbox.http.server import SandboxServer
from xnatsync.sandbox.model.site import Site

Held = dict[str, str]  # what a server shows: a place, and a value or the digest of a content
SOURCE = "SRC"
_clients: dict[str, httpx.Client] = {}


@dataclass(slots=True)
class Servers:
    """A source with one project, a destination, and the processes to kill."""

    root: Path
    processes: Processes
    source: SandboxServer
    there: SandboxServer
    made: int = 0
    filled: int = 0  # so many writes of the source are those that filled it

    @classmethod
    @contextmanager
    def started(cls, root: Path) -> Iterator[Servers]:
        """Both on real sockets, and the project filled."""
        sites = [Site.on_disk(root / name) for name in ("source", "there")]
        for site in sites:
            site.accounts.add("agent", PASSWORD, admin=True)
        with SandboxServer(sites[0]) as source, SandboxServer(sites[1]) as there, Processes(root) as processes:
            made = cls(root, processes, source, there)
            made.fill()
            yield made
        for server in (source, there):
            _clients.pop(server.url).close()

    @contextmanager
    def beside(self) -> Iterator[Processes]:
        """Processes that run at the same time as the others."""
        with Processes(self.root) as processes:
            yield processes

    def fill(self) -> None:
        """Two sessions, a subject assessor, resources of several levels, values of a custom form."""
        project, at = f"/data/projects/{SOURCE}", f"/data/projects/{SOURCE}/subjects/S"
        ask(self.source, "PUT", project)
        ask(self.source, "PUT", f"{project}/resources/DOCS/files/read.txt?inbody=true", b"read me")
        ask(self.source, "PUT", f"{at}?gender=female")
        ask(self.source, "PUT", f"{at}/resources/FORMS/files/form.pdf?inbody=true", b"%PDF")
        ask(self.source, "PUT", f"{at}/experiments/REC?xsiType=xnat:subjectVariablesData&note=home")
        for session in ("A", "B"):
            where = f"{at}/experiments/{session}"
            ask(self.source, "PUT", f"{where}?xsiType=xnat:mrSessionData&date=2026-01-02&note=of-{session}")
            ask(self.source, "PUT", f"{where}/scans/1?xsiType=xnat:mrScanData&type=T1&quality=usable")
            for number in range(3):
                name = f"{where}/scans/1/resources/DICOM/files/{number}.dcm?inbody=true&format=DICOM"
                ask(self.source, "PUT", name, f"{session}{number}".encode() * 400)
            ask(self.source, "PUT", f"{where}/resources/NOTES/files/n.txt?inbody=true", session.encode())
        ask(self.source, "GET", project)
        self.filled = len([line for line in self.source.log if line["method"] not in {"GET", "HEAD"}])

    def world(self) -> TransferCrashWorld:
        """A ledger of its own, and a project of its own at the destination."""
        self.made += 1
        root = self.root / f"world{self.made}"
        root.mkdir()
        world = TransferCrashWorld(root, f"T{self.made}", self)
        world.configure()
        return world

    def source_writes(self) -> list[str]:
        """What the source was asked since it was filled that is no read, but logins."""
        ask(self.source, "GET", f"/data/projects/{SOURCE}?format=json")
        asked = [
            f"{line['method']} {line['path']}" for line in self.source.log if line["method"] not in {"GET", "HEAD"}
        ]
        return [one for one in asked if "JSESSION" not in one and f"/projects/{SOURCE}" not in one]


@dataclass(slots=True)
class TransferCrashWorld:
    """One transfer."""

    root: Path
    project: str
    servers: Servers

    def configure(self) -> None:
        place = self.root / "xnatsync.toml"
        place.write_text(
            f'[ledger]\npath = "{self.root}/ledger/ledger.db"\n'
            f'[servers.s]\nurl = "{self.servers.source.url}"\nuser = "agent"\n'
            f'[servers.d]\nurl = "{self.servers.there.url}"\nuser = "agent"\n'
            f'[routes.t]\nkind = "transfer"\nserver = "s"\nproject = "{SOURCE}"\nto_server = "d"\n'
            f'to_project = "{self.project}"\nquiet = "0.3s"\nretry_delay = "0.1s"\nworkers = 1\n'
        )

    def beside(self) -> Self:
        """Another coordinator, with a ledger of its own, on its way to the same project."""
        other = type(self)(self.root.with_name(f"{self.root.name}-beside"), self.project, self.servers)
        other.root.mkdir()
        other.configure()
        return other

    def arguments(self, kill_at: int = 0) -> list[str]:
        """Of a process that runs it."""
        config, trace = str(self.root / "xnatsync.toml"), str(self.root / "trace")
        return [config, "--kill-at", str(kill_at), "--until", "", "--workers", "1", "--trace", trace]

    def start(self, kill_at: int = 0) -> Running:
        (self.root / "trace").unlink(missing_ok=True)
        return self.servers.processes.start(*self.arguments(kill_at))

    def run(self, kill_at: int = 0) -> Ended:
        """Runs `sync`, killed at a boundary; 0 lets it go to its end."""
        code = self.start(kill_at).wait()
        trace = self.root / "trace"
        return Ended(code, tuple(trace.read_text().splitlines()) if trace.exists() else ())

    # --- judging ---------------------------------------------------------------------------------------------------

    def complaints_after_a_kill(self) -> list[str]:
        """At any time: what the destination lists is whole, and is what the source has."""
        here, there = shown(self.servers.source, SOURCE), shown(self.servers.there, self.project)
        return [f"{place} is not what the source has" for place, value in there.items() if here.get(place) != value]

    def complaints_at_the_end(self) -> list[str]:
        """Every history comes to this."""
        here, there = shown(self.servers.source, SOURCE), shown(self.servers.there, self.project)
        found = [f"{place} is missing or differs" for place, value in here.items() if there.get(place) != value]
        found += [f"{place} is too much" for place in there.keys() - here.keys()]
        signed = list((self.root / "ledger" / "certificates").glob("*.json"))
        if not any('"outcome": "complete"' in path.read_text() for path in signed):
            found.append(f"none of {len(signed)} certificates says complete")
        return found + [f"the source was written to: {one}" for one in self.servers.source_writes()]

    def complaints_about_another_run(self) -> list[str]:
        """Running again does nothing."""
        ended = self.run()
        writes = [one for one in ended.trace if "before xnat." in one and is_a_write(one)]
        return ([] if ended.code == 0 else [f"another run ends with {ended.code}"]) + writes


def is_a_write(line: str) -> bool:
    """Whether a boundary is a write to a server."""
    return any(word in line for word in (".create_", ".overlay", ".set_custom", ".share", ".put_", ".catalogue"))


def ask(server: SandboxServer, method: str, path: str, content: bytes = b"") -> httpx.Response:
    """One request, as any client sends it."""
    if server.url not in _clients:
        _clients[server.url] = httpx.Client(base_url=server.url, auth=("agent", PASSWORD), timeout=60)
    answer = _clients[server.url].request(method, path, content=content)
    answer.raise_for_status()
    return answer


def shown(server: SandboxServer, project: str) -> Held:
    """What a server gives back of a project."""

    def rows(path: str) -> Sequence[dict[str, Any]]:
        try:
            found: Sequence[dict[str, Any]] = ask(server, "GET", path).json()["ResultSet"]["Result"]
        except httpx.HTTPStatusError as error:
            if error.response.status_code == 404:
                return ()
            raise
        return found

    found: Held = {}

    def note(place: str, value: str) -> None:
        found[place if place not in found else f"{place} again"] = value

    def files(place: str, path: str) -> None:
        for row in rows(f"{path}/files?format=json"):
            content = ask(server, "GET", str(row["URI"])).content
            name = str(row["URI"]).partition("/files/")[2]
            note(f"{place} {row['collection']} {name}", hashlib.sha256(content).hexdigest())

    files("project", f"/data/projects/{project}")
    for subject in rows(f"/data/projects/{project}/subjects?format=json&columns=ID,label,gender"):
        at = f"/data/subjects/{subject['ID']}"
        note(f"subject {subject['label']}", str(subject.get("gender", "")))
        files(f"subject {subject['label']}", at)
    for one in rows(f"/data/projects/{project}/experiments?format=json&columns=ID,label,xsiType,note,date"):
        at = f"/data/experiments/{one['ID']}"
        note(f"experiment {one['label']}", f"{one['xsiType']} {one.get('note', '')} {one.get('date', '')}")
        files(f"experiment {one['label']}", at)
        for scan in rows(f"{at}/scans?format=json") if "Session" in str(one["xsiType"]) else ():
            note(f"{one['label']} scan {scan['ID']}", f"{scan['type']} {scan['quality']}")
            files(f"{one['label']} scan {scan['ID']}", f"{at}/scans/{scan['ID']}")
    return found
