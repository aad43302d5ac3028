"""Direct archive: files go straight into the archive folder (import.md §3)."""

from __future__ import annotations

import httpx
import pytest

from sandbox.conftest import Clock
from sandbox.dicom_study import ROOT, landed, logs, message, mr_object, project, rows, send, study, zipped
from xnatsync.sandbox.http.server import SandboxServer
from xnatsync.sandbox.model.site import Site

NAMED = "project=P1&subject=S1&session=E1&Direct-Archive=true"
URI = f"/xapi/direct-archive/P1/{ROOT}.1/E1"
PAGE = {"filters": {"project": {"backend": "hibernate", "operator": "eq", "value": "P1"}}}


@pytest.fixture
def client(admin: httpx.Client) -> httpx.Client:
    project(admin)
    return admin


def waiting(client: httpx.Client, body: object = PAGE) -> list[dict[str, object]]:
    answer = client.post("/xapi/direct-archive", json=body)
    assert answer.status_code == 200
    return answer.json()


def drained(site: Site) -> None:
    assert site.prearchive.wait_for(lambda: not site.prearchive.directly(), 20)
    site.prearchive.jobs.stop()


def prearchived(client: httpx.Client) -> list[dict[str, str]]:
    return rows(client.get("/data/prearchive?format=json"))


def test_files_lie_in_the_archive_while_they_arrive_and_no_prearchive_row_shows(
    client: httpx.Client, site: Site
) -> None:
    assert landed(client, study([1]), NAMED) == URI
    assert landed(client, study([2]), NAMED) == URI
    assert prearchived(client) == []
    assert len(site.store.list("archive/P1/arc001/E1/SCANS")) == 4
    row = client.get(URI).json()
    assert (row["project"], row["tag"], row["name"], row["status"]) == ("P1", f"{ROOT}.1", "E1", "RECEIVING")
    assert [one["name"] for one in waiting(client)] == ["E1"]
    assert waiting(client, {"filters": {"project": {"operator": "eq", "value": "Q"}}}) == []
    assert waiting(client, {"page": 2, "size": 1}) == []


def test_a_trigger_archives_them(client: httpx.Client, site: Site) -> None:
    landed(client, study(), NAMED)
    answer = client.post(URI)
    assert (answer.status_code, answer.content) == (200, b"")
    drained(site)
    assert waiting(client) == []
    listed = rows(client.get("/data/projects/P1/subjects/S1/experiments/E1/scans/ALL/files?format=json"))
    assert len(listed) == 4
    assert all(client.get(f"/data{row['URI'].removeprefix('/data')}").status_code == 200 for row in listed)


def test_silence_archives_them(client: httpx.Client, site: Site, server: SandboxServer, clock: Clock) -> None:
    landed(client, study(), NAMED)
    clock.now += 300
    server.rebuilder.tick()
    drained(site)
    assert len(rows(client.get("/data/projects/P1/experiments?format=json"))) == 1


def test_a_trigger_is_refused_while_files_are_being_written(client: httpx.Client, site: Site) -> None:
    landed(client, study(), NAMED)
    site.prearchive.content(site.prearchive.directly()[0]).busy.add("SCANS/1/DICOM/9.dcm")
    refused = client.post(URI)
    assert (refused.status_code, "Refusing to trigger archive" in message(refused)) == (400, True)


def test_an_unknown_session_is_404(client: httpx.Client) -> None:
    assert client.get(URI).status_code == 404
    assert client.post(URI).status_code == 404
    assert client.delete("/xapi/direct-archive/99").status_code == 404


def test_a_session_can_be_deleted(client: httpx.Client, site: Site) -> None:
    landed(client, study(), NAMED)
    assert client.delete(f"/xapi/direct-archive/{waiting(client)[0]['id']}").status_code == 200
    assert waiting(client) == []
    assert site.store.list("archive") == []


@pytest.mark.parametrize("taken", ["session", "folder"])
def test_a_label_that_is_taken_forces_the_prearchive(client: httpx.Client, site: Site, taken: str) -> None:
    if taken == "session":
        landed(client, study(study=2), "project=P1&subject=S1&session=E1&action=commit&AA=true")
    else:
        site.store.write("archive/P1/arc001/E1/orphan.txt", [b"x"])
    assert landed(client, study(), NAMED).startswith("/data/prearchive/projects/P1/")
    assert waiting(client) == []


def test_without_a_project_the_prearchive_is_used(client: httpx.Client) -> None:
    uri = landed(client, study(StudyDescription="x"), "session=E1&Direct-Archive=true")
    assert uri.startswith("/data/prearchive/projects/Unassigned/")


def test_a_failure_moves_the_session_to_the_prearchive(client: httpx.Client, site: Site) -> None:
    landed(client, study(), NAMED.replace("session=E1", "session=E1!"))
    client.post(f"/xapi/direct-archive/P1/{ROOT}.1/E1!")
    drained(site)
    row = prearchived(client)[0]
    assert row["status"] == "ERROR"
    entries = [one["entry"] for one in rows(client.get(f"/data{row['url']}/logs?format=json"))]
    assert "Attempt to direct-archive failed" in entries
    assert site.store.list("archive") == []
    assert len(site.store.list("prearchive")) == 4


def test_a_label_taken_meanwhile_is_a_conflict(client: httpx.Client, site: Site) -> None:
    landed(client, study(), NAMED)
    client.put("/data/projects/P1/subjects/S1/experiments/E1?xsiType=xnat:mrSessionData").raise_for_status()
    client.post(URI)
    drained(site)
    row = prearchived(client)[0]
    assert row["status"] == "CONFLICT"
    assert "already exists" in logs(client, f"/data{row['url']}")


def test_files_after_receiving_go_to_the_prearchive_as_a_second_session(client: httpx.Client, site: Site) -> None:
    landed(client, study([1]), NAMED)
    site.prearchive.directly()[0].status = "_ARCHIVING"
    answer = send(client, zipped({"late.dcm": mr_object(2, 1)}), NAMED)
    assert answer.text.startswith("/data/prearchive/projects/P1/")


def test_direct_sessions_survive_a_restart(client: httpx.Client, site: Site, server: SandboxServer) -> None:
    landed(client, study(), NAMED)
    server.stop()
    site.close()
    again = Site.on_disk(site.cache.parent, site.clock)  # type: ignore[union-attr]
    again.accounts.add("admin", "secret", admin=True)
    with SandboxServer(again) as second, httpx.Client(base_url=second.url, auth=("admin", "secret")) as later:
        later.post(URI).raise_for_status()
        drained(again)
        assert len(rows(later.get("/data/projects/P1/subjects/S1/experiments/E1/scans/ALL/files?format=json"))) == 4
    again.close()
