"""Investigators: a table of the site that projects refer to (official TestXapiInvestigator; src InvestigatorsApi)."""

from __future__ import annotations

import httpx
import pytest

from xnatsync.sandbox.model.site import Site

ROOT = "/xapi/investigators"
PERSON = {"title": "Dr.", "firstname": "Ada", "lastname": "Byron", "department": "D", "email": "a@b.c", "phone": "1"}
OTHER = {"firstname": "Alan", "lastname": "Mathison"}


def made(admin: httpx.Client, person: dict[str, str]) -> int:
    answer = admin.post(ROOT, json=person)
    assert answer.status_code == 200
    return int(answer.json()["xnatInvestigatordataId"])


def people(admin: httpx.Client, project: str) -> dict[str, list[dict[str, object]]]:
    item = admin.get(f"/data/projects/{project}?format=json").json()["items"][0]
    return {
        child["field"]: [one["data_fields"] for one in child["items"]]
        for child in item["children"]
        if child["field"] in {"PI", "investigators/investigator"}
    }


def project_of(admin: httpx.Client, pi: int, *others: int) -> str:
    """A project made as XNAT's own client makes one: by the keys of rows."""
    named = "".join(
        f"&xnat:projectData/investigators/investigator[{at}]/xnat_investigatordata_id={other}"
        for at, other in enumerate(others, 1)
    )
    answer = admin.put(f"/data/projects/P1?xnat:projectData/pi_xnat_investigatordata_id={pi}{named}")
    assert answer.status_code == 200
    return "P1"


def test_a_project_names_investigators_by_the_keys_of_their_rows(admin):
    pi, other = made(admin, PERSON), made(admin, OTHER)
    project_of(admin, pi, other)
    found = {one["xnatInvestigatordataId"]: one for one in admin.get(ROOT).json()}
    assert found[pi].items() >= {**PERSON, "primaryProjects": ["P1"], "investigatorProjects": []}.items()
    assert found[other].items() >= {**OTHER, "primaryProjects": [], "investigatorProjects": ["P1"]}.items()
    shown = people(admin, "P1")
    assert shown["PI"][0].items() >= PERSON.items()
    assert shown["investigators/investigator"][0].items() >= OTHER.items()


def test_a_change_shows_in_the_projects_and_a_deletion_too(admin):
    pi = made(admin, PERSON)
    project_of(admin, pi, pi)
    changed = {**PERSON, "firstname": "Augusta", "institution": "I"}
    assert admin.put(f"{ROOT}/{pi}", json=changed).json()["firstname"] == "Augusta"
    assert len(admin.get(ROOT).json()) == 1
    assert all(one[0].items() >= changed.items() for one in people(admin, "P1").values())
    again = admin.put(f"{ROOT}/{pi}", json=changed)
    assert (again.status_code, again.text) == (200, "")  # nothing differs: XNAT's answer is empty
    assert admin.delete(f"{ROOT}/{pi}").json() is True
    assert (admin.get(ROOT).json(), people(admin, "P1")) == ([], {})
    assert admin.get(f"{ROOT}/{pi}").status_code == 404


def test_who_is_named_by_value_has_a_row_one_for_each_name(admin):
    admin.put("/data/projects/P1?pi_firstname=Ada&pi_lastname=Byron").raise_for_status()
    admin.put("/data/projects/P2?pi_firstname=Ada&pi_lastname=Byron&xnat:projectData/PI/phone=2").raise_for_status()
    (row,) = admin.get(ROOT).json()
    assert (row["primaryProjects"], row["phone"]) == (["P1", "P2"], "2")
    assert people(admin, "P1")["PI"][0]["phone"] == "2"


def test_the_table_gives_the_login_of_the_same_person(admin, site):
    site.accounts.add("ada", "secret", firstname="ADA", lastname="byron")
    made(admin, PERSON)
    made(admin, OTHER)
    rows = admin.get("/data/investigators?format=json").json()["ResultSet"]["Result"]
    assert [(row["lastname"], row["login"]) for row in rows] == [("Byron", "ada"), ("Mathison", "")]


@pytest.mark.parametrize(
    ("method", "address", "body", "status"),
    [
        ("POST", "", {"firstname": "Ada"}, 400),
        ("POST", "", {"firstname": " ", "lastname": "x"}, 400),
        ("POST", "", PERSON, 409),
        ("POST", "", {**OTHER, "nonsense": "1"}, 400),
        ("POST", "", {**OTHER, "phone": 1}, 400),
        ("POST", "", [], 400),
        ("PUT", "/999", OTHER, 404),
        ("PUT", "/x", OTHER, 400),
        ("DELETE", "/999", None, 404),
    ],
)
def test_what_is_not_understood_changes_nothing(admin, method, address, body, status):
    made(admin, PERSON)
    before = admin.get(ROOT).json()
    assert admin.request(method, f"{ROOT}{address}", json=body).status_code == status
    assert admin.get(ROOT).json() == before


def test_an_unknown_row_makes_no_project_of_it(admin):
    assert admin.put("/data/projects/P1?xnat:projectData/pi_xnat_investigatordata_id=77").status_code == 400
    assert admin.put("/data/projects/P1?xnat:projectData/pi_xnat_investigatordata_id=x").status_code == 400
    assert admin.get("/data/projects/P1?format=json").status_code == 404


def test_administrators_alone_delete(admin, server, site):
    pi = made(admin, PERSON)
    site.accounts.add("bob", "secret")
    with httpx.Client(base_url=server.url, auth=("bob", "secret")) as bob:
        assert bob.delete(f"{ROOT}/{pi}").status_code == 403
        assert bob.get(f"{ROOT}/{pi}").status_code == 200


def test_they_are_there_after_a_restart(admin, server, site, tmp_path):
    pi = made(admin, PERSON)
    project_of(admin, pi, pi)
    site.documents.flush()
    again = Site.on_disk(tmp_path / "sandbox")
    assert again.record.investigators[str(pi)].fields == PERSON
    assert (again.projects["P1"].pi, again.projects["P1"].investigators) == (pi, [pi])
    again.close()
