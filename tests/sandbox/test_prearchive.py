"""The prearchive over REST: rows, statuses, timers, actions, what lies below a session (import.md §2.1–2.4, §2.7)."""

from __future__ import annotations

import io
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from sandbox.conftest import Clock
from sandbox.dicom_study import ROOT, files, landed, logs, message, mr_object, project, rows, send, study, zipped
from xnatsync.sandbox.http.server import SandboxServer
from xnatsync.sandbox.model import operations
from xnatsync.sandbox.model.prearchive import Row
from xnatsync.sandbox.model.site import Site

COLUMNS = [
    *("project", "timestamp", "lastmod", "uploaded", "scan_date", "scan_time", "subject", "folderName", "name", "tag"),
    *("status", "url", "autoarchive", "prevent_anon", "prevent_auto_commit", "SOURCE", "VISIT", "PROTOCOL", "TIMEZONE"),
]


@pytest.fixture
def client(admin: httpx.Client) -> httpx.Client:
    project(admin)
    return admin


@pytest.fixture
def as_user(client: httpx.Client, site: Site, server: SandboxServer) -> Iterator[Callable[[str, str], httpx.Client]]:
    opened: list[httpx.Client] = []

    def login(name: str, role: str) -> httpx.Client:
        site.accounts.add(name, "pw")
        if role:
            site.projects["P1"].members[name] = role
        opened.append(httpx.Client(base_url=server.url, auth=(name, "pw"), timeout=30))
        return opened[-1]

    yield login
    for one in opened:
        one.close()


def listing(client: httpx.Client, path: str = "/data/prearchive?format=json") -> list[dict[str, str]]:
    return rows(client.get(path))


def only(site: Site) -> Row:
    return next(iter(site.prearchive))


def until(site: Site, condition: Callable[[], bool]) -> None:
    assert site.prearchive.wait_for(condition, 20)


# -- the listing -------------------------------------------------------------------------------------------------------


def test_a_row_has_its_nineteen_columns_in_order_and_no_total(client: httpx.Client) -> None:
    landed(client, study(), "project=P1&subject=S1&session=E1&SOURCE=uploader&prevent_auto_commit=true&VISIT=v1")
    answer = client.get("/data/prearchive?format=json")
    assert "totalRecords" not in answer.text
    row = answer.json()["ResultSet"]["Result"][0]
    assert list(row) == COLUMNS
    assert (row["project"], row["subject"], row["name"], row["folderName"]) == ("P1", "S1", "E1", "E1")
    assert (row["tag"], row["status"], row["autoarchive"]) == (f"{ROOT}.1", "RECEIVING", "Manual")
    assert (row["scan_date"], row["scan_time"]) == ("2024-01-02 00:00:00.0", "10:11:12")
    assert (row["SOURCE"], row["VISIT"], row["prevent_auto_commit"]) == ("uploader", "v1", "true")
    assert row["url"] == f"/prearchive/projects/P1/{row['timestamp']}/E1"


def test_csv_has_the_same_columns(client: httpx.Client) -> None:
    assert client.get("/data/prearchive?format=csv").text.strip() == ",".join(COLUMNS)


@pytest.mark.parametrize(("code", "word"), [(0, "Manual"), (4, "AutoArchive"), (5, "AutoArchiveOverwrite")])
def test_autoarchive_shows_the_projects_code(client: httpx.Client, code: int, word: str) -> None:
    project(client, "Q", code)
    landed(client, study(), "project=Q&session=E1")
    assert listing(client)[0]["autoarchive"] == word


def test_who_sees_which_rows(client: httpx.Client, as_user: Callable[[str, str], httpx.Client]) -> None:
    member, reader, stranger = as_user("mem", "member"), as_user("col", "collaborator"), as_user("str", "")
    landed(client, study())
    landed(client, study(study=2, StudyDescription="x"), "session=U")
    assert {row["project"] for row in listing(client)} == {"P1", "Unassigned"}
    assert {row["project"] for row in listing(client, "/data/prearchive/projects/P1?format=json")} == {
        "P1",
        "Unassigned",
    }
    assert [row["project"] for row in listing(member)] == ["P1"]
    assert listing(reader) == []  # all projects: those one may edit
    assert len(listing(reader, "/data/prearchive/projects/P1?format=json")) == 1  # a named one: reading is enough
    refused = stranger.get("/data/prearchive/projects/P1?format=json")
    assert refused.status_code == 403
    assert message(refused) == "The current user does not have access to the requested project: P1"


