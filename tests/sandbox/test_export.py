"""The directory of a session: XAR and DIR (import.md §13.1), and an exported XAR entering again (§13.2)."""

from __future__ import annotations

import io
import zipfile

import httpx
import pytest

from sandbox.dicom_study import mr_object, project, rows, zipped

OCTETS = {"Content-Type": "application/octet-stream"}


@pytest.fixture
def client(admin: httpx.Client) -> httpx.Client:
    """An archived session with one object and a file of its own."""
    project(admin)
    query = "import-handler=DICOM-zip&inbody=true&project=P1&subject=S1&session=E1&dest=/archive/projects/P1"
    content = zipped({"1.dcm": mr_object(1, 1)})
    sent = admin.post(f"/data/services/import?{query}", content=content, headers={"Content-Type": "application/zip"})
    assert sent.text.startswith("/data/archive/")
    admin.put(
        "/data/experiments/XNAT_E00001/resources/NOTES/files/sub/a.txt?inbody=true", content=b"abc", headers=OCTETS
    )
    return admin


E1 = "/data/experiments/XNAT_E00001"


def test_an_exported_session_enters_again_as_it_was(client: httpx.Client) -> None:
    stored = client.get(f"{E1}/scans/1/resources/DICOM/files/1.dcm").content
    exported = client.get(f"{E1}/XAR").content
    with zipfile.ZipFile(io.BytesIO(exported)) as archive:
        names = archive.namelist()
    assert {"XNAT_E00001.xml", "E1/SCANS/1/DICOM/1.dcm", "E1/SCANS/1/DICOM/scan_1_catalog.xml"} <= set(names)
    assert all(name.startswith("E1/") for name in names if name != "XNAT_E00001.xml")
    client.delete(f"{E1}?removeFiles=true").raise_for_status()
    answer = client.post(
        "/data/services/import?import-handler=XAR&inbody=true",
        content=exported,
        headers={"Content-Type": "application/zip"},
    )
    made = answer.text.strip()
    assert made.startswith("/data/archive/experiments/XNAT_E")
    assert client.get(f"{made}/scans/1/resources/DICOM/files/1.dcm").content == stored
    assert client.get(f"{made}/resources/NOTES/files/sub/a.txt").content == b"abc"


def test_the_directory_is_listed_level_by_level(client: httpx.Client) -> None:
    def listed(query: str) -> list[tuple[str, str]]:
        return sorted((row["URI"], row["DIR"]) for row in rows(client.get(f"{E1}/DIR{query}")))

    assert listed("?format=json") == [(f"{E1}/DIR/RESOURCES", "true"), (f"{E1}/DIR/SCANS", "true")]
    assert listed("/SCANS/1/DICOM?format=json") == [(f"{E1}/DIR/SCANS/1/DICOM/1.dcm", "false")]
    every = listed("?format=json&recursive=true")
    assert [kind for _, kind in every] == ["false", "false"]
    assert client.get(f"{E1}/DIR/RESOURCES/NOTES/sub/a.txt").content == b"abc"
    with zipfile.ZipFile(io.BytesIO(client.get(f"{E1}/DIR/SCANS?format=zip").content)) as archive:
        assert archive.namelist() == ["E1/SCANS/1/DICOM/1.dcm"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/data/experiments/NOPE/XAR", 404),
        ("/data/experiments/NOPE/DIR", 404),
        (f"{E1}/DIR/NOPE", 404),
        (f"{E1}/DIR/a%5Cb", 400),
        (f"{E1}/DIR/%2E%2E/x", 400),
    ],
)
def test_what_is_not_there_is_refused(client: httpx.Client, path: str, status: int) -> None:
    assert client.get(path).status_code == status


def test_assessors_and_sessions_without_files_have_no_directory(admin: httpx.Client, session: str) -> None:
    assessor = admin.put(f"{session}/assessors/A?xsiType=xnat:qcManualAssessorData").text
    for tail in ("XAR", "DIR"):
        assert admin.get(f"{session}/{tail}").status_code == 404
        assert admin.get(f"/data/experiments/{assessor}/{tail}").status_code == 400


def test_a_directory_is_for_who_may_read_the_session(client: httpx.Client, server, site, anonymous) -> None:
    site.accounts.add("bob", "secret")
    with httpx.Client(base_url=server.url, auth=("bob", "secret")) as bob:
        assert [bob.get(f"{E1}/{tail}").status_code for tail in ("XAR", "DIR")] == [404, 404]
    assert [anonymous.get(f"{E1}/{tail}").status_code for tail in ("XAR", "DIR")] == [401, 401]
