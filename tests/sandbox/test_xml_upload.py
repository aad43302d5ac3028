"""`/xapi/archive/upload/xml`: an item by its document alone (official TestXmlOddities; src DefaultCatalogService)."""

from __future__ import annotations

import httpx
import pytest

UPLOAD = "/xapi/archive/upload/xml"
SPACES = 'xmlns:xnat="http://nrg.wustl.edu/xnat" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


def put(admin: httpx.Client, document: str, *, deletes: str = "false", kind: str = "application/xml") -> httpx.Response:
    return admin.put(f"{UPLOAD}?allowDataDeletion={deletes}", content=document.encode(), headers={"Content-Type": kind})


def exported(admin: httpx.Client, url: str) -> str:
    answer = admin.get(f"{url}?format=xml")
    assert answer.status_code == 200
    return answer.text


def test_what_was_exported_and_changed_is_stored(admin, session):
    """T testXmlUploadRoundTripsSubject, and the same for the other kinds of items."""
    admin.put("/data/projects/P1/subjects/S1?group=before").raise_for_status()
    noted = "xsiType=xnat:mrSessionData&xnat:mrSessionData/note=before"
    admin.put(f"/data/projects/P1/subjects/S1/experiments/E1?{noted}").raise_for_status()
    admin.put("/data/projects/P1?description=before").raise_for_status()
    qc = admin.put(f"{session}/assessors/Q1?xsiType=xnat:qcManualAssessorData&xnat:qcManualAssessorData/note=before")
    urls = {
        "/data/projects/P1": "/archive/projects/P1",
        "/data/projects/P1/subjects/S1": "/archive/subjects/XNAT_S00001",
        session: f"/archive{session.removeprefix('/data')}",
        f"{session}/assessors/Q1": f"/archive/experiments/{qc.text}",
    }
    for url, uri in urls.items():
        answer = put(admin, exported(admin, url).replace("before", "after"))
        assert (answer.status_code, answer.text) == (200, uri), url
        assert "after" in exported(admin, url)
        assert "before" not in exported(admin, url)


def test_a_new_item_comes_by_its_document(admin, session):
    session_id = session.rpartition("/")[2]
    documents = {
        f'<xnat:Project {SPACES} ID="P2"><xnat:name>Two</xnat:name></xnat:Project>': "/archive/projects/P2",
        f'<xnat:Subject {SPACES} project="P1" label="S2"/>': "/archive/subjects/XNAT_S00002",
        f'<xnat:CTSession {SPACES} project="P1" label="E2"><xnat:subject_ID>S2</xnat:subject_ID></xnat:CTSession>': (
            "/archive/experiments/XNAT_E00002"
        ),
        f'<xnat:QCManualAssessment {SPACES} project="P1" label="Q"><xnat:imageSession_ID>{session_id}'
        "</xnat:imageSession_ID></xnat:QCManualAssessment>": "/archive/experiments/XNAT_E00003",
        f'<xnat:MRScan {SPACES} ID="9" type="T2"><xnat:image_session_ID>{session_id}</xnat:image_session_ID>'
        "</xnat:MRScan>": f"/archive/experiments/{session_id}/scans/9",
    }
    for document, uri in documents.items():
        answer = put(admin, document)
        assert (answer.status_code, answer.text) == (200, uri)
        assert admin.get(f"/data{uri.removeprefix('/archive')}?format=json").status_code == 200


def test_a_scan_is_replaced_only_when_data_may_be_deleted(admin, session):
    document = (
        f'<xnat:MRScan {SPACES} ID="4" type="T2"><xnat:image_session_ID>{session.rpartition("/")[2]}'
        "</xnat:image_session_ID></xnat:MRScan>"
    )
    refused = put(admin, document)
    assert (refused.status_code, "Rerun with allowDataDeletion" in refused.text) == (400, True)
    assert "T1 mpr" in exported(admin, f"{session}/scans/4")
    assert put(admin, document, deletes="true").status_code == 200
    assert "T1 mpr" not in exported(admin, f"{session}/scans/4")


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ('<!DOCTYPE x SYSTEM "x"><xnat:Subject/>', 400),
        (f'<xnat:Subject {SPACES} project="P1" label="S9" nonsense="1"/>', 400),
        (f'<xnat:Subject {SPACES} label="S9"/>', 400),
        (f'<xnat:Subject {SPACES} project="P1"/>', 400),
        (f'<xnat:Subject {SPACES} project="P1" label="S1"/>', 409),
        (
            f'<xnat:CTSession {SPACES} project="P1" label="E1"><xnat:subject_ID>S1</xnat:subject_ID></xnat:CTSession>',
            409,
        ),
        (f'<xnat:CTSession {SPACES} ID="XNAT_E00001" project="P1" label="E1"/>', 409),
        (
            f'<xnat:MRSession {SPACES} project="P1" label="E9"><xnat:subject_ID>S9</xnat:subject_ID></xnat:MRSession>',
            400,
        ),
        (f'<xnat:MRScan {SPACES} ID="9"><xnat:image_session_ID>E9</xnat:image_session_ID></xnat:MRScan>', 400),
        ("<nothing", 400),
        (" ", 204),
    ],
)
def test_what_cannot_be_placed_is_refused_and_changes_nothing(admin, session, document, status):
    before = exported(admin, session), admin.get("/data/subjects?format=json").text
    assert put(admin, document).status_code == status
    assert (exported(admin, session), admin.get("/data/subjects?format=json").text) == before


def test_the_request_must_say_what_it_means(admin, session):
    document = exported(admin, session)
    plain = {"Content-Type": "application/xml"}
    assert admin.put(UPLOAD, content=document, headers=plain).status_code == 400
    assert admin.put(f"{UPLOAD}?allowDataDeletion=perhaps", content=document, headers=plain).status_code == 400
    assert put(admin, document, kind="text/xml").status_code == 415
    assert put(admin, document, kind="text/plain").status_code == 200
    assert admin.post(UPLOAD, files={"item": ("x.xml", document)}).status_code == 200
    assert admin.post(UPLOAD, files={"other": ("x.xml", document)}).status_code == 400


def test_rights_are_those_of_a_request_for_the_item(admin, server, site, session):
    document = exported(admin, session)
    site.accounts.add("bob", "secret")
    with httpx.Client(base_url=server.url, auth=("bob", "secret")) as bob:
        assert put(bob, document).status_code in {403, 404}
        assert put(bob, f'<xnat:Subject {SPACES} project="P1" label="S9"/>').status_code == 403
