"""One total mapping: every way a request can fail becomes one class of `core.errors`.

Two questions decide: could it have happened (a write that was sent and not answered: OutcomeUnknown), and will it pass
by itself.  XNAT answers both passing and lasting faults with 400, 403, 409 and 500; only its words tell them apart
(import.md §1.6, §2.5, §2.6).
"""

from __future__ import annotations

import email.utils
import html
import re
import ssl
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Final

import httpx

from xnatsync.core.errors import (
    AccessDenied,
    Bug,
    ConfigError,
    ConnectionsTaken,
    CredentialsRefused,
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
from xnatsync.core.retry import asked_words
from xnatsync.xnat import names


class Verb(Enum):
    """What a request does, which decides what its failure means."""

    READ = "read"
    IMPORT = "import"
    BUILD = "build"
    COMMIT = "commit"
    DELETE = "delete"
    STORE = "store"
    CHANGE = "change"

    @property
    def writes(self) -> bool:
        """Return whether the server may be changed by it."""
        return self is not Verb.READ


Failure = type[XnatsyncError]

# (a read, a write).  Before a connection stands nothing can have happened; afterwards a write may have.
_TRANSPORT: Final[dict[type[Exception], tuple[Failure, Failure]]] = {
    httpx.ConnectError: (ServerUnreachable, ServerUnreachable),
    httpx.ConnectTimeout: (ServerUnreachable, ServerUnreachable),
    httpx.ProxyError: (ServerUnreachable, ServerUnreachable),
    httpx.PoolTimeout: (ConnectionsTaken, ConnectionsTaken),
    httpx.ReadTimeout: (ReadFailed, OutcomeUnknown),
    httpx.WriteTimeout: (ReadFailed, OutcomeUnknown),
    httpx.ReadError: (ReadFailed, OutcomeUnknown),
    httpx.WriteError: (ReadFailed, OutcomeUnknown),
    httpx.CloseError: (ReadFailed, OutcomeUnknown),
    httpx.RemoteProtocolError: (ReadFailed, OutcomeUnknown),
    httpx.DecodingError: (ReplyStrange, OutcomeUnknown),
    httpx.LocalProtocolError: (Bug, Bug),
    httpx.UnsupportedProtocol: (ConfigError, ConfigError),
    httpx.InvalidURL: (ConfigError, ConfigError),
    httpx.TooManyRedirects: (Bug, Bug),  # we follow none
    httpx.HTTPStatusError: (Bug, Bug),  # we raise none
    httpx.CookieConflict: (Bug, Bug),
    httpx.StreamError: (Bug, Bug),
    httpx.TransportError: (ReadFailed, OutcomeUnknown),
    httpx.RequestError: (ReadFailed, OutcomeUnknown),
    httpx.HTTPError: (ReadFailed, OutcomeUnknown),
}

HTTPX_FAILURES: Final = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, httpx.CookieConflict)

# Passing faults, by XNAT's own words (import.md §1.6, §1.9, §2.3, §2.5, §2.6), lower case.
_BUSY: Final = (
    "session processing in progress",
    "session processing may already be in progress",
    "concurrent modification is discouraged",
    "duplicate archive attempt",
    "destination session in use",
    "concurrent file sends of the same data",
    "prearc destination is locked",
    "session document locked",
    "operation already in progress",
    "is being processed",
    "still receiving new files",
)
_STILL_RUNNING: Final = ("did not complete within the configured timeout",)

_READ: Final[dict[int, Failure]] = {
    401: LoginLost,
    403: AccessDenied,
    404: NotThere,
    408: ReadFailed,
    409: ServerBusy,
    410: NotThere,
    423: ServerBusy,
    424: ReadFailed,
    425: ServerUnwell,
    429: ServerUnwell,
    500: ReadFailed,
    501: RequestRefused,
    505: ReplyStrange,
}
_WRITE: Final[dict[int, Failure]] = {
    401: LoginLost,
    403: AccessDenied,
    404: NotThere,
    408: OutcomeUnknown,
    410: NotThere,
    423: ServerBusy,
    424: OutcomeUnknown,
    425: ServerUnwell,
    429: ServerUnwell,
    501: RequestRefused,
    503: ServerUnwell,  # "currently unable to handle the request": it was not handled
    507: ServerUnwell,
}


def from_transport(error: Exception, verb: Verb, what: str) -> XnatsyncError:
    """Translate an exception of httpx that was raised while doing `what`."""
    if isinstance(error, httpx.ConnectError) and _certificate(error):
        return TlsRefused(f"{what}: the server's certificate could not be verified ({_reason(error)})")
    for kind in type(error).__mro__:
        if kind in _TRANSPORT:
            read, write = _TRANSPORT[kind]
            failure = write if verb.writes else read
            return failure(f"{what}: {_story(failure, error)}")
    return Bug(f"{what}: {type(error).__name__} is not a failure of a request")


