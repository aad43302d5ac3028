"""Groups of a project with rights of their own (hierarchy.md §21), and what a user marked or read last.

The expectations are those of XNAT's own tests: TestDynamicSearchProjects, TestSearchPermissions, TestCustomField*.
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from xnatsync.sandbox.http.server import SandboxServer
from xnatsync.sandbox.model.site import Site

SUBJECT, MR, PET, QC = (f"xnat:{name}Data" for name in ("subject", "mrSession", "petSession", "qcAssessment"))
KINDS = (SUBJECT, MR, PET, QC)


@pytest.fixture
def somebody(server: SandboxServer, admin: httpx.Client, site: Site) -> Iterator[httpx.Client]:
    site.accounts.add("jane", "jane")
    for project in ("P1", "P2"):
        admin.put(f"/data/projects/{project}").raise_for_status()
        base = f"/data/projects/{project}/subjects/S1"
        admin.put(base).raise_for_status()
        for label, kind in (("MR", MR), ("PET", PET)):
            admin.put(f"{base}/experiments/{label}", params={"xsiType": kind}).raise_for_status()
        admin.put(f"{base}/experiments/MR/assessors/QC", params={"xsiType": QC}).raise_for_status()
    with httpx.Client(base_url=server.url, auth=("jane", "jane"), timeout=30) as client:
        yield client


def grant(admin: httpx.Client, rights: dict[str, str], name: str = "Some people") -> httpx.Response:
    form = {"xdat:userGroup/displayName": name}
    form |= {f"{kind}_{kind}/project_P1_{letter}": "1" for kind, letters in rights.items() for letter in letters}
    answer = admin.put("/data/projects/P1/groups", data=form)
    if answer.status_code == 200:
        admin.put(f"/data/projects/P1/users/P1_{name.replace(' ', '')}/jane").raise_for_status()
    return answer


ITEMS = {
    SUBJECT: "/data/projects/P1/subjects/S1",
    MR: "/data/projects/P1/subjects/S1/experiments/MR",
    PET: "/data/projects/P1/subjects/S1/experiments/PET",
    QC: "/data/projects/P1/subjects/S1/experiments/MR/assessors/QC",
}
RIGHTS = {"": set(), "R": {"read"}, "RE": {"read", "edit"}, "RED": {"read", "edit", "delete"}}


@pytest.mark.parametrize("letters", RIGHTS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_right_on_a_type_is_one_on_that_type_alone(
    admin: httpx.Client, somebody: httpx.Client, kind: str, letters: str
) -> None:
    """Total over types and rights: what is not granted is refused, at the item, its fields and its resources."""
    others = {SUBJECT: "R", **({MR: "R"} if kind == QC else {})}  # what is above is seen in the addresses
    if kind == SUBJECT:
        others = {}
    assert grant(admin, {**others, kind: letters}).status_code == 200
    granted = {each: RIGHTS[letters] if each == kind else RIGHTS[others.get(each, "")] for each in KINDS}
    for each, path in ITEMS.items():
        right = granted[each]
        seen = somebody.get(path, params={"format": "json"}).status_code
        assert seen == (200 if "read" in right else 404)
        written = somebody.put(path, params={"xsiType": each, f"{each}/{'note' if each != SUBJECT else 'src'}": "x"})
        assert (written.status_code == 200) == ("edit" in right)
        if "read" in right:
            made = somebody.put(f"{path}/resources/R")
            assert (made.status_code == 200) == ("edit" in right)
        if "delete" not in right:
            assert somebody.delete(path).status_code in {403, 404}
    assert somebody.delete(ITEMS[kind]).status_code == (200 if "delete" in RIGHTS[letters] else 403 if letters else 404)


def listed(client: httpx.Client, **params: str) -> set[str]:
    answer = client.get("/data/projects", params={"format": "json", **params})
    return {row.get("id") or row["ID"] for row in answer.raise_for_status().json()["ResultSet"]["Result"]}


def test_projects_are_listed_by_the_rights_of_a_group(admin: httpx.Client, somebody: httpx.Client) -> None:
    assert listed(somebody) == set()
    grant(admin, {SUBJECT: "R", MR: "RE"})
    assert listed(somebody) == listed(somebody, accessible="true") == listed(somebody, data="readable") == {"P1"}
    for right, kind, found in (
        ("read", MR, {"P1"}),
        ("create", MR, {"P1"}),
        ("delete", MR, set()),
        ("create", SUBJECT, set()),
        ("read", PET, set()),
    ):
        assert listed(somebody, permissions=right, dataType=kind) == found
    assert listed(somebody, creatableTypes="true") == {"P1"}
    assert listed(somebody, **{"creatableTypes": "true", "data-type": SUBJECT}) == set()
    assert listed(somebody, data="writable") == listed(somebody, restrict="edit") == set()
    row = somebody.get("/data/projects", params={"accessible": "true"}).json()["ResultSet"]["Result"][0]
    assert "Some people" in row.values()


def test_listings_and_searches_leave_out_what_a_group_may_not_read(admin: httpx.Client, somebody: httpx.Client) -> None:
    grant(admin, {MR: "R"})
    rows = somebody.get("/data/projects/P1/experiments").json()["ResultSet"]["Result"]
    assert [row["label"] for row in rows] == ["MR"]
    found = somebody.get("/data/search/saved/@xnat:petSessionData/results").json()["ResultSet"]["Result"]
    assert found == []


def test_groups_are_listed_changed_and_removed(admin: httpx.Client, somebody: httpx.Client, site: Site) -> None:
    grant(admin, {MR: "R"})
    rows = admin.get("/data/projects/P1/groups").json()["ResultSet"]["Result"]
    assert {row["displayname"]: row["users"] for row in rows} == {
        "Some people": "1", "Owners": "1", "Members": "0", "Collaborators": "0"
    }  # fmt: skip
    people = admin.get("/data/projects/P1/users").json()["ResultSet"]["Result"]
    assert {row["login"]: row["GROUP_ID"] for row in people} == {"admin": "P1_owner", "jane": "P1_Somepeople"}
    assert b"Some people" in admin.get("/data/projects/P1/groups/P1_Somepeople").content
    grant(admin, {PET: "R"})  # the form says all rights
    assert somebody.get(ITEMS[MR]).status_code == 404
    assert somebody.put("/data/projects/P1/groups/P1_Somepeople").status_code == 403
    assert admin.delete("/data/projects/P1/groups/Owners").status_code == 403
    assert admin.delete("/data/projects/P1/groups/nobody").status_code == 404
    assert admin.delete("/data/projects/P1/groups/P1_Somepeople").status_code == 200
    assert listed(somebody) == set()
    assert "jane" not in site.projects["P1"].members


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({}, 400),
        ({"xdat:userGroup/displayName": "A_B"}, 400),
        ({"xdat:userGroup/displayName": "A", "xnat:mrSessionData_xnat:mrSessionData/project_P2_R": "1"}, 400),
        ({"xdat:userGroup/displayName": "A", "xnat:nothing_xnat:nothing/project_P1_R": "1"}, 400),
        ({"xdat:userGroup/displayName": "A", "xnat:mrSessionData_xnat:mrSessionData/project_P1_X": "1"}, 400),
        ({"xdat:userGroup/displayName": "A", "nonsense": "1"}, 400),
    ],
)
def test_a_group_that_is_not_understood_is_refused(
    admin: httpx.Client, somebody: httpx.Client, form: dict[str, str], status: int
) -> None:
    assert admin.put("/data/projects/P1/groups", data=form).status_code == status
    assert len(admin.get("/data/projects/P1/groups").json()["ResultSet"]["Result"]) == 3


def test_groups_are_there_again_after_a_restart(tmp_path, server, admin, somebody, site) -> None:  # type: ignore[no-untyped-def]
    grant(admin, {MR: "R"})
    site.save_accounts()
    site.documents.flush()
    again = Site.on_disk(tmp_path / "sandbox")
    jane = again.accounts.get("jane")
    assert jane is not None
    assert again.can(jane, "P1", "read", MR)
    assert not again.can(jane, "P1", "read", PET)
    again.close()


def test_an_assessor_has_the_rights_of_its_own_type(admin: httpx.Client, somebody: httpx.Client) -> None:
    grant(admin, {MR: "R"})
    session = admin.get("/data/projects/P1/experiments").json()["ResultSet"]["Result"][0]["ID"]
    path = f"/xapi/custom-fields/experiments/{session}/assessors/QC/fields"
    assert somebody.get(path).status_code == 404
    assert somebody.put(path, json={"a": "b"}).status_code == 403
    assert somebody.get(f"/xapi/custom-fields/experiments/{session}/fields").status_code == 200


def test_favorites_and_what_was_read_last_choose_projects(admin: httpx.Client, somebody: httpx.Client) -> None:
    for project in ("P1", "P2"):
        admin.put(f"/data/projects/{project}/accessibility/public").raise_for_status()
    assert listed(somebody, favorite="true") == listed(somebody, recent="true") == set()
    assert somebody.put("/data/users/favorites/Project/P2").status_code == 200
    assert listed(somebody, favorite="true") == {"P2"}
    assert somebody.get("/data/users/favorites/Project").json()["ResultSet"]["Result"][0]["id"] == "P2"
    assert somebody.delete("/data/users/favorites/Project/P2").status_code == 200
    assert listed(somebody, favorite="true") == set()
    assert somebody.get("/data/projects/P1", params={"format": "xml"}).status_code == 200
    assert listed(somebody, recent="true") == set()
    assert somebody.get("/data/projects/P1", params={"format": "html"}).status_code == 200
    assert listed(somebody, recent="true") == {"P1"}


def test_a_session_joined_to_a_shared_subject_keeps_its_own_label(admin: httpx.Client, somebody: httpx.Client) -> None:
    admin.put("/data/projects/P1/subjects/S1/projects/P2", params={"label": "THERE"}).raise_for_status()
    answer = admin.get("/data/projects/P2/subjects", params={"columns": "label,xnat:mrSessionData/label"})
    rows = answer.json()["ResultSet"]["Result"]
    assert {(row["label"], row["xnat:mrsessiondata/label"]) for row in rows} == {("S1", "MR"), ("THERE", "MR")}
