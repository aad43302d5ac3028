"""Makes and changes things at the destination of a transfer: each function is one request, sent once.

What exists is addressed by accession ID under its own project and subject: an address that is mistyped creates, and a
label in a document renames or is refused (hierarchy.md §4.2, §4.3; import.md §7.2).  A 200 proves nothing: whoever
calls looks at the thing afterwards.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from typing import Final

from xnatsync.core.described import Described, Part, ThingKind
from xnatsync.core.errors import (
    NameRefused,
    NotThere,
    OutcomeUnknown,
    PlaceTaken,
    ReplyStrange,
)
from xnatsync.core.inventory import Owner, OwnerKind
from xnatsync.core.labels import is_sent_label
from xnatsync.xnat import (
    addresses,
    asked,
    descriptions,
    documents,
    edits,
    names,
    part_files,
    raw,
    replies,
    thing_addresses,
    things,
)
from xnatsync.xnat.client import Client
from xnatsync.xnat.documents import Node
from xnatsync.xnat.exchange import Body
from xnatsync.xnat.wire import Call, Due

WRITE_S: Final = 600.0  # a document of thousands of scans is stored row by row
_MADE: Final = re.compile(r"(?:/[A-Za-z0-9._/-]*/)?([A-Za-z0-9._-]{1,256})")
_HOME: Final = ("project", "subject_ID")
_BEFORE: Final = frozenset(  # what stands before them in a session
    "date time duration delay note investigator validation fields acquisition_site age scanner operator scans".split()  # noqa: SIM905
)
_NOUNS: Final = {OwnerKind.SUBJECT: edits.SUBJECT, OwnerKind.SESSION: edits.SESSION}
_XML: Final = "text/xml"
_LISTS: Final = {
    ThingKind.SCAN: ("scans", "scan"),
    ThingKind.RECONSTRUCTION: ("reconstructions", "reconstructedImage"),
}


def create_project(client: Client, thing: Described, project: str) -> None:
    """Make a project; PlaceTaken when there is one of this ID, readable or not (§4.3: 403, 409)."""
    _refuse_there(client, addresses.owner(OwnerKind.PROJECT, project), f"project {project}")
    _put(client, thing_addresses.project(project), descriptions.of_project(thing, project))


def create_subject(client: Client, project: str, thing: Described) -> str:
    """Make a subject under its label; PlaceTaken when the project has one of that label."""
    _check_label(thing.label)
    call = thing_addresses.subject(project, thing.label)
    _refuse_there(client, _to_read(call), "a subject of that label")
    return _made(client, call, descriptions.document(thing, project))


def create_experiment(client: Client, project: str, subject_id: str, thing: Described) -> str:
    """Make a session with its scans and reconstructions, or a record; PlaceTaken when the label is in use."""
    _check_label(thing.label)
    call = thing_addresses.experiment(project, subject_id, thing.label)
    _refuse_there(client, _to_read(call), "an experiment of that label")
    top = descriptions.document(thing, project)
    for kind, (outer, inner) in _LISTS.items():
        if members := [_member(inner, part, part.id, None) for part in thing.parts if part.kind is kind]:
            _insert(top, Node(f"xnat:{outer}", children=members))
    return _made(client, call, top)


def create_part(client: Client, session_id: str, thing: Described) -> str:
    """Make a scan or a reconstruction inside the document of its session, or an assessor by its own (§19).

    PlaceTaken when the session has one of that name.
    """
    fields = replies.item_fields(client.get(addresses.owner(OwnerKind.SESSION, session_id)))
    if fields.get("ID") != session_id:
        raise ReplyStrange(f"looking up session {session_id}: the answer is another item's")
    project, subject = (names.segment(fields.get(name), f"looking up session {session_id}") for name in _HOME)
    session = Owner(OwnerKind.SESSION, project, session_id, subject_id=subject)
    if thing.kind is ThingKind.ASSESSOR:
        _check_label(thing.label)
        if thing.label in part_files.assessors(client, session_id).values():
            raise PlaceTaken(f"session {session_id} has an assessor of that label already")
        return _made(client, thing_addresses.assessor(session_id, thing.label), descriptions.document(thing, project))
    _write_inside(client, session, thing, None, new=True)
    return thing.id


def overlay(client: Client, owner: Owner, part: Part, thing: Described, paths: frozenset[str]) -> None:
    """Set some fields of what is there; NotThere when it is not."""
    if part.kind in _LISTS:
        _write_inside(client, owner, thing, paths, name=part.name)
        return
    top = descriptions.document(thing, "", paths)
    if part.kind is ThingKind.ASSESSOR:
        found = part_id(client, owner, part)
        _put(client, thing_addresses.assessor(owner.id, found), top)
    elif part.kind is ThingKind.RECORD:
        found = part_id(client, owner, part)
        _put(client, thing_addresses.experiment(owner.project, owner.id, found), top)
    elif owner.kind is OwnerKind.PROJECT:
        _put(client, thing_addresses.project(owner.id), descriptions.of_project(thing, owner.id, paths))
    elif owner.kind is OwnerKind.SUBJECT:
        _put(client, thing_addresses.subject(owner.project, owner.id), top)
    else:
        top.attributes = {"project": owner.project, **top.attributes}
        _put(client, thing_addresses.experiment(owner.project, owner.subject_id, owner.id), top)


def set_custom(client: Client, owner: Owner, part: Part, values: Mapping[str, str]) -> None:
    """Set values of custom forms; those that are not named stay (§4.4)."""
    if part.kind is ThingKind.ASSESSOR:
        call = thing_addresses.custom_write(owner.kind, owner.id, assessor=part_id(client, owner, part))
    else:
        call = thing_addresses.custom_write(*_address(client, owner, part))
    _send(client, call, raw.json_body({name: json.loads(value) for name, value in values.items()}))


def share(client: Client, owner: Owner, part: Part, project: str, label: str) -> None:
    """Show a thing in a second project; that it is shown there already is as wanted (§4.5: it would be 409)."""
    kind, number, scan = _address(client, owner, part)
    if scan:
        if project not in things.places_of_scan(client, owner, scan):
            _send(client, thing_addresses.share_scan(number, scan, project), None)
    elif all(place.project != project for place in asked.places(client, _NOUNS[kind], number)):
        _send(client, thing_addresses.share(kind, number, project, label), None)


def create_resource(client: Client, owner: Owner, part: Part, label: str, *, format_: str, content: str) -> None:
    """Make an empty resource with its format and content (§5.1)."""
    place, scan = place_of(client, owner, part)
    call = addresses.one_resource(place.kind, place.id, scan, label)
    query = tuple((name, value) for name, value in (("format", format_), ("content", content)) if value)
    call = Call(call.verb, call.method, call.path, f"making {call.what}", query, Due.TEXT)
    _send(client, call, None)


def catalogue(client: Client, owner: Owner, part: Part, label: str) -> None:
    """Let the server bring a resource's catalogue, disk, digests and counts together (§5.3, import.md §6.1)."""
    place, scan = place_of(client, owner, part)
    options = ("append", "checksum", "populateStats")
    _send(client, addresses.refresh(place.kind, place.id, scan, label, options), None)


