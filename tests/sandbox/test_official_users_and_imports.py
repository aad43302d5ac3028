"""What XNAT's own tests assert of users, preferences, refreshes and imports (rows N6 to N25 of the review)."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from sandbox.dicom_study import landed, mr_object, project, rows, send, study, zipped
from xnatsync.sandbox.http.server import SandboxServer
from xnatsync.sandbox.model.site import Site


@pytest.fixture
def client(admin: httpx.Client) -> httpx.Client:
    project(admin)
    return admin


@pytest.fixture
def someone(server: SandboxServer, site: Site) -> Iterator[httpx.Client]:
    site.accounts.add("someone", "pw")
    with httpx.Client(base_url=server.url, auth=("someone", "pw"), timeout=30) as other:
        yield other


def test_a_fresh_site_has_admin_and_guest(client: httpx.Client) -> None:
    profiles = {one["username"]: one for one in client.get("/xapi/users/profiles").json()}
    assert [(one["id"], one["firstName"], one["lastName"]) for one in profiles.values()] == [
        (2, "XNAT", "Guest"), (1, "Admin", "Admin")
    ]  # fmt: skip


def test_roles_and_groups_are_given_as_lists(client: httpx.Client, someone: httpx.Client) -> None:
    assert someone.get("/xapi/role/projects").status_code == 403
    client.put("/xapi/users/someone/roles", json=["non_expiring", "Privileged"]).raise_for_status()
    assert client.get("/xapi/users/someone/roles").json() == ["Privileged", "non_expiring"]
    assert [one["id"] for one in someone.get("/xapi/role/projects").json()] == ["P1"]
    assert client.put("/xapi/users/someone/roles", json=["Nobody"]).status_code == 404
    assert client.get("/xapi/users/rolemap").json()["Privileged"] == ["someone"]
    plain = ["Administrator", "CustomFormManager", "Privileged", "non_expiring"]
    assert client.get("/xapi/users/roles").json() == plain == list(client.get("/xapi/users/rolemap").json())


@pytest.mark.parametrize(("group", "writes"), [("ALL_DATA_ADMIN", 201), ("ALL_DATA_ACCESS", 403)])
def test_the_all_data_groups_reach_every_project(
    client: httpx.Client, someone: httpx.Client, group: str, writes: int
) -> None:
    assert someone.get("/data/projects/P1").status_code == 404
    client.put("/xapi/users/someone/groups", json=[group]).raise_for_status()
    assert client.get("/xapi/users/someone/groups").json() == [group]
    assert someone.get("/data/projects/P1?format=json").status_code == 200
    assert someone.put("/data/projects/P1/subjects/S7").status_code == writes
    client.delete(f"/xapi/users/someone/groups/{group}").raise_for_status()
    assert someone.get("/data/projects/P1").status_code == 404


@pytest.mark.parametrize(("restricted", "status"), [("true", 403), ("false", 200)])
def test_the_list_of_users_may_be_for_administrators_alone(
    client: httpx.Client, someone: httpx.Client, restricted: str, status: int
) -> None:
    client.post("/xapi/siteConfig", json={"restrictUserListAccessToAdmins": restricted}).raise_for_status()
    assert someone.get("/data/users?format=json").status_code == status
    assert client.get("/data/users?format=json").status_code == 200


def test_preferences_are_shown_by_who_asks(client: httpx.Client, someone: httpx.Client) -> None:
    client.post("/xapi/siteConfig", json={"madeUpByATest": "x"}).raise_for_status()
    for key, status in (
        ("siteId", 200),
        ("sitewidePetTracers", 200),
        ("passwordComplexityMessage", 403),
        ("madeUpByATest", 403),
    ):
        assert someone.get(f"/xapi/siteConfig/{key}").status_code == status
        assert (key in someone.get("/xapi/siteConfig").json()) is (status == 200)
        assert client.get(f"/xapi/siteConfig/{key}").status_code == 200


def test_an_anonymous_visitor_of_an_open_site_is_greeted_as_guest(
    client: httpx.Client, anonymous: httpx.Client
) -> None:
    client.post("/xapi/siteConfig", json={"requireLogin": False}).raise_for_status()
    assert '<span style="color:red;">Guest</span>' in anonymous.get("/").text


def test_a_user_is_shown_as_xml_without_a_password(client: httpx.Client, someone: httpx.Client) -> None:
    path = (
        "/app/action/XDATActionRouter/xdataction/xml/search_element/xdat:user/search_field/xdat:user.login/search_value"
    )
    shown = client.get(f"{path}/someone/popup/true").text
    assert "xdat:firstname" in shown
    assert "password" not in shown
    assert someone.get(f"{path}/admin/popup/true").status_code == 403


def test_a_token_for_somebody_else_is_for_administrators(someone: httpx.Client) -> None:
    refused = someone.get("/data/services/tokens/issue/user/admin")
    assert (refused.status_code, "admin" in refused.text) == (403, True)


def test_a_catalogue_is_refreshed_by_a_form(client: httpx.Client, session: str, site: Site) -> None:
    headers = {"Content-Type": "application/octet-stream"}
    client.put(f"{session}/resources/R/files/a?inbody=true", content=b"x", headers=headers).raise_for_status()
    site.store.write(f"{site.experiments['XNAT_E00001'].resources['R'].folder}/b", [b"yy"])
    form = {"resource": f"/archive{session.removeprefix('/data')}/resources/R", "options": "append"}
    client.post("/data/services/refresh/catalog", data=form).raise_for_status()
    assert {row["Name"] for row in rows(client.get(f"{session}/resources/R/files?format=json"))} == {"a", "b"}


@pytest.mark.parametrize(("code", "archived"), [(4, True), (5, True), (0, False)])
def test_the_session_importer_follows_the_projects_code(client: httpx.Client, code: int, archived: bool) -> None:
    client.put(f"/data/projects/P1/prearchive_code/{code}").raise_for_status()
    answer = send(client, zipped(study([1], 1)), "import-handler=SI&PROJECT_ID=P1")
    assert answer.text.startswith("/data/archive/" if archived else "/data/prearchive/")


def test_an_import_with_a_listener_can_be_asked_for_afterwards(client: httpx.Client) -> None:
    send(client, zipped(study([1], 1)), "import-handler=SI&project=P1&subject=S&session=E&http-session-listener=t1")
    assert client.get("/data/status/t1").json()["msgs"][0][-1]["status"] == "COMPLETED"
    send(client, b"nonsense", "import-handler=SI&project=P1&http-session-listener=t2")
    assert client.get("/data/status/t2").json()["msgs"][0][-1]["status"] == "FAILED"


def test_the_archive_call_sets_fields_of_scans(client: httpx.Client) -> None:
    uri = landed(client, study([1, 2], 1))
    client.post(f"{uri}?action=build").raise_for_status()
    path = "xnat:mrSessionData/scans/scan[0][@xsi:type=xnat:mrScanData]/type"
    client.post("/data/services/archive", data={"src": uri, "auto-archive": "false", path: "ARC"}).raise_for_status()
    scans = rows(client.get("/data/projects/P1/subjects/S1/experiments/E1/scans?format=json"))
    assert [scan["type"] for scan in scans] == ["ARC", "series 2"]


@pytest.mark.parametrize("path", ["xnat:mrSessionData/subject_ID", "xnat:mrSessionData/subject_id"])
def test_the_archive_call_names_the_subject_by_its_path(client: httpx.Client, path: str) -> None:
    uri = landed(client, study([1], 1))
    client.post(f"{uri}?action=build").raise_for_status()
    form = {
        "src": uri,
        "auto-archive": "false",
        path: "OTHER",
        path.replace("subject_", "").replace("ID", "label"): "E9",
    }
    form = {key: value for key, value in form.items() if not key.endswith("/id")}
    client.post("/data/services/archive", data=form).raise_for_status()
    assert [row["label"] for row in rows(client.get("/data/projects/P1/subjects?format=json"))] == ["OTHER"]


def test_a_session_whose_objects_were_all_rejected_is_not_archived_and_says_why(client: httpx.Client) -> None:
    script = {"content": 'version "6.6"\nreject[]', "headers": {"Content-Type": "text/plain"}}
    client.put("/xapi/anonymize/projects/P1", **script).raise_for_status()
    uri = landed(client, study([1], 1))
    client.post(f"{uri}?action=build").raise_for_status()
    assert client.post("/data/services/archive", data={"src": uri}).status_code == 500
    page = client.get(uri, params={"format": "html", "screen": "PrearchiveDetails.vm"})
    assert '<div class="alert">Empty sessions cannot be archived.</div>' in page.text


@pytest.mark.parametrize("whole", [True, False])
def test_headers_are_pulled_into_a_session_or_into_one_scan(client: httpx.Client, whole: bool) -> None:
    base = "/data/projects/P1/subjects/S1/experiments/E1"
    client.put(base, params={"xsiType": "xnat:mrSessionData"}).raise_for_status()
    for scan in ("1", "2"):
        client.put(f"{base}/scans/{scan}", params={"xsiType": "xnat:mrScanData", "type": "Unknown"}).raise_for_status()
        client.put(f"{base}/scans/{scan}/resources/DICOM", params={"format": "DICOM"}).raise_for_status()
        content = mr_object(SeriesDescription=f"t1 {scan}")
        client.put(f"{base}/scans/{scan}/resources/DICOM/files/1.dcm?inbody=true", content=content).raise_for_status()
    pulled = base if whole else f"{base}/scans/1"
    client.put(pulled, params={"pullDataFromHeaders": "true"}).raise_for_status()
    types = {row["ID"]: row["type"] for row in rows(client.get(f"{base}/scans?format=json"))}
    assert types == {"1": "t1 1", "2": "t1 2" if whole else "Unknown"}
    assert client.put(f"{base}/scans/1", params={"fixScanTypes": "true"}).status_code == 400  # XNAT does not read it


def test_a_session_has_the_field_strength(client: httpx.Client) -> None:
    uri = landed(client, {"a.dcm": mr_object(MagneticFieldStrength="3")})
    client.post(f"{uri}?action=build").raise_for_status()
    client.post("/data/services/archive", data={"src": uri, "auto-archive": "false"}).raise_for_status()
    shown = client.get("/data/projects/P1/subjects/S1/experiments/E1?format=json").json()
    assert shown["items"][0]["data_fields"]["fieldStrength"] == "3.0"
