"""Creating, changing, renaming, sharing, moving, deleting (hierarchy.md §4)."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from xnatsync.sandbox.http.server import SandboxServer
from xnatsync.sandbox.model.site import Site

SUBJECT = "/data/projects/P1/subjects/S1"
SCOPED = f"{SUBJECT}/experiments/E1"
MR = "xsiType=xnat:mrSessionData"


@pytest.fixture
def member(server: SandboxServer, site: Site, admin: httpx.Client) -> Iterator[httpx.Client]:
    """A member of P1, who may read, create and edit, but not delete."""
    site.accounts.add("jane", "pw")
    admin.put("/data/projects/P1").raise_for_status()
    admin.put("/data/projects/P1/users/P1_member/jane").raise_for_status()
    with httpx.Client(base_url=server.url, auth=("jane", "pw"), timeout=30) as client:
        yield client


def test_a_new_project_is_200_and_auto_archives(admin: httpx.Client, site: Site) -> None:
    reply = admin.put("/data/projects/P1?name=First&xnat:projectData/description=about")
    assert (reply.status_code, reply.content) == (200, b"")
    project = site.projects["P1"]
    assert (project.name, project.secondary_id, project.prearchive_code) == ("First", "P1", 4)
    assert project.fields["description"] == "about"
    assert project.members == {"admin": "owner"}


def test_project_names_share_one_namespace_without_case(admin: httpx.Client) -> None:
    admin.put("/data/projects/P1?name=Brain")
    assert admin.put("/data/projects/brain").status_code == 409
    assert admin.put("/data/projects/P2?secondary_ID=BRAIN").status_code == 409
    assert admin.put("/data/projects/P2").status_code == 200


def test_a_deleted_project_is_never_used_again(admin: httpx.Client) -> None:
    admin.put("/data/projects/P1")
    assert admin.delete("/data/projects/P1").status_code == 200
    reply = admin.put("/data/projects/P1")
    assert reply.status_code == 403
    assert "previously deleted project" in reply.text


def test_project_settings_are_put_by_path(admin: httpx.Client, site: Site) -> None:
    admin.put("/data/projects/P1")
    assert admin.put("/data/projects/P1/prearchive_code/0").status_code == 200
    assert admin.get("/data/projects/P1/prearchive_code").text == "0"
    assert admin.put("/data/projects/P1/prearchive_code/maybe").status_code == 400
    assert admin.put("/data/projects/P1/accessibility/public").status_code == 200
    assert site.projects["P1"].accessibility == "public"
    assert admin.put("/data/projects/P1/nonsense").status_code == 400


def test_a_subject_is_201_then_200_with_its_accession_id(admin: httpx.Client, site: Site) -> None:
    admin.put("/data/projects/P1")
    created = admin.put(f"{SUBJECT}?gender=male&yob=1980")
    assert (created.status_code, created.text) == (201, "XNAT_S00001")
    variable = {"xnat:subjectData/fields/field[name=age_grp]/field": "A"}
    updated = admin.put(SUBJECT, params={**variable, "gender": "F"})
    assert (updated.status_code, updated.text) == (200, "XNAT_S00001")
    subject = site.subjects["XNAT_S00001"]
    assert subject.fields == {"gender": "female", "yob": "1980"}
    assert subject.variables == {"age_grp": "A"}


def test_an_impossible_value_is_400(admin: httpx.Client) -> None:
    admin.put("/data/projects/P1")
    assert admin.put(f"{SUBJECT}?xnat:subjectData/fields/field%5Bname=a%5D/field=A").status_code == 400
    assert admin.put(f"{SUBJECT}?gender=perhaps").status_code == 400


def test_a_subject_of_an_unknown_project_is_422(admin: httpx.Client) -> None:
    reply = admin.put("/data/projects/NOPE/subjects/S1")
    assert reply.status_code == 422
    assert "must include the project attribute" in reply.text


def test_labels_are_stored_as_they_are_in_the_url(admin: httpx.Client, site: Site) -> None:
    admin.put("/data/projects/P1")
    admin.put("/data/projects/P1/subjects/a%20b")
    assert site.subjects["XNAT_S00001"].label == "a%20b"


def test_query_values_are_stored_escaped(admin: httpx.Client, session: str, site: Site) -> None:
    admin.put(SCOPED, params={"xsiType": "xnat:mrSessionData", "note": "a<b & c"})
    assert site.experiments["XNAT_E00001"].fields["note"] == "a&lt;b &amp; c"


def test_an_experiment_creates_its_subject_and_needs_a_type(admin: httpx.Client, site: Site) -> None:
    admin.put("/data/projects/P1")
    assert admin.put(SCOPED).status_code == 417
    created = admin.put(f"{SCOPED}?xnat:mrSessionData/date=07/01/2018")
    assert (created.status_code, created.text) == (201, "XNAT_E00001")
    experiment = site.experiments["XNAT_E00001"]
    assert (experiment.xsi_type, experiment.fields["date"]) == ("xnat:mrSessionData", "2018-07-01")
    assert site.subjects[experiment.subject].label == "S1"


def test_without_a_type_an_update_is_a_silent_nothing(admin: httpx.Client, session: str, site: Site) -> None:
    assert admin.put(f"{SCOPED}?note=lost").status_code == 200
    assert "note" not in site.experiments["XNAT_E00001"].fields
    assert admin.put(f"{session}?note=lost").status_code == 200
    assert "note" not in site.experiments["XNAT_E00001"].fields
    assert admin.put(f"{session}?{MR}&note=x").status_code == 422
    assert admin.put(f"{SCOPED}?{MR}&note=kept").status_code == 200
    assert site.experiments["XNAT_E00001"].fields["note"] == "kept"


def test_putting_a_session_under_another_subject_moves_it(admin: httpx.Client, session: str, site: Site) -> None:
    other = admin.put("/data/projects/P1/subjects/S2").text
    assert admin.put(f"/data/projects/P1/subjects/S2/experiments/E1?{MR}").status_code == 200
    assert site.experiments["XNAT_E00001"].subject == other


def test_identity_cannot_be_changed_in_passing(admin: httpx.Client, session: str) -> None:
    xml = '<xnat:MRSession xmlns:xnat="http://nrg.wustl.edu/xnat" {}/>'
    for attribute, status in (
        ('ID="OTHER"', 400),
        ('label="OTHER"', 400),
        ('project="P9"', 409),
        ('ID="XNAT_E00001"', 200),
    ):
        reply = admin.put(SCOPED, content=xml.format(attribute), headers={"Content-Type": "text/xml"})
        assert reply.status_code == status, attribute


def test_xml_is_merged_unless_deletion_is_allowed(admin: httpx.Client, session: str, site: Site) -> None:
    admin.put(f"{SCOPED}?{MR}&note=kept&date=2020-01-02")
    xml = """<xnat:MRSession xmlns:xnat="http://nrg.wustl.edu/xnat" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
      <xnat:fields><xnat:field name="rater">X</xnat:field></xnat:fields><xnat:date>2021-01-02</xnat:date>
      <xnat:scans><xnat:scan ID="9" type="T2" xsi:type="xnat:mrScanData"><xnat:quality>usable</xnat:quality></xnat:scan>
      </xnat:scans>
      </xnat:MRSession>"""
    assert admin.put(SCOPED, content=xml, headers={"Content-Type": "text/xml"}).status_code == 200
    experiment = site.experiments["XNAT_E00001"]
    assert (experiment.fields["note"], experiment.fields["date"]) == ("kept", "2021-01-02")
    assert experiment.variables == {"rater": "X"}
    assert experiment.scans["9"].fields == {"type": "T2", "quality": "usable"}
    admin.put(f"{SCOPED}?allowDataDeletion=true", content=xml, headers={"Content-Type": "text/xml"})
    assert "note" not in experiment.fields


def test_broken_xml_is_422_and_chunked_xml_is_ignored(admin: httpx.Client, session: str, site: Site) -> None:
    headers = {"Content-Type": "text/xml"}
    assert admin.put(SCOPED, content=b"<broken", headers=headers).status_code == 422
    xml = b'<xnat:MRSession xmlns:xnat="http://nrg.wustl.edu/xnat"><xnat:note>lost</xnat:note></xnat:MRSession>'
    assert admin.put(SCOPED, content=iter([xml]), headers=headers).status_code == 200
    assert "note" not in site.experiments["XNAT_E00001"].fields


def test_scans_are_200_and_empty_both_times(admin: httpx.Client, session: str, site: Site) -> None:
    for _ in range(2):
        reply = admin.put(f"{session}/scans/7?xsiType=xnat:mrScanData&xnat:mrScanData/quality=usable")
        assert (reply.status_code, reply.content) == (200, b"")
    assert site.experiments["XNAT_E00001"].scans["7"].fields["quality"] == "usable"


def test_scans_refuse_what_xnat_refuses(admin: httpx.Client, session: str, site: Site) -> None:
    assert admin.put(f"{session}/scans/8").status_code == 417
    assert admin.put(f"{session}/scans/8?xnat:imageScanData/type=T1").status_code == 400
    assert admin.put(f"{session}/scans/4?xsiType=xnat:ctScanData").status_code == 409
    assert admin.put("/data/experiments/NOPE/scans/4?xsiType=xnat:mrScanData").status_code == 417
    assert admin.put(f"{session}/scans/4?xnat:ctScanData/note=x").status_code == 200
    assert "note" not in site.experiments["XNAT_E00001"].scans["4"].fields


def test_label_renames_and_drops_everything_else(admin: httpx.Client, session: str, site: Site) -> None:
    admin.put(f"{session}/resources/R/files/a.txt?inbody=true", content=b"a")
    reply = admin.put(f"{SCOPED}?{MR}&label=NEW&note=lost")
    assert (reply.status_code, reply.content) == (200, b"")
    experiment = site.experiments["XNAT_E00001"]
    assert (experiment.label, experiment.folder) == ("NEW", "archive/P1/arc001/NEW")
    assert "note" not in experiment.fields
    assert admin.get(f"{session}/resources/R/files/a.txt").content == b"a"
    assert site.store.exists("archive/P1/arc001/NEW/RESOURCES/R/a.txt")


def test_a_rename_onto_a_taken_label_is_409(admin: httpx.Client, session: str) -> None:
    admin.put(f"{SUBJECT}/experiments/E2?{MR}")
    reply = admin.put(f"{SCOPED}?label=E2")
    assert reply.status_code == 409
    assert "Specified label is already in use." in reply.text


def test_a_rename_onto_files_left_behind_is_409(admin: httpx.Client, session: str) -> None:
    admin.put(f"{SUBJECT}/experiments/E2?{MR}")
    admin.put(f"{SUBJECT}/experiments/E2/resources/R/files/a?inbody=true", content=b"a")
    assert admin.delete(f"{SUBJECT}/experiments/E2").status_code == 200
    reply = admin.put(f"{SCOPED}?label=E2")
    assert reply.status_code == 409
    assert "pre-existing files" in reply.text


def test_share_then_unshare(admin: httpx.Client, session: str, site: Site) -> None:
    admin.put("/data/projects/P2")
    assert admin.put(f"{session}/projects/P2?label=L2").status_code == 200
    assert site.experiments["XNAT_E00001"].shares == {"P2": "L2"}
    again = admin.put(f"{session}/projects/P2")
    assert (again.status_code, "Already assigned to project:P2" in again.text) == (409, True)
    assert admin.put(f"{session}/projects/NOPE").status_code == 404
    assert admin.delete("/data/projects/P2/experiments/L2").status_code == 200
    assert site.experiments["XNAT_E00001"].shares == {}


def test_delete_through_the_owning_project_deletes_by_mistake(admin: httpx.Client, session: str, site: Site) -> None:
    assert admin.delete(f"{session}/projects/P1").status_code == 200
    assert site.experiments == {}


def test_a_primary_share_moves_the_session_with_its_files(admin: httpx.Client, session: str, site: Site) -> None:
    admin.put(f"{session}/scans/4/resources/DICOM/files/a?inbody=true", content=b"a")
    admin.put("/data/projects/P2")
    assert admin.put(f"{session}/projects/P2?primary=true").status_code == 200
    assert site.experiments["XNAT_E00001"].project == "P2"
    assert site.store.exists("archive/P2/arc001/E1/SCANS/4/DICOM/a")
    assert admin.get(f"{session}/scans/4/resources/DICOM/files/a").content == b"a"


def test_sharing_a_subject_by_label_alone_is_a_misleading_403(admin: httpx.Client, session: str) -> None:
    admin.put("/data/projects/P2")
    assert admin.put("/data/subjects/S1/projects/P2").status_code == 403
    assert admin.put("/data/subjects/XNAT_S00001/projects/P2").status_code == 200
    assert admin.delete("/data/subjects/XNAT_S00001/projects/P2").status_code == 200
    assert admin.delete("/data/subjects/XNAT_S00001/projects/P2").status_code == 403


def test_delete_keeps_files_unless_told_otherwise(admin: httpx.Client, session: str, site: Site) -> None:
    admin.put(f"{session}/resources/R/files/a?inbody=true", content=b"a")
    assert admin.delete(session).status_code == 200
    assert site.store.exists("archive/P1/arc001/E1/RESOURCES/R/a")
    again = admin.put(f"{SCOPED}?{MR}").text
    assert admin.delete(f"/data/experiments/{again}?removeFiles=true").status_code == 200
    assert not site.store.exists("archive/P1/arc001/E1")


def test_deleting_a_scan_takes_its_folder(admin: httpx.Client, session: str, site: Site) -> None:
    admin.put(f"{session}/scans/4/resources/DICOM/files/a?inbody=true", content=b"a")
    assert admin.delete(f"{session}/scans/4/resources/x/files").status_code in {400, 404}
    assert admin.delete(f"{session}/scans/4").status_code == 200
    assert site.experiments["XNAT_E00001"].scans == {}
    assert not site.store.exists("archive/P1/arc001/E1/SCANS/4")


def test_an_illegal_tail_deletes_nothing(admin: httpx.Client, session: str, site: Site) -> None:
    reply = admin.delete("/data/projects/P1/experiments/E1/scans/4")
    assert reply.status_code == 400
    assert "does not start with 'projects/'" in reply.text
    assert "4" in site.experiments["XNAT_E00001"].scans


def test_members_create_and_edit_but_do_not_delete(member: httpx.Client) -> None:
    assert member.put(f"{SCOPED}?{MR}").status_code == 201
    assert member.put(f"{SCOPED}?{MR}&note=x").status_code == 200
    assert member.delete(SCOPED).status_code == 403
    assert member.put("/data/projects/P1?name=x").status_code == 403


def test_the_unreadable_is_404_and_forbidden_writes_are_403(member: httpx.Client, admin: httpx.Client) -> None:
    admin.put("/data/projects/P2")
    hidden = admin.put(f"/data/projects/P2/subjects/S/experiments/X?{MR}").text
    assert member.delete(f"/data/experiments/{hidden}").status_code == 404
    assert member.put("/data/projects/P2/subjects/T").status_code == 403


def test_assessors_live_in_their_session(admin: httpx.Client, session: str, site: Site) -> None:
    created = admin.put(f"{session}/assessors/QC1?xsiType=xnat:qcManualAssessorData")
    assert created.status_code == 201
    assert site.experiments["XNAT_E00001"].assessors[created.text].label == "QC1"
    assert admin.put(f"{session}/assessors/QC1?xsiType=xnat:qcManualAssessorData&note=x").status_code == 200
    admin.put(f"{session}/assessors/QC1/out/resources/R/files/a?inbody=true", content=b"a")
    assert admin.get(f"{session}/assessors/QC1/resources/R/files/a").content == b"a"
    assert admin.delete(f"/data/experiments/{created.text}").status_code == 200
    assert site.experiments["XNAT_E00001"].assessors == {}


def test_stamps_own_and_bubbled(admin: httpx.Client, session: str, site: Site, clock: object) -> None:
    experiment, subject = site.experiments["XNAT_E00001"], site.subjects["XNAT_S00001"]
    scan = experiment.scans["4"]
    assert (experiment.stamps.last_modified, scan.stamps.last_modified) == ("", "")
    clock.now += 60  # type: ignore[attr-defined]
    admin.put(f"{session}/scans/4/resources/DICOM/files/a?inbody=true", content=b"a")
    assert experiment.stamps.bubbled == scan.stamps.bubbled == subject.stamps.bubbled > experiment.stamps.insert_date
    assert (experiment.stamps.last_modified, scan.stamps.last_modified) == ("", "")
    before = experiment.stamps.bubbled
    clock.now += 60  # type: ignore[attr-defined]
    admin.put(f"{session}/scans/4/resources/DICOM/files/a?inbody=true&overwrite=true", content=b"b")
    assert experiment.stamps.bubbled == before  # an equal size leaves no trace
    admin.put(f"{session}/scans/4?xsiType=xnat:mrScanData&xnat:mrScanData/quality=usable")
    assert scan.stamps.last_modified > before


def test_custom_fields_are_merged_and_unknown_items_are_403(admin: httpx.Client, session: str) -> None:
    url = "/xapi/custom-fields/projects/P1/subjects/S1/experiments/E1/scans/4/fields"
    assert admin.put(url, json={"a": 1}).status_code == 200
    assert admin.put(url, json={"b": {"c": [True]}}).json() == {"a": 1, "b": {"c": [True]}}
    assert admin.get(f"{url}/a").text == "1"
    assert admin.delete(f"{url}/a").status_code == 200
    assert admin.get(url).json() == {"b": {"c": [True]}}
    assert admin.get("/xapi/custom-fields/projects/NOPE/fields").status_code == 403


def test_configs_have_versions_and_a_status(admin: httpx.Client, session: str) -> None:
    url = "/data/projects/P1/config/seriesImportFilter/config"
    assert admin.get(url).status_code == 404
    assert admin.get(f"{url}?accept-not-found=true").status_code == 204
    for text in ("one", "two"):
        assert admin.put(f"{url}?inbody=true", content=text.encode(), headers={"Content-Type": "text/plain"}).is_success
    assert admin.get(f"{url}?contents=true").text == "two"
    assert admin.get(f"{url}?contents=true&version=1").text == "one"
    assert admin.put(f"{url}?status=disabled").status_code == 200
    assert admin.get(f"{url}?contents=true").status_code == 404
    assert admin.put(f"{url}?status=perhaps").status_code == 400


def test_workflows_are_created_updated_and_found(admin: httpx.Client, session: str) -> None:
    keys = {f"wrk:workflowData/{name}": value for name, value in {"id": "XNAT_E00001", "pipeline_name": "X"}.items()}
    assert admin.put("/data/workflows", params=keys).status_code == 400
    keys |= {
        "wrk:workflowData/launch_time": "2013-05-20 13:51:25.089",
        "wrk:workflowData/data_type": "xnat:mrSessionData",
    }
    assert admin.put("/data/workflows", params={**keys, "wrk:workflowData/status": "Running"}).status_code == 200
    assert admin.put("/data/workflows", params={**keys, "wrk:workflowData/status": "Complete"}).status_code == 200
    found = admin.get("/data/workflows", params={**keys, "format": "json"}).json()["items"][0]["data_fields"]
    assert (found["status"], found["wrk_workflowData_id"]) == ("Complete", 3)  # after the events of the session
    assert admin.get("/data/workflows/7").status_code == 404
