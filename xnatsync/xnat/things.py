"""Describes a project, a subject with its records, or a session with its parts (hierarchy.md §4.1, §4.4, §19).

An assessor inside a session's document does not say which element its own document begins with, so each is read by
itself, as records are.  Values of custom forms are asked for where the server has them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from xnatsync.core.described import Described, ThingKind
from xnatsync.core.errors import AccessDenied, NotThere, ReplyStrange
from xnatsync.core.inventory import Owner, OwnerKind
from xnatsync.xnat import addresses, descriptions, documents, names, replies, thing_addresses
from xnatsync.xnat.client import Client
from xnatsync.xnat.documents import Node

_KINDS: Final = {
    OwnerKind.PROJECT: (ThingKind.PROJECT, "xnat:projectData"),
    OwnerKind.SUBJECT: (ThingKind.SUBJECT, "xnat:subjectData"),
    OwnerKind.SESSION: (ThingKind.SESSION, ""),
}


def describe(client: Client, owner: Owner) -> Described:
    """Describe an entity and everything in it; NotThere when it is gone, ReplyStrange when an answer is cut."""
    node = document(client, owner.kind, owner.id)
    kind, xsi_type = _KINDS[owner.kind]
    parts: list[Described] = []
    if owner.kind is OwnerKind.SESSION:
        parts = [*_listed(client, owner, node), *_assessors(client, owner, node)]
    elif owner.kind is OwnerKind.SUBJECT:
        parts = _records(client, owner)
    found = descriptions.described(node, kind, thing_id=owner.id, xsi_type=owner.xsi_type or xsi_type, parts=parts)
    return replace(found, custom=custom(client, owner.kind, owner.id), stamp=owner.stamp)


def custom(
    client: Client, kind: OwnerKind, thing_id: str, *, scan: str = "", assessor: str = ""
) -> tuple[tuple[str, str], ...]:
    """Return the values of custom forms as JSON texts; none where the server has no such thing (§4.4).

    That they are hidden from this account is an error: nobody may take it for there being none.
    """
    try:
        reply = client.get(thing_addresses.custom_fields(kind, thing_id, scan, assessor))
    except NotThere:
        return ()
    values = replies.parsed(reply)
    if not isinstance(values, dict):
        raise ReplyStrange(f"{reply.call.what}: the answer is no map of values")
    return tuple(sorted((str(name), json.dumps(value, sort_keys=True)) for name, value in values.items()))


def part_stamps(client: Client, project: str) -> dict[str, str]:
    """Return a text for each subject and session that changes when a record or an assessor of it does.

    Two listings: experiments that belong to a subject, and image assessors, each with the times of their changes.
    An odd row changes no stamp but that of the thing it names.
    """
    found: dict[str, list[str]] = {}
    imaging = set(replies.experiments(client.get(thing_addresses.stamps(project, "xnat:imageSessionData")), []))
    reply = client.get(thing_addresses.stamps(project, "xnat:subjectAssessorData"))
    for row in replies.rows(reply, ("URI", "subject_ID")):
        if names.shown(row["URI"]).rpartition("/")[2] not in imaging:
            found.setdefault(names.shown(row["subject_ID"]), []).append(_stamp(row))
    reply = client.get(thing_addresses.assessor_stamps(project))
    for row in replies.rows(reply, ("URI", "session_ID")):
        found.setdefault(names.shown(row["session_ID"]), []).append(_stamp(row))
    return {
        number: hashlib.sha256("\n".join(sorted(texts)).encode()).hexdigest()[:24] for number, texts in found.items()
    }


def record_ids(client: Client, owner: Owner, refused: replies.Refused | None = None) -> dict[str, tuple[str, str]]:
    """Return the records of a subject in its own project: label -> accession ID and type.

    Rows of other subjects and projects are left out, however wide the answer is.  An odd row goes to `refused`, when
    there is such a list: a record that is not found may be that one.
    """
    reply = client.get(thing_addresses.experiments_of(owner.id))
    what = reply.call.what
    rows = [
        row
        for row in replies.rows(reply, ("URI", "label", "xsiType", "project", "subject_ID"))
        if not (_is_another(row["project"], owner.project) or _is_another(row["subject_ID"], owner.id))
    ]
    if all(names.shown(row["xsiType"]).endswith("SessionData") for row in rows):
        return {}  # by XNAT's own names, only imaging sessions end so
    sessions = client.get(thing_addresses.experiments_of(owner.id, "xnat:imageSessionData"))
    imaging = set(replies.experiments(sessions))  # with an odd one among them, a session might pass for a record
    found: dict[str, set[tuple[str, str]]] = {}
    for row in rows:
        try:
            number = replies.experiment_id(row["URI"], what)
            if number not in imaging:
                label, xsi_type = _record_label(row, owner, number, what), names.segment(row["xsiType"], what)
                found.setdefault(label, set()).add((number, xsi_type))
        except ReplyStrange as error:
            if refused is None:
                raise
            refused.append(("", "", str(error)))
    if any(len(records) > 1 for records in found.values()):  # which is meant, nobody can tell
        raise ReplyStrange(f"{what}: two records of one label are listed")
    return {label: next(iter(records)) for label, records in found.items()}


def _record_label(row: Mapping[str, object], owner: Owner, number: str, what: str) -> str:
    if (row["project"], row["subject_ID"]) != (owner.project, owner.id):
        raise ReplyStrange(f"{what}: a record does not say whose it is")
    return names.segment(row["label"] or number, what)


def _is_another(value: object, own: str) -> bool:
    """Return whether a row says of itself, in a name that can be one, that it is somebody else's."""
    try:
        return names.segment(value, "") != own
    except ReplyStrange:
        return False


