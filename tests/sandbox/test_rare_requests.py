"""Requests that few clients make: what the pages and XNAT's source say of them (hierarchy.md §4–7, §16)."""

from __future__ import annotations

import io
import zipfile
from xml.etree import ElementTree as ET

import httpx
import pytest

FILES = "/scans/4/resources/DICOM/files"
CAT = "{http://nrg.wustl.edu/catalog}"


@pytest.fixture
def filled(admin: httpx.Client, session: str) -> str:
    """The session with two files in scan 4."""
    for name in ("a.dcm", "sub/b.txt"):
        kind = {"Content-Type": "application/octet-stream"}
        admin.put(f"{session}{FILES}/{name}?inbody=true", content=b"abc", headers=kind).raise_for_status()
    return session


def test_the_catalogue_of_several_resources_is_none(admin, filled):
    assert admin.get(f"{filled}/scans/4/resources/DICOM").status_code == 200
    assert admin.get(f"{filled}/scans/4/resources/DICOM,OTHER").status_code == 404


def test_a_file_asked_for_as_zip_comes_in_one(admin, filled):
    answer = admin.get(f"{filled}{FILES}/a.dcm?format=zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {"a.dcm": b"abc"}
    assert admin.get(f"{filled}{FILES}/a.dcm").content == b"abc"


def test_a_zip_asked_for_as_zip_is_not_wrapped_again(admin, filled):
    kind = {"Content-Type": "application/octet-stream"}
    admin.put(f"{filled}{FILES}/x.zip?inbody=true", content=b"PK", headers=kind).raise_for_status()
    assert admin.get(f"{filled}{FILES}/x.zip?format=zip").content == b"PK"


def test_a_manifest_has_the_whole_address_of_each_file(admin, filled, server):
    answer = admin.get(f"{filled}/files?all=true&format=xcat")
    entries = ET.fromstring(answer.content).findall(f".//{CAT}entry")
    assert len(entries) == 2
    for entry in entries:
        assert admin.get(entry.get("URI", "")[entry.get("URI", "").index("/data/") :]).content == b"abc"
        fields = {each.get("name"): each.text for each in entry.iter(f"{CAT}metaField")}
        assert fields["SIZE"] == "3"
        assert fields["RELATIVE_PATH"] in {
            "E1/scans/4/resources/DICOM/files/a.dcm",
            "E1/scans/4/resources/DICOM/files/sub/b.txt",
        }


def test_an_item_cannot_move_to_the_project_it_is_in(admin, filled):
    for url in (filled, "/data/subjects/XNAT_S00001"):
        assert admin.put(f"{url}/projects/P1?primary=true&label=NEW").status_code == 409
    assert "NEW" not in admin.get("/data/projects/P1/experiments?format=json").text


@pytest.mark.parametrize(
    ("query", "shown"),
    [("", "text"), ("?meta=true", ""), ("?meta=true&contents=true", "text"), ("?meta=false", "text")],
)
def test_a_configuration_shows_its_contents_unless_only_meta_is_asked(admin, session, query, shown):
    plain = {"Content-Type": "text/plain"}
    admin.put("/data/projects/P1/config/T/X?inbody=true", content="text", headers=plain).raise_for_status()
    (row,) = admin.get(f"/data/projects/P1/config/T/X{query}").json()["ResultSet"]["Result"]
    assert row["contents"] == shown
    assert admin.get("/data/projects/P1/config/T/X?contents=true").text == "text"


def test_the_history_of_an_item_is_found_by_type_and_key(admin, session):
    key = session.rpartition("/")[2]
    told = admin.get(f"{session}/history").json()
    assert told["events"]
    for kind in ("xnat:mrSessionData", "xnat:experimentData"):
        assert admin.get(f"/data/services/audit/{kind}/{key}").json() == told
    assert admin.get("/data/services/audit/xnat:subjectData/XNAT_S00001").json() == {"events": []}


@pytest.mark.parametrize(
    ("tail", "status"),
    [
        ("/xnat:mrSessionData/NOPE", 404),
        ("/xnat:ctSessionData/XNAT_E00001", 404),
        ("/xnat:nothing/XNAT_E00001", 400),
        ("/xnat:mrSessionData/a'b", 400),
        ("/xnat:mrSessionData", 500),
    ],
)
def test_a_history_that_is_not_there(admin, session, tail, status):
    assert admin.get(f"/data/services/audit{tail}").status_code == status


def test_a_history_is_for_who_may_read_the_item(server, site, session):
    site.accounts.add("bob", "secret")
    with httpx.Client(base_url=server.url, auth=("bob", "secret")) as bob:
        key = session.rpartition("/")[2]
        assert bob.get(f"/data/services/audit/xnat:mrSessionData/{key}").status_code == 404
