"""`POST /data/services/import`: forms, handlers, replies and refusals as XNAT has them (import.md §1, §9)."""

from __future__ import annotations

import io
import socket
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable

import httpx
import pytest

from sandbox.conftest import Clock
from sandbox.dicom_study import ROOT, SC, files, landed, message, mr_object, project, rows, send, stored, study, zipped
from xnatsync.sandbox.http.server import SandboxServer
from xnatsync.sandbox.model.site import Site

NAMED = "project=P1&subject=S1&session=E1"
NO_SCRIPT = f"{NAMED}&prevent_anon=true"


@pytest.fixture
def client(admin: httpx.Client) -> httpx.Client:
    project(admin)
    return admin


def listing(client: httpx.Client, query: str = "") -> list[dict[str, str]]:
    return rows(client.get(f"/data/prearchive?format=json{query}"))


def test_a_zip_lands_in_the_prearchive_and_a_second_one_joins_it(client: httpx.Client) -> None:
    first = send(client, zipped(study([1])), NAMED)
    assert first.text.startswith("/data/prearchive/projects/P1/")
    assert first.text.endswith("/E1\r\n")
    assert send(client, zipped(study([2])), NAMED).text == first.text
    assert len(listing(client)) == 1


def test_the_upper_case_names_work_and_the_lower_case_ones_win(client: httpx.Client) -> None:
    uri = landed(client, study([1]), "PROJECT_ID=NOPE&project=P1&SUBJECT_ID=no&subject=yes&EXPT_LABEL=E7")
    assert uri.startswith("/data/prearchive/projects/P1/")
    assert uri.endswith("/E7")
    assert listing(client)[0]["subject"] == "yes"


def test_a_chunked_zip_is_taken_and_another_chunked_body_is_not(client: httpx.Client) -> None:
    body = zipped(study())

    def pieces():
        for at in range(0, len(body), 1000):
            yield body[at : at + 1000]

    path = f"/data/services/import?import-handler=DICOM-zip&inbody=true&{NAMED}"
    assert client.post(path, content=pieces(), headers={"Content-Type": "application/zip"}).status_code == 200
    refused = client.post(path, content=pieces(), headers={"Content-Type": "application/x-tar"})
    assert refused.status_code == 400
    assert "request entity size is -1" in message(refused)


@pytest.mark.parametrize(("mode", "kind"), [("w", "application/x-tar"), ("w:gz", "application/x-gtar")])
def test_tar_archives_are_taken(client: httpx.Client, mode: str, kind: str) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, content in study().items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    uri = send(client, stream.getvalue(), NAMED, kind).text.strip()
    assert client.post(f"{uri}?action=build").status_code == 200
    assert len(files(client, uri)) == 4


@pytest.mark.parametrize("kind", ["application/x-gzip", "application/octet-stream", "application/x-zip-compressed"])
def test_other_types_have_no_format(client: httpx.Client, kind: str) -> None:
    refused = send(client, zipped(study()), NAMED, kind)
    assert (refused.status_code, message(refused)) == (400, "Unsupported format UNKNOWN")


def test_the_name_in_the_url_decides_and_only_in_lower_case(client: httpx.Client) -> None:
    query = f"?import-handler=DICOM-zip&inbody=true&{NAMED}"
    body, kind = zipped(study()), {"Content-Type": "application/octet-stream"}
    assert client.post(f"/data/services/import/scan.zip{query}", content=body, headers=kind).status_code == 200
    assert client.post(f"/data/services/import/SCAN.ZIP{query}", content=body, headers=kind).status_code == 400


def test_a_form_with_one_file_is_taken_its_fields_too(client: httpx.Client) -> None:
    form = {"project": "P1", "subject": "S1", "session": "FORM", "import-handler": "DICOM-zip"}
    upload = {"file": ("up.zip", zipped(study()), "application/zip")}
    answer = client.post("/data/services/import", data=form, files=upload)
    assert answer.status_code == 200
    assert answer.text.endswith("/FORM\r\n")


