from __future__ import annotations

import re
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from unit.xnat_scripted import LOGIN_PAGE, QUICK, Answer, Asked, Scripted, connected, page, scripted
from xnatsync.core.errors import (
    Bug,
    ConfigError,
    CredentialsRefused,
    Disposition,
    LoginLost,
    OutcomeUnknown,
    ReadFailed,
    ReplyStrange,
    RequestRefused,
    ServerMoved,
    ServerUnreachable,
    ServerUnwell,
    SourceChanged,
)
from xnatsync.core.manifest import Kind, ManifestFile
from xnatsync.core.remote import ImportTarget
from xnatsync.xnat import wire
from xnatsync.xnat.pace import Timeouts
from xnatsync.xnat.server import XnatServer
from xnatsync.xnat.zipstream import zip_size

ROWS = b'{"ResultSet":{"Result":[]}}'
PREARCHIVE = "/data/prearchive/projects/P1"
URI = "/prearchive/projects/P1/20240611_142301123/S1_MR1"
IMPORT = "/data/services/import"


@pytest.fixture
def xnat() -> Iterator[Scripted]:
    with scripted() as script:
        yield script


def members(*contents: bytes) -> list[tuple[str, ManifestFile, Iterator[bytes]]]:
    return [
        (
            f"1.2.3.{number}.dcm",
            ManifestFile(f"f{number}", len(content), 0, b"", zlib.crc32(content), b"", Kind.DICOM),
            iter([content]),
        )
        for number, content in enumerate(contents)
    ]


def send(server: XnatServer, *contents: bytes) -> tuple[str, ...]:
    parts = members(*contents)
    size = zip_size([(name, file.size) for name, file, _ in parts])
    return server.import_zip(ImportTarget("P1", "S1", "S1_MR1"), parts, size=size, request_id="r1").uris


def test_one_login_serves_all_threads(xnat: Scripted) -> None:
    """Sixteen threads that start at once make one session on the server, and each sends exactly one JSESSIONID."""
    xnat.on("GET", PREARCHIVE, xnat.guarded(Answer(200, ROWS, {"Set-Cookie": "JSESSIONID=S0001; Path=/"})))

    with connected(xnat) as server, ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: server.prearchive("P1"), range(64)))

    assert xnat.logins == 1
    assert {asked.headers["cookie"] for asked in xnat.requests("GET", PREARCHIVE)} == {"JSESSIONID=S0001"}


def test_a_load_balancers_cookie_is_given_back(xnat: Scripted) -> None:
    """What the login's answer sets beside the session goes with every request, or another node would not know us."""

    def sticky(asked: Asked) -> Answer:
        answer = xnat.sign_in(asked)
        answer.headers["Set-Cookie"] += (
            '\r\nSet-Cookie: ROUTE=node2; Path=/\r\nSet-Cookie: SESSION_EXPIRATION_TIME="1,2"'
        )
        return answer

    xnat.on("POST", "/data/JSESSION", sticky)
    xnat.on("GET", "/data/auth", Answer(200, b"User 'jdoe' is logged in"))

    with connected(xnat) as server:
        server.whoami()

    assert xnat.requests("GET", "/data/auth")[0].headers["cookie"] == "JSESSIONID=S0001; ROUTE=node2"


def test_every_request_names_us_and_itself(xnat: Scripted) -> None:
    """User agent without Mozilla, `Accept: */*`, and a request ID of its own."""
    xnat.on("GET", PREARCHIVE, xnat.guarded(Answer(200, ROWS)))

    with connected(xnat) as server:
        server.prearchive("P1")

    assert all(re.fullmatch(r"xnatsync/[0-9.]+", asked.headers["user-agent"]) for asked in xnat.asked)
    assert {asked.headers["accept"] for asked in xnat.asked} == {"*/*"}
    assert len({asked.headers["x-request-id"] for asked in xnat.asked}) == len(xnat.asked)