def from_status(
    status: int, said: str, verb: Verb, what: str, *, headers: Mapping[str, str] | None = None
) -> XnatsyncError:
    """Translate an answer that is not the one asked for.  `said` is the body, of which only XNAT's words are kept."""
    spoken = message(said)
    failure = _by_status(status, spoken, said, verb)
    tail = f": {spoken}" if spoken else ""
    wait_s = retry_after_s(headers or {})
    return failure(
        f"{what}: the server answered {status}{tail}{asked_words(wait_s)}",
        http=status,
        retry_after_s=wait_s,
        advice=_ADVICE.get(status) if failure in {RequestRefused, ReplyStrange} else None,
    )


def again(error: XnatsyncError) -> XnatsyncError:
    """Return a copy of a failure, for another thread to raise: an exception carries the trace of one."""
    return type(error)(str(error), advice=error.remedy, http=error.http, retry_after_s=error.retry_after_s)


def message(body: str) -> str:
    """Extract what XNAT says: the `<h3>` of Restlet's status page, a page's title or heading, or the text itself."""
    start = body[:_SPOKEN_MAX]
    for shape in (_H3, _TITLE, _HEADING):
        found = shape.search(start)
        if found is not None and (spoken := names.words(html.unescape(_TAG.sub(" ", found.group(1))))):
            return spoken
    return "" if is_page(start) else names.words(_TAG.sub(" ", start[:4000]))


def is_page(body: str) -> bool:
    """Return whether a body is a web page for people (hierarchy.md §2.2)."""
    start = body.lstrip("\ufeff \t\r\n")[:15].lower()
    return start.startswith(("<!doctype html", "<html"))


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the wait a server asks for, as seconds, whether it wrote seconds or a date."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", value):
        return float(value)
    asked, now = _moment(value), _moment(headers.get("date", ""))
    return max(0.0, (asked - now).total_seconds()) if asked is not None and now is not None else None


def _moment(text: str) -> datetime | None:
    if not _DATE.match(text):
        return None
    try:
        return email.utils.parsedate_to_datetime(text)
    except ValueError:  # the 99th of October
        return None


_NO_TLS: Final = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET LENGTH TOO LONG", "HTTP_REQUEST")
_SPOKEN_MAX: Final = 8_000  # characters: searching for an end that never comes takes their square
_H3: Final = re.compile(r"<h3>(.*?)</h3>", re.DOTALL | re.IGNORECASE)
_TITLE: Final = re.compile(r"<title>(.*?)</title>", re.DOTALL | re.IGNORECASE)
_HEADING: Final = re.compile(r"<h[1-6]>(.*?)</h[1-6]>", re.DOTALL | re.IGNORECASE)
_TAG: Final = re.compile(r"<[^>]{0,500}>")
_DATE: Final = re.compile(r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT$")
_ADVICE: Final = {
    413: "Raise the size limit of the proxy before XNAT (nginx: client_max_body_size).",
}


def _by_status(status: int, spoken: str, said: str, verb: Verb) -> Failure:
    words = f"{spoken}\n{said[:4000]}".lower()
    if verb.writes and any(sign in words for sign in _STILL_RUNNING):
        return OutcomeUnknown
    if verb.writes and status in {200, 400, 403, 409, 423, 500} and any(sign in words for sign in _BUSY):
        return ServerBusy
    if status == 403 and "password has expired" in words:
        return CredentialsRefused
    if status == 403 and "not yet been configured" in words:
        return ServerUnwell
    if status == 404 and "http status 404" in words:
        return ServerUnwell  # Tomcat's own page: XNAT is not deployed yet; XNAT's 404 is Restlet's status page
    if verb is Verb.COMMIT and status == 401:
        return OutcomeUnknown  # a slow archive outlives the login: 401, and archived all the same
    if verb is Verb.COMMIT and "failed:" in words:
        return RequestRefused
    table = _WRITE if verb.writes else _READ
    return table.get(status) or _by_group(status, verb)


def _by_group(status: int, verb: Verb) -> Failure:
    if 300 <= status <= 399:
        return ReplyStrange
    if 400 <= status <= 499:
        return RequestRefused
    if verb.writes:
        return OutcomeUnknown
    return ServerUnwell if 502 <= status <= 599 else ReplyStrange


def _story(failure: Failure, error: Exception) -> str:
    told = _reason(error)
    if failure is ServerUnreachable and any(sign in told.upper() for sign in _NO_TLS):
        return "no encrypted connection to the server: that port does not speak https (is `url` right?)"
    if failure is ServerUnreachable and isinstance(error, httpx.ConnectTimeout) and "handshake" in told:
        return "no encrypted connection to the server: it said nothing at all (does that port speak https? see `url`)"
    if failure is ServerUnreachable:
        return f"no connection to the server ({told})"
    if failure is OutcomeUnknown:
        return f"no usable answer came, so it may or may not have happened ({told})"
    return told


def _reason(error: Exception) -> str:
    return names.words(str(error)) or type(error).__name__


def _certificate(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return True
        seen = seen.__cause__ or seen.__context__
    return "CERTIFICATE_VERIFY_FAILED" in str(error)
