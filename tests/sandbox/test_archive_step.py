"""`/data/services/archive`, validation, merging, and what an archived session holds (import.md §2.5, §2.6, §4)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from sandbox.dicom_study import (
    CT,
    MR,
    ROOT,
    SC,
    files,
    landed,
    logs,
    message,
    mr_object,
    project,
    rows,
    send,
    study,
    zipped,
)
from xnatsync.sandbox.http.server import SandboxServer
from xnatsync.sandbox.model.site import Site

E1 = "/data/projects/P1/subjects/S1/experiments/E1"
NAMED = "project=P1&subject=S1&session=E1"
PETS = "1.2.840.10008.5.1.4.1.1.128"
REAL = Path(__file__).parents[3] / "shared" / "data" / "dcm_qa_nih"


@pytest.fixture
def client(admin: httpx.Client) -> httpx.Client:
    project(admin)
    return admin


def ready(client: httpx.Client, members: dict[str, bytes], query: str = NAMED) -> str:
    uri = landed(client, members, query)
    client.post(f"{uri}?action=build").raise_for_status()
    return uri


def archive(client: httpx.Client, *sources: str, **params: str) -> httpx.Response:
    return client.post("/data/services/archive", data={"src": list(sources), "auto-archive": "false", **params})


def archived(client: httpx.Client, members: dict[str, bytes], **params: str) -> httpx.Response:
    return archive(client, ready(client, members), **params)


def names(client: httpx.Client, session: str = E1) -> list[str]:
    found = rows(client.get(f"{session}/scans/ALL/files?format=json"))
    return sorted(f"{row['URI'].split('/scans/')[1].split('/')[0]}/{row['Name']}" for row in found)


def fields(client: httpx.Client, url: str) -> dict[str, object]:
    return client.get(f"{url}?format=json").json()["items"][0]["data_fields"]


def listing(client: httpx.Client) -> list[dict[str, str]]:
    return rows(client.get("/data/prearchive?format=json"))


# -- outcomes ----------------------------------------------------------------------------------------------------------


def test_a_session_is_archived_and_its_row_and_folder_are_gone(client: httpx.Client, site: Site) -> None:
    answer = archived(client, study())
    assert (answer.status_code, answer.text) == (200, f"/data/archive{E1.removeprefix('/data')}\r\n")
    assert answer.headers["content-type"].startswith("text/uri-list")
    assert listing(client) == []
    assert site.store.list("prearchive") == []
    assert names(client) == ["1/1-1.dcm", "1/1-2.dcm", "2/2-1.dcm", "2/2-2.dcm"]


def test_an_auto_archive_project_answers_303_unless_told_otherwise(client: httpx.Client, server: SandboxServer) -> None:
    project(client, "AUTO", 4)
    query = "project=AUTO&subject=S1&session={}"
    first = client.post("/data/services/archive", data={"src": ready(client, study(), query.format("E1"))})
    assert first.status_code == 303
    assert first.headers["location"] == f"{server.url}/data/archive/projects/AUTO/subjects/S1/experiments/E1"
    assert archive(client, ready(client, study(study=2), query.format("E2"))).status_code == 200
    third = archive(client, ready(client, study(study=3)), redirect="true")
    assert third.status_code == 303


def test_a_session_may_be_named_by_its_parts(client: httpx.Client) -> None:
    _, stamp, folder = ready(client, study()).rsplit("/", 2)
    parts = {"project": "P1", "PREARC_TIMESTAMP": stamp, "PREARC_SESSION_FOLDER": folder}
    assert client.post("/data/services/archive", data=parts).status_code == 200


def test_refusals_before_anything_is_done(client: httpx.Client, site: Site, server: SandboxServer) -> None:
    uri = ready(client, study())
    lost = landed(client, study(study=2, StudyDescription="x"), "session=U")
    assert message(archive(client)) == "Unknown prearchive session."
    assert archive(client).status_code == 404
    assert archive(client, "/archive/projects/P1").status_code == 400
    unassigned = archive(client, lost)
    words = "Cannot archive sessions from the Unassigned folder."
    assert (unassigned.status_code, message(unassigned)) == (400, words)
    missing = archive(client, uri.replace("E1", "E9"))
    gone = f"{uri.removeprefix('/data').replace('E1', 'E9')} not found."
    assert (missing.status_code, message(missing)) == (404, gone)
    site.accounts.add("reader", "pw")
    site.projects["P1"].members["reader"] = "collaborator"
    with httpx.Client(base_url=server.url, auth=("reader", "pw")) as reader:
        assert archive(reader, uri).status_code == 403
    next(row for row in site.prearchive if row.name == "E1").status = "_ARCHIVING"
    locked = archive(client, uri)
    assert (locked.status_code, message(locked)) == (403, "Operation already in progress on this prearchive entry.")


def test_the_archive_goes_on_when_nobody_waits_any_more(client: httpx.Client, site: Site) -> None:
    uri = ready(client, study())
    go_on, move = threading.Event(), site.store.move

    def slowly(source: str, target: str) -> None:
        assert go_on.wait(20)
        move(source, target)

    site.store.move = slowly  # type: ignore[method-assign]
    client.post("/xapi/siteConfig", json={"sessionArchiveTimeoutInterval": 0}).raise_for_status()
    late = archive(client, uri)
    assert (late.status_code, "did not complete within the configured timeout" in message(late)) == (500, True)
    assert listing(client)[0]["status"] in {"ARCHIVING", "_ARCHIVING"}
    go_on.set()
    assert site.prearchive.wait_for(lambda: not list(site.prearchive), 20)
    site.prearchive.jobs.stop()
    assert len(names(client)) == 4


def test_several_sessions_are_archived_in_the_background(client: httpx.Client, site: Site) -> None:
    uris = [ready(client, study(study=number), f"project=P1&subject=S1&session=E{number}") for number in (1, 2)]
    answer = archive(client, *uris)
    assert answer.status_code == 200
    assert [row["name"] for row in rows(answer)] == ["E1", "E2"]
    assert site.prearchive.wait_for(lambda: not list(site.prearchive), 20)


def test_dest_breaks_the_queue(client: httpx.Client) -> None:
    answer = archived(client, study(), dest="/archive/projects/P1")
    assert answer.status_code == 500
    assert listing(client)[0]["status"] == "ERROR"


# -- labels and subjects -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["session", "xnat:mrSessionData/label", "EXPT_LABEL", "label"])
def test_the_final_label_may_be_given(client: httpx.Client, name: str) -> None:
    answer = archived(client, study(), **{name: "A.B C", "subject": "S 2"})
    assert answer.text.strip() == "/data/archive/projects/P1/subjects/S_2/experiments/A_B_C"


@pytest.mark.parametrize("label", ["a!b", "naïve"])
def test_some_characters_survive_cleaning_and_make_the_archive_fail(client: httpx.Client, label: str) -> None:
    answer = archived(client, study(), session=label)
    assert (answer.status_code, "Identifiers cannot use special characters." in message(answer)) == (500, True)
    assert listing(client)[0]["status"] == "ERROR"


def test_subjects_are_matched_without_case_and_sessions_with_it(client: httpx.Client) -> None:
    client.put("/data/projects/P1/subjects/SuB").raise_for_status()
    archived(client, study(), subject="sUb", session="mr")
    answer = archived(client, study(study=2), subject="SUB", session="MR")
    assert answer.text.strip() == "/data/archive/projects/P1/subjects/SuB/experiments/MR"
    assert len(rows(client.get("/data/projects/P1/subjects?format=json"))) == 1
    assert len(rows(client.get("/data/projects/P1/experiments?format=json"))) == 2


def test_without_a_usable_subject_nothing_is_archived(client: httpx.Client) -> None:
    client.put("/xapi/anonymize/site/enabled?enable=false", json=True).raise_for_status()
    uri = ready(client, {"a.dcm": mr_object(PatientName="***")}, "project=P1&session=E1")
    answer = archive(client, uri)
    assert (answer.status_code, "Unable to identify subject." in message(answer)) == (500, True)


def test_xml_paths_of_the_request_are_set(client: httpx.Client) -> None:
    archived(
        client,
        study(),
        **{"xnat:mrSessionData/note": "hello", "xnat:mrSessionData/fields/field[name=rater]/field": "X"},
    )
    assert fields(client, E1)["note"] == "hello"


# -- collisions --------------------------------------------------------------------------------------------------------


def test_a_session_without_duplicates_is_merged_silently(client: httpx.Client) -> None:
    archived(client, study([1]))
    assert archived(client, study([2])).status_code == 200
    assert archived(client, {"more.dcm": mr_object(1, 3)}).status_code == 200
    assert names(client) == ["1/1-1.dcm", "1/1-2.dcm", "1/more.dcm", "2/2-1.dcm", "2/2-2.dcm"]


@pytest.mark.parametrize("again", [{"1-1.dcm": (1, 9)}, {"other-name.dcm": (1, 1)}], ids=["same path", "same SOP UID"])
def test_duplicates_are_a_conflict(client: httpx.Client, again: dict[str, tuple[int, int]]) -> None:
    archived(client, study([1]))
    members = {name: mr_object(*numbers) for name, numbers in again.items()}
    uri = ready(client, members)
    answer = archive(client, uri)
    words = "FAILED: Unable to archive E1: Operation Failed: Session already exists with matching files."
    assert (answer.status_code, message(answer)) == (500, words)
    assert listing(client)[0]["status"] == "CONFLICT"
    assert "matching files" in logs(client, uri)
    assert names(client) == ["1/1-1.dcm", "1/1-2.dcm"]


@pytest.mark.parametrize("flag", ["append", "delete"])
def test_overwrite_replaces_duplicates_and_deletes_nothing(client: httpx.Client, flag: str) -> None:
    archived(client, study([1]))
    changed = mr_object(1, 1, PixelData=b"\7" * 32)
    assert archived(client, {"renamed.dcm": changed}, overwrite=flag).status_code == 200
    assert names(client) == ["1/1-2.dcm", "1/renamed.dcm"]
    row = next(row for row in rows(client.get(f"{E1}/scans/ALL/files?format=json")) if row["Name"] == "renamed.dcm")
    assert client.get(f"/data{row['URI'].removeprefix('/data')}").content.endswith(b"\7" * 32)


def test_code_5_overwrites(client: httpx.Client) -> None:
    archived(client, study([1]))
    project(client, "P1", 5)
    assert archived(client, study([1, 2])).status_code == 200
    assert len(names(client)) == 4


def test_another_study_is_a_conflict_unless_overwrite(client: httpx.Client) -> None:
    archived(client, study([1]))
    uri = ready(client, study([7], study=2))
    refused = archive(client, uri)
    assert (refused.status_code, "Invalid modification of session UID" in message(refused)) == (500, True)
    assert archive(client, uri, overwrite="append").status_code == 200
    assert fields(client, E1)["UID"] == f"{ROOT}.1"


def test_another_subject_is_a_conflict(client: httpx.Client) -> None:
    archived(client, study([1]))
    refused = archived(client, study([2]), subject="S2")
    assert (refused.status_code, "E1 Already Exists for another Subject" in message(refused)) == (500, True)


def test_another_modality_is_a_conflict_even_with_delete_while_the_site_says_so(client: httpx.Client) -> None:
    archived(client, study([1]))
    uri = ready(client, study([2], sop_class=CT, Modality="CT"))
    refused = archive(client, uri, overwrite="delete")
    assert (refused.status_code, "Invalid modification of session modality" in message(refused)) == (500, True)
    client.post("/xapi/siteConfig", json={"preventCrossModalityMerge": False}).raise_for_status()
    assert archive(client, uri, overwrite="delete").status_code == 200


def test_the_same_series_under_another_number_is_a_conflict(client: httpx.Client) -> None:
    archived(client, study([1]))
    refused = archived(client, {"x.dcm": mr_object(1, 5, SeriesNumber=4)})
    words = "Session already contains a scan with the same UID, but a different number (1)."
    assert (refused.status_code, words in message(refused)) == (500, True)


def test_another_series_with_the_same_number_is_renamed(client: httpx.Client) -> None:
    archived(client, study([1]))
    assert archived(client, {"b.dcm": mr_object(2, 1, SeriesNumber=1)}).status_code == 200
    assert archived(client, {"c.dcm": mr_object(3, 1, SeriesNumber=1)}).status_code == 200
    assert names(client) == ["1-MR1/b.dcm", "1-MR2/c.dcm", "1/1-1.dcm", "1/1-2.dcm"]


def test_existing_values_win_and_empty_ones_are_filled(client: httpx.Client) -> None:
    archived(client, study([1]))
    client.put(
        f"{E1}?xsiType=xnat:mrSessionData&xnat:mrSessionData/note=mine&xnat:mrSessionData/operator="
    ).raise_for_status()
    client.put(f"{E1}/scans/1?xsiType=xnat:mrScanData&xnat:mrScanData/type=T1").raise_for_status()
    archived(client, {"z.dcm": mr_object(1, 9, OperatorsName="Op")}, **{"xnat:mrSessionData/note": "theirs"})
    session = fields(client, E1)
    assert (session["note"], session["operator"]) == ("mine", "Op")
    assert fields(client, f"{E1}/scans/1")["type"] == "T1"


def test_an_open_workflow_forbids_a_merge(client: httpx.Client, site: Site) -> None:
    archived(client, study([1]))
    site.record.workflows.append(
        {
            "id": "XNAT_E00001",
            "status": "Running",
            "pipeline_name": "recon",
            "wrk_workflowData_id": "1",
            "create_user": "a",
        }
    )
    refused = archived(client, study([2]))
    assert (refused.status_code, "Session processing may already be in progress: recon" in message(refused)) == (
        500,
        True,
    )


def test_quarantine_by_request_and_by_project(client: httpx.Client) -> None:
    archived(client, study(), quarantine="true")
    assert client.get(f"{E1}/status").text == "quarantine"
    client.put("/data/projects/P1/quarantine_code/1").raise_for_status()
    archived(client, study(study=2), session="E2")
    assert client.get("/data/projects/P1/subjects/S1/experiments/E2/status").text == "quarantine"


def test_validation_tells_what_would_happen_and_changes_nothing(client: httpx.Client) -> None:
    def codes(uri: str) -> dict[str, str]:
        answer = client.post("/data/services/validate-archive?format=json", data={"src": uri})
        return {row["code"]: row["type"] for row in rows(answer)}

    uri = ready(client, study([1]))
    assert codes(uri) == {}
    archive(client, uri)
    assert codes(ready(client, study([1]))) == {"1": "WARN", "16": "CONFLICT", "22": "CONFLICT"}
    clash = {"a.dcm": mr_object(2, 1, study=2, SeriesNumber=1), "b.dcm": mr_object(3, 1, study=2)}
    assert codes(ready(client, clash)) == {"1": "WARN", "5": "CONFLICT", "17": "WARN"}
    other = {"a.dcm": mr_object(3, 1, study=3, sop_class=CT, Modality="CT")}
    assert codes(ready(client, other)) == {"1": "WARN", "5": "CONFLICT", "19": "FAIL"}
    assert len(names(client)) == 2


# -- what is in the archive --------------------------------------------------------------------------------------------


def test_session_and_scans_have_their_fields_from_dicom(client: httpx.Client) -> None:
    archived(client, study(InstitutionName="NIH", OperatorsName="Op", AccessionNumber="ACC", StudyComments="fine"))
    session = fields(client, E1)
    expected = {
        "date": "2024-01-02",
        "time": "10:11:12",
        "UID": f"{ROOT}.1",
        "acquisition_site": "NIH",
        "modality": "MR",
        "session_type": "P1",
        "scanner/manufacturer": "SIEMENS",
        "scanner/model": "Prisma",
        "operator": "Op",
        "dcmAccessionNumber": "ACC",
        "dcmPatientId": "E1",
        "dcmPatientName": "S1",
        "label": "E1",
    }
    assert {name: session.get(name) for name in expected} == expected
    scan = fields(client, f"{E1}/scans/1")
    assert (scan["type"], scan["quality"], scan["frames"], scan["UID"]) == ("series 1", "usable", 2, f"{ROOT}.1.1")
    assert (scan["parameters/tr"], scan["parameters/voxelRes/z"]) == (2300.0, 2.0)


def test_a_computed_tomography_has_its_parameters_from_dicom(client: httpx.Client) -> None:
    given = {
        "KVP": "120", "FilterType": "BODY", "ScanOptions": "HELICAL", "TotalCollimationWidth": 49.0,
        "EstimatedDoseSaving": 34.5, "ExposureModulationType": "NONE", "RescaleIntercept": "-1024", "CTDIvol": 3.22,
        "AcquisitionNumber": "1", "ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "GantryDetectorTilt": "0",
    }  # fmt: skip
    archived(client, {"1.dcm": mr_object(sop_class=CT, Modality="CT", **given)})
    scan = fields(client, f"{E1}/scans/1")
    expected = {
        "kvp": 120, "filter": "BODY", "options": "HELICAL", "collimationWidth/total": 49, "gantryTilt": 0,
        "estimatedDoseSaving": 34.5, "estimatedDoseSaving/modulation": "NONE", "rescale/intercept": "-1024",
        "ctDIvol": 3.22, "acquisitionNumber": 1, "orientation": "Tra", "voxelRes/z": 2, "fov/x": 4,
    }  # fmt: skip
    assert {name: scan.get(f"parameters/{name}") for name in expected} == expected


@pytest.mark.parametrize(
    ("objects", "kind"),
    [
        ([(MR, "MR")], "xnat:mrSessionData"),
        ([(CT, "CT")], "xnat:ctSessionData"),
        ([("1.2.840.10008.5.1.4.1.1.128", "PT"), (CT, "CT")], "xnat:petSessionData"),
        ([("1.2.840.10008.5.1.4.1.1.128", "PT"), (MR, "MR")], "xnat:petmrSessionData"),
        ([(SC, "CT")], "xnat:ctSessionData"),
        ([(MR, None)], "xnat:mrSessionData"),
        ([(SC, "OT")], "xnat:otherDicomSessionData"),
        ([("1.2.840.10008.5.1.4.1.1.481.3", "RTSTRUCT")], "xnat:rtSessionData"),
        ([("1.2.840.10008.5.1.4.1.1.13.1.1", "XA")], "xnat:xaSessionData"),
    ],
)
def test_the_type_of_a_session(client: httpx.Client, objects: list[tuple[str, str | None]], kind: str) -> None:
    members = {
        f"{number}.dcm": mr_object(number, 1, sop_class=sop_class, Modality=modality)
        for number, (sop_class, modality) in enumerate(objects, 1)
    }
    archived(client, members)
    assert rows(client.get("/data/projects/P1/experiments?format=json"))[0]["xsiType"] == kind


def test_a_three_dimensional_angiography_is_an_angiography(client: httpx.Client) -> None:
    archived(client, {"1.dcm": mr_object(1, 1, sop_class="1.2.840.10008.5.1.4.1.1.13.1.1", Modality="XA")})
    assert [row["xsiType"] for row in rows(client.get(f"{E1}/scans?format=json"))] == ["xnat:xaScanData"]


@pytest.mark.parametrize(
    ("value", "kind", "label"),
    [("pet", "xnat:petSessionData", "A_petmr_PET_1"), ("petmr", "xnat:petmrSessionData", "A_petmr_PetMr_1")],
)
def test_a_project_may_take_pet_with_mr_for_pet(client: httpx.Client, value: str, kind: str, label: str) -> None:
    _petmr(client, value)
    members = {"1.dcm": mr_object(1, 1, sop_class=PETS, Modality="PT"), "2.dcm": mr_object(2, 1)}
    archive(client, ready(client, members, "project=P1&session=A_petmr_PetMr_1"))
    (row,) = rows(client.get("/data/projects/P1/experiments?format=json"))
    assert (row["xsiType"], row["label"]) == (kind, label)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("A_PETMR_1", ["A_MR_1", "A_PET_1"]),
        ("a_petmr_1", ["a_mr_1", "a_pet_1"]),
        ("A_1", ["A_1_MR", "A_1_PET"]),
        ("A_PetMr", ["A_PetMr_MR", "A_PetMr_PET"]),
    ],
)
def test_a_project_may_take_pet_with_mr_apart(client: httpx.Client, name: str, labels: list[str]) -> None:
    """T testModalityExtractionPetMrSplit: PET and its attenuation correction in one session, all else in the other."""
    _petmr(client, "separate")
    client.put("/data/projects/P1/prearchive_code/4").raise_for_status()
    members = {
        "1.dcm": mr_object(1, 1, sop_class=PETS, Modality="PT"),
        "2.dcm": mr_object(2, 1),
        "3.dcm": mr_object(3, 1, sop_class="1.2.840.10008.5.1.4.1.1.481.3", Modality="RTSTRUCT"),
        "4.dcm": mr_object(4, 1, SeriesDescription="Head_MRAC_PET"),
    }
    answer = send(
        client, zipped(members), f"project=P1&subject=S1&session={name}&dest=/archive/projects/P1&action=commit"
    )
    assert len(answer.text.split()) == 2
    found = {row["label"]: row for row in rows(client.get("/data/projects/P1/experiments?format=json"))}
    assert sorted(found) == labels
    kinds = {label: found[label]["xsiType"] for label in labels}
    assert kinds == {labels[0]: "xnat:mrSessionData", labels[1]: "xnat:petSessionData"}
    scans = {
        label: [row["ID"] for row in rows(client.get(f"/data/experiments/{found[label]['ID']}/scans?format=json"))]
        for label in labels
    }
    assert scans == {labels[0]: ["2", "3"], labels[1]: ["1", "4"]}
    assert rows(client.get("/data/prearchive/projects/P1?format=json")) == []


def test_parts_that_nobody_archives_wait_in_the_prearchive(client: httpx.Client) -> None:
    _petmr(client, "separate")
    client.put("/data/projects/P1/prearchive_code/0").raise_for_status()
    members = {"1.dcm": mr_object(1, 1, sop_class=PETS, Modality="PT"), "2.dcm": mr_object(2, 1)}
    answer = send(client, zipped(members), "project=P1&subject=S1&session=A_1&dest=/archive/projects/P1&action=commit")
    assert (answer.status_code, answer.text) == (200, "")
    waiting = rows(client.get("/data/prearchive/projects/P1?format=json"))
    assert [(row["name"], row["status"]) for row in waiting] == [("A_1_MR", "READY"), ("A_1_PET", "READY")]


@pytest.mark.parametrize(("value", "words"), [("separate", "does not separate"), ("neither", "Unknown PET/MR setting")])
def test_a_setting_for_pet_with_mr_that_cannot_be_followed_is_an_error(
    client: httpx.Client, value: str, words: str
) -> None:
    _petmr(client, value)
    members = {"1.dcm": mr_object(1, 1, sop_class=PETS, Modality="PT"), "2.dcm": mr_object(2, 1)}
    answer = client.post(f"{landed(client, members, NAMED)}?action=build")
    assert answer.status_code == 500
    assert words in answer.text


def _petmr(client: httpx.Client, value: str) -> None:
    address = "/data/projects/P1/config/separatePETMR/config?inbody=true"
    client.put(address, content=value, headers={"Content-Type": "text/plain"}).raise_for_status()


def test_the_catalogue_names_series_objects_and_digests(client: httpx.Client) -> None:
    archived(client, study([1]))
    catalogue = client.get(f"{E1}/scans/1/resources/DICOM").text
    assert f'UID="{ROOT}.1.1"' in catalogue
    for instance in (1, 2):
        assert f'UID="{ROOT}.1.1.{instance}"' in catalogue
    resource = rows(client.get(f"{E1}/scans/1/resources?format=json"))[0]
    assert (resource["label"], resource["format"], resource["content"], resource["file_count"]) == (
        "DICOM",
        "DICOM",
        "RAW",
        "2",
    )
    listed = rows(client.get(f"{E1}/scans/1/resources/DICOM/files?format=json"))
    assert all(len(row["digest"]) == 32 for row in listed)


def test_there_are_no_digests_when_the_site_makes_none(client: httpx.Client) -> None:
    client.post("/xapi/siteConfig", json={"checksums": False}).raise_for_status()
    archived(client, study([1]))
    listed = rows(client.get(f"{E1}/scans/1/resources/DICOM/files?format=json"))
    assert [row["digest"] for row in listed] == ["", ""]


def test_scan_types_follow_the_history_of_the_project(client: httpx.Client) -> None:
    archived(client, study([1]))
    client.put(f"{E1}/scans/1?xsiType=xnat:mrScanData&xnat:mrScanData/type=T1").raise_for_status()
    archived(client, study([1], study=2), session="E2")
    assert fields(client, "/data/projects/P1/subjects/S1/experiments/E2/scans/1")["type"] == "T1"


@pytest.mark.parametrize(
    ("mapping", "described", "frames", "kind"),
    [
        ("true", "T1 _mpr*", 2, "TWO"),
        ("true", "t1-MPR", 1, "ONE"),
        ("true", "t1-MPR", 3, "TWO"),
        ("false", "t1-MPR", 1, "t1-MPR"),
        ("true", "INVALID: t2", 1, "t2"),
        ("true", None, 1, "unknown"),
    ],
)
def test_the_history_goes_by_description_and_frames(
    client: httpx.Client, mapping: str, described: str | None, frames: int, kind: str
) -> None:
    client.put(f"/data/projects/P1/scan_type_mapping/{mapping}").raise_for_status()
    archived(client, {f"{number}.dcm": mr_object(1, number, SeriesDescription="t1_mpr") for number in (1, 2)})
    client.put(f"{E1}/scans/1?xsiType=xnat:mrScanData&xnat:mrScanData/type=TWO").raise_for_status()
    query = {"xsiType": "xnat:mrScanData", "type": "ONE", "series_description": "t1_mpr", "frames": "1"}
    client.put(f"{E1}/scans/2", params=query).raise_for_status()
    new = {f"{number}.dcm": mr_object(1, number, study=2, SeriesDescription=described) for number in range(frames)}
    archived(client, new, session="E2")
    assert fields(client, "/data/projects/P1/subjects/S1/experiments/E2/scans/1")["type"] == kind


def test_fields_and_types_are_pulled_from_headers_on_request(client: httpx.Client) -> None:
    archived(client, study([1]))
    client.put(
        f"{E1}?xsiType=xnat:mrSessionData&xnat:mrSessionData/operator=me&xnat:mrSessionData/session_type="
    ).raise_for_status()
    client.put(
        f"{E1}/scans/1?xsiType=xnat:mrScanData&xnat:mrScanData/type=&xnat:mrScanData/quality="
    ).raise_for_status()
    client.put(f"{E1}?pullDataFromHeaders=true").raise_for_status()
    assert (fields(client, E1)["operator"], fields(client, E1)["session_type"]) == ("me", "P1")
    assert fields(client, f"{E1}/scans/1")["quality"] == "usable"
    client.put(f"{E1}?fixScanTypes=true").raise_for_status()
    assert fields(client, f"{E1}/scans/1")["type"] == "series 1"
    launched = client.post("/data/projects/P1/pipelines/fixScanTypes/experiments/E1")
    assert launched.status_code == 200
    assert client.post("/data/projects/P1/pipelines/unheard/experiments/E1").status_code == 404


def test_headers_are_dumped(client: httpx.Client) -> None:
    uri = ready(client, study([1]))
    here = rows(
        client.get(f"/data/services/dicomdump?src={uri.removeprefix('/data')}&field=SOPInstanceUID&format=json")
    )
    archive(client, uri)
    src = f"/archive{E1.removeprefix('/data')}/scans/1"
    found = rows(client.get(f"/data/services/dicomdump?src={src}&field=SOPInstanceUID&field=0020,0013&format=json"))
    assert [list(row) for row in found] == [["tag1", "tag2", "vr", "value", "desc"]] * 2
    assert found[0] == here[0]
    assert (found[0]["tag1"], found[0]["value"], found[0]["desc"]) == (
        "(0008,0018)",
        f"{ROOT}.1.1.1",
        "SOP Instance UID",
    )
    one = f"{src}/resources/DICOM/files/1-2.dcm"
    assert rows(client.get(f"/data/services/dicomdump?src={one}&field=InstanceNumber&format=json"))[0]["value"] == "2"
    every = rows(client.get(f"/data/services/dicomdump?src={src}&field=InstanceNumber&summary=true&format=json"))
    assert every[0]["value"] == "1,2"
    assert client.get("/data/services/dicomdump?src=/etc/passwd").status_code == 400
    assert client.get("/data/services/dicomdump").status_code == 400
    assert client.post(f"/data/services/dicomdump?src={src}").status_code == 405


@pytest.fixture
def real(client: httpx.Client) -> Callable[[str], dict[str, bytes]]:
    if not REAL.is_dir():
        pytest.skip("the shared data are not here")
    return lambda folder: {
        str(path.relative_to(REAL)): path.read_bytes() for path in sorted((REAL / folder).rglob("*.dcm"))
    }


def test_real_scans_of_two_makers_are_archived_with_every_object(
    client: httpx.Client, real: Callable[[str], dict[str, bytes]]
) -> None:
    for folder, makers in (("20180918GE", "GE MEDICAL SYSTEMS"), ("20180918Si", "SIEMENS")):
        members = real(folder)
        uri = ready(client, members, f"project=P1&subject=DEV&session={folder}")
        assert len(files(client, uri)) == len(members)
        answer = archive(client, uri)
        assert answer.status_code == 200, message(answer)
        session = f"/data/projects/P1/subjects/DEV/experiments/{folder}"
        assert len(names(client, session)) == len(members)
        assert fields(client, session)["scanner/manufacturer"] == makers
        assert fields(client, session)["date"] == "2018-09-18"
