"""Requests whose address the caller has made: what `api get|put|post|delete` and further services ask.

A read is repeated where that is safe, a write is sent once, and no redirect is followed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Final

import httpx

from xnatsync.core.errors import Usage
from xnatsync.xnat.client import Client
from xnatsync.xnat.exchange import Body
from xnatsync.xnat.failures import Verb
from xnatsync.xnat.replies import Reply
from xnatsync.xnat.wire import Call, Due

DONE: Final = frozenset({200, 201, 202, 204})
PIECE_BYTES: Final = 1 << 20
UNREACHED: Final = (httpx.TransportError, OSError)  # what a connection raises that gave no answer


def call(
    method: str,
    path: str,
    what: str,
    query: Iterable[tuple[str, str]] = (),
    *,
    due: Due = Due.TEXT,
    verb: Verb | None = None,
) -> Call:
    """Return a request for an address that is encoded already; Usage when it is none of this server."""
    if not path.startswith("/") or path.startswith("//") or any(sign in path for sign in "?#\\ \r\n"):
        raise Usage(f"{path!r} is no path of a server", advice="Write it as /data/projects; the query apart.")
    return Call(verb or (Verb.READ if method == "GET" else Verb.CHANGE), method, path, what, tuple(query), due)


def read(client: Client, path: str, what: str, *query: tuple[str, str], due: Due = Due.JSON) -> Reply:
    """Read from an address; everything but 200 is raised."""
    return client.get(call("GET", path, what, query, due=due))


def change(
    client: Client,
    request: Call,
    *,
    request_id: str,
    timeout_s: float,
    body: Body | None = None,
    done: frozenset[int] = DONE,
) -> Reply:
    """Do an effect once; OutcomeUnknown when no usable answer came."""
    return client.write(request, request_id=request_id, body=body, timeout_s=timeout_s, done=done)


def json_body(document: object) -> Body:
    """Return a document as the body of a write."""
    return bytes_body(json.dumps(document).encode(), "application/json")


def form_body(fields: Mapping[str, str]) -> Body:
    """Return the fields of a form as the body of a write."""
    from urllib.parse import urlencode

    return bytes_body(urlencode(fields).encode("ascii"), "application/x-www-form-urlencoded")


def bytes_body(content: bytes, content_type: str) -> Body:
    """Return some bytes as the body of a write."""
    pieces = (content[at : at + PIECE_BYTES] for at in range(0, len(content), PIECE_BYTES))
    return Body(pieces, len(content), content_type)
