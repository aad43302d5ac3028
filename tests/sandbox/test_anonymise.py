"""Anonymisation at receipt and at archive: names change, pixels and UIDs do not (import.md §2.9)."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path

import httpx
import pydicom
import pytest

from sandbox.dicom_study import files, landed, message, mr_object, project, rows, send, stored, study, zipped

NAMED = "project=P1&subject=S1&session=E1"
BUNDLED = Path(pydicom.__file__).parent / "data" / "test_files"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def client(admin: httpx.Client) -> httpx.Client:
    project(admin)
    return admin


def received(client: httpx.Client, members: dict[str, bytes], query: str = NAMED) -> list[pydicom.FileDataset]:
    uri = landed(client, members, query)
    client.post(f"{uri}?action=build").raise_for_status()
    return [stored(client, row) for row in files(client, uri)]


def site_script(client: httpx.Client, script: str) -> None:
    client.put("/xapi/anonymize/site", content=script, headers={"Content-Type": "text/plain"}).raise_for_status()


def project_script(client: httpx.Client, script: str) -> None:
    client.put("/xapi/anonymize/projects/P1", content=script, headers={"Content-Type": "text/plain"}).raise_for_status()


def archived(client: httpx.Client, query: str = NAMED) -> httpx.Response:
    uri = landed(client, study([1], 2), query)
    client.post(f"{uri}?action=build").raise_for_status()
    return client.post("/data/services/archive", data={"src": uri, "auto-archive": "false"})


def test_names_are_rewritten_at_receipt_pixels_and_uids_are_not(client: httpx.Client) -> None:
    before = mr_object(PatientName="Doe^Jane", PatientID="12345")
    after = received(client, {"a.dcm": before})[0]
    assert (str(after.PatientName), after.PatientID, after.StudyDescription) == ("S1", "E1", "P1")
    assert (after.SOPInstanceUID, after.PixelData) == (
        stored_before(before).SOPInstanceUID,
        stored_before(before).PixelData,
    )


def stored_before(content: bytes) -> pydicom.FileDataset:
    from io import BytesIO

    return pydicom.dcmread(BytesIO(content))


@pytest.mark.parametrize(
    "name",
    [
        "MR_small.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_implicit.dcm",
        "MR_small_RLE.dcm",
        "image_dfl.dcm",
        "JPEG2000.dcm",
        "rtplan.dcm",
        "CT_small.dcm",
    ],
)
def test_every_transfer_syntax_is_rewritten_and_keeps_its_pixels(client: httpx.Client, name: str) -> None:
    content = (BUNDLED / name).read_bytes()
    before, after = pydicom.dcmread(BUNDLED / name), received(client, {name: content})[0]
    assert (str(after.PatientName), after.PatientID, after.StudyDescription) == ("S1", "E1", "P1")
    assert after.SOPInstanceUID == before.SOPInstanceUID
    assert after.get("PixelData") == before.get("PixelData")
    if "TransferSyntaxUID" in before.file_meta:
        assert after.file_meta.TransferSyntaxUID == before.file_meta.TransferSyntaxUID


def test_unassigned_objects_keep_their_study_description(client: httpx.Client) -> None:
    after = received(client, {"a.dcm": mr_object(StudyDescription="x")}, "subject=S1&session=E1")[0]
    assert (after.PatientID, after.StudyDescription) == ("E1", "x")


@pytest.mark.parametrize("how", ["prevent_anon", "switch"])
def test_the_site_script_can_be_kept_away(client: httpx.Client, how: str) -> None:
    query = f"{NAMED}&prevent_anon=true" if how == "prevent_anon" else NAMED
    if how == "switch":
        client.put("/xapi/anonymize/site/enabled?enable=false", headers=JSON, content="true").raise_for_status()
        assert client.get("/xapi/anonymize/site/enabled").json() is False
    after = received(client, {"a.dcm": mr_object()}, query)[0]
    assert (str(after.PatientName), after.PatientID) == ("SUB01", "SESS01")


def test_a_script_may_reject_objects_and_nobody_is_told(client: httpx.Client) -> None:
    site_script(client, 'version "6.6"\n(0020,0013) = "1" ? reject[]\n(0010,0010) := subject\n')
    assert [data.InstanceNumber for data in received(client, study([1], 3))] == [2, 3]
    nothing = send(client, zipped({"a.dcm": mr_object(2, 1)}), NAMED.replace("E1", "E9"))
    assert (nothing.status_code, nothing.text) == (200, "")
    assert [row["name"] for row in rows(client.get("/data/prearchive?format=json"))] == ["E1"]


def test_a_broken_script_refuses_objects_and_leaves_no_row(client: httpx.Client) -> None:
    site_script(client, "please hide everything")
    refused = send(client, zipped(study()), NAMED)
    assert (refused.status_code, "anonymization failed" in message(refused)) == (400, True)
    assert rows(client.get("/data/prearchive?format=json")) == []


def test_a_script_may_remove_and_add_elements_beyond_the_usual_head(client: httpx.Client) -> None:
    site_script(client, '- (0008,1090)\n(0012,0062) := "YES"\n(0040,2400) := "late"\n')
    after = received(client, {"a.dcm": mr_object()})[0]
    assert "ManufacturerModelName" not in after
    assert (after.PatientIdentityRemoved, after[0x00402400].value) == ("YES", "late")
    assert after.PixelData == stored_before(mr_object()).PixelData


def test_the_project_script_runs_at_archive_with_the_final_names(client: httpx.Client) -> None:
    project_script(client, '(0010,0010) := subject\n(0010,0020) := session\n(0008,0080) := "hidden"\n')
    uri = landed(client, study([1], 2))
    client.post(f"{uri}?action=build")
    asked = {"src": uri, "auto-archive": "false", "subject": "FINAL", "session": "LABEL"}
    assert client.post("/data/services/archive", data=asked).status_code == 200
    place = "/data/projects/P1/subjects/FINAL/experiments/LABEL/scans/1/resources/DICOM/files"
    listed = rows(client.get(f"{place}?format=json"))
    for row in listed:
        content = client.get(row["URI"])
        data = stored_before(content.content)
        assert (str(data.PatientName), data.PatientID, data.InstitutionName) == ("FINAL", "LABEL", "hidden")
        assert int(row["Size"]) == len(content.content)


def test_digests_are_those_of_the_anonymised_files(client: httpx.Client) -> None:
    import hashlib

    project_script(client, '(0008,0080) := "hidden"\n')
    assert archived(client).status_code == 200
    place = "/data/projects/P1/subjects/S1/experiments/E1/scans/1/resources/DICOM/files?format=json"
    for row in rows(client.get(place)):
        content = client.get(row["URI"]).content
        assert row["digest"] == hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.mark.parametrize("query", [f"{NAMED}&prevent_anon=true"])
def test_prevent_anon_keeps_the_project_script_away_too(client: httpx.Client, query: str) -> None:
    project_script(client, '(0008,0080) := "hidden"\n')
    assert archived(client, query).status_code == 200
    place = "/data/projects/P1/subjects/S1/experiments/E1/scans/1/resources/DICOM/files"
    assert client.get(f"{place}/1-1.dcm").content == mr_object(1, 1)


def test_a_session_that_is_empty_after_the_project_script_is_an_error(client: httpx.Client) -> None:
    project_script(client, "reject")
    assert archived(client).status_code == 500
    assert [row["status"] for row in rows(client.get("/data/prearchive?format=json"))] == ["ERROR"]


def test_the_scripts_over_rest(client: httpx.Client) -> None:
    default = client.get("/xapi/anonymize/default").text
    assert "(0010,0010) := subject" in default
    assert client.get("/xapi/anonymize/site").text == default
    assert client.get("/xapi/anonymize/projects/P1").status_code == 204
    project_script(client, "reject")
    assert client.get("/xapi/anonymize/projects/P1").text == "reject"
    switch = "/xapi/anonymize/projects/P1/enabled"
    assert client.put(f"{switch}?enable=false", content="true").status_code == 415
    client.put(f"{switch}?enable=false", content="true", headers=JSON).raise_for_status()
    assert client.get(switch).json() is False
    assert client.get("/xapi/anonymize/projects/P1").status_code == 204
    client.put(f"{switch}?enable=true", content="false", headers=JSON).raise_for_status()  # the body is not looked at
    assert client.get("/xapi/anonymize/projects/P1").text == "reject"
    assert client.get("/xapi/anonymize/projects/NOPE").status_code == 500


UIDS = 'version "6.1"\n(0020,000D) := hashUID[(0020,000D)]\n(0008,0018) := hashUID[(0008,0018)]\nremoveAllPrivateTags\n'


@pytest.mark.parametrize("name", ["MR_small.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm", "MR_small_RLE.dcm",
                                  "image_dfl.dcm", "JPEG2000.dcm", "CT_small.dcm"])  # fmt: skip
def test_a_script_on_the_whole_object_keeps_every_transfer_syntax(client: httpx.Client, name: str) -> None:
    site_script(client, UIDS)
    before, after = pydicom.dcmread(BUNDLED / name), received(client, {name: (BUNDLED / name).read_bytes()})[0]
    assert after.StudyInstanceUID == hashed(before.StudyInstanceUID)
    assert after.SOPInstanceUID == after.file_meta.MediaStorageSOPInstanceUID == hashed(before.SOPInstanceUID)
    assert (after.PixelData, after.SeriesInstanceUID) == (before.PixelData, before.SeriesInstanceUID)
    assert not any(tag.is_private for tag in after.keys())  # noqa: SIM118
    if "TransferSyntaxUID" in before.file_meta:
        assert after.file_meta.TransferSyntaxUID == before.file_meta.TransferSyntaxUID


@pytest.mark.parametrize(
    ("term", "name"),
    [("ISO_IR 192", "Größe^Jörg"), ("ISO_IR 100", "Größe^Jörg"), ("ISO_IR 144", "Иванов^Иван"), (None, "Doe^J")],
)
def test_a_script_on_the_whole_object_keeps_names_in_every_character_set(
    client: httpx.Client, term: str | None, name: str
) -> None:
    """Names of persons are read by the codec that the object's term means; the script itself names one, too."""
    from io import BytesIO

    site_script(client, UIDS + '(0010,0010) := "Nobody"\n')
    before = pydicom.dcmread(BUNDLED / "CT_small.dcm")
    before.SpecificCharacterSet, before.ReferringPhysicianName = term, name
    content = BytesIO()
    before.save_as(content)

    after = received(client, {"a.dcm": content.getvalue()})[0]

    assert (after.ReferringPhysicianName, after.PatientName) == (name, "Nobody")
    assert after.StudyInstanceUID == hashed(before.StudyInstanceUID)


