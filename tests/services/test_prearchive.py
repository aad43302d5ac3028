"""The prearchive: each method looks before and after, and the stand-in's state is what is asserted."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from noun_world import PASSWORD, PROJECT, USER, NounWorld
from sandbox.dicom_study import ROOT, landed, study
from xnatsync import XNATClient
from xnatsync.sandbox.http.exchange import Response
from xnatsync.sandbox.http.faults import Fault
from xnatsync.sandbox.model.prearchive import Row
from xnatsync.services import errors
from xnatsync.services.models import Fields
from xnatsync.services.prearchive import PrearchiveService

Place = tuple[str, str, str]


@pytest.fixture
def web(far: NounWorld) -> Iterator[httpx.Client]:
    """Any client of the same account."""
    with httpx.Client(base_url=far.server.url, auth=(USER, PASSWORD), timeout=30) as client:
        client.put(f"/data/projects/{PROJECT}/prearchive_code/0").raise_for_status()
        yield client


@pytest.fixture
def service(client: XNATClient) -> PrearchiveService:
    """Waits without waiting."""
    return PrearchiveService(client, sleep=lambda _: None, patience_s=3)


def waiting(
    web: httpx.Client, label: str = "NEW1", *, build: bool = True, number: int = 1, subject: str = "S9"
) -> Place:
    """Let a study arrive; give project, timestamp and folder."""
    uri = landed(web, study(study=number), f"project={PROJECT}&subject=S9&session={label}")
    if build:
        web.post(f"{uri}?action=build").raise_for_status()
    project, timestamp, folder = uri.rstrip("/").split("/")[-3:]
    return project, timestamp, folder


def instead(method: str, place: str, text: str, status: int = 200) -> Fault:
    """An answer in the place of the effect."""
    return Fault(method, place, "call", before=lambda _: Response(status, {}, text.encode()), times=9)


def row_of(far: NounWorld, place: Place) -> Row | None:
    return far.site.prearchive.find(*place)


def archived(far: NounWorld, label: str) -> bool:
    return label in {held.label for held in far.site.experiments.values()}


# --- looking ---------------------------------------------------------------------------------------------------------


def test_rows_are_listed_with_what_the_example_prints(service: PrearchiveService, web: httpx.Client) -> None:
    """Name, status, time and scans; one that is not built has no count."""
    built, fresh = waiting(web), waiting(web, "NEW2", build=False, number=2)

    rows = service.list(project=PROJECT)

    assert [(row.name, row.status, row.scan_count) for row in rows] == [
        ("NEW1", "READY", 2),
        ("NEW2", "RECEIVING", None),
    ]
    assert [(row["project"], row["timestamp"], row["folderName"]) for row in rows] == [built, fresh]
    assert rows[0].upload_date == rows[0]["uploaded"] != ""
    assert [row.name for row in service.list()] == ["NEW1", "NEW2"]
    assert [row.scan_count for row in service.list(PROJECT, count_scans=False)] == [None, None]


def test_a_cut_listing_is_no_empty_one(service: PrearchiveService, web: httpx.Client, far: NounWorld) -> None:
    """Half a document says nothing."""
    waiting(web)
    far.server.faults.add(Fault("GET", r"/prearchive/projects", "body", times=9, status=200, body='{"ResultSet":{"Res'))

    with pytest.raises(errors.OperationError):
        service.list(PROJECT)


def test_one_row_is_shown_with_scans_and_the_servers_words(service: PrearchiveService, web: httpx.Client) -> None:
    """By folder or label, in both spellings."""
    project, timestamp, folder = waiting(web)

    shown = service.get(project, timestamp, folder)

    assert (shown.session, shown.study_uid, shown.scan_count) == ("NEW1", f"{ROOT}.1", 2)
    assert shown.scans == service.get_scans(project=project, timestamp=timestamp, session=folder)
    assert [(scan.ID, scan.series_description, scan.file_count) for scan in shown.scans] == [
        ("1", "series 1", 2),
        ("2", "series 2", 2),
    ]
    with pytest.raises(errors.ResourceNotFoundError, match="has no prearchive session"):
        service.get(project, timestamp, "OTHER")
    with pytest.raises(errors.ResourceNotFoundError):
        service.get(project, "20200101_000000000", folder)


def test_scans_of_an_unbuilt_session_are_unknown(service: PrearchiveService, web: httpx.Client) -> None:
    """Never "none"; the way to know them is named."""
    place = waiting(web, build=False)

    with pytest.raises(errors.ResourceNotFoundError, match="not built") as caught:
        service.get_scans(*place)
    assert "prearchive rebuild" in caught.value.remedy


def test_who_may_only_read_sees_rows_and_not_into_them(
    service: PrearchiveService, web: httpx.Client, far: NounWorld
) -> None:
    """A collaborator lists, and is denied the rest (import.md §2.1, §2.3)."""
    place = waiting(web)
    far.site.accounts.add("col", "pw")
    far.site.projects[PROJECT].members["col"] = "collaborator"
    with XNATClient(far.server.url, "col", "pw") as client:
        reader = PrearchiveService(client, sleep=lambda _: None)

        assert [row.scan_count for row in reader.list(PROJECT)] == [None]
        for act in (reader.archive, reader.delete, reader.rebuild, reader.get_scans):
            with pytest.raises(errors.PermissionDeniedError):
                act(*place)
    assert row_of(far, place) is not None
    assert not archived(far, "NEW1")


# --- archiving -------------------------------------------------------------------------------------------------------


def test_a_session_is_archived_and_seen(service: PrearchiveService, web: httpx.Client, far: NounWorld) -> None:
    """The example's spelling; the row has gone, the session is there with its files."""
    project, timestamp, folder = place = waiting(web)

    done = service.archive(project=project, timestamp=timestamp, session=folder)

    assert row_of(far, place) is None
    held = far.site.experiments[done.session_id]
    assert (held.label, len(held.scans), done.merged, done.status) == ("NEW1", 2, False, "archived")
    assert (done.session, done.subject) == ("NEW1", "S9")


