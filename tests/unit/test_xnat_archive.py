from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator

import pytest

from unit.xnat_scripted import LOGIN_PAGE, Answer, Scripted, connected, page, scripted
from xnatsync.core.errors import (
    ForeignContent,
    LoginLost,
    NotThere,
    OutcomeUnknown,
    ReadFailed,
    ReplyStrange,
    RequestRefused,
    ServerBusy,
    ServerUnwell,
    SourceChanged,
)
from xnatsync.core.remote import ProjectSeen
from xnatsync.xnat.server import XnatServer

E = "/data/experiments/XNAT_E1"
ZIP = f"{E}/scans/4,4-MR1/files"
URI = "/prearchive/projects/P1/20240611_142301123/S1_MR1"
UID = "1.2.840.113654.2.45.2.108105"
NO_SUCH = Answer(404, page("Unable to find the specified experiment."))
BROKEN = Answer(500, page("The server encountered an unexpected condition"))
ARCHIVED = "/archive/projects/P1/subjects/S1/experiments/S1_MR1"


@pytest.fixture
def xnat() -> Iterator[Scripted]:
    with scripted() as script:
        yield script


def listed(*rows: dict[str, str]) -> Answer:
    return Answer(200, json.dumps({"ResultSet": {"Result": list(rows)}}).encode())


def stored(scan: str, resource: str, name: str, size: int = 3) -> dict[str, str]:
    uri = f"/experiments/XNAT_E1/scans/{scan}/resources/77/files/{name}"
    return {"Name": name, "Size": str(size), "URI": uri, "collection": resource, "digest": ""}


# --- files of a session ------------------------------------------------------------------------------------------


def test_a_session_that_holds_our_names_costs_one_request(xnat: Scripted) -> None:
    """File names tell the SOP Instance UIDs: no catalogue is asked for."""
    xnat.on("GET", f"{E}/scans/ALL/files", listed(*(stored("4", "DICOM", f"{UID}.{n}.dcm") for n in range(50))))

    with connected(xnat) as server:
        listing = server.session_files("XNAT_E1")

    assert [file.sop_uid for file in listing.files] == [f"{UID}.{n}" for n in range(50)]
    assert len([asked for asked in xnat.asked if asked.path.startswith(E)]) == 1


def test_foreign_names_are_looked_up_in_the_catalogue(xnat: Scripted) -> None:
    """One request for each resource that holds such names, none for resources that are not DICOM."""
    xnat.on(
        "GET", f"{E}/scans/ALL/files",
        listed(stored("4", "DICOM", "1.dcm"), stored("4", "SNAPSHOTS", "1.gif"), stored("5", "DICOM", f"{UID}.5.dcm")),
    )  # fmt: skip
    entry = f'<cat:entry URI="1.dcm" UID="{UID}.1"/>'
    xml = (
        f'<cat:DCMCatalog xmlns:cat="http://nrg.wustl.edu/catalog"><cat:entries>{entry}</cat:entries></cat:DCMCatalog>'
    )
    xnat.on("GET", f"{E}/scans/4/resources/DICOM", Answer(200, xml.encode()))

    with connected(xnat) as server:
        listing = server.session_files("XNAT_E1")

    assert [(file.scan, file.sop_uid) for file in listing.files] == [("4", f"{UID}.1"), ("4", ""), ("5", f"{UID}.5")]
    assert listing.complete


def test_a_catalogue_that_is_gone_makes_the_listing_incomplete(xnat: Scripted) -> None:
    """Then absence proves nothing."""
    xnat.on("GET", f"{E}/scans/ALL/files", listed(stored("4", "DICOM", "1.dcm")))

    with connected(xnat) as server:
        assert not server.session_files("XNAT_E1").complete


@pytest.mark.parametrize("answer", [BROKEN, NO_SUCH, listed()], ids=["500", "404", "empty"])
def test_a_session_without_scans_is_empty_once_its_scans_were_listed(xnat: Scripted, answer: Answer) -> None:
    """XNAT answers 500 or 404 to the files of a session without scans (§3.8): an empty listing only if that is so."""
    xnat.on("GET", f"{E}/scans/ALL/files", answer)
    xnat.on("GET", f"{E}/scans", listed())

    with connected(xnat) as server:
        listing = server.session_files("XNAT_E1")

    assert listing.files == ()
    assert listing.complete


