"""Protected projects, the handlers of the list of projects, shares, histories and the rights on custom fields."""

from __future__ import annotations

import pytest

from sandbox.archive_example import Caller, example, served
from xnatsync.sandbox.model.objects import Project


@pytest.fixture
def people():
    """P1 is private and has a member, P2 is protected, P3 public, P4 somebody's own."""
    site = example()
    site.projects["P2"].accessibility = "protected"
    for name, access in (("P3", "public"), ("P4", "private")):
        site.projects[name] = Project(name, site.stamp("admin"), name, name, accessibility=access)
    site.projects["P4"].members["stranger"] = "owner"
    site.experiments["XNAT_E00001"].shares.clear()
    site.subjects["XNAT_S00001"].shares.clear()
    with served(site) as admin:
        yield {name: Caller(admin.server, name) for name in ("admin", "member", "stranger")}


def ids(reply):
    return {row.get("ID") or row["id"] for row in reply.rows}


def test_a_protected_project_is_seen_by_everybody_and_its_data_by_members(people):
    stranger = people["stranger"]
    assert ids(stranger("/data/projects")) == {"P2", "P3", "P4"}
    assert stranger("/data/projects/P2?format=json").status == 200
    assert stranger("/data/projects/P2/accessibility").body == b"protected"
    assert [stranger(f"/data/projects/P2/{what}").status for what in ("subjects", "experiments")] == [403, 403]
    assert [stranger(f"/data/projects/P1/{what}").status for what in ("subjects", "accessibility")] == [404, 404]
    assert stranger("/data/experiments/XNAT_E00004?format=json").status == 404
    assert ids(stranger("/data/experiments")) == set()
    assert people["admin"]("/data/projects/P2/accessibility/public", "PUT").status == 200
    assert ids(stranger("/data/experiments")) == {"XNAT_E00004"}


@pytest.mark.parametrize(
    ("who", "query", "found"),
    [
        ("member", "restrict=edit", set()),
        ("stranger", "restrict=edit", {"P4"}),
        ("stranger", "restrict=delete", {"P4"}),
        ("member", "accessible=true", {"P1", "P2", "P3"}),
        ("member", "accessible=false", {"P2", "P3"}),
        ("admin", "accessible=false", {"P1", "P2", "P3", "P4"}),
        ("member", "data=readable", {"P1", "P3"}),
        ("member", "data=writable", {"P1"}),
        ("member", "prearc_code=true", {"P1", "P2", "P3"}),
        ("member", "creatableTypes=true", {"P1"}),
        ("member", "permissions=read&dataType=xnat:subjectData", {"P1", "P3"}),
        ("member", "permissions=edit&dataType=xnat:mrSessionData", {"P1"}),
        ("member", "permissions=delete&dataType=xnat:mrSessionData", set()),
        ("stranger", "permissions=delete&dataType=xnat:mrSessionData", {"P4"}),
    ],
)
def test_four_handlers_answer_for_projects(people, who, query, found):
    """Official TestDynamicSearchProjects, by the same names."""
    assert ids(people[who](f"/data/projects?{query}")) == found


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("creatableTypes=true", {"id", "secondary_id", "name", "description"}),
        ("permissions=read&dataType=xnat:subjectData", {"id", "secondary_id"}),
    ],
)
def test_each_handler_has_rows_of_its_own(people, query, keys):
    assert set(people["member"](f"/data/projects?{query}").rows[0]) == keys


def test_the_filtered_rows_have_no_address_and_the_images_of_their_access(people):
    reply = people["member"]("/data/projects?prearc_code=true")
    rows = {row["id"]: row for row in reply.rows}
    assert "URI" not in rows["P1"]
    assert rows["P3"]["project_access_img"] == "/@WEBAPPimages/globe.gif"
    assert rows["P2"]["project_access_img"] == "/@WEBAPPimages/key.gif"
    assert (rows["P1"]["proj_prearchive_code"], rows["P1"]["quarantine_status"]) == ("4", "active")
    assert [value for key, value in rows["P1"].items() if key.startswith("user_role_")] == ["Members"]


@pytest.mark.parametrize("query", ["permissions=see&dataType=xnat:subjectData", "permissions=read", "data=all"])
def test_a_question_that_no_handler_understands_is_an_error(people, query):
    assert people["member"](f"/data/projects?{query}").status == 500


def test_unsharing_a_subject_takes_the_shares_of_its_sessions_along(admin, session):
    """Official TestSharing.testUnShared: afterwards it may be shared again."""
    admin.put("/data/projects/P2")
    subject = "/data/projects/P1/subjects/S1/projects/P2"
    for url in (subject, f"{session}/projects/P2"):
        assert admin.put(url).status_code == 200
    assert admin.delete("/data/projects/P2/subjects/S1").status_code in {200, 404}
    admin.delete(subject)
    assert admin.get("/data/projects/P2/experiments?format=json").json()["ResultSet"]["Result"] == []
    assert [admin.put(url).status_code for url in (subject, f"{session}/projects/P2")] == [200, 200]