def test_rows_are_found_by_their_study_by_administrators_only(
    client: httpx.Client, as_user: Callable[[str, str], httpx.Client]
) -> None:
    landed(client, study())
    landed(client, study(study=2), "project=P1&session=E2")
    assert [row["name"] for row in listing(client, f"/data/prearchive?tag={ROOT}.2&format=json")] == ["E2"]
    assert as_user("mem", "member").get(f"/data/prearchive?tag={ROOT}.2&format=json").status_code == 403


def test_a_session_needs_the_edit_right_even_to_look(
    client: httpx.Client, as_user: Callable[[str, str], httpx.Client]
) -> None:
    uri = landed(client, study())
    lost = landed(client, study(study=2, StudyDescription="x"), "session=U")
    reader, member = as_user("col", "collaborator"), as_user("mem", "member")
    assert reader.get(f"{uri}?format=json").status_code == 403
    assert reader.delete(uri).status_code == 403
    assert member.get(f"{uri}?format=json").status_code == 200
    assert member.get(f"{lost}?format=json").status_code == 500
    assert member.delete(lost).status_code == 500
    assert member.post(f"{lost}?action=build").status_code == 200


# -- one session -------------------------------------------------------------------------------------------------------


def test_nothing_is_below_a_session_before_it_is_built(client: httpx.Client) -> None:
    uri = landed(client, study())
    document = client.get(uri)
    assert (document.status_code, "XNAT session document is not available" in message(document)) == (404, True)
    for below in ("/scans", "/resources", "/scans/1/resources", "/scans/1/resources/DICOM/files"):
        refused = client.get(f"{uri}{below}?format=json")
        assert (refused.status_code, message(refused)) == (404, "Unable to locate prearc resource.")
    assert listing(client, f"{uri}?format=json")[0]["status"] == "RECEIVING"


def test_a_built_session_shows_document_scans_resources_and_files(client: httpx.Client) -> None:
    uri = landed(client, study())
    built = client.post(f"{uri}?action=build")
    assert (built.status_code, built.text) == (200, uri)
    assert listing(client)[0]["status"] == "READY"
    document = client.get(uri)
    assert document.headers["content-type"].startswith("text/xml")
    assert "<xnat:MRSession" in document.text
    scans = rows(client.get(f"{uri}/scans?format=json"))
    assert scans[0] == {"ID": "1", "xsiType": "xnat:mrScanData", "series_description": "series 1"}
    resources = rows(client.get(f"{uri}/resources?format=json"))
    assert list(resources[0]) == ["category", "cat_id", "label", "file_count", "file_size"]
    assert [(row["cat_id"], row["label"], row["file_count"]) for row in resources] == [
        ("1", "DICOM", "2"),
        ("2", "DICOM", "2"),
    ]
    found = files(client, uri)
    assert [row["Name"] for row in found] == ["1-1.dcm", "1-2.dcm", "2-1.dcm", "2-2.dcm"]
    assert all(len(client.get(row["URI"]).content) == int(row["Size"]) for row in found)
    assert client.get(f"{uri}/scans/1/resources/DICOM/files/nope.dcm").status_code == 404


def test_a_session_downloads_as_a_zip(client: httpx.Client) -> None:
    uri = landed(client, study([1], 2))
    with zipfile.ZipFile(io.BytesIO(client.get(f"{uri}?format=zip").content)) as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == ["E1/SCANS/1/DICOM/1-1.dcm", "E1/SCANS/1/DICOM/1-2.dcm"]


def test_an_unknown_session_is_404(client: httpx.Client) -> None:
    for method in ("GET", "POST", "DELETE"):
        path = "/data/prearchive/projects/P1/20240101_000000000/NOPE?action=build"
        assert client.request(method, path).status_code == 404


