"""Looks at the prearchive, and lets the server build, archive or delete a session that waits there (import.md §2)."""

from __future__ import annotations

import urllib.parse
from typing import Final

from xnatsync.core.errors import NotThere, OutcomeUnknown, ReplyStrange
from xnatsync.core.remote import FileListing, PrearchiveSeen, RemoteFile
from xnatsync.xnat import failures, names, replies, wire
from xnatsync.xnat.client import Client
from xnatsync.xnat.replies import Reply

LOG_MAX: Final = 2000
_UNASSIGNED: Final = "Unassigned"
_DONE: Final = frozenset({200})
_ARCHIVED: Final = frozenset({200, 301, 303})


def rows(client: Client, project_id: str) -> tuple[PrearchiveSeen, ...]:
    """List a project's rows; the unassigned ones, which privileged accounts are shown in every listing, go (§2.1)."""
    listed = replies.prearchive(client.get(wire.prearchive(project_id)))
    return tuple(row for row in listed if row.project != _UNASSIGNED or project_id == _UNASSIGNED)


def files(client: Client, uri: str) -> FileListing:
    """List the files of a built session; NotThere while it is not built (§2.4)."""
    refused: replies.Refused = []
    scans = replies.scans(client.get(wire.prearchive_scans(uri)), refused)
    labels = replies.scan_labels(client.get(wire.prearchive_resources(uri)), refused) if scans else {}
    found: list[RemoteFile] = []
    for scan in scans:
        # Whether the listing of all resources holds those of scans is not certain on every XNAT; the scan's own does.
        for resource in labels.get(scan) or _labels(client, uri, scan, refused):
            reply = client.get(wire.prearchive_files(uri, scan, resource))
            found.extend(replies.prearchive_files(reply, scan, resource, refused))
    return FileListing(tuple(found), complete=not refused, refused=tuple(refused))


def _labels(client: Client, uri: str, scan: str, refused: replies.Refused) -> tuple[str, ...]:
    return replies.labels(client.get(wire.prearchive_scan_resources(uri, scan)), refused, scan)


def log(client: Client, uri: str) -> str:
    """Return the newest log entry as one line, "" when there is none."""
    try:
        said = client.get(wire.prearchive_log(uri)).text
    except NotThere:
        return ""
    return " ".join(names.words(line) for line in said.splitlines() if line.strip())[:LOG_MAX]


def build(client: Client, uri: str, *, request_id: str, timeout_s: float) -> None:
    """Let the server build the session now; ServerBusy when it is locked (§2.3)."""
    client.write(wire.build(uri), request_id=request_id, timeout_s=timeout_s, done=_DONE)


def commit(client: Client, uri: str, *, request_id: str, timeout_s: float) -> str:
    """Archive the session and return its archive URI, "" when it stayed in the prearchive (§2.3).

    301 without a Location and 303 are successes here.  RequestRefused holds XNAT's own words, ServerBusy says that
    something is going on already, OutcomeUnknown that only the row and the archive can tell.
    """
    call = wire.commit(uri)
    reply = client.write(call, request_id=request_id, timeout_s=timeout_s, done=_ARCHIVED)
    said = reply.text.strip()
    if said.upper().startswith("FAILED"):
        raise failures.from_status(reply.status, said, call.verb, call.what)
    try:
        archived = names.archive_uri(said.splitlines()[0] if said else location(reply), call.what)
        stayed = names.prearchive_uri(said, call.what)
    except ReplyStrange as error:
        raise OutcomeUnknown(str(error), http=reply.status) from error
    if archived is not None:
        return archived
    if stayed is not None and reply.status == 200:
        return ""
    raise OutcomeUnknown(
        f"{call.what}: the answer ({reply.status}) does not say where the session is", http=reply.status
    )


def delete(client: Client, uri: str, *, request_id: str, timeout_s: float) -> None:
    """Delete the session; one that is gone already is as good as deleted."""
    try:
        client.write(wire.delete_prearchive(uri), request_id=request_id, timeout_s=timeout_s, done=_DONE)
    except NotThere:
        return


def location(reply: Reply) -> str:
    """Return the path of a redirection from `/data` on: the site's own idea of its address does not matter."""
    try:
        path = urllib.parse.unquote(urllib.parse.urlsplit(reply.headers.get("location", "")).path)
    except ValueError:  # `http://[`
        return ""
    at = path.find("/data/")
    return path[at:] if at >= 0 else path