def test_an_assessor_is_made_in_the_project_the_session_is_shared_into():
    """By its owner, who may only read where the session is at home (official testImageAssessorCreation)."""
    site = example()
    site.projects["P2"].members["stranger"] = "owner"
    site.projects["P1"].members["stranger"] = "collaborator"
    with served(site) as get:
        stranger = Caller(get.server, "stranger")
        subject = "/data/projects/P2/subjects/XNAT_S00001/experiments/SHARED/assessors/Q"
        assert stranger(f"{subject}?xsiType=xnat:qcManualAssessorData", "PUT").status == 201
        home = "/data/projects/P1/subjects/SUB01/experiments/SUB01_MR1/assessors/Q2"
        assert stranger(f"{home}?xsiType=xnat:qcManualAssessorData", "PUT").status == 403


def test_the_history_is_a_list_of_events_whatever_the_format(admin, session):
    url = "/data/projects/P1/subjects/S1/experiments/E1"
    admin.put(f"{url}?xsiType=xnat:mrSessionData&note=x&event_reason=because").raise_for_status()
    admin.put(f"{url}?label=E1").raise_for_status()  # nothing is done, and nothing is told
    admin.put(f"{url}?label=NEW").raise_for_status()
    for query in ("", "?format=csv"):
        events = sorted(admin.get(f"{session}/history{query}").json()["events"], key=lambda event: event["event_id"])
        assert [event["event_action"] for event in events] == [
            "Added MR Session",
            "Modified MR Session",  # the scan of the fixture
            "Modified MR Session",
            "Renamed",
        ]
    assert {event["event_status"] for event in events} == {"Complete"}
    assert (events[2]["event_reason"], events[2]["event_user"]) == ("because", "admin")
    assert events[0]["event_date"] == 1_700_000_000_000
    [first, *_] = admin.get(f"{session}/history?dateFormat=yyyy-MM-dd").json()["events"]
    assert len(first["event_date"]) == 10


def test_a_refused_rename_leaves_no_event(admin, session):
    admin.put("/data/projects/P1/subjects/S1/experiments/E2?xsiType=xnat:mrSessionData").raise_for_status()
    before = admin.get(f"{session}/history").json()
    assert admin.put("/data/projects/P1/subjects/S1/experiments/E1?label=E2").status_code == 409
    assert admin.get(f"{session}/history").json() == before


def test_relabelling_without_access_to_the_owner_is_not_found():
    with served(example()) as get:
        stranger = Caller(get.server, "stranger")
        assert stranger("/data/projects/P1/subjects/SUB01/experiments/SUB01_MR1?label=X", "PUT").status == 404


FIELDS = "/xapi/custom-fields"
PLACES = [
    f"{project}{subject}/experiments/{experiment}/assessors/{assessor}"
    for project, subject in (
        ("", ""),
        ("/projects/P1", ""),
        ("/projects/P1", "/subjects/SUB01"),
        ("/projects/P1", "/subjects/XNAT_S00001"),
    )
    for experiment in (("XNAT_E00001", "SUB01_MR1") if project else ("XNAT_E00001",))
    for assessor in ("XNAT_E00009", "QC1")
]


@pytest.mark.parametrize("place", PLACES)
def test_an_assessor_has_custom_fields_under_all_its_addresses(place):
    assert len(PLACES) == 14
    with served(example()) as get:
        url = f"{FIELDS}{place}/fields"
        assert get(url, "PUT", b'{"a": 1, "b": "x", "c": null}', Content_Type="application/json").status == 200
        assert get(url).json == {"a": 1, "b": "x", "c": None}
        assert get(f"{url}?fieldNames=a,b").json == {"a": 1, "b": "x"}
        assert get(f"{url}/b").body == b"x"
        assert get(f"{url}/b", "DELETE").json == {"a": 1, "c": None}
        assert [get(f"{url}/b", method).status for method in ("GET", "DELETE")] == [404, 404]


@pytest.mark.parametrize(
    ("place", "read", "write"),
    [
        ("/projects/NOPE", 403, 403),
        ("/projects/P1", 403, 403),
        ("/projects/P2", 200, 403),  # as a member: a project is its owners' to write
        ("/subjects/NOPE", 403, 403),
        ("/subjects/XNAT_S00002", 403, 403),
        ("/subjects/XNAT_S00001", 200, 403),  # by a share
        ("/subjects/XNAT_S00003", 200, 200),
        ("/experiments/NOPE", 403, 403),
        ("/experiments/XNAT_E00002", 403, 403),
        ("/experiments/XNAT_E00001", 200, 403),
        ("/experiments/XNAT_E00001/scans/4", 200, 403),
        ("/experiments/XNAT_E00001/scans/NOPE", 404, 403),
        ("/experiments/XNAT_E00001/assessors/NOPE", 404, 403),
        ("/projects/P2/experiments/NOPE/scans/4", 403, 403),
    ],
)
def test_rights_on_custom_fields(place, read, write):
    """Official TestCustomFieldPermissions: reading may come by a share, writing never does."""
    site = example()
    site.projects["P2"].members["stranger"] = "member"
    with served(site) as get:
        stranger = Caller(get.server, "stranger")
        url = f"{FIELDS}{place}/fields"
        assert stranger(url).status == read
        assert stranger(url, "PUT", b'{"a": 1}', Content_Type="application/json").status == write
        assert stranger(f"{url}/a", "DELETE").status == write