def place_of(client: Client, owner: Owner, part: Part) -> tuple[Owner, str]:
    """Return the entity that resources of a part are addressed under, and the text of the part there.

    A record is an experiment of its own; all else is found below the entity.
    """
    if part.kind is not ThingKind.RECORD:
        return owner, str(part)
    number = part_id(client, owner, part)
    return Owner(OwnerKind.SESSION, owner.project, number, subject=owner.subject, subject_id=owner.id), ""


def part_id(client: Client, owner: Owner, part: Part) -> str:
    """Return the accession ID of a record or an assessor; NotThere when it is gone or called otherwise by now."""
    kind, odd = part.kind.value if part.kind else "", replies.Refused()
    if part.kind is ThingKind.RECORD:
        numbers = [number for label, (number, _) in things.record_ids(client, owner, odd).items() if label == part.name]
    else:
        labels = part_files.assessors(client, owner.id, odd)
        numbers = [number for number, label in labels.items() if label == part.name]
        numbers = numbers or [number for number in labels if number == part.name]
    if len(numbers) > 1:
        raise ReplyStrange(f"looking up a {kind} of {owner.kind.value} {owner.id}: several of that name are listed")
    if not numbers and odd:  # it may be one of them
        raise ReplyStrange(odd[0][2])
    if not numbers:
        raise NotThere(f"{owner.kind.value} {owner.id} has no {kind} of that name any more")
    return numbers[0]


