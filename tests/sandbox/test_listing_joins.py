"""Joined columns, shares, stamps; listings of resources below right and wrong parents (hierarchy.md §3.5–3.9)."""

from __future__ import annotations

import time

import pytest

from sandbox.archive_example import Caller, example, resource, scan, served, stamps
from xnatsync.sandbox.model.objects import Experiment, Project, Subject
from xnatsync.sandbox.model.site import Site

JOINED = (
    "/data/experiments?format=json&xsiType=xnat:imageSessionData&columns=ID,URI,label,subject_label,project,"
    "xnat:imagesessiondata/subject_id,xnat:imagescandata/id,xnat:imagescandata/type,xnat:imagescandata/frames,"
    "xnat:imagescandata/file/label,xnat:imagescandata/file/file_count,xnat:imagescandata/file/file_size,"
    "xnat:imagescandata/file/xnat_abstractresource_id"
)


@pytest.fixture(scope="module")
def get():
    with served(example()) as caller:
        yield caller


def test_one_request_lists_sessions_scans_and_scan_resources_with_counts(get):
    reply = get(f"{JOINED}&project=P1")
    rows = [row for row in reply.rows if row["label"] == "SUB01_MR1"]
    assert [(row["xnat:imagescandata/id"], row["xnat:imagescandata/file/label"]) for row in rows] == [
        ("4", "DICOM"),
        ("4", "NIFTI"),
        ("5", ""),
    ]
    assert rows[0] == {
        "session_ID": "XNAT_E00001",
        "ID": "XNAT_E00001",
        "xsiType": "xnat:mrSessionData",
        "label": "SUB01_MR1",
        "subject_label": "SUB01",
        "project": "P1",
        "xnat:imagesessiondata/subject_id": "XNAT_S00001",
        "xnat:imagescandata/id": "4",
        "xnat:imagescandata/type": "T1",
        "xnat:imagescandata/frames": "176",
        "xnat:imagescandata/file/label": "DICOM",
        "xnat:imagescandata/file/file_count": "176",
        "xnat:imagescandata/file/file_size": "92838912",
        "xnat:imagescandata/file/xnat_abstractresource_id": "11",
        "URI": "/data/experiments/XNAT_E00001",
    }


def test_the_join_is_a_left_join_and_the_total_counts_its_rows(get):
    reply = get(f"{JOINED}&project=P1")
    empty = [row for row in reply.rows if row["label"] == "SUB02_CT1"]
    assert [row["xnat:imagescandata/id"] for row in empty] == [""]
    assert reply.table["totalRecords"] == "4"


def test_sessions_shared_in_are_found_by_the_sharing_filter_only(get):
    assert {row["label"] for row in get(f"{JOINED}&project=P2").rows} == {"X_MR1"}
    shared = get(f"{JOINED}&xnat:imagesessiondata/sharing/share/project=P2").rows
    assert {row["label"] for row in shared} == {"SUB01_MR1"}
    assert len(shared) == 3
    assert {row["project"] for row in shared} == {"P1"}


def test_shares_and_variables_may_be_columns_too(get):
    row = get(
        "/data/experiments?format=json&label=SUB01_MR1&columns=xnat:mrSessionData/sharing/share/project,"
        "xnat:mrSessionData/sharing/share/label"
    ).rows[0]
    assert row["xnat:mrsessiondata/sharing/share/label"] == "SHARED"
    names = get(
        "/data/experiments?format=json&label=SUB01_MR1&columns=xnat:mrSessionData/fields/field/name,"
        "xnat:mrSessionData/fields/field/field"
    ).rows
    assert [list(each.values())[1:3] for each in names] == [["rater", "X"], ["pass", "1"]]


