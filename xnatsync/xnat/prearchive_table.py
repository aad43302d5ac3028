"""The prearchive as a person sees it: whole rows, the scans of one, and how a project treats what arrives.

`prearchive` has what deliveries need; here is everything that the listing tells, and what only a person asks for
(import.md §2.1, §2.3–2.5, §2.8).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from xnatsync.core.errors import Bug, OutcomeUnknown, ReplyStrange, ServerBusy
from xnatsync.core.remote import PrearchiveSeen
from xnatsync.xnat import failures, names, raw, replies, wire
from xnatsync.xnat.client import Client
from xnatsync.xnat.failures import Verb
from xnatsync.xnat.prearchive import location
from xnatsync.xnat.resources import shown_amount
from xnatsync.xnat.wire import Call, Due

UNASSIGNED: Final = "Unassigned"
CODES: Final = {"manual": 0, "auto-archive": 4, "auto-archive-overwrite": 5}
_ARCHIVED: Final = frozenset({200, 303})
_MOVED: Final = frozenset({200, 301})


@dataclass(frozen=True, slots=True)
class Row:
    """One session that waits there; `columns` are those of the listing, as text."""

    seen: PrearchiveSeen
    columns: dict[str, str]

    @property
    def uri(self) -> str:
        """Its address; "" when the server's is none: nobody acts on it."""
        return self.seen.uri

    @property
    def timestamp(self) -> str:
        """When it began to arrive: a part of its address."""
        return self.columns.get("timestamp", "")

    @property
    def folder(self) -> str:
        """The name that its address has, which is not always the label."""
        return self.columns.get("folderName", "")


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan of a built session; None where the server never counted."""

    id: str
    xsi_type: str
    series_description: str
    files: int | None = None
    size: int | None = None


def rows(client: Client, project_id: str | None) -> tuple[Row, ...]:
    """List what waits in a project, or in all that this account may edit; the newest last.

    Accounts with access to all data are shown unassigned rows in every listing (§2.1): they are passed over in that of
    a project.
    """
    call = wire.prearchive(project_id) if project_id else wire.read("/data/prearchive", "listing the prearchive")
    reply = client.get(call)
    listed = replies.rows(reply, ("project", "timestamp", "folderName", "name", "status", "url"))
    columns = [{key: names.shown(value) for key, value in row.items()} for row in listed]
    found = [Row(seen, told) for seen, told in zip(replies.prearchive(reply), columns, strict=True)]
    if project_id and project_id != UNASSIGNED:
        found = [row for row in found if row.seen.project != UNASSIGNED]
    return tuple(sorted(found, key=lambda row: (row.timestamp, row.folder)))


def scans(client: Client, uri: str) -> tuple[Scan, ...]:
    """List the scans of a built session with their files; NotThere while it is not built (§2.4)."""
    call = wire.prearchive_scans(uri)
    listed = replies.rows(client.get(call), ("ID",))
    if not listed:
        return ()
    counted = _counts(client, uri)
    found = []
    for row in listed:
        name = names.shown(row["ID"])
        files, size = counted.get(name, (None, None))
        kind, series = names.shown(row.get("xsiType")), names.shown(row.get("series_description"))
        found.append(Scan(name, kind, series, files, size))
    return tuple(found)


def _counts(client: Client, uri: str) -> dict[str, tuple[int | None, int | None]]:
    """Count the files of each scan by the listing of all resources; one without a count leaves the scan without."""
    call = wire.prearchive_resources(uri)
    found: dict[str, tuple[int | None, int | None]] = {}
    for row in replies.rows(client.get(call), ("category", "cat_id", "label")):
        if not names.shown(row["category"]).startswith("scan"):
            continue
        scan = names.shown(row["cat_id"])
        files, size = shown_amount(row.get("file_count")), shown_amount(row.get("file_size"))
        before = found.get(scan, (0, 0))
        found[scan] = _sum(before[0], files), _sum(before[1], size)
    return found


def _sum(first: int | None, second: int | None) -> int | None:
    return None if first is None or second is None else first + second


def archive(
    client: Client,
    uri: str,
    *,
    subject: str | None,
    label: str | None,
    overwrite: bool,
    request_id: str,
    timeout_s: float,
) -> str:
    """Archive one session and return its archive URI (§2.5); it must be built.

    303 is a success as 200 is; a failure inside a 200 and `FAILED` are RequestRefused.  Never with `dest`, which breaks
    the row.
    """
    fields = {"src": uri, "auto-archive": "false"}  # else an automatic project answers 303
    if overwrite:
        fields["overwrite"] = "append"
    if subject is not None:
        fields["subject"] = subject
    if label is not None:
        fields["session"] = label
    call = Call(Verb.COMMIT, "POST", "/data/services/archive", f"archiving {wire.named(uri)}", due=Due.TEXT)
    body = raw.form_body(fields)
    reply = client.write(call, request_id=request_id, timeout_s=timeout_s, done=_ARCHIVED, body=body)
    said = reply.text.strip()
    if said.upper().startswith("FAILED"):
        raise failures.from_status(reply.status, said, call.verb, call.what)
    try:
        archived = names.archive_uri(said.splitlines()[0] if said else location(reply), call.what)
    except ReplyStrange as error:
        raise OutcomeUnknown(str(error), http=reply.status) from error
    if archived is None:
        raise OutcomeUnknown(
            f"{call.what}: the answer ({reply.status}) does not say where the session is", http=reply.status
        )
    return archived


def move(client: Client, uri: str, target: str, *, request_id: str, timeout_s: float) -> None:
    """Move one session to another project; 301 without a Location is success, 200 with nothing means locked (§2.3)."""
    query = (("action", "move"), ("newProject", target))
    what = f"moving {wire.named(uri)} to project {target}"
    call = Call(Verb.CHANGE, "POST", f"/data{quote(uri, safe='/')}", what, query, Due.TEXT)
    reply = client.write(call, request_id=request_id, timeout_s=timeout_s, done=_MOVED)
    if not reply.text.strip():
        raise ServerBusy(f"{call.what}: the server answered nothing, as it does while it works on the session")


def routing_code(client: Client, project_id: str) -> int:
    """Return what a project does with what arrives: 0 lets it wait, 4 archives it, 5 archives over what is there."""
    call = _code(project_id)
    said = client.get(call).text.strip()
    if not said.isascii() or not said.isdigit() or len(said) > 9:
        raise ReplyStrange(f"{call.what}: the answer is no number")
    return int(said)


def set_routing_code(client: Client, project_id: str, code: int, *, request_id: str, timeout_s: float) -> None:
    """Set it; the server keeps any number, so none but the three that mean something is sent (§2.8)."""
    if code not in CODES.values():
        raise Bug(f"{code} is no prearchive code")
    read = _code(project_id)
    path, what = f"{read.path}/{code}", f"setting what project {project_id} does with what arrives"
    call = Call(Verb.CHANGE, "PUT", path, what, due=Due.TEXT)
    client.write(call, request_id=request_id, timeout_s=timeout_s, done=frozenset({200}))


def _code(project_id: str) -> Call:
    what = f"asking what project {project_id} does with what arrives"
    return Call(Verb.READ, "GET", f"/data/projects/{wire.seg(project_id)}/prearchive_code", what, due=Due.TEXT)
