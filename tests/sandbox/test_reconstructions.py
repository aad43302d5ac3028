"""Reconstructions of a session and their files (hierarchy.md §19; official TestFileUpload.testReconstructionUpload)."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("where", ["", "/out"])
def test_a_reconstruction_is_made_listed_filled_and_deleted(admin, session, where):
    url = f"{session}/reconstructions/E1_R"
    assert admin.get(f"{session}/reconstructions").json()["ResultSet"]["Result"] == []
    for _ in range(2):
        made = admin.put(f"{url}?type=surface&baseScanType=T1")
        assert (made.status_code, made.text) == (200, "")
    [row] = admin.get(f"{session}/reconstructions").json()["ResultSet"]["Result"]
    assert (row["ID"], row["type"], row["baseScanType"], row["URI"]) == ("E1_R", "surface", "T1", url)
    assert admin.put(f"{url}{where}/resources/MESH/files/a.obj?inbody=true", content=b"v 0 0 0").status_code == 200
    assert admin.get(f"{url}{where}/resources/MESH/files/a.obj").content == b"v 0 0 0"
    assert admin.get(f"{url}/files/a.obj").content == b"v 0 0 0"
    [file] = admin.get(f"{session}/files?all=true").json()["ResultSet"]["Result"]
    assert file["URI"].startswith(f"{url}/resources/")
    item = admin.get(f"{url}?format=json").json()["items"][0]
    assert item["data_fields"]["type"] == "surface"
    assert [child["field"] for child in item["children"]] == ["out/file"]
    assert admin.delete(f"{url}?removeFiles=true").status_code == 200
    assert admin.get(f"{url}?format=json").status_code == 404


def test_ids_of_reconstructions_are_looked_up_in_the_whole_site(admin, session):
    admin.put("/data/projects/P1/subjects/S1/experiments/E2?xsiType=xnat:mrSessionData").raise_for_status()
    other = "/data/projects/P1/subjects/S1/experiments/E2/reconstructions"
    admin.put(f"{session}/reconstructions/R").raise_for_status()
    assert admin.put(f"{other}/R").status_code == 409
    assert admin.get(f"{other}/R?format=json").json()["items"][0]["data_fields"]["ID"] == "R"
    assert admin.put(f"{other}/x?xnat:reconstructedImageData/ID=R2").status_code == 200
    assert [row["ID"] for row in admin.get(other).json()["ResultSet"]["Result"]] == ["R2"]


def test_what_a_reconstruction_is_not_made_of_is_refused(admin, session):
    assert admin.put(f"{session}/reconstructions/R/nonsense").status_code == 400
    assert admin.put("/data/experiments/NOPE/reconstructions/R").status_code == 417
    assert admin.put(f"{session}/reconstructions/R?xsiType=xnat:mrScanData").status_code == 422
    assert admin.put(f"{session}/reconstructions/R/resources/X/files/a?inbody=true", content=b"x").status_code == 404


def test_a_session_document_shows_and_makes_them(admin, session):
    admin.put(f"{session}/reconstructions/R?type=surface").raise_for_status()
    xml = admin.get(f"{session}?format=xml").text
    assert 'type="surface"' in xml
    url = "/data/projects/P1/subjects/S1/experiments/E1"
    changed = xml.replace('type="surface"', 'type="volume"')
    assert admin.put(url, content=changed, headers={"Content-Type": "text/xml"}).status_code == 200
    assert admin.get(f"{session}/reconstructions").json()["ResultSet"]["Result"][0]["type"] == "volume"