def test_forms_that_are_refused(client: httpx.Client) -> None:
    body = zipped(study())
    both = [("a", ("a.zip", body)), ("b", ("b.zip", body))]
    refused = client.post("/data/services/import?import-handler=DICOM-zip", files=both)
    assert (refused.status_code, message(refused)) == (400, "Importer is limited to one uploaded resource at a time.")
    assert client.post("/data/services/import?inbody=true", files=both[:1]).status_code == 406
    assert client.post("/data/services/import", files=[("reference", ("a.zip", body))]).status_code == 400
    nothing = client.post("/data/services/import?import-handler=DICOM-zip")
    assert (nothing.status_code, message(nothing)) == (400, "Unable to identify upload format.")
    assert listing(client) == []


def test_nothing_of_a_form_is_left_on_disk(client: httpx.Client, site: Site) -> None:
    client.post("/data/services/import?import-handler=DICOM-zip", files={"f": ("up.zip", zipped(study()))})
    assert not [path for path, _ in site.store.list("spool")]


def test_decisions_about_parameters(client: httpx.Client) -> None:
    body = zipped(study())
    unknown = send(client, body, "import-handler=Magic")
    assert (unknown.status_code, message(unknown)) == (404, "Unknown importer implementation specified: Magic")
    overwrite = send(client, body, "prearchive_code=1&overwrite=append")
    assert (overwrite.status_code, "Overwrite flag" in message(overwrite)) == (400, True)
    dest = send(client, body, "dest=/somewhere/else")
    assert (dest.status_code, message(dest)) == (400, "Parameter dest format error")
    assert client.get("/data/services/import").status_code == 405
    assert listing(client) == []


def test_a_foreign_member_is_refused_and_what_came_before_stays(client: httpx.Client) -> None:
    members = {"a.dcm": mr_object(1, 1), "readme.txt": b"hello there, I am no DICOM", "b.dcm": mr_object(1, 2)}
    refused = send(client, zipped(members), NAMED)
    assert refused.status_code == 400
    assert "unable to read DICOM object readme.txt" in message(refused)
    uri = f"/data{listing(client)[0]['url']}"
    client.post(f"{uri}?action=build")
    assert [row["Name"] for row in files(client, uri)] == ["a.dcm"]


def test_ignore_unparsable_skips_foreign_members_but_not_all_of_them(client: httpx.Client) -> None:
    members = {"a.dcm": mr_object(1, 1), "readme.txt": b"hello", "b.dcm": mr_object(1, 2)}
    assert send(client, zipped(members), f"{NAMED}&Ignore-Unparsable=true").status_code == 200
    only = send(client, zipped({"readme.txt": b"hello"}), f"{NAMED}&Ignore-Unparsable=true")
    assert (only.status_code, "unable to read DICOM object" in message(only)) == (400, True)


def test_the_literal_commit_ignores_unparsable_but_the_one_implied_by_dest_does_not(client: httpx.Client) -> None:
    members = {"readme.txt": b"hello", "a.dcm": mr_object(1, 1)}
    assert send(client, zipped(members), f"{NAMED}&action=commit").status_code == 200
    assert send(client, zipped(members), "dest=/prearchive/projects/P1").status_code == 400


@pytest.mark.parametrize(("field", "words"), [("SOPClassUID", "SOP Class UID"), ("SOPInstanceUID", "SOP Instance UID")])
def test_objects_without_their_uids_are_refused(client: httpx.Client, field: str, words: str) -> None:
    stripped = mr_object(**{field: ""})
    refused = send(client, zipped({"a.dcm": stripped}), NAMED)
    assert (refused.status_code, message(refused)) == (400, f"object a.dcm contains no {words}")
    assert listing(client) == []


@pytest.mark.parametrize("body", [b"", zipped({}), b"no zip at all"])
def test_an_empty_zip_is_a_success_that_says_nothing(client: httpx.Client, body: bytes) -> None:
    answer = send(client, body or zipped({}), NAMED)
    assert (answer.status_code, answer.text) == (200, "")