@pytest.mark.parametrize("action", ["rebuild", "archive", "explode"])
def test_other_actions_are_refused_by_name(client: httpx.Client, action: str) -> None:
    uri = landed(client, study())
    refused = client.post(f"{uri}?action={action}")
    words = f"User admin requested an unsupported action on prearchive session: {action}"
    assert (refused.status_code, message(refused)) == (400, words)
    assert client.post(uri).status_code == 400


def test_set_status_takes_known_and_unlocked_words(client: httpx.Client) -> None:
    uri = landed(client, study())
    assert client.post(f"{uri}?action=set-status&status=ERROR").status_code == 200
    assert listing(client)[0]["status"] == "ERROR"
    for bad in ("_READY", "_BUILDING", "DONE", ""):
        assert client.post(f"{uri}?action=set-status&status={bad}").status_code == 400
    assert client.post(f"{uri}?action=reset-status").status_code == 200
    assert listing(client)[0]["status"] == "RECEIVING"


def test_a_locked_session_is_not_built_or_committed(client: httpx.Client, site: Site) -> None:
    uri = landed(client, study())
    only(site).status = "_ARCHIVING"
    for action in ("build", "commit"):
        refused = client.post(f"{uri}?action={action}")
        assert (refused.status_code, message(refused)) == (409, "session document locked")
    assert client.post(f"{uri}?action=set-status&status=READY").status_code == 200
    assert only(site).status == "_ARCHIVING"


def test_delete_removes_the_row_and_the_files(client: httpx.Client, site: Site) -> None:
    uri = landed(client, study())
    answer = client.delete(uri)
    assert (answer.status_code, answer.text) == (200, "")
    assert listing(client) == []
    assert site.store.list("prearchive") == []
    assert client.delete(uri).status_code == 404


def test_deleting_a_scan_removes_its_files(client: httpx.Client, site: Site) -> None:
    uri = landed(client, study())
    client.post(f"{uri}?action=build")
    assert client.delete(f"{uri}/scans/1").status_code == 200
    assert [row["ID"] for row in rows(client.get(f"{uri}/scans?format=json"))] == ["2"]
    assert len(site.store.list(only(site).path)) == 2
    assert client.delete(f"{uri}/scans/9").status_code == 404


def test_logs_are_listed_and_read(client: httpx.Client, site: Site) -> None:
    uri = landed(client, study())
    assert rows(client.get(f"{uri}/logs?format=json")) == []
    site.prearchive.log(only(site), "first")
    site.prearchive.log(only(site), "second")
    found = rows(client.get(f"{uri}/logs?format=json"))
    assert [list(row) for row in found] == [["id", "date", "entry"]] * 2
    assert list(rows(client.get(f"{uri}/logs?format=json&template=x"))[0]) == ["id"]
    assert logs(client, uri) == "second"
    assert client.get(f"{uri}/logs/{found[0]['id']}").text == "first"


# -- commit, move ------------------------------------------------------------------------------------------------------


def test_commit_in_a_manual_project_builds_and_stays(client: httpx.Client) -> None:
    uri = landed(client, study(), "project=P1&subject=S1&session=E1&prevent_auto_commit=true&SOURCE=uploader")
    answer = client.post(f"{uri}?action=commit&SOURCE=uploader")
    assert (answer.status_code, answer.text) == (200, uri)
    assert listing(client)[0]["status"] == "READY"


@pytest.mark.parametrize(
    ("name", "query"), [("AUTO", ""), ("AUTO", "&AA=false"), ("P1", "&AA=true"), ("P1", "&auto-archive=true")]
)
def test_commit_archives_with_301_and_no_location(client: httpx.Client, name: str, query: str) -> None:
    project(client, "AUTO", 4)
    uri = landed(client, study(), f"project={name}&subject=S1&session=E1")
    answer = client.post(f"{uri}?action=commit{query}")
    assert answer.status_code == 301
    assert "location" not in answer.headers
    assert answer.text == f"/data/archive/projects/{name}/subjects/S1/experiments/E1"
    assert listing(client) == []


