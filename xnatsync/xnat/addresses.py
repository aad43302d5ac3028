"""The addresses of whole projects and of resources wherever they hang: what mirrors and pushes ask for.

Completes `wire`.  Owners are addressed flat, by accession ID or project ID, so that nothing falls through (§3.8 of
hierarchy.md, whose sections are named throughout).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from xnatsync.core.described import Part, ThingKind
from xnatsync.core.errors import Bug
from xnatsync.core.inventory import OwnerKind
from xnatsync.xnat import wire
from xnatsync.xnat.failures import Verb
from xnatsync.xnat.wire import Call, Due, Query

SCAN_FILE: Final = "xnat:imagescandata/file/"
SESSION_FILE: Final = "xnat:imagesessiondata/resources/resource/"
SUBJECT_FILE: Final = "xnat:subjectdata/resources/resource/"
SHARE: Final = "xnat:imagesessiondata/sharing/share/"
RESOURCE_FIELDS: Final = ("label", "file_count", "file_size", "xnat_abstractresource_id")
SCAN_COLUMNS: Final = (
    *(f"xnat:imagescandata/{name}" for name in ("id", "type", "series_description", "quality")),
    *(SCAN_FILE + name for name in RESOURCE_FIELDS),
)
_OWNER_COLUMNS: Final = ("ID", "label", "subject_ID", "subject_label", "project", "xsiType", "date")
_STAMPS: Final = ("insert_date", "last_modified")


def project_sessions(project_id: str) -> Call:
    """All imaging sessions a project owns with their scans and scan resources: one row for each (§3.5)."""
    columns = (*_OWNER_COLUMNS, *_STAMPS, *SCAN_COLUMNS)
    return _joined(f"listing all scans of project {project_id}", columns, ("project", _exact(project_id)))


def project_session_resources(project_id: str) -> Call:
    """The resources of the sessions themselves, of all sessions a project owns (§3.5)."""
    columns = ("ID", *(SESSION_FILE + name for name in RESOURCE_FIELDS))
    what = f"listing the session resources of project {project_id}"
    return _joined(what, columns, ("project", _exact(project_id)))


def shared_sessions(project_id: str, *, resources: bool) -> Call:
    """The sessions shared into a project, everything joined: they are few, so the product of the joins is small."""
    own = tuple(SESSION_FILE + name for name in RESOURCE_FIELDS) if resources else ()
    columns = (*_OWNER_COLUMNS, *_STAMPS, SHARE + "project", SHARE + "label", *SCAN_COLUMNS, *own)
    what = f"listing all scans shared into project {project_id}"
    return _joined(what, columns, (SHARE + "project", _exact(project_id)))


def project_subjects(project_id: str, *, resources: bool) -> Call:
    """The subjects of a project under their labels there, on request with their resources (§3.2, §3.5)."""
    own = tuple(SUBJECT_FILE + name for name in RESOURCE_FIELDS) if resources else ()
    columns = ("columns", ",".join(("ID", "label", "project", *_STAMPS, *own)))
    return wire.read(
        f"/data/projects/{wire.seg(project_id)}/subjects", f"listing the subjects of project {project_id}", columns
    )


def sessions_there(session_ids: Sequence[str]) -> Call:
    """Which of some sessions exist (a comma is an OR, §3.4)."""
    filters = ("ID", ",".join(_exact(session_id) for session_id in session_ids))
    query = (("xsiType", "xnat:imageSessionData"), ("columns", "ID,label"), filters)
    return wire.read("/data/experiments", f"looking up {len(session_ids)} sessions", *query)


def owner(kind: OwnerKind, owner_id: str, *, xml: bool = False) -> Call:
    """One project, subject or session as an item, flat (§4.1)."""
    path, what = f"{_OWNERS[kind]}/{wire.seg(owner_id)}", f"looking up {kind.value} {owner_id}"
    return Call(Verb.READ, "GET", path, what, (("format", "xml"),), Due.XML) if xml else wire.read(path, what)


def owner_resources(kind: OwnerKind, owner_id: str, *, everything: bool = False) -> Call:
    """The resources of one owner, on request with those of its scans (§3.6 B)."""
    more = (("all", "true"),) if everything else ()
    path = f"{_OWNERS[kind]}/{wire.seg(owner_id)}/resources"
    return wire.read(path, f"listing the resources of {kind.value} {owner_id}", *more)


def files_of_sessions(session_ids: Sequence[str]) -> Call:
    """Every file of every resource of some sessions of one project (§3.6 E′, F)."""
    path = f"/data/experiments/{','.join(wire.seg(session_id) for session_id in session_ids)}/files"
    what = f"listing the files of {len(session_ids)} sessions" if session_ids[1:] else _files_of(session_ids[0])
    return wire.read(path, what, ("all", "true"))


def files_of(kind: OwnerKind, owner_id: str) -> Call:
    """The files of a project's or a subject's own resources."""
    return wire.read(f"{_OWNERS[kind]}/{wire.seg(owner_id)}/files", f"listing the files of {kind.value} {owner_id}")


def resources_zip(kind: OwnerKind, owner_id: str, scan_ids: Sequence[str], addresses: Sequence[str]) -> Call:
    """Some resources of some scans, or of the owner itself, as one zip (§7).

    `addresses` are labels or numeric IDs (`is_plain`); none: all resources.  `scan_ids` are decoded by XNAT here.
    """
    below = f"/scans/{','.join(wire.seg(scan) for scan in scan_ids)}" if scan_ids else ""
    named = f"/resources/{','.join(wire.seg(address) for address in addresses)}" if addresses else ""
    path = f"{_OWNERS[kind]}/{wire.seg(owner_id)}{below}{named}/files"
    return Call(Verb.READ, "GET", path, f"fetching files of {kind.value} {owner_id}", (("format", "zip"),), Due.ZIP)


def part_zip(kind: OwnerKind, owner_id: str, part: str, labels: Sequence[str]) -> Call:
    """Resources of one assessor or reconstruction as a zip; without labels all that it has on that side (§7, §19)."""
    named = f"/resources/{','.join(wire.seg(label) for label in labels)}" if labels else ""
    path = f"{_OWNERS[kind]}/{wire.seg(owner_id)}{_below(part)}{named}/files"
    return Call(Verb.READ, "GET", path, f"fetching files of {kind.value} {owner_id}", (("format", "zip"),), Due.ZIP)


def one_file(kind: OwnerKind, owner_id: str, scan: str, address: str, name: str) -> Call:
    """One file of a resource, to be read or, with `as_store`, to be written (§6.1, §6.5)."""
    path = f"{_resources(kind, owner_id, scan)}/{wire.seg(address)}/files/{wire.file_path(name)}"
    return Call(Verb.READ, "GET", path, f"fetching a file of {kind.value} {owner_id}", due=Due.FILE)


def as_store(call: Call, *, overwrite: bool, extract: bool = False, described: Query = ()) -> Call:
    """Make the address of a file the one to store it at; never with `overwrite` unless that is asked for.

    `extract`: an archive, whose members are stored in its place (§6.3).  `described`: format and content of what comes.
    """
    asked = (("extract", extract), ("overwrite", overwrite))
    query = (*((name, "true") for name, is_asked in asked if is_asked), *described)
    what = call.what.replace("fetching a file", "storing files" if extract else "storing a file", 1)
    return Call(Verb.STORE, "PUT", call.path, what, query, Due.TEXT)


def one_resource(kind: OwnerKind, owner_id: str, scan: str, address: str) -> Call:
    """One resource, to be made or deleted (§5.1)."""
    path = f"{_resources(kind, owner_id, scan)}/{wire.seg(address)}"
    return Call(Verb.CHANGE, "PUT", path, f"a resource of {kind.value} {owner_id}", (), Due.TEXT)


def resource_files(kind: OwnerKind, owner_id: str, scan: str, address: str) -> Call:
    """The files of one resource; none, with 200, when there is no such resource (§3.8)."""
    path = f"{_resources(kind, owner_id, scan)}/{wire.seg(address)}/files"
    return wire.read(path, f"listing the files of a resource of {kind.value} {owner_id}")


def resources_of(kind: OwnerKind, owner_id: str, scan: str) -> Call:
    """The resources of one parent (§3.2)."""
    return wire.read(_resources(kind, owner_id, scan), f"listing the resources of {kind.value} {owner_id}")


def refresh(kind: OwnerKind, owner_id: str, scan: str, address: str, options: Sequence[str]) -> Call:
    """Bring catalogue, disk and counts of a resource together (§5.3, import.md §6.1)."""
    parent = scan.rpartition("/")[0] if scan.count("/") == 2 else scan  # a part without its side (import.md §6.1)
    uri = f"{_resources(kind, owner_id, parent)}/{address}".replace("/data/", "/archive/", 1)
    query = (("resource", uri), ("options", ",".join(options)))
    what = f"refreshing a resource of {kind.value} {owner_id}"
    return Call(Verb.CHANGE, "POST", "/data/services/refresh/catalog", what, query, Due.TEXT)


def _resources(kind: OwnerKind, owner_id: str, scan: str) -> str:
    return f"{_OWNERS[kind]}/{wire.seg(owner_id)}{_below(scan)}/resources"


def _below(scan: str) -> str:
    """The way from an owner to a part of it: a scan, or what a `Part` says of reconstructions and assessors (§19)."""
    if not scan:
        return ""
    part = Part.parse(scan)
    if part.kind is ThingKind.SCAN:
        return f"/scans/{wire.seg(scan)}"
    if part.kind is ThingKind.RECORD:
        raise Bug("a record is an experiment of its own and is addressed as one")
    side = f"/{part.side}" if part.side else ""
    return f"/{scan.partition('/')[0]}/{wire.seg(part.name)}{side}"


def session_page(base_url: str, session_id: str) -> str:
    """Return the page of a session, for people: the document of an experiment, as a page (§1.2, `format=html`)."""
    return f"{base_url}/data/experiments/{wire.seg(session_id)}?format=html"


def is_plain(label: str) -> bool:
    """Return whether a label can stand in an address: others are not decoded, or taken for IDs (§1.6, §5.1)."""
    return _LABEL.fullmatch(label) is not None and not label.isdigit()


_LABEL: Final = re.compile(r"[A-Za-z0-9._-]+")
_OWNERS: Final = {
    OwnerKind.PROJECT: "/data/projects",
    OwnerKind.SUBJECT: "/data/subjects",
    OwnerKind.SESSION: "/data/experiments",
}


def _joined(what: str, columns: Sequence[str], where: tuple[str, str]) -> Call:
    query = (("xsiType", "xnat:imageSessionData"), ("columns", ",".join(columns)), where)
    return wire.read("/data/experiments", what, *query)


def _files_of(session_id: str) -> str:
    return f"listing the files of session {session_id}"


def _exact(name: str) -> str:
    """A filter's value that means itself alone (§3.4)."""
    if wire.UNFILTERABLE.search(name):
        raise Bug("this name cannot be filtered by")
    return name
