"""Projects of any size, put into a sandbox's model directly: seconds where uploads would take hours.

The content of a file is told by its place and number, so a test knows what must come back without keeping it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from xnatsync.sandbox.model.objects import Experiment, FileEntry, Project, Resource, Scan, Stamps, Subject
from xnatsync.sandbox.model.site import Site

_BLOCK = hashlib.shake_128(b"the same for all").digest(1 << 20)


@dataclass(frozen=True, slots=True)
class Size:
    """How big the project shall be."""

    sessions: int = 1000
    scans: int = 10
    labels: Sequence[str] = ("DICOM", "NIFTI")
    files: int = 1  # in each resource
    file_bytes: int = 100
    own: Sequence[str] = ()  # labels of the sessions' own resources


def content(place: str, size: int) -> bytes:
    """The content of a file of so many bytes; `place` is its path in the store."""
    head = hashlib.sha256(place.encode()).digest()
    repeated = _BLOCK * (size // len(_BLOCK) + 1) if size > len(_BLOCK) else _BLOCK
    return (head + repeated)[:size]


def fill(site: Site, project: str, size: Size, *, stored: bool = True) -> list[Experiment]:
    """Puts a project into the site; without `stored` the files are catalogued and have no content."""
    with site.lock:
        site.projects[project] = Project(project, _stamps(site), project, project)
        site.save(site.projects[project])
        made = [_session(site, project, size, number, stored) for number in range(size.sessions)]
        site.save_site()
    return made


def add_resource(site: Site, holder: Experiment | Scan, folder: str, label: str, files: dict[str, bytes]) -> Resource:
    """Adds a resource of these files, or puts them into the one that is there."""
    resource = holder.resources.get(label)
    if resource is None:
        site.record.keys += 1
        resource = holder.resources[label] = Resource(site.record.keys, label, f"{folder}/{label}", label)
    for name, held in files.items():
        size, digest = site.store.write(f"{resource.folder}/{name}", [held])
        resource.entries[name] = FileEntry(name, size, digest)
    _count(resource)
    return resource


def _session(site: Site, project: str, size: Size, number: int, stored: bool) -> Experiment:
    record = site.record
    record.subjects += 1
    record.experiments += 1
    subject = Subject(f"XNAT_S{record.subjects:05d}", project, f"SUB{number:04d}", _stamps(site))
    label = f"SUB{number:04d}_MR"
    folder = f"archive/{project}/arc001/{label}"
    session = Experiment(
        f"XNAT_E{record.experiments:05d}", project, subject.id, label, "xnat:mrSessionData", _stamps(site), folder
    )
    session.fields["date"] = f"2024-{number % 12 + 1:02d}-{number % 28 + 1:02d}"
    for own in size.own:
        session.resources[own] = _resource(site, f"{folder}/RESOURCES/{own}", own, size, stored)
    for scan_number in range(1, size.scans + 1):
        record.keys += 1
        scan = Scan(record.keys, str(scan_number), "xnat:mrScanData", _stamps(site), {"type": f"T{scan_number}"})
        for resource in size.labels:
            scan.resources[resource] = _resource(site, f"{folder}/SCANS/{scan.id}/{resource}", resource, size, stored)
        session.scans[scan.id] = scan
    site.subjects[subject.id], site.experiments[session.id] = subject, session
    site.save(subject)
    site.save(session)
    return session


def _resource(site: Site, folder: str, label: str, size: Size, stored: bool) -> Resource:
    site.record.keys += 1
    resource = Resource(site.record.keys, label, folder, label)
    for number in range(size.files):
        name = f"{number:05d}.{label.lower()}"
        held = content(f"{folder}/{name}", size.file_bytes)
        if stored:
            site.store.write(f"{folder}/{name}", [held], digest=False)
        resource.entries[name] = FileEntry(name, len(held), hashlib.md5(held, usedforsecurity=False).hexdigest())
    _count(resource)
    return resource


def _count(resource: Resource) -> None:
    resource.file_count = len(resource.entries)
    resource.file_size = sum(entry.size for entry in resource.entries.values())


def _stamps(site: Site) -> Stamps:
    now = site.now_text()
    return Stamps(now, "admin", bubbled=now)
