"""Every parser of an answer.  What is not exactly as XNAT writes it is ReplyStrange, never "no rows".

XNAT answers some failures with 200 and an empty body, and a proxy may answer anything (hierarchy.md §3.1, §3.2, §10).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

import httpx

from xnatsync.core.errors import ReplyStrange
from xnatsync.core.remote import PrearchiveSeen, PrearchiveState, RemoteFile, SessionSeen
from xnatsync.xnat import names
from xnatsync.xnat.wire import Call

Row = dict[str, object]
Found = TypeVar("Found")
Refused = list[tuple[str, str, str]]  # scan, resource, why

_LOGGED_IN: Final = re.compile(r"User '(.{1,256})' is logged in")
_NOWHERE: Final = ("", "")
_MD5: Final = re.compile(r"[0-9a-f]{32}")
_FILE_URI: Final = re.compile(
    r"(?:/data)?(?:/archive)?/(?:projects/[^/]+/subjects/[^/]+/)?experiments/[^/]+"
    r"(?:/scans/([^/]+))?/resources/([^/]+)/files/(.+)"
)
_EXPERIMENT_URI: Final = re.compile(r"(?:/data|/REST)?(?:/archive)?/experiments/([^/]+)")

_SUBJECT_LABEL: Final = ("subject_label", "xnat:subjectdata/label")
_STUDY_UID: Final = ("UID", "xnat:imagesessiondata/uid")
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
        """Return the first words of it, without making a text of the whole."""
        return self.body[:256].decode("utf-8", "replace")

    @property
    def text(self) -> str:
        """Return the body as text; a JVM without UTF-8 writes Latin-1 (hierarchy.md §1.17)."""
        try:
            return self.body.decode("utf-8")
        except UnicodeDecodeError:
            return self.body.decode("latin-1")


def user(reply: Reply) -> str:
    """Read who we are from `/data/auth`."""
    found = _LOGGED_IN.match(reply.text.strip())
    if found is None:
        raise ReplyStrange(f"{reply.call.what}: the server did not say who is logged in")
    return names.text(found.group(1), reply.call.what)


def rows(reply: Reply, columns: Iterable[str]) -> list[Row]:
    """Read a ResultSet whose rows must have these columns (hierarchy.md §3.1).

    A row among others that lacks some, or is none, has nothing in them: what that means is said where it is read.
    """
    what = reply.call.what
    if not reply.body.strip():
        raise ReplyStrange(f"{what}: the server answered with nothing at all, which says nothing")
    document = parsed(reply)
    envelope = document.get("ResultSet") if isinstance(document, dict) else None
    listed = envelope.get("Result") if isinstance(envelope, dict) else None
    if not isinstance(listed, list):
        raise ReplyStrange(f"{what}: the answer is not a listing")
    wanted = frozenset(columns)
    good = [isinstance(row, dict) and wanted <= row.keys() for row in listed]
    if listed and not any(good):
        if not all(isinstance(row, dict) for row in listed):
            raise ReplyStrange(f"{what}: the answer is not a listing")
        lacking = sorted(wanted - listed[0].keys()) or sorted(wanted)
        raise ReplyStrange(f"{what}: the listing lacks the columns {', '.join(lacking)}")
    empty: Row = {column: names.Lacking(column) for column in wanted}
    found: list[Row] = []
    for row, is_good in zip(listed, good, strict=True):
        found.append(row if is_good else {**empty, **(row if isinstance(row, dict) else {})})
    return found


def item_field(reply: Reply, name: str) -> str:
    """Read one field of a single item (hierarchy.md §4.1)."""
    fields = _item(reply).get("data_fields")
    if not isinstance(fields, dict) or name not in fields:
        raise ReplyStrange(f"{reply.call.what}: the answer is not an item with the field {name}")
    return names.text(fields[name], reply.call.what)


def item_fields(reply: Reply) -> Row:
    """Read all fields of a single item."""
    fields = _item(reply).get("data_fields")
    if not isinstance(fields, dict):
        raise ReplyStrange(f"{reply.call.what}: the answer is an item without fields")
    return fields


def item_children(reply: Reply, name: str, refused: Refused | None = None) -> list[Row]:
    """Read the fields of an item's children of one kind, such as `resources/resource`; none when it has none.

    `refused` as for `files`.
    """
    found: list[Row] = []
    children = _item(reply).get("children")
    what = reply.call.what
    for child in children if isinstance(children, list) else ():
        if not isinstance(child, dict) or child.get("field") != name:
            continue
        items = child.get("items")
        listed = items if isinstance(items, list) else [] if items is None else [items]
        found += _each(listed, lambda one: _fields(one, name, what), refused, _NOWHERE)
    return found


def _fields(one: object, name: str, what: str) -> Row:
    fields = one.get("data_fields") if isinstance(one, dict) else None
    if not isinstance(fields, dict):
        raise ReplyStrange(f"{what}: the answer is an item whose {name} has no fields")
    return fields


def item_type(reply: Reply) -> str:
    """Read the type of a single item, such as `xnat:mrSessionData`; "" when it tells none."""
    meta = _item(reply).get("meta")
    return names.text(meta.get("xsi:type"), reply.call.what) if isinstance(meta, dict) else ""


def experiment_id(uri: object, what: str) -> str:
    """Read the accession ID from the address of a listed session."""
    found = _EXPERIMENT_URI.fullmatch(names.text(uri, what))
    if found is None:
        raise ReplyStrange(f"{what}: a session without an address is listed")
    return names.segment(found.group(1), what)


def experiments(reply: Reply, refused: Refused | None = None) -> tuple[str, ...]:
    """Read the accession IDs of listed sessions; `refused` as for `files`."""
    what = reply.call.what
    return _each(rows(reply, ("URI",)), lambda row: experiment_id(row["URI"], what), refused, _NOWHERE)


def projects(reply: Reply, column: str) -> frozenset[str]:
    """Read the IDs of a project listing; `column` is `ID`, or `id` where another handler answers (§3.2)."""
    return frozenset(names.shown(row[column]) for row in rows(reply, (column,)))


def role(reply: Reply, project_id: str) -> str | None:
    """Read our role in a project from the listing with roles: "" when none is named, None when it is not listed."""
    for row in rows(reply, ("id",)):
        if row["id"] == project_id:
            said = [value for key, value in row.items() if key.startswith("user_role")]
            return names.shown(said[0]) if said else ""
    return None


def sessions(
    reply: Reply, project_id: str, *, label: str | None = None, study_uid: str | None = None
) -> tuple[SessionSeen, ...]:
    """Read imaging sessions.  The URI is the key: the ID column changes its name with what is asked (§3.4).

    A row without a usable address is passed over, unless it may be what is asked for: then nothing is concluded.
    """
    what = reply.call.what
    found: list[SessionSeen] = []
    doubt: ReplyStrange | None = None
    listed = rows(reply, ("label", "URI"))
    _check_columns(listed, what, ("project",), _SUBJECT_LABEL, _STUDY_UID, ("xsiType",))
    for row in listed:
        seen = SessionSeen(
            id="",
            project=_column(row, "project") or project_id,
            label=names.shown(row["label"]),
            subject=_column(row, *_SUBJECT_LABEL),
            study_uid=_column(row, *_STUDY_UID),
            xsi_type=_column(row, "xsiType"),
        )
        try:
            found.append(replace(seen, id=experiment_id(row["URI"], what)))
        except ReplyStrange as error:
            if seen.label in {label, ""} or (study_uid is not None and seen.study_uid in {study_uid, ""}):
                doubt = error
            continue
        if label is not None and not seen.label:
            doubt = ReplyStrange(f"{what}: a session without a label is listed")
    if doubt is not None and not any((seen.label == label) or (seen.study_uid == study_uid) for seen in found):
        raise doubt
    return tuple(found)


def files(reply: Reply, refused: Refused | None = None) -> tuple[RemoteFile, ...]:
    """Read the files of one session (hierarchy.md §3.2); session-level resources have the scan "".

    A file that cannot be named goes to `refused`, when there is such a list: the listing is not complete then.
    """
    what = reply.call.what
    seen: list[RemoteFile] = []
    for row in rows(reply, ("Name", "Size", "URI", "collection", "digest")):
        where = "", names.words(str(row["collection"] or ""))
        seen += _each([row], lambda row: _file(row, what), refused, where)
    return tuple(seen)


def _file(row: Row, what: str) -> RemoteFile:
    uri = _FILE_URI.fullmatch(names.text(row["URI"], what))
    if uri is None:
        raise ReplyStrange(f"{what}: a file without an address is listed")
    scan, number_, path = uri.groups()
    name = names.relative_path(path, what)
    names.text(row["Name"], what)
    digest = names.text(row["digest"], what).lower()
    return RemoteFile(
        scan=names.segment(scan, what) if scan else "",
        resource=names.segment(row["collection"] or number_, what),
        name=name,
        size=amount(row["Size"], what),
        digest=digest if _MD5.fullmatch(digest) else "",
        sop_uid=names.sop_uid_of(name.rpartition("/")[2]),
    )


def scans(reply: Reply, refused: Refused | None = None) -> tuple[str, ...]:
    """Read the IDs of scans, in the archive and in the prearchive; `refused` as for `files`."""
    what = reply.call.what
    return _each(rows(reply, ("ID",)), lambda row: names.segment(row["ID"], what), refused, _NOWHERE)


def scan_types(reply: Reply) -> dict[str, str]:
    """Read the type of each scan as it is written: it tells folders of a zip apart, and is no part of an address.

    A row without a usable ID is passed over: nobody can have asked for that scan.
    """
    what = reply.call.what
    listed = rows(reply, ("ID", "type"))
    return dict(_each(listed, lambda row: (names.segment(row["ID"], what), _plain(row["type"])), [], _NOWHERE))


def labels(reply: Reply, refused: Refused | None = None, scan: str = "") -> tuple[str, ...]:
    """Read the labels of a scan's resources; `refused` as for `files`."""
    what = reply.call.what
    return _each(rows(reply, ("label",)), lambda row: names.segment(row["label"], what), refused, (scan, ""))