def test_closing_logs_out(xnat: Scripted) -> None:
    """The session is ended on the server, so that sessions do not pile up to the account's limit."""
    with connected(xnat) as server:
        server.whoami()

    assert [asked.headers["cookie"] for asked in xnat.requests("DELETE", "/data/JSESSION")] == ["JSESSIONID=S0001"]


@pytest.mark.parametrize(
    "lost",
    [
        Answer(401, b"<!doctype html><html><h1>HTTP Status 401</h1></html>"),
        Answer(302, b"", {"Location": "http://127.0.0.1/app/template/Login.vm"}),
        Answer(200, LOGIN_PAGE, {"Content-Type": "text/html"}),
        Answer(200, b"\n<html><body>Please log in</body></html>", {"Content-Type": "application/json"}),
    ],
    ids=["401", "redirect", "page", "page-as-json"],
)
def test_a_lost_login_is_renewed_once_and_the_read_goes_on(xnat: Scripted, lost: Answer) -> None:
    """All the ways in which XNAT says that nobody is logged in (hierarchy.md §2.2) lead to one new login."""
    xnat.on("GET", PREARCHIVE, lost, Answer(200, ROWS))

    with connected(xnat) as server:
        assert server.prearchive("P1") == ()

    assert xnat.logins == 2


def test_an_expired_login_is_renewed_by_one_thread_for_all(xnat: Scripted) -> None:
    """A hundred reads that all find the session gone make one new login together."""
    xnat.on("GET", PREARCHIVE, xnat.guarded(Answer(200, ROWS)))

    with connected(xnat) as server, ThreadPoolExecutor(16) as pool:
        server.whoami()
        xnat.alive.clear()
        list(pool.map(lambda _: server.prearchive("P1"), range(100)))

    assert xnat.logins == 2


def test_a_server_that_forgets_every_login_is_reported_not_stormed(xnat: Scripted) -> None:
    """After one renewal the read fails as LoginLost: two logins, no more."""
    xnat.on("GET", PREARCHIVE, Answer(401))

    with connected(xnat) as server, pytest.raises(LoginLost):
        server.prearchive("P1")

    assert xnat.logins == 2


def test_wrong_credentials_are_offered_once(xnat: Scripted) -> None:
    """Eight workers with a wrong password cost one failed login: twenty lock the account (hierarchy.md §2.1)."""

    def refused(_: int) -> bool:
        with pytest.raises(CredentialsRefused):
            server.whoami()
        return True

    with connected(xnat, password="wrong") as server, ThreadPoolExecutor(8) as pool:
        assert all(pool.map(refused, range(16)))

    assert xnat.logins == 1


def test_being_taken_for_a_guest_is_no_login(xnat: Scripted) -> None:
    """A proxy that drops the Authorization header gets an anonymous session with 200: it is not mistaken for ours."""
    xnat.known_as = "guest"

    with connected(xnat) as server, pytest.raises(CredentialsRefused, match="guest"):
        server.whoami()


def test_an_open_site_that_forgot_us_is_not_believed(xnat: Scripted) -> None:
    """An expired session on an open site is served as guest, with 200 or 404: the new session cookie betrays it."""
    as_guest = Answer(404, page("hidden from guests"), {"Set-Cookie": "JSESSIONID=ANONYMOUS; Path=/"})
    xnat.on("GET", PREARCHIVE, as_guest, Answer(200, ROWS))

    with connected(xnat) as server:
        server.whoami()
        xnat.alive.clear()
        xnat.on("GET", "/data/auth", Answer(200, b"User 'guest' is logged in"), xnat.who)

        assert server.prearchive("P1") == ()

    assert xnat.logins == 2


def test_a_server_that_always_sets_its_cookie_costs_one_question(xnat: Scripted) -> None:
    """The opposite case: the login is alive, and it is asked for once only."""
    xnat.on("GET", PREARCHIVE, xnat.guarded(Answer(200, ROWS, {"Set-Cookie": "JSESSIONID=NOISE; Path=/"})))

    with connected(xnat) as server:
        for _ in range(5):
            server.prearchive("P1")

    assert xnat.logins == 1
    assert len(xnat.requests("GET", "/data/auth")) == 2


