"""Two stand-in XNATs, a session in each, and what is carried from one to the other."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from big_project import add_resource
from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey
from xnatsync.core.remote import RemoteFile
from xnatsync.routes.transfer.carry import carry
from xnatsync.routes.transfer.load import Carried, Load
from xnatsync.sandbox.http.faults import Fault
from xnatsync.sandbox.http.server import SandboxServer
from xnatsync.sandbox.model.creation import create_experiment, create_project, create_scan, create_subject
from xnatsync.sandbox.model.objects import Experiment, Resource
from xnatsync.sandbox.model.site import Site
from xnatsync.xnat.client import Retries
from xnatsync.xnat.server import XnatServer

PROJECT, USER, PASSWORD = "P1", "mover", "a-password-of-the-test"
KEY = ResourceKey("1", "DICOM")


Half = XnatServer


@dataclass(slots=True)
class End:
    """One of the two."""

    box: SandboxServer
    server: Half
    session: Experiment

    @property
    def site(self) -> Site:
        return self.box.site

    @property
    def owner(self) -> Owner:
        return Owner(OwnerKind.SESSION, PROJECT, self.session.id, subject="S1", session=self.session.label)

    def resource(self, key: ResourceKey) -> Resource:
        held = self.session.scans[key.scan] if key.scan else self.session
        return held.resources[key.label]

    def plant(self, files: Mapping[str, bytes], key: ResourceKey = KEY) -> None:
        """Puts files into a resource as a pipeline does, whatever their names are."""
        held = self.session.scans[key.scan] if key.scan else self.session
        folder = f"{self.session.folder}/SCANS/{key.scan}" if key.scan else f"{self.session.folder}/RESOURCES"
        add_resource(self.site, held, folder, key.label, dict(files))

    def rot(self, name: str, content: bytes, key: ResourceKey = KEY) -> None:
        """Changes a file on the disk behind the catalogue's back."""
        self.site.store.write(f"{self.resource(key).folder}/{name}", [content])

    def held(self, key: ResourceKey = KEY) -> dict[str, bytes]:
        """What the disk of the server holds, whatever it lists."""
        found = self.resource(key)
        return {name: self.site.store.open(f"{found.folder}/{name}").read() for name in found.entries}

    def listed(self, key: ResourceKey = KEY) -> tuple[RemoteFile, ...]:
        files = self.server.all_files([self.owner])[self.owner].files
        return tuple(file for file in files if (file.scan, file.resource) == (key.scan, key.label))

    def fault(self, method: str, path: str, kind: str, **more: object) -> Fault:
        return self.box.faults.add(Fault(method, path, kind, **more))  # type: ignore[arg-type]

    def asked(self, *methods: str) -> list[tuple[str, str]]:
        """The requests for anything but logins.  The server notes one when its answer has gone: it is waited for."""
        known = -1
        while known != len(self.box.log):
            known = len(self.box.log)
            time.sleep(0.02)
        seen = [(str(line["method"]), str(line["path"])) for line in self.box.log]
        return [one for one in seen if one[0] in methods and "JSESSION" not in one[1] and "/data/auth" not in one[1]]


@dataclass(slots=True)
class Pair:
    """Source and destination."""

    source: End
    destination: End
    ids: list[str] = field(default_factory=list)

    def load(self, key: ResourceKey = KEY, **more: object) -> Load:
        listed = self.source.listed(key)
        return Load(key, key, listed, listed, **more)  # type: ignore[arg-type]

    def carry(self, load: Load | None = None, **more: object) -> Carried:
        """Carries one resource."""
        self.ids.append(f"carry-{len(self.ids)}")
        return carry(
            self.source.server, self.destination.server, self.source.owner, self.destination.owner,
            load or self.load(), request_id=self.ids[-1], **more,  # type: ignore[arg-type]
        )  # fmt: skip


@contextmanager
def an_end(label: str, scans: Sequence[str] = ("1", "2")) -> Iterator[End]:
    """A site with one session."""
    site = Site.in_memory()
    user = site.accounts.add(USER, PASSWORD, admin=True)
    create_project(site, PROJECT, user)
    subject = create_subject(site, PROJECT, "S1", user)
    session = create_experiment(site, PROJECT, subject, label, "xnat:mrSessionData", user)
    for scan in scans:
        create_scan(site, session, scan, "xnat:mrScanData", user)
    retries = Retries(tries=2, first_s=0.001, most_s=0.001)
    with SandboxServer(site) as box, Half(box.url, USER, PASSWORD, server_name=label, retries=retries) as server:
        yield End(box, server, session)


@contextmanager
def a_pair() -> Iterator[Pair]:
    """Both, under other labels and with other accession IDs."""
    with an_end("HERE_MR") as source, an_end("THERE_MR") as destination:
        yield Pair(source, destination)