def test_a_session_that_is_not_there_is_not_an_empty_one(xnat: Scripted) -> None:
    """500 for its files, 500 for its scans, and 404 for itself."""
    xnat.on("GET", f"{E}/scans/ALL/files", BROKEN)
    xnat.on("GET", f"{E}/scans", BROKEN)
    xnat.on("GET", E, NO_SUCH)

    with connected(xnat) as server, pytest.raises(NotThere):
        server.session_files("XNAT_E1")


def test_files_that_cannot_be_listed_are_not_absent(xnat: Scripted) -> None:
    """The session has scans, and the listing of files failed: a failure, never an empty listing."""
    xnat.on("GET", f"{E}/scans/ALL/files", BROKEN)
    xnat.on("GET", f"{E}/scans", listed({"ID": "4"}))

    with connected(xnat) as server, pytest.raises(ReadFailed):
        server.session_files("XNAT_E1")


def test_a_missing_resource_is_empty_only_in_a_session_that_is_there(xnat: Scripted) -> None:
    """XNAT answers 200 and no rows to an unknown resource; the session is confirmed before that is believed."""
    xnat.on("GET", f"{E}/resources/NOTES/files", listed())
    xnat.on("GET", f"{E}/resources", listed(), NO_SUCH)
    xnat.on("GET", E, Answer(200, b"{}"), NO_SUCH)

    with connected(xnat) as server:
        assert server.resource_files("XNAT_E1", "NOTES").files == ()
        with pytest.raises(ReadFailed):  # the session is there: its resources could not be listed
            server.resource_files("XNAT_E1", "NOTES")
        with pytest.raises(NotThere):
            server.resource_files("XNAT_E1", "NOTES")


# --- projects ----------------------------------------------------------------------------------------------------


def test_a_project_is_known_by_its_id_and_asked_for_once(xnat: Scripted) -> None:
    """The address may be an alias; nothing is asked for that nobody reads."""
    xnat.on("GET", "/data/projects/alias", Answer(200, b'{"items":[{"data_fields":{"ID":"P1"}}]}'))

    with connected(xnat) as server:
        seen = server.project("alias")

    assert seen == ProjectSeen("P1")
    assert [asked.path for asked in xnat.asked if asked.path.startswith("/data/projects")] == ["/data/projects/alias"]


def test_only_xnats_own_404_says_that_a_project_is_absent(xnat: Scripted) -> None:
    """Not that of a Tomcat that is starting, and no failure."""
    xnat.on("GET", "/data/projects/P1", NO_SUCH)
    xnat.on("GET", "/data/projects/P2", Answer(404, b"<html><title>HTTP Status 404</title></html>"))

    with connected(xnat) as server:
        assert server.project("P1") is None
        with pytest.raises(ServerUnwell):
            server.project("P2")


def test_the_right_to_edit_is_known_refused_or_unknown(xnat: Scripted) -> None:
    """From the projects we may edit and our roles; an administrator's right is not listed, so it is unknown."""

    def answer(asked: object) -> Answer:
        if asked.query.get("restrict") == "edit":  # type: ignore[attr-defined]
            return listed({"ID": "MINE"})
        return listed({"id": "READ", "user_role_3": "Collaborators"}, {"id": "PUBLIC", "user_role_3": ""})

    xnat.on("GET", "/data/projects", answer)

    with connected(xnat) as server:
        assert [server.may_edit(name) for name in ("MINE", "READ", "PUBLIC", "HIDDEN")] == [True, False, None, None]


# --- fetching back -----------------------------------------------------------------------------------------------