@pytest.mark.parametrize(
    "fault",
    [
        Answer(503, b"", {"Retry-After": "0"}),
        Answer(502, b"<html><title>502 Bad Gateway</title></html>"),
        Answer(429, b""),
        Answer(silent=True),
        Answer(200, ROWS, cut=5),
        Answer(200, ROWS, cut=5, chunked=True),
    ],
    ids=["503", "502", "429", "silent", "cut", "cut-chunked"],
)
def test_a_read_is_tried_again_when_the_fault_may_pass(xnat: Scripted, fault: Answer) -> None:
    """Two faults in a row, then the answer: the caller sees the answer only."""
    xnat.on("GET", PREARCHIVE, fault, fault, Answer(200, ROWS))

    with connected(xnat) as server:
        assert server.prearchive("P1") == ()

    assert len(xnat.requests("GET", PREARCHIVE)) == 3


def test_reads_give_up_after_four_tries(xnat: Scripted) -> None:
    """The number of tries is bounded, and the last failure is told."""
    xnat.on("GET", PREARCHIVE, Answer(503, b"down for maintenance"))

    with connected(xnat) as server, pytest.raises(ServerUnwell, match="503: down for maintenance"):
        server.prearchive("P1")

    assert len(xnat.requests("GET", PREARCHIVE)) == 4


def test_a_long_retry_after_is_left_to_the_engine(xnat: Scripted) -> None:
    """Ten minutes are not slept away here: the failure carries them."""
    xnat.on("GET", PREARCHIVE, Answer(503, b"", {"Retry-After": "600"}))

    with connected(xnat) as server, pytest.raises(ServerUnwell) as caught:
        server.prearchive("P1")

    assert caught.value.retry_after_s == 600.0
    assert len(xnat.requests("GET", PREARCHIVE)) == 1


def test_a_stop_ends_the_waiting(xnat: Scripted) -> None:
    """Somebody who wants us to end does not wait for our patience."""
    xnat.on("GET", PREARCHIVE, Answer(503, b"", {"Retry-After": "2"}))

    with connected(xnat, stop=lambda: bool(xnat.requests("GET", PREARCHIVE))) as server, pytest.raises(ServerUnwell):
        server.prearchive("P1")

    assert len(xnat.requests("GET", PREARCHIVE)) == 1


def test_xnats_own_500_is_not_repeated(xnat: Scripted) -> None:
    """It is a null pointer that comes again (hierarchy.md §3.8)."""
    xnat.on("GET", PREARCHIVE, Answer(500, page("The server encountered an unexpected condition")))

    with connected(xnat) as server, pytest.raises(ReadFailed):
        server.prearchive("P1")

    assert len(xnat.requests("GET", PREARCHIVE)) == 1


def test_no_redirect_is_followed(xnat: Scripted) -> None:
    """Neither the session nor data goes to an address that was not configured."""
    xnat.on("GET", PREARCHIVE, Answer(302, b"", {"Location": f"{xnat.url}/elsewhere"}))

    with connected(xnat) as server, pytest.raises(ReplyStrange):
        server.prearchive("P1")

    assert not xnat.requests("GET", "/elsewhere")


def test_a_dead_address_is_unreachable() -> None:
    """Nobody listens: PAUSE, for reads and writes alike."""
    with scripted() as gone:
        url = gone.url

    with XnatServer(url, "u", "p", server_name="gone", retries=QUICK) as server, pytest.raises(ServerUnreachable):
        server.whoami()


@pytest.mark.parametrize("url", ["ftp://x", "https://", "xnat.example.org", "https://u:p@x", "https://x/?a=b"])
def test_a_url_that_is_none_is_refused_at_once(url: str) -> None:
    """And credentials in a URL, which would end in logs."""
    with pytest.raises(ConfigError):
        XnatServer(url, "u", "p", server_name="x")


