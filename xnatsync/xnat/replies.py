"""Every parser of an answer.  What is not exactly as XNAT writes it is ReplyStrange, never "no rows".

XNAT answers some failures with 200 and an empty body, and a proxy may answer anything (hierarchy.md §3.1, §3.2, §10).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import httpx

from xnatsync.core.errors import ReplyStrange
from xnatsync.core.remote import PrearchiveSeen, PrearchiveState, RemoteFile, SessionSeen
from xnatsync.xnat import names
from xnatsync.xnat.wire import Call

Row = dict[str, object]

_LOGGED_IN: Final = re.compile(r"User '(.{1,256})' is logged in")
_MD5: Final = re.compile(r"[0-9a-f]{32}")
_FILE_URI: Final = re.compile(
    r"(?:/data)?(?:/archive)?/(?:projects/[^/]+/subjects/[^/]+/)?experiments/[^/]+"
    r"(?:/scans/([^/]+))?/resources/([^/]+)/files/(.+)"
)
_EXPERIMENT_URI: Final = re.compile(r"(?:/data|/REST)?(?:/archive)?/experiments/([^/]+)")

_STATES: Final = {
    "RECEIVING": PrearchiveState.RECEIVING,
    "RECEIVING_INTERRUPT": PrearchiveState.RECEIVING,
    "READY": PrearchiveState.READY,
    "CONFLICT": PrearchiveState.CONFLICT,
    "ERROR": PrearchiveState.ERROR,
}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, read to its end."""

    call: Call
    status: int
    body: bytes
    headers: httpx.Headers = field(default_factory=httpx.Headers)

    @property
    def start(self) -> str:
        """Gives the first words of it, without making a text of the whole."""
        return self.body[:256].decode("utf-8", "replace")

    @property
    def text(self) -> str:
        """Gives the body as text; a JVM without UTF-8 writes Latin-1 (hierarchy.md §1.17)."""
        try:
            return self.body.decode("utf-8")
        except UnicodeDecodeError:
            return self.body.decode("latin-1")


def user(reply: Reply) -> str:
    """Reads who we are from `/data/auth`."""
    found = _LOGGED_IN.match(reply.text.strip())
    if found is None:
        raise ReplyStrange(f"{reply.call.what}: the server did not say who is logged in")
    return names.text(found.group(1), reply.call.what)


def rows(reply: Reply, columns: Iterable[str]) -> list[Row]:
    """Reads a ResultSet whose rows must have these columns (hierarchy.md §3.1)."""
    what = reply.call.what
    if not reply.body.strip():
        raise ReplyStrange(f"{what}: the server answered with nothing at all, which says nothing")
    document = _json(reply)
    envelope = document.get("ResultSet") if isinstance(document, dict) else None
    listed = envelope.get("Result") if isinstance(envelope, dict) else None
    if not isinstance(listed, list) or not all(isinstance(row, dict) for row in listed):
        raise ReplyStrange(f"{what}: the answer is not a listing")
    wanted = frozenset(columns)
    for row in listed:
        if not wanted <= row.keys():
            raise ReplyStrange(f"{what}: the listing lacks the columns {', '.join(sorted(wanted - row.keys()))}")
    return listed


def item_field(reply: Reply, name: str) -> str:
    """Reads one field of a single item (hierarchy.md §4.1)."""
    fields = _item(reply).get("data_fields")
    if not isinstance(fields, dict) or name not in fields:
        raise ReplyStrange(f"{reply.call.what}: the answer is not an item with the field {name}")
    return names.text(fields[name], reply.call.what)


def item_fields(reply: Reply) -> Row:
    """Reads all fields of a single item."""
    fields = _item(reply).get("data_fields")
    if not isinstance(fields, dict):
        raise ReplyStrange(f"{reply.call.what}: the answer is an item without fields")
    return fields