def hashed(uid: str) -> str:
    digest = hashlib.sha1(uid.encode(), usedforsecurity=False).digest()
    return f"2.25.{uuid.UUID(bytes=digest[:16], version=5).int}"


def codes(data: pydicom.FileDataset) -> list[str]:
    return [str(item.CodeValue) for item in data.get("DeidentificationMethodCodeSequence", ())]


@pytest.mark.parametrize("name", ["MR_small.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm", "image_dfl.dcm"])
def test_each_script_that_ran_is_recorded_in_the_object(client: httpx.Client, name: str) -> None:
    assert len(codes(received(client, {name: (BUNDLED / name).read_bytes()})[0])) == 1


@pytest.mark.parametrize(
    ("script", "language"), [("(0010,0010) := subject\n", 4), ('version "6.1"\n(0010,0010) := subject\n', 6)]
)
def test_the_record_names_the_language_of_the_script(client: httpx.Client, script: str, language: int) -> None:
    """Scheme, version and meaning are those of XNAT's own unit test (import.md §2.9: BaseMizerServiceTest)."""
    site_script(client, script)
    [item] = received(client, {"a.dcm": mr_object()})[0].DeidentificationMethodCodeSequence
    found = (item.CodingSchemeDesignator, item.CodingSchemeVersion, item.CodeMeaning)
    assert found == ("XNAT", "1.0", f"XNAT DicomEdit {language} Script")


def test_the_record_of_an_object_grows_and_keeps_what_was_in_it(client: httpx.Client) -> None:
    item = pydicom.Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "113100", "DCM", "Basic Profile"
    project_script(client, 'version "6.1"\n(0010,0010) := subject\n')
    uri = landed(client, {"a.dcm": mr_object(DeidentificationMethodCodeSequence=[item])})
    client.post(f"{uri}?action=build").raise_for_status()
    client.post("/data/services/archive", data={"src": uri, "auto-archive": "false"}).raise_for_status()
    (row,) = rows(client.get("/data/projects/P1/subjects/S1/experiments/E1/scans/1/files?format=json"))
    found = codes(stored(client, {"URI": f"/data{row['URI'].removeprefix('/data')}"}))
    assert found[0] == "113100"
    assert len(found) == 3


def test_nothing_is_recorded_where_no_script_ran(client: httpx.Client) -> None:
    client.put("/xapi/anonymize/site/enabled?enable=false", headers=JSON).raise_for_status()
    assert codes(received(client, {"a.dcm": mr_object()})[0]) == []