def test_stored_members_with_a_data_descriptor_are_refused(client: httpx.Client) -> None:
    class OneWay(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: object) -> int:
            raise io.UnsupportedOperation

    stream = OneWay()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a.dcm", mr_object())
    refused = send(client, stream.getvalue(), NAMED)
    assert refused.status_code == 400
    assert "only DEFLATED entries can have EXT descriptor" in message(refused)


def test_an_unknown_or_closed_project_is_no_error_but_goes_by_the_headers(client: httpx.Client, site: Site) -> None:
    routed = landed(client, {"a.dcm": mr_object()}, "project=TYPO&session=E1")
    assert routed.startswith("/data/prearchive/projects/P1/")  # the study description names P1
    lost = landed(client, {"a.dcm": mr_object(study=2, StudyDescription="x")}, "project=TYPO&session=E1")
    assert lost.startswith("/data/prearchive/projects/Unassigned/")
    assert [row["project"] for row in listing(client)] == ["P1", "Unassigned"]


def test_routing_by_comments_then_description_then_accession(client: httpx.Client) -> None:
    project(client, "P2")
    comments = "Project:P2 Subject:S_c, Session:E-c;AA:true"
    said = mr_object(study=1, PatientComments=comments)
    by_accession = mr_object(study=2, StudyDescription="x", AccessionNumber="P2")
    by_study_comments = mr_object(study=3, StudyComments="project:P2")
    for content in (said, by_accession, by_study_comments):
        assert landed(client, {"a.dcm": content}, "").startswith("/data/prearchive/projects/P2/")
    first = next(row for row in listing(client) if row["name"] == "E-c")
    assert (first["subject"], first["autoarchive"]) == ("S_c", "AutoArchive")


def test_labels_from_dicom_are_cleaned_and_those_from_parameters_are_not(client: httpx.Client) -> None:
    landed(client, {"a.dcm": mr_object(PatientID="A B^1", PatientName="Doe^J")}, "project=P1")
    landed(client, {"a.dcm": mr_object(study=2, PatientID="")}, "project=P1")
    landed(client, {"a.dcm": mr_object(study=3)}, "project=P1&session=A%20B!&subject=S.1")
    found = {(row["subject"], row["name"]) for row in listing(client)}
    assert found == {("Doe_J", "A_B_1"), ("SUB01", "dicom_upload"), ("S.1", "A B!")}


def test_two_studies_in_one_zip_make_two_sessions(client: httpx.Client) -> None:
    answer = send(client, zipped({"a.dcm": mr_object(study=1), "b.dcm": mr_object(study=2)}), NAMED)
    assert len(answer.text.split()) == 2
    assert {row["tag"] for row in listing(client)} == {f"{ROOT}.1", f"{ROOT}.2"}
    assert {row["name"] for row in listing(client)} == {"E1"}


def test_another_study_may_not_be_sent_to_a_given_session(client: httpx.Client) -> None:
    uri = landed(client, study([1]))
    dest = uri.removeprefix("/data")
    assert send(client, zipped(study([2])), f"dest={dest}").text.strip() == uri
    assert send(client, zipped(study([1], study=2)), f"dest={dest}").status_code == 400


def test_formats_of_the_answer(client: httpx.Client) -> None:
    body = zipped(study())
    plain = send(client, body, f"{NAMED}&format=txt")
    assert (plain.headers["content-type"].split(";")[0], plain.text.endswith("/E1")) == ("text/plain", True)
    page = send(client, zipped({"x.txt": b"no dicom"}), f"{NAMED}&format=html")
    assert (page.status_code, "unable to read DICOM object" in page.text) == (200, True)