def test_nothing_secret_is_shown(xnat: Scripted) -> None:
    """Neither the server's nor the ticket's repr tells password or session."""
    with connected(xnat) as server:
        server.whoami()
        shown = repr(server) + repr(server.client.login.ticket())

    assert "secret" not in shown
    assert "S0001" not in shown


# --- writes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        (Answer(silent=True), OutcomeUnknown),
        (Answer(504, b"<html><title>504 Gateway Time-out</title></html>"), OutcomeUnknown),
        (Answer(502), OutcomeUnknown),
        (Answer(500, page("The server encountered an unexpected condition")), OutcomeUnknown),
        (Answer(200, LOGIN_PAGE), OutcomeUnknown),
        (Answer(200, b"/data" + URI.encode(), cut=9), OutcomeUnknown),
        (Answer(503, b"", {"Retry-After": "1"}), ServerUnwell),
        (Answer(401), LoginLost),
        (Answer(302, b"", {"Location": "/app/template/Login.vm"}), LoginLost),
        (Answer(400, page("unable to read DICOM object 1.dcm")), RequestRefused),
    ],
    ids=["silent", "504", "502", "500", "page", "cut", "503", "401", "redirect", "400"],
)
def test_an_upload_is_sent_once_whatever_is_answered(xnat: Scripted, fault: Answer, failure: type[Exception]) -> None:
    """A write is never repeated here; the class of the failure tells whether it may have happened."""
    xnat.on("POST", IMPORT, fault)

    with connected(xnat) as server, pytest.raises(failure):
        send(server, b"x" * 1000)

    assert len(xnat.requests("POST", IMPORT)) == 1


def test_after_an_upload_met_an_ended_login_the_next_one_has_a_new_one(xnat: Scripted) -> None:
    """401 to a streamed body: nothing was stored, and the login is renewed for the next time."""
    xnat.on("POST", IMPORT, Answer(401), Answer(200, b"/data" + URI.encode() + b"\r\n"))

    with connected(xnat) as server:
        with pytest.raises(LoginLost):
            send(server, b"x")
        assert send(server, b"x") == (URI,)

    assert xnat.logins == 2


