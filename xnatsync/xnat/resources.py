"""The resources of a session, of one of its scans, of a subject or of a project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from xnatsync.core.errors import NotThere, ReplyStrange
from xnatsync.core.inventory import Owner, OwnerKind
from xnatsync.core.nouns import ResourceHeld
from xnatsync.core.pasting import command_line
from xnatsync.xnat import addresses, listing, names, owner_files, replies, wire
from xnatsync.xnat.client import Client
from xnatsync.xnat.failures import Verb
from xnatsync.xnat.replies import Row
from xnatsync.xnat.wire import Query

REFRESHES: Final = ("append", "checksum", "delete", "populateStats")
_DONE: Final = frozenset({200, 201})


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


def of_owner(client: Client, owner: Owner, scan: str) -> tuple[ResourceHeld, ...]:
    """List the resources of a project, a subject, a session or one of its scans; NotThere when it is gone."""
    if owner.kind is OwnerKind.SESSION:
        return of_scan(client, owner.id, scan) if scan else of_session(client, owner.id)
    rows = replies.rows(client.get(addresses.resources_of(owner.kind, owner.id, "")), ("label",))
    if not rows:
        owner_files.look_up(client, owner)
    return tuple(sorted((_held(row) for row in rows), key=lambda resource: resource.label))


def create(
    client: Client, owner: Owner, scan: str, label: str, described: Query, *, request_id: str, timeout_s: float
) -> None:
    """Make an empty resource (hierarchy.md §5.1)."""
    call = addresses.one_resource(owner.kind, owner.id, scan, label)
    call = replace(call, what=f"making {call.what}", query=described)
    client.write(call, request_id=request_id, timeout_s=timeout_s, done=_DONE)


def delete(client: Client, owner: Owner, scan: str, address: str, *, request_id: str, timeout_s: float) -> None:
    """Delete a resource with all its files; XNAT answers 200 also to one that is not there (§5.1): look before."""
    call = addresses.one_resource(owner.kind, owner.id, scan, address)
    call = replace(call, verb=Verb.DELETE, method="DELETE", what=f"deleting {call.what}")
    client.write(call, request_id=request_id, timeout_s=timeout_s, done=_DONE)


def refresh(
    client: Client,
    owner: Owner,
    scan: str,
    address: str,
    options: Sequence[str],
    *,
    request_id: str,
    timeout_s: float,
) -> None:
    """Let the server bring the catalogue of a resource, its disk and its counts together (§5.3)."""
    call = addresses.refresh(owner.kind, owner.id, scan, address, options)
    client.write(call, request_id=request_id, timeout_s=timeout_s, done=_DONE)


def _held(row: Row) -> ResourceHeld:
    """Return a row for people: what is odd in it is quoted, or left out, by itself."""
    return ResourceHeld(
        label=names.shown(row["label"] or row.get("xnat_abstractresource_id")),
        format=names.shown(row.get("format")),
        content=names.shown(row.get("content")),
        files=shown_amount(row.get("file_count")),
        size=shown_amount(row.get("file_size")),
        id=names.shown(row.get("xnat_abstractresource_id")),
        category=names.shown(row.get("category")),
    )


def shown_amount(value: object) -> int | None:
    """Return a count for people; None where it is odd, or was never made."""
    try:
        return replies.amount(value, "")
    except ReplyStrange:
        return None