def item_children(reply: Reply, name: str) -> list[Row]:
    """Reads the fields of an item's children of one kind, such as `resources/resource`; none when it has none."""
    found: list[Row] = []
    children = _item(reply).get("children")
    for child in children if isinstance(children, list) else ():
        if not isinstance(child, dict) or child.get("field") != name:
            continue
        for one in child.get("items") or ():
            fields = one.get("data_fields") if isinstance(one, dict) else None
            if not isinstance(fields, dict):
                raise ReplyStrange(f"{reply.call.what}: the answer is an item whose {name} has no fields")
            found.append(fields)
    return found


def item_type(reply: Reply) -> str:
    """Reads the type of a single item, such as `xnat:mrSessionData`; "" when it tells none."""
    meta = _item(reply).get("meta")
    return names.text(meta.get("xsi:type"), reply.call.what) if isinstance(meta, dict) else ""


def experiment_id(uri: object, what: str) -> str:
    """Reads the accession ID from the address of a listed session."""
    found = _EXPERIMENT_URI.fullmatch(names.text(uri, what))
    if found is None:
        raise ReplyStrange(f"{what}: a session without an address is listed")
    return names.segment(found.group(1), what)


def number(reply: Reply) -> int:
    """Reads a bare integer."""
    said = reply.text.strip()
    if not re.fullmatch(r"-?[0-9]{1,9}", said):
        raise ReplyStrange(f"{reply.call.what}: the answer is not a number")
    return int(said)


def projects(reply: Reply, column: str) -> frozenset[str]:
    """Reads the IDs of a project listing; `column` is `ID`, or `id` where another handler answers (§3.2)."""
    return frozenset(names.text(row[column], reply.call.what) for row in rows(reply, (column,)))


def role(reply: Reply, project_id: str) -> str | None:
    """Reads our role in a project from the listing with roles: "" when none is named, None when it is not listed."""
    for row in rows(reply, ("id",)):
        if row["id"] == project_id:
            said = [value for key, value in row.items() if key.startswith("user_role")]
            return names.text(said[0], reply.call.what) if said else ""
    return None


def sessions(reply: Reply, project_id: str) -> tuple[SessionSeen, ...]:
    """Reads imaging sessions.  The URI is the key: the ID column changes its name with what is asked (§3.4)."""
    what = reply.call.what
    return tuple(
        SessionSeen(
            id=experiment_id(row["URI"], what),
            project=_column(row, what, "project") or project_id,
            label=names.text(row["label"], what),
            subject=_column(row, what, "subject_label", "xnat:subjectdata/label"),
            study_uid=_column(row, what, "UID", "xnat:imagesessiondata/uid"),
            xsi_type=_column(row, what, "xsiType"),
        )
        for row in rows(reply, ("label", "URI"))
    )


def files(reply: Reply) -> tuple[RemoteFile, ...]:
    """Reads the files of one session (hierarchy.md §3.2); session-level resources have the scan ""."""
    what = reply.call.what
    seen = []
    for row in rows(reply, ("Name", "Size", "URI", "collection", "digest")):
        uri = _FILE_URI.fullmatch(names.text(row["URI"], what))
        if uri is None:
            raise ReplyStrange(f"{what}: a file without an address is listed")
        scan, number_, path = uri.groups()
        name = names.relative_path(path, what)
        digest = names.text(row["digest"], what).lower()
        seen.append(
            RemoteFile(
                scan=names.segment(scan, what) if scan else "",
                resource=names.segment(row["collection"] or number_, what),
                name=name,
                size=amount(row["Size"], what),
                digest=digest if _MD5.fullmatch(digest) else "",
                sop_uid=names.sop_uid_of(name.rpartition("/")[2]),
            )
        )
    return tuple(seen)


def scans(reply: Reply) -> tuple[str, ...]:
    """Reads the IDs of scans, in the archive and in the prearchive."""
    return tuple(names.segment(row["ID"], reply.call.what) for row in rows(reply, ("ID",)))


def scan_types(reply: Reply) -> dict[str, str]:
    """Reads the type of each scan."""
    what = reply.call.what
    return {names.segment(row["ID"], what): names.text(row["type"], what) for row in rows(reply, ("ID", "type"))}