def test_one_object_per_request_by_gradual_dicom(client: httpx.Client) -> None:
    query = "import-handler=gradual-DICOM&PROJECT_ID=P1&SUBJECT_ID=S1&EXPT_LABEL=E1"
    answers = {send(client, mr_object(1, number), query, "application/dicom").text for number in (1, 2)}
    assert len(answers) == 1
    lower = send(
        client, mr_object(2, 1, study=2), "import-handler=gradual-DICOM&project=P9&session=E9", "application/dicom"
    )
    assert lower.text.endswith("/SESS01\r\n")  # the lower-case names are for DICOM-zip alone


def test_the_handler_follows_from_the_type_when_none_is_named(client: httpx.Client) -> None:
    path = "/data/services/import?PROJECT_ID=P1&EXPT_LABEL=E1"
    assert client.post(path, content=mr_object(), headers={"Content-Type": "application/dicom"}).status_code == 200
    assert client.post(path, content=zipped(study()), headers={"Content-Type": "application/zip"}).status_code == 200


def test_file_names_are_the_senders_without_folders_and_odd_characters(client: httpx.Client) -> None:
    members = {"deep/er/im 1+ä.dcm": mr_object(1, 1), "im_1.dcm": mr_object(1, 2)}
    uri = landed(client, members)
    client.post(f"{uri}?action=build")
    assert sorted(row["Name"] for row in files(client, uri)) == ["im_1.dcm", "im_1__.dcm"]


def test_the_same_name_for_another_object_becomes_the_template_name(client: httpx.Client) -> None:
    uri = landed(client, {"a/1.dcm": mr_object(1, 1), "b/1.dcm": mr_object(1, 2)})
    landed(client, {"a/1.dcm": mr_object(1, 1)})
    client.post(f"{uri}?action=build")
    names = sorted(row["Name"] for row in files(client, uri))
    assert len(names) == 2
    assert names[0].startswith(f"{ROOT}.1-1-2-")
    assert names[0].endswith(".dcm")
    assert names[1] == "1.dcm"


def test_rename_gives_every_file_the_template_name(client: httpx.Client) -> None:
    uri = landed(client, {"1.dcm": mr_object(1, 1, InstanceNumber="")}, f"{NAMED}&rename=true")
    client.post(f"{uri}?action=build")
    assert files(client, uri)[0]["Name"].startswith(f"{ROOT}.1-1-no-value-for-InstanceNumber-")


def test_a_series_filter_drops_objects_without_a_word(client: httpx.Client) -> None:
    settings = {"enableSitewideSeriesImportFilter": True, "sitewideSeriesImportFilter": "series 2\n"}
    client.post("/xapi/siteConfig", json=settings).raise_for_status()
    uri = landed(client, study([1, 2]))
    client.post(f"{uri}?action=build")
    assert {row["scan"] for row in files(client, uri)} == {"1"}
    nothing = send(client, zipped(study([2], study=9)), NAMED)
    assert (nothing.status_code, nothing.text) == (200, "")


def until(condition: Callable[[], bool], patience_s: float = 10.0) -> bool:
    """Waits for the server to have dealt with a request that gets no answer."""
    end = time.monotonic() + patience_s
    while not condition() and time.monotonic() < end:
        threading.Event().wait(0.005)
    return condition()


def test_a_cut_connection_keeps_the_members_that_had_arrived(
    client: httpx.Client, server: SandboxServer, site: Site
) -> None:
    whole = zipped({f"{number}.dcm": mr_object(1, number, PixelData=bytes(300_000)) for number in (1, 2)}, 0)
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(
            f"POST /data/services/import?import-handler=DICOM-zip&inbody=true&{NAMED} HTTP/1.1\r\n"
            "Host: x\r\nAuthorization: Basic YWRtaW46c2VjcmV0\r\nContent-Type: application/zip\r\n"
            f"Content-Length: {len(whole)}\r\n\r\n".encode()
        )
        connection.sendall(whole[: len(whole) - 100_000])
    assert until(lambda: any(entry["path"] == "/data/services/import" for entry in server.log))
    assert landed(client, {"3.dcm": mr_object(1, 3)}).endswith("/E1")
    row = next(iter(site.prearchive))
    assert [path.rpartition("/")[2] for path, _ in site.store.list(row.path)] == ["1.dcm", "3.dcm"]