@pytest.mark.parametrize("code", [0, 4, 5])
def test_labels_that_are_given_win(service: PrearchiveService, web: httpx.Client, far: NounWorld, code: int) -> None:
    """In manual and automatic projects; 303 is no other way to fail."""
    place = waiting(web)
    web.put(f"/data/projects/{PROJECT}/prearchive_code/{code}").raise_for_status()

    done = service.archive(*place, subject="SUB001", experiment_label="LATER")

    held = far.site.experiments[done.session_id]
    assert (held.label, far.site.subjects[held.subject].label) == ("LATER", "SUB001")
    with pytest.raises(errors.InvalidInputError, match="would change"):
        service.archive(*waiting(web, "NEW2", number=2), experiment_label="A B")


def test_another_study_under_the_label_is_never_touched(
    service: PrearchiveService, web: httpx.Client, far: NounWorld
) -> None:
    """XNAT with `overwrite` would mix two studies (import.md §2.5)."""
    service.archive(*waiting(web))
    other = waiting(web, number=2)

    for overwrite in (False, True):
        with pytest.raises(errors.DeliveryError, match="another study"):
            service.archive(*other, overwrite=overwrite)

    assert row_of(far, other) is not None
    (held,) = [held for held in far.site.experiments.values() if held.label == "NEW1"]
    assert held.fields["UID"] == f"{ROOT}.1"


def test_what_is_there_already_is_refused_and_with_overwrite_replaced(
    service: PrearchiveService, web: httpx.Client, far: NounWorld
) -> None:
    """The same study once more; XNAT's own words are in the message, from its log."""
    first = service.archive(*waiting(web))
    again = waiting(web)

    with pytest.raises(errors.RequestRefused, match=r"matching files|same resources"):
        service.archive(*again)
    assert service.get(*again).status == "CONFLICT"

    done = service.archive(*again, overwrite=True)

    assert (done.merged, done.session_id) == (True, first.session_id)
    assert row_of(far, again) is None


