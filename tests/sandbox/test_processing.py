"""The Container Service and the old pipeline engine: what they answer, and what they only seem to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from sandbox.conftest import Clock
from services.processing import COMMAND
from xnatsync.sandbox.http.server import SandboxServer
from xnatsync.sandbox.model.processing import Pipeline
from xnatsync.sandbox.model.site import Site

AsUser = Callable[[str, str], httpx.Client]
LAUNCH = "/xapi/projects/P1/wrappers/{}/" + "root/session/launch"


@pytest.fixture
def as_user(session: str, site: Site, server: SandboxServer) -> Iterator[AsUser]:
    opened: list[httpx.Client] = []

    def login(name: str, role: str) -> httpx.Client:
        site.accounts.add(name, "pw")
        site.projects["P1"].members[name] = role
        opened.append(httpx.Client(base_url=server.url, auth=(name, "pw"), timeout=30))
        return opened[-1]

    yield login
    for one in opened:
        one.close()


@pytest.fixture
def wrapper(admin: httpx.Client, site: Site, session: str) -> int:
    """The number of a wrapper that is on everywhere, on a site with a daemon."""
    site.processing.book.installed = site.processing.book.daemon = True
    made = admin.post("/xapi/commands", json=COMMAND)
    assert made.status_code == 201
    (one,) = admin.get(f"/xapi/commands/{made.text}").json()["xnat"]
    for place in ("", "/projects/P1"):
        admin.put(f"/xapi{place}/wrappers/{one['id']}/enabled").raise_for_status()
    number: int = one["id"]
    return number


def started(client: httpx.Client, wrapper: int, session: str) -> dict[str, object]:
    answer = client.post(LAUNCH.format(wrapper), json={"session": f"/archive{session.removeprefix('/data')}"})
    assert answer.status_code == 200, answer.text
    report: dict[str, object] = answer.json()
    return report


def workflow(client: httpx.Client, number: object) -> dict[str, str]:
    fields: dict[str, str] = client.get(f"/data/workflows/{number}?format=json").json()["items"][0]["data_fields"]
    return fields


def test_without_the_plug_in_there_is_nothing(admin: httpx.Client, session: str) -> None:
    """Neither in the list nor at its addresses."""
    assert admin.get("/xapi/plugins").json() == {}
    assert admin.get("/xapi/plugins/containers").status_code == 404
    for path in ("/xapi/commands", "/xapi/containers", "/xapi/projects/P1/containers"):
        assert admin.get(path).status_code == 404
    assert admin.post(LAUNCH.format(1), json={}).status_code == 404


def test_commands_are_made_shown_and_removed(admin: httpx.Client, wrapper: int, as_user: AsUser) -> None:
    """A bare number for a new one; the same name and version is refused; removing what is not there is 204."""
    assert "containers" in admin.get("/xapi/plugins").json()
    assert [one["name"] for one in admin.get("/xapi/commands").json()] == ["dcm2niix"]
    assert admin.post("/xapi/commands", json=COMMAND).status_code == 400
    assert "name cannot be blank" in admin.post("/xapi/commands", json={"image": "x:1"}).text
    assert as_user("mem", "member").post("/xapi/commands", json=COMMAND).status_code == 401
    assert admin.get("/xapi/commands/99").status_code == 404
    assert admin.delete("/xapi/commands/99").status_code == 204


def test_a_wrapper_is_on_where_both_switches_are(admin: httpx.Client, wrapper: int, as_user: AsUser) -> None:
    """A project's switch shows nothing while that of the site is off (§11.3)."""
    path = f"/xapi/projects/P1/wrappers/{wrapper}/enabled"
    assert admin.get(path).json() == {"enabled-for-site": True, "enabled-for-project": True, "project": "P1"}

    admin.put(f"/xapi/wrappers/{wrapper}/disabled").raise_for_status()

    assert admin.get(path).json()["enabled-for-project"] is False
    assert admin.get(f"/xapi/wrappers/{wrapper}/enabled").json() is False
    assert as_user("col", "collaborator").get(path).status_code == 403
    offered = admin.get("/xapi/projects/P1/commands/available?xsiType=xnat:mrSessionData").json()
    assert [(row["wrapper-id"], row["enabled"], row["root-element-name"]) for row in offered] == [
        (wrapper, False, "session")
    ]
    assert admin.get("/xapi/projects/P1/commands/available?xsiType=xnat:petSessionData").json() == []
    assert admin.get("/xapi/projects/P1/commands/available?xsiType=mr").status_code == 400


def test_a_launch_goes_through_its_stages(
    admin: httpx.Client, wrapper: int, session: str, site: Site, clock: Clock
) -> None:
    """Queued, staged, created with a container, running, complete; the history of the session tells it."""
    report = started(admin, wrapper, session)
    number = report["workflow-id"]
    seen = []
    for _ in range(8):
        seen.append(workflow(admin, number)["status"])
        clock.now += 1.0

    assert seen == ["Queued", "_Queued", "Staging", "Created", "Running", "Finalizing", "Complete", "Complete"]
    (container,) = admin.get("/xapi/projects/P1/containers").json()
    assert (container["workflow-id"], container["status"]) == (number, "Complete")
    assert workflow(admin, number)["comments"] == container["container-id"]
    (event,) = [one for one in admin.get(f"{session}/history").json()["events"] if one.get("event_type") == "PROCESS"]
    assert (event["event_id"], event["event_action"], event["event_status"]) == (
        int(str(number)),
        "dcm2niix-session",
        "Complete",
    )


