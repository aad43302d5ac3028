"""A small archive with known content, served on a real socket, for the tests of listings and items."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote

from xnatsync.sandbox.http.server import SandboxServer
from xnatsync.sandbox.model.objects import Experiment, Project, Resource, Scan, Stamps, Subject
from xnatsync.sandbox.model.site import Site

CREATED = "2023-09-27 17:31:21.352"


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def rows(self) -> list[dict[str, str]]:
        return self.json["ResultSet"]["Result"]

    @property
    def table(self) -> dict[str, object]:
        return self.json["ResultSet"]

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def item(self):
        return self.json["items"][0]


class Caller:
    """One user of a served site."""

    def __init__(self, server: SandboxServer, user: str = "admin") -> None:
        self.server, self.user = server, user

    def __call__(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        login = base64.b64encode(f"{self.user}:{self.user}".encode()).decode()
        sent = {"Authorization": f"Basic {login}", **{name.replace("_", "-"): value for name, value in headers.items()}}
        try:
            connection.request(method, quote(path, safe="/?&=:,@*[]%+-!"), body, sent)
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, names, answer.read())
        finally:
            connection.close()


@contextmanager
def served(site: Site) -> Iterator[Caller]:
    with SandboxServer(site) as server:
        yield Caller(server)


def stamps(created: str = CREATED, modified: str = "", bubbled: str = "") -> Stamps:
    return Stamps(created, "admin", modified, bubbled or modified or created)


def resource(key: int, label: str, folder: str, count: int | None = 2, size: int | None = 10, **more) -> Resource:
    return Resource(key, label, folder, label, "RAW", file_count=count, file_size=size, **more)


def scan(key: int, identifier: str, kind: str = "xnat:mrScanData", *resources: Resource, **fields: str) -> Scan:
    return Scan(key, identifier, kind, stamps(), dict(fields), {each.label: each for each in resources})


def example() -> Site:
    """P1 with two subjects and three experiments, P2 with one; one session of P1 is shared into P2."""
    site = Site.in_memory()
    for name in ("admin", "member", "stranger"):
        site.accounts.add(name, name, admin=name == "admin")
    site.projects["P1"] = Project("P1", stamps(), "P1", "Project 1", {"description": "first", "pi_lastname": "Doe"})
    site.projects["P1"].members["member"] = "member"
    site.projects["P2"] = Project("P2", stamps(), "P2", "Project 2", aliases={"second": ""})
    site.projects["P1"].resources["plan"] = resource(1, "plan", "archive/P1/resources/plan")
    _subjects(site)
    _sessions(site)
    return site


def _subjects(site: Site) -> None:
    for key, project, label in (
        ("XNAT_S00001", "P1", "SUB01"),
        ("XNAT_S00002", "P1", "SUB02"),
        ("XNAT_S00003", "P2", "X"),
    ):
        site.subjects[key] = Subject(key, project, label, stamps())
    first = site.subjects["XNAT_S00001"]
    first.fields |= {"gender": "male", "yob": "1980"}
    first.variables["age_grp"] = "A"
    first.shares["P2"] = ""
    first.resources["notes"] = resource(2, "notes", "archive/P1/subjects/SUB01/notes", None, None)


def _sessions(site: Site) -> None:
    mr = Experiment("XNAT_E00001", "P1", "XNAT_S00001", "SUB01_MR1", "xnat:mrSessionData", stamps())
    mr.stamps.bubbled = "2024-01-01 00:00:00.0"
    mr.fields |= {"date": "2018-07-01", "UID": "1.2.3", "modality": "MR", "note": "a<b"}
    mr.variables |= {"rater": "X", "pass": "1"}
    mr.shares["P2"] = "SHARED"
    mr.scans["4"] = scan(
        101,
        "4",
        "xnat:mrScanData",
        resource(11, "DICOM", "archive/P1/arc001/SUB01_MR1/SCANS/4/DICOM", 176, 92838912, dicom=True),
        resource(12, "NIFTI", "archive/P1/arc001/SUB01_MR1/SCANS/4/NIFTI"),
        **{"type": "T1", "quality": "usable", "frames": "176", "series_description": "t1_mpr", "parameters/tr": "2.5"},
    )
    mr.scans["5"] = scan(102, "5", "xnat:mrScanData", type="4", UID="1.2.3.5")
    mr.resources["BIDS"] = resource(13, "BIDS", "archive/P1/arc001/SUB01_MR1/RESOURCES/BIDS")
    quality = Experiment("XNAT_E00009", "P1", "XNAT_S00001", "QC1", "xnat:qcManualAssessorData", stamps())
    quality.resources["OUT"] = resource(14, "OUT", "archive/P1/arc001/SUB01_MR1/ASSESSORS/QC1/OUT")
    mr.assessors[quality.id] = quality
    ct = Experiment("XNAT_E00002", "P1", "XNAT_S00002", "SUB02_CT1", "xnat:ctSessionData", stamps())
    ct.fields["date"] = "2018-07-20"
    variables = Experiment("XNAT_E00003", "P1", "XNAT_S00002", "VARS", "xnat:subjectVariablesData", stamps())
    other = Experiment("XNAT_E00004", "P2", "XNAT_S00003", "X_MR1", "xnat:mrSessionData", stamps())
    for item in (mr, ct, variables, other):
        site.experiments[item.id] = item