def zipped(contents: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", method) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return sink.getvalue()


CONTENTS = {
    "S1_MR1/scans/4-T1_mpr/resources/DICOM/files/1.dcm": b"one" * 50_000,
    "S1_MR1/scans/4-T1_mpr/resources/DICOM/files/sub/2.dcm": b"two",
    "S1_MR1/scans/4-MR1-T1_mpr/resources/DICOM/files/1.dcm": b"three",
    "S1_MR1/scans/4-MR1-T1_mpr/resources/secondary/files/9.dcm": b"",
}
FILES = listed(
    stored("4", "DICOM", "1.dcm"), stored("4", "DICOM", "sub/2.dcm"), stored("4-MR1", "DICOM", "1.dcm"),
    stored("4-MR1", "secondary", "9.dcm"),
)  # fmt: skip
TYPES = listed({"ID": "4", "type": "T1 mpr"}, {"ID": "4-MR1", "type": "T1 mpr"})


def fetched(server: XnatServer) -> dict[tuple[str, str, str], bytes]:
    return {
        (scan, resource, name): b"".join(content)
        for scan, resource, name, content in server.fetch_scans("XNAT_E1", ["4", "4-MR1"])
    }


def prepared(xnat: Scripted, *answers: Answer) -> None:
    xnat.on("GET", f"{E}/scans/ALL/files", FILES)
    xnat.on("GET", f"{E}/scans", TYPES)
    xnat.on("GET", ZIP, *answers)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
def test_scans_come_back_file_by_file(xnat: Scripted, method: int) -> None:
    """A chunked stream without length; folders named by id and type are told apart even where one id begins another."""
    prepared(xnat, Answer(200, zipped(CONTENTS, method), chunked=True))

    with connected(xnat) as server:
        assert fetched(server) == {
            ("4", "DICOM", "1.dcm"): b"one" * 50_000,
            ("4", "DICOM", "sub/2.dcm"): b"two",
            ("4-MR1", "DICOM", "1.dcm"): b"three",
            ("4-MR1", "secondary", "9.dcm"): b"",
        }


def test_a_zip_cut_anywhere_never_gives_a_whole_file_too_many(xnat: Scripted) -> None:
    """Cut after every n-th byte, properly ended or broken off: what came to its end is right, and the cut is told."""
    whole = {name: content[:600] for name, content in CONTENTS.items()}
    body = zipped(whole)
    directory = body.index(b"PK\x01\x02")
    with connected(xnat) as server:
        for cut in range(0, directory, 61):
            for answer in (Answer(200, body[:cut], chunked=True), Answer(200, body, cut=cut)):
                prepared(xnat, answer)
                done: list[bytes] = []
                with pytest.raises((ReadFailed, ReplyStrange)):
                    done.extend(b"".join(content) for *_, content in server.fetch_scans("XNAT_E1", ["4", "4-MR1"]))
                assert done == list(whole.values())[: len(done)]
                assert len(done) < len(whole) or cut > body.rindex(b"PK\x03\x04")


def test_a_changed_byte_is_caught_before_the_file_ends(xnat: Scripted) -> None:
    """The CRC of every file is checked, also of one that nobody read."""
    prepared(xnat, Answer(200, zipped(CONTENTS).replace(b"two", b"owt")))

    with connected(xnat) as server:
        with pytest.raises(ReadFailed, match="damaged"):
            fetched(server)
        with pytest.raises(ReadFailed, match="damaged"):
            list(server.fetch_scans("XNAT_E1", ["4", "4-MR1"]))


def test_a_login_page_is_no_zip(xnat: Scripted) -> None:
    """200 and HTML where a zip was due: one new login, then the zip; and LoginLost if it stays so."""
    prepared(xnat, Answer(200, LOGIN_PAGE), Answer(200, zipped(CONTENTS)), Answer(200, LOGIN_PAGE))

    with connected(xnat) as server:
        assert len(fetched(server)) == 4
        with pytest.raises(LoginLost):
            fetched(server)

    assert xnat.logins == 3


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not a zip at all",
        b"PK\x07\x08 nor this",
        zipped({"S1_MR1/scans/7-T1/resources/DICOM/files/1.dcm": b"x"}),
        zipped({"S1_MR1/resources/DICOM/files/1.dcm": b"x"}),
        zipped({"S1_MR1/scans/4-T1_mpr/resources/DICOM/files/../1.dcm": b"x"}),
        zipped({f"{root}/scans/4-T1_mpr/resources/DICOM/files/1.dcm": b"x" for root in ("S1_MR1", "OTHER")}),
    ],
    ids=["empty", "text", "signature", "other-scan", "no-scan", "climbing", "twice"],
)  # fmt: skip
def test_a_strange_zip_is_refused(xnat: Scripted, body: bytes) -> None:
    """A file that cannot be told to be a certain one is not guessed at."""
    prepared(xnat, Answer(200, body))

    with connected(xnat) as server, pytest.raises((ReplyStrange, ReadFailed)):
        fetched(server)


