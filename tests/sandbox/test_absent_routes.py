"""Routes that XNAT has and the sandbox has not are refused: no shorter route answers, or deletes, in their place."""

from __future__ import annotations

import re

import httpx
import pytest

from xnatsync.sandbox.http.absent_routes import TEMPLATES

VALUES = {
    "PROJECT_ID": "P1",
    "SUBJECT_ID": "S1",
    "ASSESSED_ID": "XNAT_E00001",
    "SCAN_ID": "4",
    "RECON_ID": "R1",
    "EXPT_ID": "A1",
    "ELEMENT_NAME": "xnat:mrSessionData",
    "PIPELINE_NAME": "DicomToNifti",
}
E1 = "/data/experiments/XNAT_E00001"
ITEMS = (
    "/data/projects/P1",
    "/data/projects/P1/subjects/S1",
    "/data/subjects/XNAT_S00001",
    E1,
    "/data/projects/P1/subjects/S1/experiments/E1",
    f"{E1}/scans/4",
    f"{E1}/assessors/A1",
    f"{E1}/reconstructions/R1",
)


@pytest.fixture
def client(admin: httpx.Client, session: str) -> httpx.Client:
    """One item of each kind."""
    admin.put(f"{session}/assessors/A1?xsiType=xnat:qcManualAssessorData").raise_for_status()
    admin.put(f"{session}/reconstructions/R1").raise_for_status()
    return admin


def there(client: httpx.Client) -> dict[str, int]:
    return {url: client.get(f"{url}?format=json").status_code for url in ITEMS}


@pytest.mark.parametrize("template", TEMPLATES)
def test_an_absent_route_is_not_taken_for_a_tail(client: httpx.Client, template: str) -> None:
    url = "/data" + re.sub(r"\{(\w+)\}", lambda match: VALUES[match[1]], template)
    listed = {200, 501} if template.endswith("assessors/{EXPT_ID}/in/resources") else {501}  # the list is there
    for tail in ("", "/X", "/X/files"):
        answers = {method: client.request(method, f"{url}{tail}").status_code for method in ("PUT", "POST", "DELETE")}
        assert set(answers.values()) <= {501}, tail
        assert client.get(f"{url}{tail}").status_code in listed
    assert set(there(client).values()) == {200}


@pytest.mark.parametrize("tail", ["nonsense", "nonsense/x", "in/files/a.txt", "projects/P1/x"])
def test_no_item_is_deleted_through_a_tail(client: httpx.Client, tail: str) -> None:
    answers = {url: client.delete(f"{url}/{tail}").status_code for url in ITEMS}
    assert {url for url, status in answers.items() if status < 400} == set()
    assert set(there(client).values()) == {200}