@pytest.mark.parametrize("status", ["RECEIVING", "QUEUED_ARCHIVING", "ARCHIVING", "_ARCHIVING", "MOVING", "NEWER_WORD"])
def test_nothing_is_done_to_a_row_that_is_at_work(
    status: str, service: PrearchiveService, web: httpx.Client, far: NounWorld
) -> None:
    """Receiving, archived by somebody else, or in a state that this version does not know."""
    place = waiting(web)
    row = row_of(far, place)
    assert row is not None
    far.site.prearchive.set_status(row, status)
    acts = [service.archive, service.delete, lambda *at: service.move(*at, PROJECT + "2")]
    web.put(f"/data/projects/{PROJECT}2").raise_for_status()
    before = len(far.server.log)

    for act in [*acts, *([] if status == "RECEIVING" else [service.rebuild])]:
        with pytest.raises(errors.OperationError) as caught:
            act(*place)
        assert caught.value.code == "XS-SERVER-BUSY"

    assert row_of(far, place) is row
    assert row.status == status
    sent = [line for line in far.server.log[before:] if "archive" in str(line["path"]) and line["method"] != "GET"]
    assert sent == []


@pytest.mark.parametrize("body", ["FAILED: Unable to archive NEW1: Operation Failed: no space", ""])
def test_a_failure_inside_a_200_is_a_failure(
    body: str, service: PrearchiveService, web: httpx.Client, far: NounWorld
) -> None:
    """Also an empty answer, when nothing happened."""
    place = waiting(web)
    far.server.faults.add(instead("POST", r"/services/archive", body))

    with pytest.raises(errors.OperationError) as caught:
        service.archive(*place)
    assert caught.value.code == ("XS-REQUEST-REFUSED" if body else "XS-OUTCOME-UNKNOWN")
    assert ("no space" in str(caught.value)) is bool(body)
    assert row_of(far, place) is not None
    assert not archived(far, "NEW1")


@pytest.mark.parametrize("kind", ["cut_response", "status"])
def test_a_lost_answer_is_settled_by_looking(
    kind: str, service: PrearchiveService, web: httpx.Client, far: NounWorld
) -> None:
    """Archived, and answered 504 or nothing: success, and nothing is sent a second time."""
    place = waiting(web)

    def proxy(request: object, answer: object) -> object:
        return Response(504 if kind == "status" else 401, {}, b"gateway")

    fault = far.server.faults.add(Fault("POST", r"/services/archive", "call", after_call=proxy, times=9))  # type: ignore[arg-type]

    done = service.archive(*place)

    assert (archived(far, "NEW1"), row_of(far, place), done.session, fault.hits) == (True, None, "NEW1", 1)


def test_a_success_that_left_the_row_is_none(service: PrearchiveService, web: httpx.Client, far: NounWorld) -> None:
    """The server says where the session is, and it is not there."""
    place = waiting(web)
    said = f"/data/archive/projects/{PROJECT}/subjects/S9/experiments/NEW1\r\n"
    far.server.faults.add(instead("POST", r"/services/archive", said))

    with pytest.raises(errors.OutcomeUnknown, match="still waits there"):
        service.archive(*place)


# --- deleting, building, moving --------------------------------------------------------------------------------------


def test_a_session_is_deleted_and_seen_to_be_gone(
    service: PrearchiveService, web: httpx.Client, far: NounWorld
) -> None:
    """This one alone; a second time it is not there."""
    place, other = waiting(web), waiting(web, "NEW2", number=2)

    assert service.delete(project=place[0], timestamp=place[1], session=place[2]) is True

    assert row_of(far, place) is None
    assert row_of(far, other) is not None
    with pytest.raises(errors.ResourceNotFoundError):
        service.delete(*place)


def test_a_deletion_that_did_nothing_is_told(service: PrearchiveService, web: httpx.Client, far: NounWorld) -> None:
    """200, and the row is there."""
    place = waiting(web)
    far.server.faults.add(instead("DELETE", r"/prearchive/", ""))

    with pytest.raises(errors.OutcomeUnknown, match="still there"):
        service.delete(*place)
    assert row_of(far, place) is not None