def test_a_scan_that_came_along_unasked_is_left_out(xnat: Scripted) -> None:
    """A scan whose type is another one's id is sent too (§3.6): it is not what was asked for."""
    prepared(xnat)
    xnat.on("GET", f"{E}/scans/4/files", Answer(200, zipped(CONTENTS)))

    with connected(xnat) as server:
        assert {scan for scan, *_ in server.fetch_scans("XNAT_E1", ["4"])} == {"4"}


def test_many_scans_are_asked_for_in_several_requests(xnat: Scripted) -> None:
    """An address of 8 kB is refused by servers."""
    scans = [f"{number}-MR{number}" for number in range(600)]
    xnat.on("GET", f"{E}/scans/ALL/files", listed(*(stored(scan, "DICOM", "1.dcm") for scan in scans)))

    with connected(xnat) as server, pytest.raises(NotThere):
        list(server.fetch_scans("XNAT_E1", scans))

    assert 1000 < max(len(asked.path) for asked in xnat.asked) < 6000


# --- the prearchive ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "archived"),
    [
        (Answer(301, f"/data{ARCHIVED}".encode()), ARCHIVED),
        (Answer(200, f"/data{ARCHIVED}\r\n".encode()), ARCHIVED),
        (Answer(303, b"", {"Location": f"https://elsewhere.example.org/xnat/data{ARCHIVED}"}), ARCHIVED),
        (Answer(200, f"/data{URI}".encode()), ""),
    ],
    ids=["301", "200", "303", "stayed"],
)
def test_what_a_commit_answers_when_it_worked(xnat: Scripted, answer: Answer, archived: str) -> None:
    """301 without Location, 303 and 200 (import.md §2.3, §2.5)."""
    xnat.on("POST", f"/data{URI}", answer)

    with connected(xnat) as server:
        assert server.commit(URI, request_id="r1") == archived

    (asked,) = xnat.requests("POST", f"/data{URI}")
    assert asked.query == {"action": "commit", "AA": "true", "SOURCE": "uploader"}


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (Answer(200, b""), OutcomeUnknown),
        (Answer(301, b""), OutcomeUnknown),
        (Answer(301, f"/data{URI}".encode()), OutcomeUnknown),
        (Answer(200, b"something"), OutcomeUnknown),
        (Answer(200, b"/data/archive/projects/P/subjects/../experiments/E"), OutcomeUnknown),
        (Answer(200, LOGIN_PAGE), OutcomeUnknown),
        (Answer(401), OutcomeUnknown),
        (Answer(504), OutcomeUnknown),
        (Answer(500, page("FAILED: Unable to archive S1_MR1: Operation Failed: exists")), RequestRefused),
        (Answer(200, b"FAILED: Unable to archive S1_MR1"), RequestRefused),
        (Answer(409, page("session document locked")), ServerBusy),
        (Answer(403, page("Operation already in progress on this prearchive entry.")), ServerBusy),
        (NO_SUCH, NotThere),
    ],
)
def test_what_a_commit_answers_when_it_did_not_or_may_not(
    xnat: Scripted, answer: Answer, failure: type[Exception]
) -> None:
    """Whatever is not a clear yes is looked at, never taken for one."""
    xnat.on("POST", f"/data{URI}", answer)

    with connected(xnat) as server, pytest.raises(failure) as caught:
        server.commit(URI, request_id="r1")

    assert caught.type is failure
    assert len(xnat.requests("POST", f"/data{URI}")) == 1


