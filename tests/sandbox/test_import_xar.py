"""XAR: documents and files enter the archive as they are, without any DICOM being read (import.md §1.8, §7.3)."""

from __future__ import annotations

import httpx
import pytest

from sandbox.dicom_study import message, mr_object, project, rows, send, zipped

SPACES = 'xmlns:xnat="http://nrg.wustl.edu/xnat" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
SESSION = (
    f'<xnat:MRSession {SPACES} project="P1" label="{{label}}"><xnat:subject_ID>S1</xnat:subject_ID></xnat:MRSession>'
)
SCAN = (
    f'<xnat:MRScan {SPACES} ID="4" type="T1"><xnat:image_session_ID>{{session}}</xnat:image_session_ID>'
    '<xnat:file xsi:type="xnat:resourceCatalog" label="DICOM" URI="scan_4_catalog.xml" format="DICOM" content="RAW"/>'
    "</xnat:MRScan>"
)
CATALOGUE = (
    '<cat:DCMCatalog UID="1.2.3" xmlns:cat="http://nrg.wustl.edu/catalog"><cat:entries>'
    '<cat:entry URI="sub/1.dcm" UID="1.2.3.1" instanceNumber="1"/></cat:entries></cat:DCMCatalog>'
)


@pytest.fixture
def client(admin: httpx.Client) -> httpx.Client:
    project(admin)
    return admin


def xar(client: httpx.Client, members: dict[str, bytes], query: str = "project=P1") -> httpx.Response:
    return send(client, zipped(members), f"import-handler=XAR&{query}")


def test_a_session_and_then_its_scan_with_files(client: httpx.Client) -> None:
    made = xar(client, {"session.xml": SESSION.format(label="E1").encode()})
    assert made.status_code == 200, message(made)
    session = made.text.strip()
    assert session.startswith("/data/archive/experiments/XNAT_E")
    content = mr_object()
    scan = SCAN.format(session=session.rpartition("/")[2]).encode()
    members = {"x/scan.xml": scan, "x/scan_4_catalog.xml": CATALOGUE.encode(), "x/sub/1.dcm": content}
    assert xar(client, members).status_code == 200
    listed = rows(client.get(f"{session}/scans/4/resources/DICOM/files?format=json"))
    assert [row["Name"] for row in listed] == ["1.dcm"]
    assert client.get(listed[0]["URI"]).content == content
    again = xar(client, {"session.xml": SESSION.format(label="E1").encode()})
    assert again.status_code == 409


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"a.txt": b"x"}, "Unable to locate XNAT xml document."),
        (
            {"a.xml": SESSION.format(label="A").encode(), "b.xml": SESSION.format(label="B").encode()},
            "XAR can only include data for one imaging session.",
        ),
        (
            {"a.xml": SESSION.format(label="A").encode(), "b.xml": SCAN.format(session="XNAT_E00001").encode()},
            "Multiple data types cannot share a single XAR.",
        ),
        (
            {"b.xml": SCAN.format(session="XNAT_E00099").encode()},
            "All XNAT xml documents must reference a valid Imaging Session.",
        ),
    ],
)
def test_refusals(client: httpx.Client, members: dict[str, bytes], words: str) -> None:
    refused = xar(client, members)
    assert (refused.status_code, message(refused)) == (400, words)
    assert rows(client.get("/data/projects/P1/experiments?format=json")) == []
