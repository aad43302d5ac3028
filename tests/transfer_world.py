"""Two stand-in XNATs, and in the first a project with every kind of thing, made through the REST interface."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from xnatsync.core.inventory import Owner, OwnerKind
from xnatsync.sandbox.http.server import SandboxServer
from xnatsync.sandbox.model.site import Site
from xnatsync.xnat import raw, thing_addresses
from xnatsync.xnat.client import Retries
from xnatsync.xnat.server import XnatServer

SOURCE, TARGET, OTHER, ALONE = "NEURO", "NEURO_DEV", "OTHER", "STAYS"
USER, PASSWORD = "mover", "a-password-of-the-test"
XNAT = 'xmlns:xnat="http://nrg.wustl.edu/xnat" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
VARIABLES = (  # the definition of custom variables, whose ID repeats the project's
    f'<xnat:studyProtocol xsi:type="xnat:datatypeProtocol" ID="{SOURCE}_xnat_mrSessionData" name="MR Session" '
    'data-type="xnat:mrSessionData"><xnat:definitions><xnat:definition ID="vars" data-type="xnat:mrSessionData" '
    'project-specific="1"><xnat:fields><xnat:field name="quality_by" datatype="string"/></xnat:fields>'
    "</xnat:definition></xnat:definitions></xnat:studyProtocol>"
)
PEOPLE = (  # members of a list that have no key
    "<xnat:investigators><xnat:investigator><xnat:firstname>Bo</xnat:firstname><xnat:lastname>M</xnat:lastname>"
    "</xnat:investigator><xnat:investigator><xnat:firstname>Cy</xnat:firstname><xnat:lastname>N</xnat:lastname>"
    "</xnat:investigator></xnat:investigators>"
)
RATINGS = (
    f'<xnat:QCManualAssessment project="{SOURCE}" {XNAT}><xnat:date>2026-01-05</xnat:date><xnat:rater>RK</xnat:rater>'
    '<xnat:scans><xnat:scan xsi:type="xnat:mrQcScanData"><xnat:imageScan_ID>1</xnat:imageScan_ID>'
    '<xnat:motion>2</xnat:motion></xnat:scan><xnat:scan xsi:type="xnat:mrQcScanData">'
    "<xnat:imageScan_ID>2</xnat:imageScan_ID><xnat:motion>0</xnat:motion></xnat:scan></xnat:scans>"
    "</xnat:QCManualAssessment>"
)


@dataclass(slots=True)
class Side:
    """A server."""

    box: SandboxServer
    server: XnatServer

    @property
    def site(self) -> Site:
        return self.box.site

    def put(self, path: str, body: bytes = b"", kind: str = "application/octet-stream", **query: str) -> str:
        """One PUT, as any client sends it; gives the answer."""
        pairs = tuple((name.replace("__", ":"), value) for name, value in query.items())
        call = raw.call("PUT", path, "writing", pairs)
        sent = raw.bytes_body(body, kind) if body else None
        return raw.change(self.server.client, call, request_id="test", timeout_s=30.0, body=sent).text.strip()

    def xml(self, path: str, text: str) -> str:
        """One PUT of a document."""
        return self.put(path, f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode(), "text/xml")

    def custom(self, path: str, **values: object) -> None:
        """Sets values of custom forms."""
        self.put(f"/xapi/custom-fields{path}/fields", json.dumps(values).encode(), "application/json")

    def owner(self, kind: OwnerKind, label: str, project: str = SOURCE) -> Owner:
        """An entity of a project as the listings show it, by its label or the project's ID."""
        found = self.server.inventory(project, frozenset(OwnerKind)).owners
        return next(one for one in found if one.kind is kind and (one.session or one.subject or one.id) == label)

    def writes(self) -> list[str]:
        """What was asked of it that is no read; a request is in its log when the next one is answered."""
        self.server.client.get(thing_addresses.roles())
        return [f"{line['method']} {line['path']}" for line in self.box.log if line["method"] not in {"GET", "HEAD"}]


@dataclass(slots=True)
class Pair:
    """Both servers."""

    source: Side
    target: Side


@contextmanager
def a_side(name: str) -> Iterator[Side]:
    """A server without any project."""
    site = Site.in_memory()
    site.accounts.add(USER, PASSWORD, admin=True)
    retries = Retries(tries=2, first_s=0.001, most_s=0.001)
    with SandboxServer(site) as box, XnatServer(box.url, USER, PASSWORD, server_name=name, retries=retries) as server:
        yield Side(box, server)


@contextmanager
def two_servers() -> Iterator[Pair]:
    """A source with everything, and an empty destination."""
    with a_side("prod") as source, a_side("staging") as target:
        fill(source)
        yield Pair(source, target)