def test_commit_takes_fields_from_a_json_body(client: httpx.Client) -> None:
    uri = landed(client, study())
    body = {"xnat:mrSessionData/note": "from the scanner", "VISIT": "v2", "AA": "true"}
    assert client.post(f"{uri}?action=commit", json=body).status_code == 301
    item = client.get("/data/projects/P1/subjects/S1/experiments/E1?format=json").json()["items"][0]
    assert item["data_fields"]["note"] == "from the scanner"


def test_a_failed_commit_is_500_and_its_reason_is_in_the_log(client: httpx.Client) -> None:
    landed(client, study(), "project=P1&subject=S1&session=E1&action=commit&AA=true")
    uri = landed(client, study())
    answer = client.post(f"{uri}?action=commit&AA=true")
    words = "FAILED: Unable to archive E1: Operation Failed: Session already exists with matching files."
    assert (answer.status_code, message(answer)) == (500, words)
    assert listing(client)[0]["status"] == "CONFLICT"
    assert "Session already exists with matching files." in logs(client, uri)


def test_move_out_of_unassigned_is_301_with_the_new_uri(client: httpx.Client, site: Site) -> None:
    uri = landed(client, study(StudyDescription="x"), "session=U")
    client.post(f"{uri}?action=build")
    answer = client.post(f"{uri}?action=move&newProject=P1")
    moved = uri.replace("Unassigned", "P1")
    assert (answer.status_code, answer.text) == (301, moved)
    assert "location" not in answer.headers
    assert [(row["project"], row["status"]) for row in listing(client)] == [("P1", "READY")]
    assert len(files(client, moved)) == 4
    assert client.get(uri).status_code == 404
    assert client.post(f"{moved}?action=commit&AA=true").status_code == 301


def test_move_needs_a_project_one_may_edit(client: httpx.Client, as_user: Callable[[str, str], httpx.Client]) -> None:
    project(client, "OTHER")
    uri = landed(client, study())
    refused = as_user("mem", "member").post(f"{uri}?action=move&newProject=OTHER")
    assert (refused.status_code, message(refused)) == (403, "Unable to modify session data for destination project.")
    assert client.post(f"{uri}?action=move&newProject=NOPE").status_code == 403


# -- batches -----------------------------------------------------------------------------------------------------------


def test_batch_move_answers_the_queued_rows_and_then_moves(client: httpx.Client, site: Site) -> None:
    project(client, "Q")
    uri = landed(client, study())
    answer = client.post("/data/services/prearchive/move", data={"src": uri, "newProject": "Q"})
    assert [row["status"] for row in rows(answer)] == ["QUEUED_MOVING"]
    until(site, lambda: (only(site).project, only(site).status) == ("Q", "RECEIVING"))
    assert client.post("/data/services/prearchive/move", data={"src": uri, "newProject": "Z"}).status_code == 404


def test_batch_delete_and_rebuild(client: httpx.Client, site: Site) -> None:
    uris = [landed(client, study(study=number), f"project=P1&session=E{number}") for number in (1, 2)]
    answer = client.post("/data/services/prearchive/rebuild", data={"src": uris})
    assert [row["status"] for row in rows(answer)] == ["QUEUED_BUILDING"] * 2
    until(site, lambda: all(row.status == "READY" for row in site.prearchive))
    answer = client.post("/data/services/prearchive/delete", data={"src": [uri.removeprefix("/data") for uri in uris]})
    assert [row["status"] for row in rows(answer)] == ["QUEUED_DELETING"] * 2
    until(site, lambda: not list(site.prearchive))


def test_a_batch_rebuild_does_not_go_on_to_the_archive(client: httpx.Client, site: Site) -> None:
    project(client, "AUTO", 4)
    uri = landed(client, study(), "project=AUTO&session=E1")
    client.post("/data/services/prearchive/rebuild", data={"src": uri})
    until(site, lambda: only(site).status == "READY")
    site.prearchive.jobs.stop()
    assert [row["status"] for row in listing(client)] == ["READY"]


# -- the timer ---------------------------------------------------------------------------------------------------------


def tuned(client: httpx.Client, interval: int = 5) -> None:
    values = {"sessionXmlRebuilderInterval": interval, "sessionXmlRebuilderRepeat": 1}
    client.post("/xapi/siteConfig", json=values).raise_for_status()


