"""The handler XAR: a zip with one XNAT document (session, scan or assessor) and its files (import.md §1.8, §7.3)."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from uuid import uuid4
from xml.etree import ElementTree as ET

from xnatsync.sandbox.model import unpack
from xnatsync.sandbox.model.creation import (
    ModelError,
    create_assessor,
    create_experiment,
    create_scan,
    create_subject,
    touch_up,
)
from xnatsync.sandbox.model.hierarchy import (
    assessor_resource_folder,
    experiment_labelled,
    find_assessor,
    find_experiment,
    find_project,
    find_subject,
    scan_resource_folder,
    session_resource_folder,
)
from xnatsync.sandbox.model.importing import Order
from xnatsync.sandbox.model.objects import Experiment, FileEntry, Resource, Scan
from xnatsync.sandbox.model.received import chunks as content_of
from xnatsync.sandbox.model.schema import is_a
from xnatsync.sandbox.model.site import Site
from xnatsync.sandbox.model.writing import Values, apply, from_xml

_XNAT = "{http://nrg.wustl.edu/xnat}"
_MOST = 64 << 20  # a document that is longer than this is none


@dataclass(slots=True)
class _Xar:
    site: Site
    order: Order
    folder: str  # where the members were spooled

    def read(self, path: str) -> bytes:
        return b"".join(content_of(self.site.store, f"{self.folder}/{path}"))

    def has(self, path: str) -> bool:
        return self.site.store.size(f"{self.folder}/{path}") is not None


def import_xar(site: Site, order: Order, name: str, chunks: Iterable[bytes]) -> list[str]:
    """Enter the documents of an archive with their files; return the URI of what was entered."""
    xar = _Xar(site, order, f"spool/{uuid4().hex}")
    try:
        for member in unpack.members("upload.zip", chunks, nested=False):
            site.store.write(f"{xar.folder}/{posixpath.normpath(member.name)}", member.content, digest=False)
        documents = list(_documents(xar))
        if not documents:
            raise ModelError(400, "Unable to locate XNAT xml document.")
        kinds = {values.xsi_type for _, values in documents}
        if len(kinds) > 1:
            raise ModelError(400, "Multiple data types cannot share a single XAR.")
        if is_a(next(iter(kinds)), "xnat:imageSessionData") and len(documents) > 1:
            raise ModelError(400, "XAR can only include data for one imaging session.")
        return list(dict.fromkeys(_enter(xar, path, values) for path, values in documents))
    except (unpack.BrokenArchiveError, unpack.FormatError) as error:
        raise ModelError(400, str(error)) from error
    finally:
        site.store.delete(xar.folder)


def _documents(xar: _Xar) -> Iterator[tuple[str, Values]]:
    for path, size in xar.site.store.list(xar.folder):
        if path.endswith(".xml") and size < _MOST:
            data = xar.read(path)
            if b"nrg.wustl.edu/xnat" in data and b"Catalog " not in data[:400]:
                yield path, from_xml(data)


def _enter(xar: _Xar, path: str, values: Values) -> str:
    root = ET.fromstring(xar.read(path))  # noqa: S314 - from_xml has refused entities
    base = posixpath.dirname(path) or _only_folder(xar)
    if is_a(values.xsi_type, "xnat:imageSessionData"):
        session = _session(xar, values)
        for node in root.iterfind(f"{_XNAT}resources/{_XNAT}resource"):
            _resource(xar, session.resources, node, base, session_resource_folder(session, node.get("label", "")))
        for node in root.iterfind(f"{_XNAT}scans/{_XNAT}scan"):
            _scan_files(xar, session, session.scans[node.get("ID", "")], node, base)
        touch_up(xar.site, session)
        return f"/archive/experiments/{session.id}"
    if is_a(values.xsi_type, "xnat:imageScanData"):
        session = _owner(xar, values.fields.get("image_session_ID", ""))
        scan = _scan(xar, session, values)
        _scan_files(xar, session, scan, root, base)
        touch_up(xar.site, session)
        return f"/archive/experiments/{session.id}"
    return _assessor(xar, root, base, values)


def _only_folder(xar: _Xar) -> str:
    """Return the one folder beside the documents: its content is the session's, as in what was exported (§13.2)."""
    tops = {path.partition("/")[0] for path, _ in xar.site.store.list(xar.folder) if "/" in path}
    return tops.pop() if len(tops) == 1 else ""


def _project(xar: _Xar, values: Values) -> str:
    name = xar.order.params.get("project") or xar.order.params.get("PROJECT_ID") or values.fields.get("project", "")
    project = find_project(xar.site, name)
    if project is None:
        raise ModelError(400, f"Unknown project {name}")
    if not xar.site.can(xar.order.user, project.id, "create"):
        raise ModelError(403, "Insufficient create privileges for experiments in this project.")
    return project.id