def test_the_same_file_twice_at_one_moment_is_refused(client: httpx.Client, site: Site) -> None:
    landed(client, {"1.dcm": mr_object(1, 1)})
    row = next(iter(site.prearchive))
    site.prearchive.content(row).busy.add("SCANS/1/DICOM/1.dcm")
    refused = send(client, zipped({"1.dcm": mr_object(1, 1)}), NAMED)
    assert (refused.status_code, message(refused)) == (400, "Concurrent file sends of the same data is not supported.")


def test_parallel_zips_of_one_study_share_one_session(client: httpx.Client) -> None:
    answers: list[httpx.Response] = []
    threads = [
        threading.Thread(target=lambda number=number: answers.append(send(client, zipped(study([number], 20)), NAMED)))
        for number in range(1, 5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    uris = {answer.text.strip() for answer in answers}
    assert len(uris) == 1
    uri = uris.pop()
    assert client.post(f"{uri}?action=build").status_code == 200
    assert len(files(client, uri)) == 80


def test_lastmod_moves_only_every_fifteen_seconds(client: httpx.Client, clock: Clock) -> None:
    landed(client, {"1.dcm": mr_object(1, 1)})
    before = listing(client)[0]["lastmod"]
    clock.now += 10
    landed(client, {"2.dcm": mr_object(1, 2)})
    assert listing(client)[0]["lastmod"] == before
    clock.now += 10
    landed(client, {"3.dcm": mr_object(1, 3)})
    assert listing(client)[0]["lastmod"] > before


def test_action_commit_builds_and_leaves_even_an_auto_archive_session_ready(client: httpx.Client) -> None:
    project(client, "AUTO", 4)
    landed(client, study(), "project=AUTO&subject=S1&session=E1&action=commit")
    row = listing(client)[0]
    assert (row["status"], row["autoarchive"]) == ("READY", "AutoArchive")


@pytest.mark.parametrize(
    "query", [f"{NAMED}&action=commit&AA=true", "dest=/archive/projects/P1/subjects/S1/experiments/E1"]
)
def test_an_import_may_go_on_to_the_archive(client: httpx.Client, query: str) -> None:
    assert landed(client, study(), query) == "/data/archive/projects/P1/subjects/S1/experiments/E1"
    assert listing(client) == []
    assert len(rows(client.get("/data/projects/P1/subjects/S1/experiments/E1/scans/ALL/files?format=json"))) == 4


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 400),
        ("&overwrite=append", 400),
        ("&overwrite=append&overwrite_files=true", 200),
        ("&overwrite=delete", 200),
    ],
)
def test_duplicates_of_the_archive_by_the_overwrite_flags(client: httpx.Client, query: str, status: int) -> None:
    archived = f"{NAMED}&action=commit&AA=true"
    landed(client, study(), archived)
    again = send(client, zipped(study([1, 3])), archived + query)
    assert again.status_code == status
    if status == 400:
        assert "unable to archive for the Prearchive session" in message(again)
        assert listing(client)[0]["status"] == "CONFLICT"
    else:
        found = rows(client.get("/data/projects/P1/subjects/S1/experiments/E1/scans/ALL/files?format=json"))
        assert len(found) == 6  # nothing is deleted by `delete`


def test_overwrite_none_asks_for_a_merge_and_no_overwrite_refuses_one(client: httpx.Client) -> None:
    archived = f"{NAMED}&action=commit&AA=true"
    landed(client, study([1]), archived)
    assert send(client, zipped(study([2])), archived).status_code == 400
    client.delete(f"/data{listing(client)[0]['url']}").raise_for_status()
    assert send(client, zipped(study([2])), f"{archived}&overwrite=none").status_code == 200