# --- inner parts ---------------------------------------------------------------------------------------------------


def _address(client: Client, owner: Owner, part: Part) -> tuple[OwnerKind, str, str]:
    """Return kind, ID and scan that a thing is addressed by."""
    if part.kind in {ThingKind.RECORD, ThingKind.ASSESSOR}:
        return OwnerKind.SESSION, part_id(client, owner, part), ""
    return owner.kind, owner.id, thing_addresses.below(part)


def _write_inside(
    client: Client, session: Owner, thing: Described, paths: frozenset[str] | None, name: str = "", *, new: bool = False
) -> None:
    """Write a scan or a reconstruction as a part of its session's document, where its type can stand (§4.3)."""
    top = things.document(client, session.kind, session.id)
    outer, inner = _LISTS[thing.kind]
    there = top.first(outer)
    if new and there is not None and any(node.attributes.get("ID") == thing.id for node in there.all(inner)):
        raise PlaceTaken(f"session {session.id} has {thing.kind.value} {thing.id} already")
    held = Node(f"xnat:{outer}", children=[_member(inner, thing, name or thing.id, paths)])
    _put(
        client, thing_addresses.experiment(session.project, session.subject_id, session.id),
        Node(top.tag, {"project": session.project}, [held]),
    )  # fmt: skip


def _member(inner: str, thing: Described, name: str, paths: frozenset[str] | None) -> Node:
    node = Node(f"xnat:{inner}", {"ID": name, "xsi:type": thing.xsi_type})
    descriptions.fill(node, thing, paths)
    return node


def _insert(top: Node, held: Node) -> None:
    """Put scans and reconstructions in their place: a schema wants its order (xnat.xsd: imageSessionData)."""
    before = [at for at, child in enumerate(top.children) if child.name in _BEFORE]
    top.children.insert(before[-1] + 1 if before else 0, held)


def _check_label(label: str) -> None:
    """Raise NameRefused for a label that an address would have to encode, which XNAT would keep encoded (§1.6)."""
    if not is_sent_label(label):
        raise NameRefused(
            f"XNAT would not keep the label {label!r} as it is", advice="Give it another label at the source."
        )


def _refuse_there(client: Client, call: Call, what: str) -> None:
    try:
        client.get(call)
    except NotThere:
        return
    raise PlaceTaken(f"{call.what}: there is {what} already")


def _to_read(call: Call) -> Call:
    """Return the address of a write as one to read from."""
    return raw.call(
        "GET", call.path, call.what.replace("writing", "looking up", 1), (("format", "json"),), due=Due.JSON
    )


def _made(client: Client, call: Call, top: Node) -> str:
    """Make something; return the accession ID that the server gave it (§4.3: 201, the ID as plain text)."""
    reply = _put(client, call, top)
    number = _MADE.fullmatch(reply.body.decode("utf-8", "replace").strip())
    if number is None or number[1] in {".", ".."}:
        raise OutcomeUnknown(f"{call.what}: the answer names nothing that was made", http=reply.status)
    return number[1]


def _put(client: Client, call: Call, top: Node) -> replies.Reply:
    return _send(client, call, raw.bytes_body(documents.write(top), _XML))


def _send(client: Client, call: Call, body: Body | None) -> replies.Reply:
    return raw.change(client, call, request_id=str(uuid.uuid4()), timeout_s=min(WRITE_S, client.work_s), body=body)