def test_a_dead_login_is_found_before_the_body_is_touched(xnat: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body cannot be replayed: the login is asked for first when it was not seen alive for a minute."""
    monkeypatch.setattr("xnatsync.xnat.client.PROOF_AGE_S", 0.0)
    xnat.on("POST", IMPORT, xnat.guarded(Answer(200, b"/data" + URI.encode())))

    with connected(xnat) as server:
        server.whoami()
        xnat.alive.clear()
        assert send(server, b"x") == (URI,)

    assert xnat.logins == 2
    assert len(xnat.requests("POST", IMPORT)) == 1


def test_a_refusal_that_comes_before_the_body_is_read_is_understood(xnat: Scripted) -> None:
    """413 while 64 MiB are on their way, and the connection is closed: the caller hears 413, not a broken pipe."""
    xnat.on("POST", IMPORT, Answer(413, b"<html><title>413 Request Entity Too Large</title></html>", early=True))

    with connected(xnat) as server, pytest.raises((RequestRefused, OutcomeUnknown)) as caught:
        send(server, b"x" * (64 << 20))

    assert isinstance(caught.value, OutcomeUnknown) or caught.value.http == 413
    assert len(xnat.requests("POST", IMPORT)) == 1


def test_a_slow_answer_to_a_write_leaves_its_outcome_unknown(xnat: Scripted) -> None:
    """The time for an answer ran out, while the server may still be at work."""
    release = threading.Event()
    xnat.on("POST", f"/data{URI}", Answer(200, b"", wait_for=release))

    with connected(xnat, timeouts=Timeouts(work_s=0.05)) as server, pytest.raises(OutcomeUnknown):
        server.commit(URI, request_id="r1")
    release.set()

    assert len(xnat.requests("POST", f"/data{URI}")) == 1


@pytest.mark.parametrize("content", [b"", b"12345", b"1234567"])
def test_an_upload_whose_source_changed_is_never_completed(xnat: Scripted, content: bytes) -> None:
    """One byte too few or too many: SourceChanged, and the server sees a request that breaks off."""
    xnat.on("POST", IMPORT, Answer(200, b""))
    file = ManifestFile("scan/0001", 6, 0, b"", 0, b"", Kind.DICOM)

    with connected(xnat) as server, pytest.raises(SourceChanged, match="scan/0001"):
        server.import_zip(
            ImportTarget("P1", "S1", "E1"),
            [("a.dcm", file, iter([content]))],
            size=zip_size([("a.dcm", 6)]),
            request_id="r",
        )

    assert [asked.complete for asked in xnat.requests("POST", IMPORT)] in ([], [False])


def test_a_wrong_size_is_our_bug_and_never_completes(xnat: Scripted) -> None:
    """The size promised to the server is that of the zip, or nothing is uploaded."""
    with connected(xnat) as server, pytest.raises(Bug):
        server.import_zip(ImportTarget("P1", "S1", "E1"), members(b"x"), size=10, request_id="r")

    assert not [asked for asked in xnat.requests("POST", IMPORT) if asked.complete]


def test_a_stop_cuts_an_upload(xnat: Scripted) -> None:
    """Asked to stop in the middle: the request breaks off, and what happened is for the next look to find out."""
    sent: list[int] = []

    def content() -> Iterator[bytes]:
        for _ in range(1000):
            sent.append(1)
            yield bytes(1 << 20)

    file = ManifestFile("f", 1000 << 20, 0, b"", 0, b"", Kind.DICOM)
    with connected(xnat, stop=lambda: len(sent) > 3) as server, pytest.raises(OutcomeUnknown, match="stop"):
        server.import_zip(
            ImportTarget("P1", "S1", "E1"), [("a", file, content())], size=zip_size([("a", file.size)]), request_id="r"
        )

    assert len(sent) < 10


def test_the_import_says_what_the_recipe_demands(xnat: Scripted) -> None:
    """Nobody but us builds or archives; `overwrite` is never sent (import.md §1.3)."""
    xnat.on("POST", IMPORT, Answer(200, b"/data" + URI.encode() + b"\r\n"))

    with connected(xnat) as server:
        send(server, b"abc", b"")
    (asked,) = xnat.requests("POST", IMPORT)

    assert asked.query == {
        "import-handler": "DICOM-zip",
        "inbody": "true",
        "PROJECT_ID": "P1",
        "SUBJECT_ID": "S1",
        "EXPT_LABEL": "S1_MR1",
        "prevent_auto_commit": "true",
        "SOURCE": "uploader",
    }
    assert asked.headers["content-type"] == "application/zip"
    assert asked.headers["content-length"] == str(len(asked.body))
    assert asked.headers["x-request-id"] == "r1"


def test_messages_hold_no_label(xnat: Scripted) -> None:
    """Labels are made of patient IDs; the address of a request is not told, only what was done (S8)."""
    xnat.on("POST", IMPORT, Answer(503))
    xnat.on("POST", f"/data{URI}", Answer(503))

    with connected(xnat) as server:
        with pytest.raises(ServerUnwell) as upload:
            send(server, b"x")
        with pytest.raises(ServerUnwell) as commit:
            server.commit(URI, request_id="r")

    assert "S1" not in str(upload.value)
    assert "S1_MR1" not in str(commit.value)
    assert "P1/20240611_142301123" in str(commit.value)


def test_a_stalled_download_is_given_up(xnat: Scripted) -> None:
    """The time for the next piece is over: a read has failed, nothing has changed."""
    release = threading.Event()
    xnat.on("GET", PREARCHIVE, Answer(200, ROWS, wait_for=release))

    with connected(xnat, timeouts=Timeouts(read_s=0.05)) as server:
        with pytest.raises(ReadFailed):
            server.client.get(wire.prearchive("P1"))
        release.set()


# --- redirects ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("https://127.0.0.1{port}/data/JSESSION", "https://127.0.0.1{port}"),
        ("https://xnat.example.org/data/JSESSION", "https://xnat.example.org"),
        ("https://xnat.example.org/xnat/data/JSESSION/", "https://xnat.example.org/xnat"),
        ("//xnat.example.org/data/JSESSION?token=secret", "http://xnat.example.org"),
        ("/xnat/data/JSESSION", "http://127.0.0.1{port}/xnat"),
        ("https://[2001:db8::1]:8443/data/JSESSION", "https://[2001:db8::1]:8443"),
    ],
)
def test_a_redirect_is_told_with_the_address_to_write_and_never_followed(
    xnat: Scripted, status: int, location: str, url: str
) -> None:
    """Whoever types http:// is told what to type; for a person at once, and no password goes there."""
    port = xnat.url.rpartition(":")[2]
    xnat.on("POST", "/data/JSESSION", Answer(status, b"", {"Location": location.replace("{port}", f":{port}")}))

    with connected(xnat) as server, pytest.raises(ServerMoved) as caught:
        server.project("P1")

    assert f'url = "{url.replace("{port}", f":{port}")}"' in caught.value.remedy
    assert "secret" not in f"{caught.value} {caught.value.remedy}"
    assert caught.value.disposition is Disposition.PERSON
    assert [asked.path for asked in xnat.asked] == ["/data/JSESSION"]


def test_a_redirect_to_a_page_to_log_in_at_is_told_as_such(xnat: Scripted) -> None:
    """A single sign-on before the XNAT: its address is no XNAT's."""
    xnat.on("POST", "/data/JSESSION", Answer(302, b"", {"Location": "https://login.example.org/authorize?state=x"}))

    with connected(xnat) as server, pytest.raises(ServerMoved, match=r"login\.example\.org/authorize; it") as caught:
        server.project("P1")

    assert "without it" in caught.value.remedy


def test_a_redirect_in_a_circle_is_not_called_a_move(xnat: Scripted) -> None:
    """The address that would be told is the one that is configured."""
    xnat.on("POST", "/data/JSESSION", Answer(301, b"", {"Location": f"{xnat.url}/data/JSESSION"}))

    with connected(xnat) as server, pytest.raises(ServerMoved, match="the address it was asked at") as caught:
        server.project("P1")

    assert "circle" in caught.value.remedy


def test_a_redirect_tells_no_label(xnat: Scripted) -> None:
    """What was asked for may hold one; only the address of the server is told (S8)."""
    xnat.on("POST", f"/data{URI}", Answer(307, b"", {"Location": f"https://x.example.org/y{URI}"}))

    with connected(xnat) as server, pytest.raises(ServerMoved) as caught:
        server.build(URI, request_id="r")

    assert "S1_MR1" not in f"{caught.value} {caught.value.remedy}"


@pytest.mark.parametrize("status", [404, 405])
def test_an_address_without_an_xnat_is_told_that_a_path_may_be_missing(xnat: Scripted, status: int) -> None:
    """`https://host` instead of `https://host/xnat`."""
    xnat.on("POST", "/data/JSESSION", Answer(status, page("not here")))

    with connected(xnat) as server, pytest.raises(ReplyStrange) as caught:
        server.project("P1")

    assert "/xnat" in caught.value.remedy


def test_a_slash_at_the_end_of_the_address_does_not_matter(xnat: Scripted) -> None:
    """It is asked as if it were not there."""
    xnat.on("GET", PREARCHIVE, xnat.guarded(Answer(200, ROWS)))
    xnat.url += "/"

    with connected(xnat) as server:
        assert server.prearchive("P1") == ()