def scan_labels(reply: Reply, refused: Refused | None = None) -> dict[str, list[str]]:
    """Read the resource labels of each scan from a listing of all resources of a prearchive session.

    `refused` as for `files`.
    """
    what = reply.call.what
    listed = [
        row for row in rows(reply, ("category", "cat_id", "label")) if not _is_of_others(row["category"])
    ]  # what belongs to no scan is nobody's business here
    pairs = _each(
        listed, lambda row: (names.segment(row["cat_id"], what), names.segment(row["label"], what)), refused, _NOWHERE
    )
    found: dict[str, list[str]] = {}
    for scan, label in pairs:
        found.setdefault(scan, []).append(label)
    return found


def _each(
    listed: Iterable[Any], read: Callable[[Any], Found], refused: Refused | None, where: tuple[str, str]
) -> tuple[Found, ...]:
    """Read row by row; one that is odd goes to `refused`, when there is such a list, and costs no other."""
    found: list[Found] = []
    for row in listed:
        try:
            found.append(read(row))
        except ReplyStrange as error:
            if refused is None:
                raise
            refused.append((*where, str(error)))
    return tuple(found)


def _is_of_others(category: object) -> bool:
    return isinstance(category, str) and not category.startswith("scans")


def _plain(value: object) -> str:
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def prearchive_files(reply: Reply, scan: str, resource: str, refused: Refused | None = None) -> tuple[RemoteFile, ...]:
    """Read the files of one scan's resource in the prearchive (import.md §2.4); `refused` as for `files`."""
    what = reply.call.what

    def read(row: Row) -> RemoteFile:
        name = names.relative_path(row["Name"], what)
        uid = names.sop_uid_of(name.rpartition("/")[2])
        return RemoteFile(scan, resource, name, amount(row["Size"], what), sop_uid=uid)

    return _each(rows(reply, ("Name", "Size")), read, refused, (scan, resource))


