"""The config service, the routing rules and the scripts that are kept in it (import.md §4.1, §6.6, §2.9)."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import httpx
import pydicom
import pytest

from sandbox.dicom_study import landed, message, mr_object, project, rows, study
from xnatsync.sandbox.http.server import SandboxServer
from xnatsync.sandbox.model.site import Site

TEXT = {"Content-Type": "text/plain"}
JSON = {"Content-Type": "application/json"}
RULE = "/data/config/dicom/{}Rules"


@pytest.fixture
def client(admin: httpx.Client) -> httpx.Client:
    project(admin)
    return admin


@pytest.fixture
def stranger(server: SandboxServer, site: Site) -> Iterator[httpx.Client]:
    site.accounts.add("stranger", "pw")
    with httpx.Client(base_url=server.url, auth=("stranger", "pw"), timeout=30) as other:
        yield other


def put(client: httpx.Client, path: str, contents: str) -> None:
    client.put(path, content=contents, headers=TEXT).raise_for_status()


def test_json_with_contents_and_status_is_taken_apart(client: httpx.Client) -> None:
    answer = client.put("/data/config/T/p", json={"contents": "hello", "status": "disabled"})
    assert answer.status_code == 201
    (row,) = rows(client.get("/data/config/T/p?format=json"))
    assert (row["contents"], row["status"]) == ("hello", "disabled")
    assert client.put("/data/config/T/p", json={"contents": "x", "status": "perhaps"}).status_code == 400


def test_other_json_is_kept_as_it_is(client: httpx.Client) -> None:
    client.put("/data/config/T/p", content='{"a": 1}', headers=JSON).raise_for_status()
    assert client.get("/data/config/T/p?contents=true").text == '{"a": 1}'


@pytest.mark.parametrize("path", ["/data/config/T", "/data/config/T/p", "/data/projects/P1/config/T/p"])
def test_what_was_never_stored_is_not_found(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert message(answer).startswith("Couldn't find config for user admin")
    assert client.get(f"{path}?accept-not-found=true").status_code == 204


def test_a_rule_decides_before_the_headers_do(client: httpx.Client) -> None:
    put(client, RULE.format("subject"), "(0008,0050):^[0-9]{4}(.*):1 t:9 r:X")
    put(client, RULE.format("session"), "(0008,0030):never(.*)\n(0010,0010):.*_([\\w]+)")
    data = mr_object(AccessionNumber="1234975", PatientName="SPP_0x22")
    uri = landed(client, {"a.dcm": data}, "project=P1")
    (row,) = [one for one in rows(client.get("/data/prearchive/projects/P1?format=json")) if one["url"] in uri]
    assert (row["subject"], row["name"]) == ("X75", "0x22")


def test_a_rule_names_the_project_and_an_unknown_one_is_passed_over(client: httpx.Client) -> None:
    put(client, RULE.format("project"), "(0008,0050):(.*)\n(0008,0080):(.*)")
    found = landed(
        client, {"a.dcm": mr_object(AccessionNumber="nobody", InstitutionName="P1", StudyDescription="?")}, ""
    )
    assert found.startswith("/data/prearchive/projects/P1/")


def test_a_disabled_rule_is_none(client: httpx.Client) -> None:
    put(client, RULE.format("subject"), "(0008,0050):(.*)")
    client.put(f"{RULE.format('subject')}?status=disabled").raise_for_status()
    landed(client, {"a.dcm": mr_object(AccessionNumber="other")}, "project=P1")
    (row,) = rows(client.get("/data/prearchive/projects/P1?format=json"))
    assert row["subject"] == "SUB01"


def test_a_strangers_write_is_forbidden_not_hidden(client: httpx.Client, stranger: httpx.Client) -> None:
    put(client, "/data/projects/P1/config/T/p", "x")
    assert stranger.get("/data/projects/P1/config/T/p?contents=true").status_code == 404
    assert stranger.put("/data/projects/P1/config/T/p", content="y", headers=TEXT).status_code == 403


def test_a_script_that_was_never_stored_cannot_be_enabled(client: httpx.Client) -> None:
    answer = client.put("/xapi/anonymize/projects/P1/enabled?enable=true", headers=JSON)
    assert answer.status_code == 500
    assert "Couldn't find the site configuration for tool anon" in answer.text


def script_id(client: httpx.Client, place: str) -> str:
    return rows(client.get(f"/data/config/edit/{place}image/dicom/script?format=json"))[0]["id"]


def codes(client: httpx.Client, session: str, subject: str = "S1") -> list[str]:
    place = f"/data/projects/P1/subjects/{subject}/experiments/{session}"
    (row,) = rows(client.get(f"{place}/scans/1/files?format=json"))
    content = client.get(f"/data{row['URI'].removeprefix('/data')}").content
    return [str(item.CodeValue) for item in pydicom.dcmread(BytesIO(content)).DeidentificationMethodCodeSequence]


@pytest.mark.parametrize("again", [False, True])
def test_a_new_label_runs_the_projects_script_again_if_the_site_wants_that(client: httpx.Client, again: bool) -> None:
    client.post("/xapi/siteConfig", json={"rerunProjectAnonOnRename": again}).raise_for_status()
    put(client, "/xapi/anonymize/site", "(0010,0010) := subject")
    put(client, "/data/config/edit/projects/P1/image/dicom/script", "(0010,0020) := session")
    uri = landed(client, study([1], 1))
    client.post(f"{uri}?action=build").raise_for_status()
    client.post("/data/services/archive", data={"src": uri, "auto-archive": "false"}).raise_for_status()
    site, own = script_id(client, ""), script_id(client, "projects/P1/")
    assert site != own
    assert codes(client, "E1") == [site, own]
    client.put("/data/projects/P1/subjects/S1/experiments/E1?label=E2").raise_for_status()
    assert codes(client, "E2") == [site, own, own][: 3 if again else 2]
    client.put("/data/projects/P1/subjects/S1?label=S3").raise_for_status()
    assert codes(client, "E2", "S3") == [site, own, own, own][: 4 if again else 2]
    client.put("/data/projects/P1/subjects/S9/experiments/E2").raise_for_status()
    assert codes(client, "E2", "S9") == [site, own, own, own, own][: 5 if again else 2]


@pytest.mark.parametrize(
    ("enable", "body", "code"), [("maybe", "true", 400), ("true", "false", 200), ("", "false", 400)]
)
def test_a_script_is_switched_by_the_parameter_and_by_nothing_else(
    client: httpx.Client, enable: str, body: str, code: int
) -> None:
    query = {"enable": enable} if enable else {}
    answer = client.put(
        "/xapi/anonymize/site/enabled", params=query, content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == code
    assert client.get("/xapi/anonymize/site/enabled").json() is True


def test_the_legacy_addresses_have_the_columns_of_their_source(client: httpx.Client) -> None:
    """`project` is -1 for the site, a project without a script has no row (import.md §2.9: DicomEdit)."""
    base = "/data/config/edit/projects/P1/image/dicom"
    assert rows(client.get(f"{base}/script?format=json")) == rows(client.get(f"{base}/status?format=json")) == []
    put(client, f"{base}/script", "(0010,0020) := session")
    assert client.put(f"{base}/status?activate=true").status_code == 200
    script, status = (client.get(f"{base}/{tail}?format=json") for tail in ("script", "status"))
    assert "totalRecords" not in script.json()["ResultSet"]
    [row] = rows(script)
    assert (set(row), row["project"]) == ({"project", "user", "create_date", "script", "id"}, "P1")
    assert row["script"] == "(0010,0020) := session"
    [state] = rows(status)
    assert (set(state), state["edit"], state["id"]) == (
        {"project", "edit", "create_date", "user", "id"},
        "true",
        row["id"],
    )
    [site] = rows(client.get("/data/config/edit/image/dicom/script?format=json"))
    assert site["project"] == "-1"


@pytest.mark.parametrize(("query", "words"), [("", "Please set the activate"), ("?activate=TRUE", "should be either")])
def test_a_script_is_switched_by_true_or_false_alone(client: httpx.Client, query: str, words: str) -> None:
    answer = client.put(f"/data/config/edit/image/dicom/status{query}")
    assert (answer.status_code, words in answer.text) == (400, True)


def test_a_configuration_that_says_the_same_stays_as_it_is(admin, session):
    """XNAT's PUT is idempotent: no new version, and the id that scripts are recorded by stays (src ConfigResource)."""
    address, plain = "/data/projects/P1/config/T/X", {"Content-Type": "text/plain"}
    assert admin.put(address, content="a", headers=plain).status_code == 201
    before = admin.get(address).text
    assert admin.put(address, content="a", headers=plain).status_code == 200
    assert admin.get(address).text == before
    assert admin.put(f"{address}?status=FALSE").status_code == 200
    assert admin.get(f"{address}?contents=true").status_code == 404
    assert admin.put(address, content="a", headers=plain).status_code == 200
    assert admin.get(f"{address}?contents=true").text == "a"
    assert admin.delete(address).status_code == 200
    assert admin.get(f"{address}?contents=true").status_code == 404


@pytest.mark.parametrize(
    ("query", "content", "status"), [("", None, 400), ("", "  ", 500), ("?status=flying", None, 400)]
)
def test_a_configuration_without_contents_is_refused(admin, session, query, content, status):
    plain = {"Content-Type": "text/plain"}
    address = "/data/projects/P1/config/T/X"
    assert admin.put(f"{address}{query}", content=content, headers=plain).status_code == status
    assert admin.get(address).status_code == 404
    assert admin.delete(address).status_code == 404