def test_subjects_join_sessions_and_their_scans(get):
    rows = get(
        "/data/projects/P1/subjects?format=json&columns=label,gender,xnat:mrSessionData/label,xnat:mrScanData/id"
    ).rows
    found = {(row["label"], row["xnat:mrsessiondata/label"], row["xnat:mrscandata/id"]) for row in rows}
    assert found == {("SUB01", "SUB01_MR1", "4"), ("SUB01", "SUB01_MR1", "5"), ("SUB02", "", "")}
    assert rows[0]["gender"] == "male"


def test_a_session_of_another_type_adds_no_row_to_a_subject_whose_scans_are_asked_for():
    """Official testStandardDynamicSubjectSearchMrSessionJoinScans: none for the PET session beside the MR one."""
    site = example()
    site.experiments["XNAT_E00002"].subject = "XNAT_S00001"
    with served(site) as get:
        columns = "label,xnat:mrSessionData/label,xnat:mrScanData/id"
        rows = get(f"/data/projects/P1/subjects?columns={columns}&label=SUB01").rows
    assert [(row["xnat:mrsessiondata/label"], row["xnat:mrscandata/id"]) for row in rows] == [
        ("SUB01_MR1", "4"),
        ("SUB01_MR1", "5"),
    ]


def test_sessions_a_user_may_not_read_are_not_joined_to_a_subject_they_may_read():
    site = example()
    site.projects["P2"].members["stranger"] = "member"
    del site.experiments["XNAT_E00001"].shares["P2"]
    with served(site) as admin:
        columns = "ID,xnat:mrSessionData/label"
        rows = Caller(admin.server, "stranger")(f"/data/projects/P2/subjects?format=json&columns={columns}").rows
    found = {row["ID"]: row["xnat:mrsessiondata/label"] for row in rows}
    assert found == {"XNAT_S00001": "", "XNAT_S00003": "X_MR1"}


def test_scans_of_another_type_are_not_joined(get):
    columns = "label,xnat:ctScanData/id"
    rows = get(f"/data/experiments?format=json&label=SUB01_MR1&columns={columns}").rows
    assert [row["xnat:ctscandata/id"] for row in rows] == [""]


def test_a_shared_session_is_listed_in_the_project_under_label_and_project_of_the_share(get):
    rows = {row["ID"]: row for row in get("/data/projects/P2/experiments?format=json").rows}
    assert (rows["XNAT_E00001"]["label"], rows["XNAT_E00001"]["project"]) == ("SHARED", "P2")


def test_a_shared_subject_keeps_its_project_and_without_a_label_shows_its_accession_id(get):
    rows = {row["ID"]: row for row in get("/data/projects/P2/subjects?format=json").rows}
    assert (rows["XNAT_S00001"]["label"], rows["XNAT_S00001"]["project"]) == ("XNAT_S00001", "P1")


def test_last_modified_is_the_rows_own_stamp_and_empty_until_the_row_changes(get):
    row = get("/data/experiments?format=json&label=SUB01_MR1&columns=last_modified,insert_date").rows[0]
    assert (row["last_modified"], row["insert_date"]) == ("", "2023-09-27 17:31:21.352")


def test_the_concrete_types_stamp_is_the_bubbled_one(get):
    columns = "xnat:mrSessionData/meta/last_modified,xnat:imageSessionData/meta/last_modified"
    query = f"/data/experiments?format=json&xsiType=xnat:mrSessionData&label=SUB01_MR1&columns={columns}"
    row = get(query).rows[0]
    assert row["xnat:mrsessiondata/meta/last_modified"] == "2024-01-01 00:00:00.0"
    assert row["xnat:imagesessiondata/meta/last_modified"] == ""


def test_a_subjects_stamp_is_the_bubbled_one():
    site = example()
    site.bubble(site.subjects["XNAT_S00001"])
    with served(site) as get:
        row = get("/data/projects/P1/subjects?format=json&columns=ID,label,last_modified&label=SUB01").rows[0]
    assert row["last_modified"] == site.subjects["XNAT_S00001"].stamps.bubbled > "2023-09-27 17:31:21.352"