def prearchive(reply: Reply) -> tuple[PrearchiveSeen, ...]:
    """Read prearchive rows (import.md §2.1).  A status of a newer XNAT counts as working: such a row is left alone.

    What is odd in anybody's row is quoted; a row whose address is odd has none, so that nobody acts on it.
    """
    what = reply.call.what
    seen = []
    for row in rows(reply, ("project", "name", "subject", "tag", "status", "url", "uploaded")):
        status = names.shown(row["status"])
        try:
            uri = names.prearchive_uri(row["url"], what) or ""
        except ReplyStrange:
            uri = ""
        seen.append(
            PrearchiveSeen(
                uri=uri,
                project=names.shown(row["project"]) or "Unassigned",
                name=names.shown(row["name"]),
                subject=names.shown(row["subject"]),
                study_uid=names.shown(row["tag"]),
                state=_STATES.get(status, PrearchiveState.WORKING) if uri else PrearchiveState.WORKING,
                status=status,
                uploaded=names.shown(row["uploaded"]),
            )
        )
    return tuple(seen)


def destinations(reply: Reply) -> tuple[str, ...]:
    """Read the places an import names, one a line, without `/data`; none when everything was rejected (§1.5)."""
    lines = (line.strip() for line in reply.text.splitlines())
    return tuple(names.destination(line, reply.call.what) for line in lines if line)


def duplicates(reply: Reply) -> Sequence[str]:
    """Read which files a PUT left alone because they exist; the answer is JSON under `text/html` (§6.1)."""
    if not reply.body.strip():
        return ()
    document = parsed(reply)
    listed = document.get("duplicates") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ReplyStrange(f"{reply.call.what}: the answer is not the one to a stored file")
    return [names.text(name, reply.call.what) for name in listed]


def _item(reply: Reply) -> Row:
    document = parsed(reply)
    items = document.get("items") if isinstance(document, dict) else None
    first = items[0] if isinstance(items, list) and len(items) == 1 else None
    if not isinstance(first, dict):
        raise ReplyStrange(f"{reply.call.what}: the answer is not an item")
    return first


def parsed(reply: Reply) -> object:
    """Read an answer as JSON; ReplyStrange when it is none, or only a part of it."""
    try:
        return json.loads(reply.text)
    except (ValueError, RecursionError) as error:
        raise ReplyStrange(f"{reply.call.what}: the answer is not JSON, or only a part of it") from error


def _column(row: Row, *aliases: str) -> str:
    for alias in aliases:
        if alias in row:
            return names.shown(row[alias])
    return ""


def _check_columns(listed: Sequence[Row], what: str, *groups: tuple[str, ...]) -> None:
    """Raise ReplyStrange when no row has a column, under any of the names it may have."""
    for aliases in groups if listed else ():
        if not any(alias in row for row in listed for alias in aliases):
            raise ReplyStrange(f"{what}: the listing lacks the column {aliases[0]}")


def amount(value: object, what: str) -> int | None:
    """Read a count or a size; None when the server left it empty."""
    said = names.text(value, what)
    if not said:
        return None
    if not re.fullmatch(r"[0-9]{1,18}", said):
        raise ReplyStrange(f"{what}: a size is not a number")
    return int(said)