def test_deleting_what_is_gone_is_done(xnat: Scripted) -> None:
    """The wish is fulfilled."""
    with connected(xnat) as server:
        server.delete_prearchive(URI, request_id="r1")

    assert len(xnat.requests("DELETE", f"/data{URI}")) == 1


def test_prearchive_files_are_those_of_every_scan(xnat: Scripted) -> None:
    """Also when the listing of all resources leaves scans out: then the scan itself is asked."""
    row = f"/data{URI}"
    xnat.on("GET", f"{row}/scans", listed({"ID": "4"}, {"ID": "5"}))
    xnat.on("GET", f"{row}/resources", listed({"category": "scans", "cat_id": "4", "label": "DICOM"}))
    xnat.on("GET", f"{row}/scans/5/resources", listed({"label": "DICOM"}))
    for scan in "45":
        files = listed({"Name": f"{UID}.{scan}.dcm", "Size": "10", "URI": "x"})
        xnat.on("GET", f"{row}/scans/{scan}/resources/DICOM/files", files)

    with connected(xnat) as server:
        assert [(file.scan, file.sop_uid) for file in server.prearchive_files(URI).files] == [
            ("4", f"{UID}.4"), ("5", f"{UID}.5"),
        ]  # fmt: skip


def test_a_session_that_is_not_built_has_no_listing(xnat: Scripted) -> None:
    """It is not an empty one."""
    with connected(xnat) as server, pytest.raises(NotThere):
        server.prearchive_files(URI)


def test_a_log_is_one_bounded_line(xnat: Scripted) -> None:
    """Or nothing, where there is none."""
    with connected(xnat) as server:
        assert server.prearchive_log(URI) == ""
        xnat.on("GET", f"/data{URI}/logs/last", Answer(200, b"first\r\nsecond\x1b[2J\n" + b"x" * 100_000))
        said = server.prearchive_log(URI)

    assert said.startswith("first second [2J ")
    assert len(said) <= 2000


def test_unassigned_rows_are_not_the_projects(xnat: Scripted) -> None:
    """Privileged accounts are shown all of them in every listing (§2.1)."""
    row = {"project": "P1", "name": "n", "subject": "s", "tag": UID, "status": "READY", "url": URI, "uploaded": ""}
    lost = row | {"project": "Unassigned", "url": URI.replace("P1", "Unassigned")}
    xnat.on("GET", "/data/prearchive/projects/P1", listed(row, lost))

    with connected(xnat) as server:
        assert [seen.project for seen in server.prearchive("P1")] == ["P1"]


# --- one file ----------------------------------------------------------------------------------------------------


def test_a_file_that_is_there_is_not_overwritten(xnat: Scripted) -> None:
    """`overwrite` is not sent, and the 200 with which XNAT refuses is understood (§6.1)."""
    xnat.on(
        "PUT",
        f"{E}/resources/NOTES/files/a.txt",
        Answer(200, b'{"duplicates":["a.txt"]}', {"Content-Type": "text/html"}),
    )

    with connected(xnat) as server, pytest.raises(ForeignContent):
        server.put_file("XNAT_E1", "NOTES", "a.txt", iter([b"hello"]), size=5, request_id="r1")

    (asked,) = xnat.requests("PUT", f"{E}/resources/NOTES/files/a.txt")
    assert "overwrite" not in asked.query
    assert asked.body == b"hello"


@pytest.mark.parametrize("content", [b"hell", b"hello!"])
def test_a_file_that_changed_is_not_stored(xnat: Scripted, content: bytes) -> None:
    """Shorter or longer than promised: the request is cut."""
    path = f"{E}/resources/NOTES/files/a.txt"
    xnat.on("PUT", path, Answer(200))

    with connected(xnat) as server, pytest.raises(SourceChanged):
        server.put_file("XNAT_E1", "NOTES", "a.txt", iter([content]), size=5, request_id="r1")

    assert not [asked for asked in xnat.requests("PUT", path) if asked.complete]