def test_updated_rows_move_to_the_end_so_that_pages_overlap_between_requests():
    site = example()
    with served(site) as get:
        path = "/data/projects/P1/subjects?format=json&limit=1"
        first = get(f"{path}&offset=0").rows[0]["ID"]
        site.changed(site.subjects[first])
        assert get(f"{path}&offset=1").rows[0]["ID"] == first


@pytest.mark.parametrize(
    ("path", "status", "labels"),
    [
        ("/data/projects/P1/resources", 200, {"plan"}),
        ("/data/subjects/XNAT_S00001/resources", 200, {"notes"}),
        ("/data/experiments/XNAT_E00001/resources", 200, {"BIDS"}),
        ("/data/experiments/XNAT_E00001/resources?all=true", 200, {"BIDS", "DICOM", "NIFTI", "OUT"}),
        ("/data/experiments/XNAT_E00001/resources?all=false", 200, {"BIDS"}),
        ("/data/experiments/XNAT_E00001,XNAT_E00002/resources", 200, {"BIDS"}),
        ("/data/experiments/XNAT_E00001/scans/ALL/resources", 200, {"DICOM", "NIFTI"}),
        ("/data/experiments/XNAT_E00001/scans/*/resources", 200, {"DICOM", "NIFTI"}),
        ("/data/experiments/XNAT_E00001/scans/T1/resources", 200, {"DICOM", "NIFTI"}),
        ("/data/experiments/XNAT_E00001/scans/5/resources", 200, set()),
        ("/data/experiments/XNAT_E00001/assessors/QC1/resources", 200, {"OUT"}),
        ("/data/experiments/XNAT_E00001/assessors/xnat:qcManualAssessorData/out/resources", 200, {"OUT"}),
        # §3.8: wrong parents
        ("/data/experiments/NOPE/resources", 404, None),
        ("/data/experiments/XNAT_E00001/scans/NOPE/resources", 404, None),
        ("/data/experiments/XNAT_E00002/scans/ALL/resources", 404, None),
        ("/data/projects/P1/subjects/SUB01/experiments/NOPE/resources", 200, {"notes"}),
        ("/data/projects/P1/experiments/NOPE/resources", 200, {"plan"}),
        ("/data/projects/P1/subjects/SUB01/experiments/SUB01_MR1/scans/NOPE/resources", 200, {"notes"}),
    ],
)
def test_resources_of_right_and_wrong_parents(get, path, status, labels):
    reply = get(path)
    assert reply.status == status
    if labels is not None:
        assert {row["label"] for row in reply.rows} == labels


def test_resource_rows_tell_their_scan_and_an_uncounted_resource_is_empty(get):
    rows = {row["label"]: row for row in get("/data/experiments/XNAT_E00001/resources?all=true").rows}
    assert (rows["DICOM"]["category"], rows["DICOM"]["cat_id"], rows["DICOM"]["cat_desc"]) == ("scans", "4", "T1")
    assert rows["BIDS"]["cat_id"] == ""
    assert rows["DICOM"]["element_name"] == "xnat:resourceCatalog"
    notes = get("/data/subjects/XNAT_S00001/resources?file_stats=true").rows[0]
    assert (notes["file_count"], notes["file_size"]) == ("", "")


def test_a_scan_type_that_equals_another_scans_id_matches_both():
    site = example()
    other = site.experiments["XNAT_E00001"].scans["5"]  # its type is "4"
    other.resources["PHYS"] = resource(15, "PHYS", "archive/P1/arc001/SUB01_MR1/SCANS/5/PHYS")
    with served(site) as get:
        assert {row["cat_id"] for row in get("/data/experiments/XNAT_E00001/scans/4/resources").rows} == {"4", "5"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/data/projects/NOPE/subjects", 404),
        ("/data/projects/NOPE/experiments", 404),
        ("/data/projects/P1/subjects/NOPE/experiments", 404),
        ("/data/experiments/NOPE/scans", 500),
        ("/data/projects/P1/subjects/SUB01/experiments/NOPE/scans", 404),
        ("/data/projects/NOPE/subjects/S/experiments/E/scans", 500),
        ("/data/experiments/XNAT_E00003/scans/4", 500),
        ("/data/experiments/NOPE/scans/4", 404),
    ],
)
def test_what_wrong_parents_of_listings_answer(get, path, status):
    assert get(f"{path}?format=json").status == status


