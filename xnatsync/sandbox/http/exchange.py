"""One HTTP exchange as the sandbox's handlers see it: requests and responses that can be streamed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import parse_qsl

from xnatsync.sandbox.model.accounts import User
from xnatsync.sandbox.model.store import FileBody as FileBody  # noqa: PLC0414 - exported


class Body(Protocol):
    """Reads exactly one request's body, chunked or not; raises ConnectionError when the peer is gone before its end."""

    def read(self, size: int = -1, /) -> bytes:
        """Read up to `size` bytes, all of the rest when negative; b"" at the end."""


@dataclass(slots=True)
class Request:
    """A request after authentication; the path is raw (XNAT does not decode its segments, hierarchy.md §1.6)."""

    method: str
    path: str  # raw, without query, e.g. /data/projects/P1/subjects/a%20b
    query: list[tuple[str, str]]  # decoded, in order, repeats kept
    headers: Mapping[str, str]  # names lower-case
    body: Body
    length: int | None  # None = chunked (unknown); 0 = no body
    user: User  # the guest when anonymous
    session_id: str  # "" when there is none
    accepts: Callable[[str], None] = lambda _name: None  # refuses a parameter that the answering module does not know

    def param(self, name: str, default: str = "") -> str:
        """Return the first value of a query parameter."""
        return next((value for key, value in self.query if key == name), default)

    def has(self, name: str) -> bool:
        """Return whether a query parameter is there at all."""
        return any(key == name for key, _ in self.query)

    def flag(self, name: str) -> bool:
        """Return whether a query parameter is true by XNAT's rule: present and not `false` or `0` (§1.11)."""
        return any(value.lower() not in {"false", "0"} for key, value in self.query if key == name)

    def flag_unless(self, name: str, default: bool) -> bool:
        """Return `flag` when the parameter is there, else the default."""
        return self.flag(name) if self.has(name) else default

    @property
    def content_type(self) -> str:
        """The media type of the body, lower-case, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def form(self) -> list[tuple[str, str]]:
        """Return the parameters of an urlencoded body, then those of the query; read the body if it is a form."""
        fields: list[tuple[str, str]] = []
        if self.content_type == "application/x-www-form-urlencoded":
            fields = parse_qsl(self.body.read().decode("utf-8", "replace"), keep_blank_values=True)
            for name, _ in fields:
                self.accepts(name)
        return [*fields, *self.query]

    def json(self) -> object:
        """Parse a JSON body; refuse what is none with 400."""
        try:
            parsed: object = json.loads(self.body.read() or b"null")
        except ValueError as error:
            raise Refusal(400, "The request body is not JSON.") from error
        return parsed


@dataclass(slots=True)
class Response:
    """An answer.  `body` is bytes or a file on disk (Content-Length is set), or an iterable of such (sent chunked)."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | Iterable[bytes] | Iterable[bytes | FileBody] | FileBody = b""
    cookies: list[str] = field(default_factory=list)


class Refusal(Exception):
    """An answer other than success: becomes Restlet's HTML status page with `message` in its <h3> (hierarchy.md §1)."""

    def __init__(self, status: int, message: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {message}")
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


Handler = Callable[[Request, "Match"], Response]


@dataclass(frozen=True, slots=True)
class Match:
    """Which route matched.

    `values` are the template's variables, not percent-decoded, but XML-escaped as XNAT does (§1.6); `tail` is the rest
    of the path, which no template asked for (§1.3), raw, with its leading slash.
    """

    values: Mapping[str, str]
    tail: str


def text(content: str, status: int = 200, kind: str = "text/plain") -> Response:
    """Answer with text."""
    return Response(status, {"Content-Type": f"{kind};charset=UTF-8"}, content.encode())


def json_answer(content: object, status: int = 200) -> Response:
    """Answer with JSON, as the /xapi does."""
    return Response(status, {"Content-Type": "application/json;charset=UTF-8"}, json.dumps(content).encode())


def pieces(body: Body, size: int = 1 << 18) -> Iterator[bytes]:
    """Read a request body to its end in pieces."""
    while piece := body.read(size):
        yield piece


_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&apos;", '"': "&quot;"})


def escaped(value: str) -> str:
    """Escape a query value or path segment as XNAT does before it stores or compares it (§1.6, §1.7)."""
    return value.translate(_ESCAPES)