def test_without_a_daemon_success_is_a_failure(
    admin: httpx.Client, wrapper: int, session: str, site: Site, clock: Clock
) -> None:
    """The launch is answered with success (§11.1), and there is no container."""
    site.processing.book.daemon = False
    report = started(admin, wrapper, session)
    clock.now += 3.0

    assert report["status"] == "success"
    assert workflow(admin, report["workflow-id"])["status"] == "Failed (Container launch)"
    assert admin.get("/xapi/containers").json() == []


def test_most_mistakes_are_answered_with_success(admin: httpx.Client, wrapper: int, session: str) -> None:
    """An unknown wrapper without a root does nothing; with one, and an unknown project, 500 (§11.4)."""
    report = admin.post("/xapi/projects/P1/wrappers/99/launch", json={"session": session})
    assert (report.status_code, report.json()["status"], report.json()["workflow-id"]) == (
        200,
        "success",
        "To be assigned",
    )
    refused = admin.post(LAUNCH.format(99), json={"session": session})
    assert (refused.status_code, refused.json()["status"]) == (500, "failure")
    assert admin.post(LAUNCH.format(wrapper).replace("P1", "NO"), json={}).status_code == 500


def test_containers_are_killed_by_whom_they_concern(
    admin: httpx.Client, wrapper: int, session: str, clock: Clock, as_user: AsUser
) -> None:
    """Unknown 404; another member 401; then `Failed (Killed)`; a log of an unknown one is 500 (§11.6)."""
    number = started(admin, wrapper, session)["workflow-id"]
    clock.now += 4.0
    container = workflow(admin, number)["comments"]
    assert as_user("mem", "member").post(f"/xapi/containers/{container}/kill").status_code == 401
    assert admin.get(f"/xapi/containers/{container}/kill").status_code == 405

    assert admin.post(f"/xapi/containers/{container}/kill").text == container

    assert workflow(admin, number)["status"] == "Failed (Killed)"
    assert admin.get(f"/xapi/containers/{container}/logs/stdout").text.startswith("stdout")
    unknown = admin.get("/xapi/containers/none")
    assert (unknown.status_code, unknown.text) == (404, "No container with ID none")
    assert admin.get("/xapi/containers/none/logs/stdout").status_code == 500
    assert admin.post("/xapi/containers/none/kill").status_code == 404


# --- the old engine --------------------------------------------------------------------------------------------------


@pytest.fixture
def pipelines(site: Site, session: str) -> None:
    site.processing.book.pipelines = [Pipeline("DicomToNifti", "/p/DicomToNifti.xml"), Pipeline("Other", "/p/O.xml")]
    site.processing.book.project_pipelines["P1"] = ["DicomToNifti"]


@pytest.mark.usefixtures("pipelines")
def test_pipelines_are_listed_by_right(admin: httpx.Client, as_user: AsUser) -> None:
    """The old address wants the right to delete the project, the new one a login."""
    member = as_user("mem", "member")
    rows = admin.get("/data/projects/P1/pipelines?format=json").json()["ResultSet"]["Result"]
    assert [(row["Name"], row["Datatype"]) for row in rows] == [("DicomToNifti", "All Datatypes")]
    more = admin.get("/data/projects/P1/pipelines?format=json&additional=true").json()["ResultSet"]["Result"]
    assert [row["Name"] for row in more] == ["Other"]
    assert member.get("/data/projects/P1/pipelines?format=json").status_code == 403
    assert member.get("/xapi/pipelines/project/P1").json()["ResultSet"]["Result"] == rows
    assert len(member.get("/xapi/pipelines/site").json()["ResultSet"]["Result"]) == 2
    assert member.get("/xapi/pipelines/project/NO").status_code == 404
    assert admin.get("/data/projects/P1/pipelines/DicomToNifti").status_code == 501


@pytest.mark.usefixtures("pipelines")
def test_a_report_counts_failures_inside_a_200(admin: httpx.Client, session: str, site: Site, clock: Clock) -> None:
    """No reason, no workflow in it; the latest run is what is ended."""
    body = {"Experiments": f'["/archive{session.removeprefix("/data")}"]'}
    for name, done in (("DicomToNifti", 1), ("Nothing", 0)):
        report = admin.post(f"/xapi/pipelines/launch/{name}?project=P1", json=body)
        assert (report.status_code, report.json()["successes"], report.json()["failures"]) == (200, done, 1 - done)
    admin.post("/xapi/pipelines/launch/DicomToNifti?project=P1", json=body)
    assert admin.post("/xapi/pipelines/launch/DicomToNifti?project=P1", json={}).status_code == 400

    ending = {**body, "pipelinePath": "/p/DicomToNifti.xml"}
    ended = admin.post("/xapi/pipelines/terminate/DicomToNifti/project/P1", json=ending)

    assert ended.json()["successes"] == 1
    first, second = site.processing.book.runs
    assert (workflow(admin, first)["status"], workflow(admin, second)["status"]) == ("Queued", "Killed")
    assert workflow(admin, first)["pipeline_name"] == "/p/DicomToNifti.xml"
    assert admin.post("/xapi/pipelines/terminate/DicomToNifti/project/P1", json=body).status_code == 400
    clock.now += 2.0
    assert workflow(admin, first)["status"] == "Complete"


def test_what_runs_is_kept_over_a_restart(
    admin: httpx.Client, wrapper: int, session: str, site: Site, clock: Clock, tmp_path: Path
) -> None:
    """Commands, switches and runs."""
    number = str(started(admin, wrapper, session)["workflow-id"])
    site.close()
    again = Site.on_disk(tmp_path / "sandbox", clock)

    assert again.processing.is_enabled(wrapper, "P1")
    clock.now += 9.0
    again.processing.settle()
    assert again.processing.workflow(again.processing.book.runs[number])["status"] == "Complete"
    again.close()