def test_scans_below_a_project_experiment_are_not_a_listing_but_the_session_itself(get):
    reply = get("/data/projects/P1/experiments/SUB01_MR1/scans?format=json")
    assert reply.status == 200
    assert reply.item["data_fields"]["ID"] == "XNAT_E00001"


def test_unreadable_sessions_are_like_missing_ones(get):
    stranger = Caller(get.server, "stranger")
    assert stranger("/data/experiments/XNAT_E00001/resources").status == 404
    assert stranger("/data/experiments/XNAT_E00001/scans").status == 500


def test_scans_have_the_address_of_their_session_however_they_were_asked_for(get):
    row = get("/data/projects/P1/subjects/SUB01/experiments/SUB01_MR1/scans?format=json").rows[0]
    assert row["URI"] == "/data/experiments/XNAT_E00001/scans/4"


def test_where_a_shortcut_names_the_key_a_shared_session_keeps_label_and_project_of_its_owner(get):
    """XNAT finds the shares of the rows by the key column under its own name, which `session_ID` hides."""
    path = "/data/projects/P2/experiments?format=json&columns=ID,label,project"
    assert ("SHARED", "P2") in {(row["label"], row["project"]) for row in get(path).rows}
    hidden = get(f"{path}&xsiType=xnat:imageSessionData").rows
    assert ("SUB01_MR1", "P1") in {(row["label"], row["project"]) for row in hidden}
    concrete = get(f"{path}&xsiType=xnat:mrSessionData").rows
    assert ("SHARED", "P2") in {(row["label"], row["project"]) for row in concrete}


def test_a_filter_sees_the_label_of_the_owner_the_row_shows_that_of_the_share(get):
    path = "/data/projects/P2/experiments?format=json&columns=label"
    assert get(f"{path}&label=SHARED").rows == []
    assert [row["label"] for row in get(f"{path}&label=SUB01_MR1").rows] == ["SHARED"]


def test_a_project_has_a_row_for_each_alias():
    site = example()
    site.projects["P2"].aliases["two"] = ""
    with served(site) as get:
        rows = get("/data/projects?columns=ID,alias").rows
    assert [(row["ID"], row["alias"]) for row in rows] == [("P1", ""), ("P2", "second"), ("P2", "two")]


def test_a_thousand_sessions_with_all_scans_and_resources_come_in_one_answer_and_stream():
    site = Site.in_memory()
    site.accounts.add("admin", "admin", admin=True)
    site.projects["P"] = Project("P", stamps(), "P", "P")
    for at in range(1000):
        key = f"XNAT_E{at:05d}"
        site.subjects[f"S{at}"] = Subject(f"S{at}", "P", f"L{at}", stamps())
        session = Experiment(key, "P", f"S{at}", f"L{at}_MR", "xnat:mrSessionData", stamps())
        for number in range(10):
            files = [resource(at * 100 + number * 2 + n, name, "f") for n, name in enumerate(("DICOM", "NIFTI"))]
            session.scans[str(number)] = scan(at * 10 + number, str(number), "xnat:mrScanData", *files, type="T1")
        site.experiments[key] = session
    with served(site) as get:
        began = time.perf_counter()
        reply = get(f"{JOINED}&project=P")
        took = time.perf_counter() - began
    assert len(reply.rows) == 20_000
    assert reply.headers["transfer-encoding"] == "chunked"
    assert took < 10  # about 0.3 s on an idle core; the bound is for machines with eight busy neighbours