def test_si_imports_one_session_as_a_whole_with_real_conflicts(client: httpx.Client) -> None:
    query = "import-handler=SI&dest=/archive/projects/P1/subjects/S1/experiments/E1"
    members = {**study(), "readme.txt": b"no dicom"}
    assert landed(client, members, query) == "/data/archive/projects/P1/subjects/S1/experiments/E1"
    again = send(client, zipped(members), query)
    assert (again.status_code, message(again)) == (409, "Session already exists, retry with overwrite enabled")
    several = send(
        client, zipped({"a.dcm": mr_object(study=2), "b.dcm": mr_object(study=3)}), "import-handler=SI&project=P1"
    )
    assert (several.status_code, "multiple imaging sessions" in message(several)) == (400, True)
    empty = send(client, zipped({"readme.txt": b"no"}), "import-handler=SI&project=P1")
    assert (empty.status_code, "parsable files" in message(empty)) == (400, True)
    assert send(client, zipped(study()), "import-handler=SI&project=NOPE").status_code == 403
    assert [row["status"] for row in listing(client)] == ["CONFLICT"]


def test_si_rows_are_ready_and_left_alone(client: httpx.Client) -> None:
    landed(client, study(), f"import-handler=SI&{NAMED}")
    row = listing(client)[0]
    assert (row["status"], row["SOURCE"], row["prevent_auto_commit"]) == ("READY", "SessionImporter", "true")


def test_an_uploaded_file_is_imported_later_and_tells_of_it(client: httpx.Client, site: Site) -> None:
    client.put(
        "/data/user/cache/resources/up/files/scan.zip?inbody=true",
        content=zipped(study()),
        headers={"Content-Type": "application/zip"},
    ).raise_for_status()
    src = "src=/user/cache/resources/up/files/scan.zip"
    where = f"{src}&http-session-listener=tx1&import-handler=DICOM-zip&{NAMED}"
    answer = client.post(f"/data/services/import?{where}")
    assert (answer.status_code, answer.text) == (200, "Submitted for prearchival")
    site.prearchive.jobs.stop()
    last = client.get("/data/status/tx1?format=json").json()["msgs"][0][-1]
    assert last["msg"].startswith("Prearchive:/prearchive/projects/P1/")
    assert client.get("/xapi/event_tracking/tx1").json()["succeeded"] is True
    assert client.get("/xapi/event_tracking/tx2").status_code == 404
    missing = client.post("/data/services/import?src=/user/cache/resources/up/files/nope.zip")
    assert (missing.status_code, message(missing)) == (404, "Unknown src file.")
    wrong = client.post("/data/services/import?src=/etc/passwd")
    assert (wrong.status_code, message(wrong)) == (400, "src uri is invalid.")
    assert client.post(f"/data/services/import?{src}&http-session-listener=").status_code == 400


def test_prevent_anon_leaves_the_bytes_alone(client: httpx.Client) -> None:
    members = study([1], 1)
    uri = landed(client, members, NO_SCRIPT)
    client.post(f"{uri}?action=build")
    row = files(client, uri)[0]
    assert client.get(row["URI"]).content == members["s1/1-1.dcm"]
    assert stored(client, row).PatientID == "SESS01"


def test_secondary_captures_go_to_a_resource_of_their_own(client: httpx.Client) -> None:
    uri = landed(
        client,
        {"a.dcm": mr_object(1, 1), "b.dcm": mr_object(1, 2, sop_class=SC), "c.dcm": mr_object(2, 1, sop_class=SC)},
    )
    client.post(f"{uri}?action=build")
    assert {(row["scan"], row["label"]) for row in files(client, uri)} == {
        ("1", "DICOM"),
        ("1", "secondary"),
        ("2", "secondary"),
    }
    kinds = {row["ID"]: row["xsiType"] for row in rows(client.get(f"{uri}/scans?format=json"))}
    assert kinds == {"1": "xnat:mrScanData", "2": "xnat:scScanData"}
