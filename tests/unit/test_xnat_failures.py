from __future__ import annotations

import ssl

import httpx
import pytest

from xnatsync.core import errors
from xnatsync.core.errors import (
    AccessDenied,
    Bug,
    ConfigError,
    CredentialsRefused,
    Disposition,
    LoginLost,
    NotThere,
    OutcomeUnknown,
    ReadFailed,
    ReplyStrange,
    RequestRefused,
    ServerBusy,
    ServerUnreachable,
    ServerUnwell,
    TlsRefused,
    XnatsyncError,
)
from xnatsync.xnat.failures import (
    HTTPX_FAILURES,
    Verb,
    from_status,
    from_transport,
    message,
    retry_after_s,
)

EXCEPTIONS = [
    kind
    for kind in vars(httpx).values()
    if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, Warning)
]
WRITES = [verb for verb in Verb if verb.writes]


def status_page(words: str) -> str:
    return f"<html>\n<head>\n   <title>Status page</title>\n</head>\n<body>\n<h3>{words}</h3><p>…</p>\n</body></html>"


def raised(kind: type[Exception], text: str = "x") -> Exception:
    return kind.__new__(kind, text) if kind is httpx.HTTPStatusError else kind(text)


@pytest.mark.parametrize("kind", EXCEPTIONS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("verb", [Verb.READ, Verb.IMPORT])
def test_every_exception_of_httpx_is_translated(kind: type[Exception], verb: Verb) -> None:
    """Each exception class httpx exports is caught and becomes one of ours; one that a newer httpx adds fails here."""
    error = kind.__new__(kind)
    Exception.__init__(error, "x")

    assert isinstance(error, HTTPX_FAILURES)
    assert isinstance(from_transport(error, verb, "doing it"), XnatsyncError)


def test_there_are_exceptions_to_translate() -> None:
    """The test above looks at the real list."""
    assert {httpx.ReadError, httpx.PoolTimeout, httpx.InvalidURL, httpx.StreamClosed} <= set(EXCEPTIONS)


@pytest.mark.parametrize("kind", [httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError])
@pytest.mark.parametrize("verb", list(Verb))
def test_before_a_connection_stands_nothing_has_happened(kind: type[Exception], verb: Verb) -> None:
    """So even a write is known not to have been done."""
    assert type(from_transport(raised(kind), verb, "doing it")) is ServerUnreachable


@pytest.mark.parametrize(
    "kind", [httpx.ReadTimeout, httpx.WriteTimeout, httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError]
)
def test_a_cut_write_may_have_happened_a_cut_read_has_only_failed(kind: type[Exception]) -> None:
    """The one question that decides."""
    assert type(from_transport(raised(kind), Verb.READ, "doing it")) is ReadFailed
    assert {type(from_transport(raised(kind), verb, "doing it")) for verb in WRITES} == {OutcomeUnknown}


def test_our_own_mistakes_are_bugs_and_wrong_addresses_configuration() -> None:
    """Neither is tried again for ever."""
    assert type(from_transport(httpx.LocalProtocolError("x"), Verb.IMPORT, "doing it")) is Bug
    assert type(from_transport(httpx.UnsupportedProtocol("x"), Verb.READ, "doing it")) is ConfigError
    assert type(from_transport(KeyError("x"), Verb.READ, "doing it")) is Bug


def test_a_certificate_that_does_not_verify_is_for_a_person() -> None:
    """It comes as a failed connection and must not be waited for."""
    error = httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate")
    error.__cause__ = ssl.SSLCertVerificationError("self-signed")

    assert type(from_transport(error, Verb.READ, "doing it")) is TlsRefused
    assert type(from_transport(httpx.ConnectError("refused"), Verb.READ, "doing it")) is ServerUnreachable


@pytest.mark.parametrize("verb", list(Verb))
def test_every_status_is_translated(verb: Verb) -> None:
    """All of 100 to 599, and a few that no server should send; never as our bug, never without the status."""
    for status in [*range(100, 600), 0, 999]:
        failure = from_status(status, "", verb, "doing it")

        assert failure.http == status
        assert failure.disposition is not Disposition.BUG


@pytest.mark.parametrize(
    ("status", "read", "write"),
    [
        (204, ReplyStrange, OutcomeUnknown),
        (302, ReplyStrange, ReplyStrange),
        (400, RequestRefused, RequestRefused),
        (401, LoginLost, LoginLost),
        (403, AccessDenied, AccessDenied),
        (404, NotThere, NotThere),
        (405, RequestRefused, RequestRefused),
        (406, RequestRefused, RequestRefused),
        (408, ReadFailed, OutcomeUnknown),
        (409, ServerBusy, RequestRefused),
        (410, NotThere, NotThere),
        (413, RequestRefused, RequestRefused),
        (417, RequestRefused, RequestRefused),
        (422, RequestRefused, RequestRefused),
        (423, ServerBusy, ServerBusy),
        (424, ReadFailed, OutcomeUnknown),
        (429, ServerUnwell, ServerUnwell),
        (500, ReadFailed, OutcomeUnknown),
        (501, RequestRefused, RequestRefused),
        (502, ServerUnwell, OutcomeUnknown),
        (503, ServerUnwell, ServerUnwell),
        (504, ServerUnwell, OutcomeUnknown),
        (520, ServerUnwell, OutcomeUnknown),
    ],
)
def test_what_a_status_means(status: int, read: type[Exception], write: type[Exception]) -> None:
    """By status and verb, where XNAT says nothing more."""
    assert type(from_status(status, "", Verb.READ, "doing it")) is read
    assert type(from_status(status, "", Verb.IMPORT, "doing it")) is write


@pytest.mark.parametrize(
    "words",
    [
        "Session processing may already be in progress: X.  Concurrent modification is discouraged.",
        "Duplicate archive attempt.  Destination session in use.",
        "Concurrent file sends of the same data is not supported.",
        "session document locked",
        "Operation already in progress on this prearchive entry.",
        "Prearc destination is locked.",
    ],
)
@pytest.mark.parametrize("status", [400, 403, 409, 423, 500])
def test_passing_faults_are_known_by_their_words(words: str, status: int) -> None:
    """XNAT answers 400, 403, 409 and 500 to what a minute later would work (import.md §1.6, §2.5)."""
    for verb in WRITES:
        assert type(from_status(status, status_page(words), verb, "doing it")) is ServerBusy


@pytest.mark.parametrize(
    "words",
    [
        "unable to read DICOM object junk.txt",
        "Unable to identify subject.",
        "Session already exists, retry with overwrite enabled",
        "unable to archive for the Prearchive session",
        "Session already contains a scan with the same UID, but a different number (4).",
    ],
)
def test_lasting_faults_are_refusals(words: str) -> None:
    """The same status, and never accepted."""
    failure = from_status(400, status_page(words), Verb.IMPORT, "uploading")

    assert type(failure) is RequestRefused
    assert str(failure) == f"uploading: the server answered 400: {words}"


def test_what_a_commit_says_when_it_fails() -> None:
    """XNAT's refusal is one; its own time-out, a bare 500 and an ended login are not: archiving may go on (§2.5)."""
    failed = "FAILED: Unable to archive X: Operation Failed: Session already exists with matching files."
    slow = "FAILED: Unable to archive X: did not complete within the configured timeout interval."

    assert type(from_status(500, status_page(failed), Verb.COMMIT, "archiving")) is RequestRefused
    assert type(from_status(200, failed, Verb.COMMIT, "archiving")) is RequestRefused
    assert type(from_status(500, status_page(slow), Verb.COMMIT, "archiving")) is OutcomeUnknown
    assert type(from_status(500, "", Verb.COMMIT, "archiving")) is OutcomeUnknown
    assert type(from_status(401, "", Verb.COMMIT, "archiving")) is OutcomeUnknown


def test_403_has_three_meanings() -> None:
    """A right that is missing, a password that expired, a site that is not set up (hierarchy.md §2.2)."""
    assert type(from_status(403, "Your password has expired.", Verb.READ, "x")) is CredentialsRefused
    assert type(from_status(403, "Site has not yet been configured.", Verb.READ, "x")) is ServerUnwell
    assert type(from_status(403, status_page("Invalid permissions"), Verb.READ, "x")) is AccessDenied


def test_a_404_of_a_starting_tomcat_is_no_absence() -> None:
    """While XNAT is being deployed Tomcat answers 404 to everything: nothing may be concluded from it."""
    tomcat = "<!doctype html><html><head><title>HTTP Status 404 – Not Found</title></head></html>"

    assert type(from_status(404, tomcat, Verb.READ, "x")) is ServerUnwell
    assert type(from_status(404, status_page("Unable to find the specified experiment."), Verb.READ, "x")) is NotThere


def test_a_servers_words_are_bounded_and_on_one_line() -> None:
    """They end in messages, logs and terminals."""
    said = message(status_page("first\nsecond\x1b[31m\x00 <b>third</b> " + "x" * 5000))

    assert said.startswith("first second [31m third xxx")
    assert len(said) <= 300
    assert said.isprintable()


def test_pages_without_xnats_words_say_nothing_or_their_title() -> None:
    """No markup gets into a message."""
    assert message("<html><head><title>502 Bad Gateway</title></head><body><center>nginx</center>") == "502 Bad Gateway"
    assert message("<!DOCTYPE html><html><body>…</body></html>") == ""
    assert message("plain words") == "plain words"
    heading = "<h1>Bad</h1><p>more</p>"
    assert message(f"<html><body>{heading}</body></html>") == "Bad"
    assert message(f"<html><title> </title><body>{heading}</body></html>") == "Bad"


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after": "120"}, 120.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", "date": "Wed, 21 Oct 2026 07:28:30 GMT"}, 0.0),
        ({"retry-after": "Wed, 99 Oct 2026 07:28:00 GMT", "date": "Wed, 21 Oct 2026 07:28:30 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_both_forms(headers: dict[str, str], wait: float | None) -> None:
    """A date counts from the server's own clock."""
    assert retry_after_s(headers) == wait


def test_all_failures_have_codes_of_the_tree() -> None:
    """Nothing outside core.errors is raised by the mapping."""
    kinds = {type(from_status(status, "", verb, "x")) for status in range(100, 600) for verb in Verb}

    assert all(getattr(errors, kind.__name__) is kind for kind in kinds)