def _session(xar: _Xar, values: Values) -> Experiment:
    site, user = xar.site, xar.order.user
    with site.lock:
        project = _project(xar, values)
        label = values.fields.get("label", "") or values.fields.get("ID", "")
        reference = xar.order.params.get("subject") or values.fields.get("subject_ID", "")
        if not reference:
            raise ModelError(400, "Unable to identify subject.")
        session = experiment_labelled(site, project, label)
        if session is None:
            subject = find_subject(site, project, reference) or create_subject(site, project, reference, user)
            session = create_experiment(site, project, subject, label, values.xsi_type, user)
        elif not xar.order.rules.merge:
            raise ModelError(409, "Session already exists, retry with overwrite enabled")
        apply(values, session)
        for scan_id, scan_values in values.scans:
            scan_values.fields["ID"] = scan_id
            _scan(xar, session, scan_values)
        return session


def _owner(xar: _Xar, reference: str) -> Experiment:
    session = find_experiment(xar.site, xar.order.params.get("project"), reference)
    if session is None or not is_a(session.xsi_type, "xnat:imageSessionData"):
        raise ModelError(400, "All XNAT xml documents must reference a valid Imaging Session.")
    if not xar.site.can(xar.order.user, session.project, "edit"):
        raise ModelError(403, "Insufficient edit privileges for experiments in this project.")
    return session


def _scan(xar: _Xar, session: Experiment, values: Values) -> Scan:
    with xar.site.lock:
        scan_id = values.fields.get("ID", "")
        scan = session.scans.get(scan_id)
        if scan is None:
            scan = create_scan(xar.site, session, scan_id, values.xsi_type, xar.order.user)
        apply(values, scan)
        return scan


def _assessor(xar: _Xar, root: ET.Element, base: str, values: Values) -> str:
    session = _owner(xar, values.fields.get("imageSession_ID", "") or values.fields.get("imagesession_id", ""))
    label = values.fields.get("label", "") or values.fields.get("ID", "")
    with xar.site.lock:
        assessor = find_assessor(session, label)
        if assessor is None:
            assessor = create_assessor(xar.site, session, label, values.xsi_type, xar.order.user)
        apply(values, assessor)
    for place in (f"{_XNAT}out/{_XNAT}file", f"{_XNAT}resources/{_XNAT}resource"):
        for node in root.iterfind(place):
            folder = assessor_resource_folder(session, assessor, node.get("label", ""))
            _resource(xar, assessor.resources, node, base, folder)
    touch_up(xar.site, session)
    return f"/archive/experiments/{session.id}/assessors/{assessor.id}"


def _scan_files(xar: _Xar, session: Experiment, scan: Scan, node: ET.Element, base: str) -> None:
    for file in node.iterfind(f"{_XNAT}file"):
        _resource(xar, scan.resources, file, base, scan_resource_folder(session, scan, file.get("label", "")))


def _resource(xar: _Xar, into: dict[str, Resource], node: ET.Element, base: str, folder: str) -> None:
    """Move the files of one catalogue of the archive into a resource."""
    site, label = xar.site, node.get("label", "")
    catalogue = posixpath.normpath(posixpath.join(base, node.get("URI", "")))
    if not label or not xar.has(catalogue):
        return
    resource = into.get(label)
    if resource is None:
        resource = Resource(site.next_key(), label, folder, node.get("format", ""), node.get("content", ""))
    tree = ET.fromstring(xar.read(catalogue))  # noqa: S314 - on loopback, for tests: the sender is no stranger
    resource.dicom = resource.dicom or tree.tag.endswith("DCMCatalog")
    resource.uid = resource.uid or tree.get("UID", "")
    for entry in tree.iter():
        if entry.tag.endswith("}entry") and (uri := entry.get("URI")):
            _file(xar, resource, entry, posixpath.normpath(posixpath.join(posixpath.dirname(catalogue), uri)), uri)
    resource.file_count = len(resource.entries)
    resource.file_size = sum(one.size for one in resource.entries.values())
    with site.lock:
        resource.version += 1
        into[label] = resource


def _file(xar: _Xar, resource: Resource, entry: ET.Element, path: str, uri: str) -> None:
    store = xar.site.store
    source, target = f"{xar.folder}/{path}", f"{resource.folder}/{uri}"
    size = store.size(source)
    if size is None:
        return
    store.delete(target)
    store.move(source, target)
    known = FileEntry(uri, size, entry.get("digest", ""), entry.get("format", ""), entry.get("content", ""))
    known.uid, known.instance_number = entry.get("UID", ""), entry.get("instanceNumber", "")
    known.created_by, known.created_time = xar.order.user.login, xar.site.now_text()
    resource.entries[uri] = known