def _records(client: Client, owner: Owner) -> list[Described]:
    return [
        _alone(client, ThingKind.RECORD, number, xsi_type) for number, xsi_type in record_ids(client, owner).values()
    ]


def _assessors(client: Client, owner: Owner, node: Node) -> list[Described]:
    listed = [(_id(child, f"reading session {owner.id}"), child) for child in _children(node, "assessors", "assessor")]
    return [
        _alone(client, ThingKind.ASSESSOR, number, child.attributes.get("xsi:type", ""), session=owner.id)
        for number, child in listed
    ]


def _alone(client: Client, kind: ThingKind, number: str, xsi_type: str, session: str = "") -> Described:
    """Describe a record or an assessor by its own document; the whole is not gone when a part of it is hidden."""
    try:
        node = document(client, OwnerKind.SESSION, number)
    except NotThere as error:
        raise AccessDenied(f"{kind.value} {number} is listed, and is gone or hidden from this account") from error
    found = descriptions.described(node, kind, thing_id=number, xsi_type=xsi_type)
    assessor = number if session else ""
    return replace(found, custom=custom(client, OwnerKind.SESSION, session or number, assessor=assessor))


def _listed(client: Client, owner: Owner, node: Node) -> Iterable[Described]:
    """Describe scans and reconstructions by the document of their session."""
    what = f"reading session {owner.id}"
    for child in _children(node, "scans", "scan"):
        scan = _id(child, what)
        found = descriptions.described(child, ThingKind.SCAN, thing_id=scan, xsi_type="")
        yield replace(found, custom=custom(client, owner.kind, owner.id, scan=scan))
    for child in _children(node, "reconstructions", "reconstructedImage"):
        made = _id(child, what)
        yield descriptions.described(
            child, ThingKind.RECONSTRUCTION, thing_id=made, xsi_type="xnat:reconstructedImageData"
        )


def places_of_scan(client: Client, session: Owner, scan: str) -> set[str]:
    """Return the projects that a scan is shown in by itself; NotThere when the session has no such scan."""
    node = document(client, session.kind, session.id)
    for child in _children(node, "scans", "scan"):
        if child.attributes.get("ID") == scan:
            return {one.project for one in descriptions.shares(child)}
    raise NotThere(f"session {session.id} has no scan of that name any more")


def _children(node: Node, outer: str, inner: str) -> Iterable[Node]:
    found = node.first(outer)
    return found.all(inner) if found is not None else ()


def _id(node: Node, what: str) -> str:
    number = node.attributes.get("ID", "")
    if not number:
        raise ReplyStrange(f"{what}: a part without an ID is listed")
    return names.segment(number, what)


def document(client: Client, kind: OwnerKind, number: str) -> Node:
    """Read the document of an entity; ReplyStrange when it is cut or another item's."""
    call = addresses.owner(kind, number, xml=True)
    node = documents.read(client.get(call).body, call.what)
    if node.attributes.get("ID", "") != number:
        raise ReplyStrange(f"{call.what}: the answer is another item's")
    return node


def _stamp(row: Mapping[str, object]) -> str:
    return " ".join(names.shown(row.get(name, "")) for name in ("URI", "label", "insert_date", "last_modified"))