def test_the_timer_builds_a_session_that_has_been_silent_for_its_minutes(
    client: httpx.Client, site: Site, clock: Clock, server: SandboxServer
) -> None:
    landed(client, study())
    clock.now += 299
    server.rebuilder.tick()
    assert only(site).status == "RECEIVING"
    clock.now += 1
    tuned(client)
    until(site, lambda: only(site).status == "READY")


def test_the_timer_archives_in_an_auto_archive_project(client: httpx.Client, site: Site, clock: Clock) -> None:
    project(client, "AUTO", 4)
    landed(client, study(), "project=AUTO&subject=S1&session=E1")
    clock.now += 300
    tuned(client)
    until(site, lambda: not list(site.prearchive))
    assert len(rows(client.get("/data/projects/AUTO/experiments?format=json"))) == 1


@pytest.mark.parametrize("query", ["&SOURCE=uploader", "&prevent_auto_commit=true"])
def test_the_timer_leaves_sessions_alone_whose_sender_commits(
    client: httpx.Client, site: Site, clock: Clock, server: SandboxServer, query: str
) -> None:
    landed(client, study(), f"project=P1&session=E1{query}")
    clock.now += 3000
    server.rebuilder.tick()
    assert only(site).status == "RECEIVING"


def test_the_timer_waits_while_a_file_is_being_written(
    client: httpx.Client, site: Site, clock: Clock, server: SandboxServer
) -> None:
    landed(client, study())
    clock.now += 3000
    site.prearchive.content(only(site)).busy.add("SCANS/1/DICOM/9.dcm")
    server.rebuilder.tick()
    assert only(site).status == "RECEIVING"


def test_the_comment_aa_false_beats_the_projects_code(client: httpx.Client, site: Site, clock: Clock) -> None:
    project(client, "AUTO", 4)
    landed(client, study(PatientComments="AA:false"), "project=AUTO&subject=S1&session=E1")
    clock.now += 300
    tuned(client)
    until(site, lambda: only(site).status == "READY")
    site.prearchive.jobs.stop()
    assert only(site).status == "READY"


# -- later files -------------------------------------------------------------------------------------------------------


def test_a_file_that_comes_later_reopens_a_built_session(client: httpx.Client) -> None:
    uri = landed(client, study([1]))
    client.post(f"{uri}?action=build")
    assert landed(client, study([2])) == uri
    assert listing(client)[0]["status"] == "RECEIVING"
    client.post(f"{uri}?action=build")
    assert len(files(client, uri)) == 4


def test_a_file_that_comes_during_the_build_interrupts_it(client: httpx.Client, site: Site) -> None:
    uri = landed(client, study([1]))
    with operations.locked(site, only(site), "BUILDING"):
        landed(client, study([2]))
        assert only(site).status == "RECEIVING_INTERRUPT"
    only(site).status = "RECEIVING"
    assert client.post(f"{uri}?action=build").status_code == 200


def test_a_file_sent_while_the_session_is_being_archived_is_lost(client: httpx.Client, site: Site) -> None:
    uri = landed(client, study([1]))
    client.post(f"{uri}?action=build")
    inside, go_on = threading.Event(), threading.Event()
    move = site.store.move

    def slowly(source: str, target: str) -> None:
        inside.set()
        assert go_on.wait(20)
        move(source, target)

    site.store.move = slowly  # type: ignore[method-assign]
    worker = threading.Thread(target=lambda: client.post(f"{uri}?action=commit&AA=true"))
    worker.start()
    assert inside.wait(20)
    assert only(site).status == "_ARCHIVING"
    assert send(client, zipped({"late.dcm": mr_object(2, 1)}), "project=P1&subject=S1&session=E1").text.strip() == uri
    go_on.set()
    worker.join()
    assert listing(client) == []
    names = {row["Name"] for row in rows(client.get("/data/projects/P1/subjects/S1/experiments/E1/scans/ALL/files"))}
    assert names == {"1-1.dcm", "1-2.dcm"}
    assert site.store.list("prearchive") == []


