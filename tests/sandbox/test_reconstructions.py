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


STEPS = """<xnat:{root} xmlns:xnat="http://nrg.wustl.edu/xnat" xmlns:prov="http://www.nbirn.net/prov"{own}>
  <xnat:provenance>{steps}</xnat:provenance></xnat:{root}>"""
STEP = '<prov:processStep><prov:program version="{1}">{0}</prov:program><prov:user>me</prov:user></prov:processStep>'


@pytest.mark.parametrize(
    ("root", "kind", "collection", "own"),
    [
        ("ReconstructedImage", "xnat:reconstructedImageData", "reconstructions", ""),
        ("QCAssessment", "xnat:qcAssessmentData", "assessors", ' ID="" label="A"'),
    ],
)
def test_steps_of_provenance_are_kept_and_listed_one_a_row(admin, session, root, kind, collection, own):
    """pyxnat writes them by document and reads them by columns (V `test_provenance`; src ReconList)."""
    url = f"{session}/{collection}/A"
    steps = STEP.format("young", "1") + STEP.format("old", "2")
    sent = STEPS.format(root=root, own=own, steps=steps)
    assert admin.put(url, content=sent, headers={"Content-Type": "text/xml"}).status_code in {200, 201}
    assert admin.get(f"{url}?format=xml").text.count("<prov:processStep>") == 2
    names = [f"{kind}/provenance/processStep/{name}" for name in ("program", "program_version", "user")]
    rows = admin.get(f"{session}/{collection}", params={"columns": ",".join(["ID", *names])}).json()["ResultSet"][
        "Result"
    ]
    found = [tuple(row[name.lower()] for name in names) for row in rows]
    assert found == [("young", "1", "me"), ("old", "2", "me")]
    wrong = admin.get(f"{session}/{collection}", params={"columns": f"{kind}/provenance/processStep/nonsense"})
    assert wrong.status_code == 500


def test_columns_of_reconstructions_follow_the_rules_of_listings(admin, session):
    admin.put(f"{session}/reconstructions/R?type=surface").raise_for_status()
    [row] = admin.get(f"{session}/reconstructions?columns=type,baseScanType").json()["ResultSet"]["Result"]
    assert set(row) == {"xnat_reconstructedimagedata_id", "type", "baseScanType", "URI"}
    [row] = admin.get(f"{session}/reconstructions?columns=xnat:reconstructedImageData/ID").json()["ResultSet"]["Result"]
    assert (set(row), row["ID"]) == ({"xnat_reconstructedimagedata_id", "ID", "URI"}, "R")