def test_a_session_is_built(service: PrearchiveService, web: httpx.Client, far: NounWorld) -> None:
    """One that is receiving too: it is how a person says that all has arrived."""
    place = waiting(web, build=False)

    row = service.rebuild(project=place[0], timestamp=place[1], session=place[2])

    assert (row.status, row.scan_count) == ("READY", 2)
    found = row_of(far, place)
    assert found is not None
    assert found.built


def test_a_build_that_fails_is_told(service: PrearchiveService, web: httpx.Client, far: NounWorld) -> None:
    """Whatever the status of the answer: the row decides."""
    place = waiting(web)

    def failed(request: object, answer: object) -> None:
        row = row_of(far, place)
        assert row is not None
        far.site.prearchive.log(row, "no session document")
        far.site.prearchive.set_status(row, "ERROR")

    far.server.faults.add(Fault("POST", r"action=build", "call", after_call=failed))  # type: ignore[arg-type]

    with pytest.raises(errors.RequestRefused, match="ERROR: no session document"):
        service.rebuild(*place)


def test_a_session_is_moved_to_another_project(service: PrearchiveService, web: httpx.Client, far: NounWorld) -> None:
    """301 without a Location is how XNAT says so; also out of Unassigned."""
    web.put("/data/projects/TARGET").raise_for_status()
    project, timestamp, folder = place = waiting(web)

    row = service.move(project=project, timestamp=timestamp, session=folder, target_project="TARGET")

    assert (row.project, row.timestamp) == ("TARGET", timestamp)
    assert row_of(far, place) is None
    assert row_of(far, ("TARGET", timestamp, folder)) is not None
    with pytest.raises(errors.ResourceNotFoundError, match="no project NOWHERE"):
        service.move("TARGET", timestamp, folder, "NOWHERE")
    with pytest.raises(errors.InvalidInputError, match="already"):
        service.move("TARGET", timestamp, folder, "TARGET")


def test_a_move_that_was_answered_with_nothing_did_not_happen(
    service: PrearchiveService, web: httpx.Client, far: NounWorld
) -> None:
    """So XNAT answers to a locked row, with 200 (import.md §2.3)."""
    web.put("/data/projects/TARGET").raise_for_status()
    place = waiting(web)
    far.server.faults.add(instead("POST", r"action=move", ""))

    with pytest.raises(errors.OperationError) as caught:
        service.move(*place, target_project="TARGET")
    assert caught.value.code == "XS-SERVER-BUSY"
    assert row_of(far, place) is not None


# --- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "code"), [("manual", 0), ("auto-archive", 4), ("auto-archive-overwrite", 5)])
def test_a_projects_setting_is_read_and_set(mode: str, code: int, service: PrearchiveService, far: NounWorld) -> None:
    """Three words, three codes; anything else is refused here, because XNAT keeps any number."""
    service.set_routing_mode(PROJECT, mode)

    assert far.site.projects[PROJECT].prearchive_code == code
    assert (service.get_routing_code(PROJECT), service.get_routing_mode(PROJECT)) == (code, mode)
    with pytest.raises(errors.InvalidInputError):
        service.set_routing_mode(PROJECT, "9")
    far.site.projects[PROJECT].prearchive_code = 9
    assert service.get_routing_mode(PROJECT) == "code 9"


def test_a_setting_that_was_not_kept_is_told(service: PrearchiveService, far: NounWorld) -> None:
    """200, and nothing changed."""
    before = service.get_routing_mode(PROJECT)
    far.server.faults.add(instead("PUT", r"prearchive_code", ""))

    with pytest.raises(errors.OutcomeUnknown, match="did not keep"):
        service.set_routing_mode(PROJECT, "auto-archive-overwrite" if before == "manual" else "manual")
    with pytest.raises(errors.ResourceNotFoundError):
        service.get_routing_code("NOWHERE")


def test_a_row_is_what_existing_scripts_index(service: PrearchiveService, web: httpx.Client) -> None:
    """A dictionary, with attributes."""
    waiting(web)
    (row,) = service.list(PROJECT)

    assert isinstance(row, dict)
    assert isinstance(row, Fields)
    assert row["status"] == row.status == row.get("status")
    with pytest.raises(AttributeError):
        _ = row.no_such_column