def fill(side: Side) -> None:
    """Makes the project; `OTHER` may be transferred too, `ALONE` never is."""
    for project in (SOURCE, OTHER, ALONE):
        side.xml(f"/data/projects/{project}", f'<xnat:Project ID="{project}" {XNAT}/>')
    side.xml(
        f"/data/projects/{SOURCE}",
        f'<xnat:Project ID="{SOURCE}" {XNAT}><xnat:description>about &lt;brains&gt;</xnat:description>'
        f"<xnat:keywords>mr pet</xnat:keywords>{VARIABLES}<xnat:PI><xnat:firstname>Ada</xnat:firstname>"
        f"<xnat:lastname>L</xnat:lastname></xnat:PI>{PEOPLE}"
        '<xnat:fields><xnat:field name="grant">G-7</xnat:field></xnat:fields></xnat:Project>',
    )
    side.custom(f"/projects/{SOURCE}", sponsor="nobody")
    side.put(f"/data/projects/{SOURCE}/resources/DOCS/files/protocol.txt", b"protocol", format="TXT")
    _subjects(side)
    _mr(side)
    _ct(side)
    side.put(
        f"/data/projects/{SOURCE}/subjects/S2/experiments/S2_PET", xsiType="xnat:petSessionData", date="2026-01-03"
    )
    session = side.owner(OwnerKind.SESSION, "S1_MR").id
    subject = side.owner(OwnerKind.SUBJECT, "S1").id
    for target, label in ((OTHER, "shown"), (ALONE, "alone")):
        side.put(f"/data/subjects/{subject}/projects/{target}", label=f"{label}_S")
        side.put(f"/data/experiments/{session}/projects/{target}", label=f"{label}_MR")
    side.put(f"/data/experiments/{session}/scans/1/projects/{OTHER}")


def _subjects(side: Side) -> None:
    place = f"/data/projects/{SOURCE}/subjects"
    side.xml(
        f"{place}/S1",
        f'<xnat:Subject project="{SOURCE}" group="control" {XNAT}><xnat:demographics xsi:type="xnat:demographicData">'
        "<xnat:yob>1970</xnat:yob><xnat:gender>female</xnat:gender><xnat:handedness>left</xnat:handedness>"
        '</xnat:demographics><xnat:fields><xnat:field name="iq">101 &amp; more</xnat:field>'
        '<xnat:field name="arm">B</xnat:field></xnat:fields></xnat:Subject>',
    )
    subject = side.put(f"{place}/S2", gender="male")
    side.custom(f"/projects/{SOURCE}/subjects/{subject}", consent={"given": True, "on": "2026-01-01"})
    side.put(f"{place}/S1/resources/SCANNED/files/form%201.pdf", b"%PDF-form", format="PDF", content="FORM")
    record = side.put(
        f"{place}/S1/experiments/S1_VARS", xsiType="xnat:subjectVariablesData", date="2026-01-02", note="at home"
    )
    side.put(f"/data/experiments/{record}/resources/SHEETS/files/a/answers.csv", b"q;a\n1;007\n")


def _mr(side: Side) -> None:
    place = f"/data/projects/{SOURCE}/subjects/S1/experiments/S1_MR"
    session = side.put(
        place, xsiType="xnat:mrSessionData", date="2026-01-02", note="first & only", scanner="TRIO",
        **{"xnat:mrSessionData/fields/field[name=quality_by]/field": "RK"},
    )  # fmt: skip
    scans = f"/data/experiments/{session}/scans"
    for scan, kind in (("1", "T1 head"), ("2", "T2"), ("7-MR1", "no DICOM")):
        side.put(
            f"{scans}/{scan}", xsiType="xnat:mrScanData", type=kind, quality="usable", note=f"note of {scan}",
            series_description=f"series {scan}",
            **{"xnat:mrScanData/parameters/tr": "2300.5", "xnat:mrScanData/parameters/voxelRes/x": "1.5"},
        )  # fmt: skip
    side.put(f"{scans}/1", xsiType="xnat:mrScanData", **{"xnat:mrScanData/parameters/addParam[name=p]/addField": "v"})
    for scan in ("1", "2"):
        for number in range(3):
            name = f"1.2.{scan}.{number}.dcm"
            side.put(f"{scans}/{scan}/resources/DICOM/files/{name}", name.encode() * 500, format="DICOM", content="RAW")
    side.put(f"{scans}/7-MR1/resources/NIFTI/files/sub/t1.nii.gz", b"\x1f\x8b-not-really" * 99)
    side.put(f"/data/experiments/{session}/resources/NOTES/files/readme.txt", b"of the session")
    side.custom(f"/experiments/{session}", rating=4)
    side.custom(f"/experiments/{session}/scans/1", motion="low")
    side.put(f"/data/experiments/{session}/reconstructions/R_S1", type="mean", baseScanType="T1")
    side.put(f"/data/experiments/{session}/reconstructions/R_S1/resources/MEAN/files/m.img", b"mean" * 100)
    rated = side.xml(f"/data/experiments/{session}/assessors/S1_QC", RATINGS)
    side.custom(f"/experiments/{session}/assessors/{rated}", seen_by="two")
    side.put(f"/data/experiments/{session}/assessors/S1_QC/resources/REPORT/files/qc.json", b'{"fine": true}')


def _ct(side: Side) -> None:
    place = f"/data/projects/{SOURCE}/subjects/S2/experiments/S2_CT"
    session = side.put(place, xsiType="xnat:ctSessionData", date="2026-01-03")
    side.put(f"/data/experiments/{session}/scans/1", xsiType="xnat:ctScanData", type="chest", quality="unusable")
    side.put(f"/data/experiments/{session}/scans/1/resources/DICOM/files/1.2.9.dcm", b"ct" * 700, format="DICOM")
    side.put(f"/data/experiments/{session}/scans/1/resources/EMPTY", format="NONE")