def labels(reply: Reply) -> tuple[str, ...]:
    """Reads the labels of a scan's resources."""
    return tuple(names.segment(row["label"], reply.call.what) for row in rows(reply, ("label",)))


def scan_labels(reply: Reply) -> dict[str, list[str]]:
    """Reads the resource labels of each scan from a listing of all resources of a prearchive session."""
    what = reply.call.what
    found: dict[str, list[str]] = {}
    for row in rows(reply, ("category", "cat_id", "label")):
        if names.text(row["category"], what).startswith("scans"):
            found.setdefault(names.segment(row["cat_id"], what), []).append(names.segment(row["label"], what))
    return found


def prearchive_files(reply: Reply, scan: str, resource: str) -> tuple[RemoteFile, ...]:
    """Reads the files of one scan's resource in the prearchive (import.md §2.4)."""
    what = reply.call.what
    seen = []
    for row in rows(reply, ("Name", "Size")):
        name = names.relative_path(row["Name"], what)
        uid = names.sop_uid_of(name.rpartition("/")[2])
        seen.append(RemoteFile(scan, resource, name, amount(row["Size"], what), sop_uid=uid))
    return tuple(seen)


def prearchive(reply: Reply) -> tuple[PrearchiveSeen, ...]:
    """Reads prearchive rows (import.md §2.1).  A status of a newer XNAT counts as working: such a row is left alone."""
    what = reply.call.what
    seen = []
    for row in rows(reply, ("project", "name", "subject", "tag", "status", "url", "uploaded")):
        uri = names.prearchive_uri(row["url"], what)
        if uri is None:
            raise ReplyStrange(f"{what}: a session without an address is listed")
        status = names.text(row["status"], what)
        seen.append(
            PrearchiveSeen(
                uri=uri,
                project=names.segment(row["project"] or "Unassigned", what),
                name=names.text(row["name"], what),
                subject=names.text(row["subject"], what),
                study_uid=names.text(row["tag"], what),
                state=_STATES.get(status, PrearchiveState.WORKING),
                status=status,
                uploaded=names.text(row["uploaded"], what),
            )
        )
    return tuple(seen)


def destinations(reply: Reply) -> tuple[str, ...]:
    """Reads the places an import names, one a line, without `/data`; none when everything was rejected (§1.5)."""
    lines = (line.strip() for line in reply.text.splitlines())
    return tuple(names.destination(line, reply.call.what) for line in lines if line)


def duplicates(reply: Reply) -> Sequence[str]:
    """Reads which files a PUT left alone because they exist; the answer is JSON under `text/html` (§6.1)."""
    if not reply.body.strip():
        return ()
    document = _json(reply)
    listed = document.get("duplicates") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ReplyStrange(f"{reply.call.what}: the answer is not the one to a stored file")
    return [names.text(name, reply.call.what) for name in listed]


def _item(reply: Reply) -> Row:
    document = _json(reply)
    items = document.get("items") if isinstance(document, dict) else None
    first = items[0] if isinstance(items, list) and len(items) == 1 else None
    if not isinstance(first, dict):
        raise ReplyStrange(f"{reply.call.what}: the answer is not an item")
    return first


def _json(reply: Reply) -> object:
    try:
        document: object = json.loads(reply.text)
    except (ValueError, RecursionError) as error:
        raise ReplyStrange(f"{reply.call.what}: the answer is not JSON, or only a part of it") from error
    return document


def _column(row: Row, what: str, *aliases: str) -> str:
    for alias in aliases:
        if alias in row:
            return names.text(row[alias], what)
    raise ReplyStrange(f"{what}: the listing lacks the column {aliases[0]}")


def amount(value: object, what: str) -> int | None:
    """Reads a count or a size; None when the server left it empty."""
    said = names.text(value, what)
    if not said:
        return None
    if not re.fullmatch(r"[0-9]{1,18}", said):
        raise ReplyStrange(f"{what}: a size is not a number")
    return int(said)
