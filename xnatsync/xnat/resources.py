"""The resources of a session, or of one of its scans."""

from __future__ import annotations

from xnatsync.core.errors import NotThere, ReplyStrange
from xnatsync.core.nouns import ResourceHeld
from xnatsync.core.pasting import command_line
from xnatsync.xnat import listing, names, replies, wire
from xnatsync.xnat.client import Client
from xnatsync.xnat.replies import Row


def of_session(client: Client, session_id: str) -> tuple[ResourceHeld, ...]:
    """List a session's own resources; NotThere when the session is not to be seen (hierarchy.md §3.2)."""
    call = wire.resources(session_id)
    rows = replies.rows(listing.of_session(client, session_id, call), ("label",))
    return tuple(sorted((_held(row) for row in rows), key=lambda resource: resource.label))


def of_scan(client: Client, session_id: str, scan: str) -> tuple[ResourceHeld, ...]:
    """List the resources of one scan; NotThere when there is no such scan.

    XNAT takes a scan's ID for a type too and then answers for several scans: the others' rows are left out (§3.6).
    """
    if scan not in listing.scans(client, session_id):
        raise NotThere(
            f"session {session_id} has no scan {scan}",
            advice=f"`{command_line('scan', 'list', '-E', session_id)}` lists its scans.",
        )
    call = wire.scan_resources(session_id, scan)
    rows = replies.rows(client.get(call), ("label", "cat_id"))
    held = (_held(row) for row in rows if names.shown(row["cat_id"]) == scan)
    return tuple(sorted(held, key=lambda resource: resource.label))


def _held(row: Row) -> ResourceHeld:
    """Return a row for people: what is odd in it is quoted, or left out, by itself."""
    return ResourceHeld(
        label=names.shown(row["label"] or row.get("xnat_abstractresource_id")),
        format=names.shown(row.get("format")),
        content=names.shown(row.get("content")),
        files=_amount(row.get("file_count")),
        size=_amount(row.get("file_size")),
    )


def _amount(value: object) -> int | None:
    try:
        return replies.amount(value, "")
    except ReplyStrange:
        return None
