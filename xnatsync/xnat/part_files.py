"""Lists files at every level: those of reconstructions, assessors and records as well (hierarchy.md §3.6 F, §19).

An address names an assessor by its accession ID, which differs on every server: here it has its label.  What an
address does not call `in` is a result: XNAT's own addresses mean `out` (§19).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import unquote

from xnatsync.core.described import Part, ThingKind
from xnatsync.core.errors import NotThere, ReplyStrange
from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey
from xnatsync.core.remote import FileListing, RemoteFile
from xnatsync.xnat import catalog, names, owner_files, replies, thing_addresses, things, wire
from xnatsync.xnat.client import Client


def all_files(client: Client, owners: Sequence[Owner]) -> dict[Owner, FileListing]:
    """List all files of some entities and their parts; those that are gone are missing in the answer."""
    found = owner_files.owner_files(client, owners, parts=True)
    return {owner: _named(client, owner, listing) for owner, listing in found.items()}


def object_uids(client: Client, owner: Owner, resource: ResourceKey) -> dict[str, str]:
    """Return the SOP Instance UIDs of a scan's resource by file; none where its catalogue tells none, or is none."""
    try:
        return catalog.sop_uids(client.get(wire.catalog(owner.id, resource.scan, resource.label)))
    except (NotThere, ReplyStrange):
        return {}


def assessors(client: Client, session_id: str, refused: replies.Refused | None = None) -> dict[str, str]:
    """Return the image assessors of a session: accession ID -> label.

    An odd row goes to `refused`, when there is such a list: an assessor that is not found may be that one.
    """
    reply = client.get(thing_addresses.assessors_of(session_id))
    what = reply.call.what
    found: dict[str, str] = {}
    for row in replies.rows(reply, ("ID", "label")):
        try:
            number = names.segment(row["ID"], what)
            found[number] = names.segment(row["label"] or number, what)
        except ReplyStrange as error:
            if refused is None:
                raise
            refused.append(("", "", str(error)))
    return found


def _named(client: Client, owner: Owner, listing: FileListing) -> FileListing:
    if owner.kind is OwnerKind.SUBJECT:
        return _with_records(client, owner, listing)
    if not any("/" in file.scan for file in listing.files):
        return listing
    odd: replies.Refused = []
    has_assessors = any(file.scan.startswith("assessors/") for file in listing.files)
    labels = assessors(client, owner.id, odd) if has_assessors else {}
    files: list[RemoteFile] = []
    refused = [*listing.refused, *odd]
    for file in listing.files:
        try:
            files.append(_placed(file, labels))
        except ReplyStrange as error:
            refused.append((file.scan, file.resource, str(error)))
    return FileListing(
        tuple(files), complete=listing.complete and len(files) == len(listing.files) and not odd, refused=tuple(refused)
    )


def _placed(file: RemoteFile, labels: dict[str, str]) -> RemoteFile:
    """Return a file with the name of its part; ReplyStrange when nobody says which that is."""
    if "/" not in file.scan:
        return file
    word, name, *side = file.scan.split("/")
    kind = ThingKind.ASSESSOR if word == "assessors" else ThingKind.RECONSTRUCTION
    name = names.segment(unquote(name), "listing files")
    if kind is ThingKind.ASSESSOR and name not in labels:
        raise ReplyStrange("listing files: a file of an assessor that is not listed")
    return replace(file, scan=str(Part(kind, labels.get(name, name), "in" if side == ["in"] else "out")))


def _with_records(client: Client, owner: Owner, listing: FileListing) -> FileListing:
    """Add the files of a subject's records: experiments of their own."""
    odd: replies.Refused = []
    labels = {number: label for label, (number, _) in things.record_ids(client, owner, odd).items()}
    records = {number: Owner(OwnerKind.SESSION, owner.project, number) for number in labels}
    if not records and not odd:
        return listing
    listed = owner_files.owner_files(client, list(records.values()))
    files, refused = list(listing.files), [*listing.refused, *odd]
    if silent := {number for number, record in records.items() if record not in listed}:
        # One without a file has no row, and the look-up of sessions does not know it: it is listed once more.
        still = {number for number, _ in things.record_ids(client, owner, odd).values()}
        listed |= {records[number]: FileListing(()) for number in silent & still}
    for number, record in records.items():
        text = str(Part(ThingKind.RECORD, labels[number]))
        if record not in listed:
            refused.append((text, "", "it was there just now and is gone"))
            continue
        files += [replace(file, scan=text) for file in listed[record].files]
        refused += [(text, label, why) for _, label, why in listed[record].refused]
    complete = all(record in listed and listed[record].complete for record in records.values())
    return FileListing(tuple(files), complete=complete and listing.complete and not odd, refused=tuple(refused))