def test_several_series_of_one_number_are_all_renamed(client: httpx.Client) -> None:
    members = {
        "a.dcm": mr_object(1, 1),
        "b.dcm": mr_object(2, 1, SeriesNumber=1),
        "c.dcm": mr_object(3, 1, SeriesNumber=None),
    }
    uri = landed(client, members)
    client.post(f"{uri}?action=build")
    found = {row["scan"]: row["Name"] for row in files(client, uri)}
    assert found == {"1-MR1": "a.dcm", "1-MR2": "b.dcm", f"{ROOT}.1.3".replace(".", "_"): "c.dcm"}


def test_a_renamed_session_can_grow(client: httpx.Client) -> None:
    uri = landed(client, {"a.dcm": mr_object(1, 1), "b.dcm": mr_object(2, 1, SeriesNumber=1)})
    client.post(f"{uri}?action=build")
    landed(client, {"a.dcm": mr_object(1, 1), "a2.dcm": mr_object(1, 2)})
    client.post(f"{uri}?action=build")
    assert sorted((row["scan"], row["Name"]) for row in files(client, uri)) == [
        ("1-MR1", "a.dcm"),
        ("1-MR1", "a2.dcm"),
        ("1-MR2", "b.dcm"),
    ]


# -- restarts ----------------------------------------------------------------------------------------------------------


def reopened(tmp_path: Path, clock: Clock) -> Site:
    again = Site.on_disk(tmp_path / "sandbox", clock)
    again.accounts.add("admin", "secret", admin=True)
    return again


def test_rows_and_documents_are_there_after_a_restart(
    client: httpx.Client, site: Site, server: SandboxServer, tmp_path: Path, clock: Clock
) -> None:
    uri = landed(client, study())
    client.post(f"{uri}?action=build")
    before = (listing(client), files(client, uri), client.get(uri).text.partition("<xnat:date>")[2])
    server.stop()
    site.close()
    again = reopened(tmp_path, clock)
    with SandboxServer(again) as second, httpx.Client(base_url=second.url, auth=("admin", "secret")) as later:
        assert (listing(later), files(later, uri), later.get(uri).text.partition("<xnat:date>")[2]) == before
        assert landed(later, study([3])) == uri
        assert later.post(f"{uri}?action=commit&AA=true").status_code == 301
    again.close()


def test_a_folder_without_a_row_gets_one_after_a_crash(
    client: httpx.Client, site: Site, server: SandboxServer, tmp_path: Path, clock: Clock
) -> None:
    uri = landed(client, study())
    server.stop()
    site.close()
    for document in (tmp_path / "sandbox" / "state" / "prearchive").iterdir():
        document.unlink()
    again = reopened(tmp_path, clock)
    with SandboxServer(again) as second, httpx.Client(base_url=second.url, auth=("admin", "secret")) as later:
        row = listing(later)[0]
        assert (f"/data{row['url']}", row["tag"], row["status"]) == (uri, f"{ROOT}.1", "RECEIVING")
    again.close()


def test_a_crash_in_the_middle_of_the_archive_brings_the_files_back(
    client: httpx.Client, site: Site, server: SandboxServer, tmp_path: Path, clock: Clock
) -> None:
    uri = landed(client, study())
    client.post(f"{uri}?action=build")
    row = only(site)
    row.destination, row.status = "archive/P1/arc001/E1", "_ARCHIVING"
    site.prearchive.save(row)
    site.store.move(f"{row.path}/SCANS/1/DICOM", f"{row.destination}/SCANS/1/DICOM")
    server.stop()
    site.close()
    again = reopened(tmp_path, clock)
    with SandboxServer(again) as second, httpx.Client(base_url=second.url, auth=("admin", "secret")) as later:
        assert listing(later)[0]["status"] == "READY"
        assert len(files(later, uri)) == 4
        assert again.store.list("archive") == []
        assert later.post(f"{uri}?action=commit&AA=true").status_code == 301
    again.close()


def test_a_rescan_is_for_administrators(client: httpx.Client, as_user: Callable[[str, str], httpx.Client]) -> None:
    assert client.put("/data/prearchive").status_code == 200
    assert as_user("mem", "member").put("/data/prearchive").status_code == 403
