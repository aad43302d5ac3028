"""A small project for the tests of the port `Archive`: sessions, a shared one, subjects, odd and hostile names."""

from __future__ import annotations

from dataclasses import dataclass

from big_project import add_resource
from xnatsync.core.inventory import Inventory, Owner, OwnerKind, ResourceKey
from xnatsync.ports.tree import Archive
from xnatsync.sandbox.model.objects import Experiment, Project, Resource, Scan, Stamps, Subject
from xnatsync.sandbox.model.site import Site

ALL = frozenset(OwnerKind)
SESSION, BARE, SHARED = "XNAT_E00001", "XNAT_E00002", "XNAT_E00003"
DICOM = {"1.dcm": b"one" * 1000, "sub/2.dcm": b"two" * 50_000, "empty.dcm": b""}


@dataclass(slots=True)
class World:
    """A site and the port on it."""

    site: Site
    archive: Archive

    def inventory(self, project: str = "P1") -> Inventory:
        return self.archive.inventory(project, ALL)

    def owner(self, owner_id: str, project: str = "P1") -> Owner:
        (found,) = [owner for owner in self.inventory(project).owners if owner.id == owner_id]
        return found

    def fetched(self, owner: Owner, *keys: ResourceKey) -> dict[tuple[str, str, str], bytes]:
        return {
            (key.scan, key.label, name): b"".join(content)
            for key, name, content in self.archive.fetch_resources(owner, keys)
        }

    def listed(self, owner: Owner) -> dict[tuple[str, str, str], tuple[int | None, str]]:
        listing = self.archive.owner_files([owner])[owner]
        return {(file.scan, file.resource, file.name): (file.size, file.digest) for file in listing.files}

    def resource(self, owner_id: str, scan: str, label: str) -> Resource:
        session = self.site.experiments[owner_id]
        return (session.scans[scan].resources if scan else session.resources)[label]


def key(scan: str, label: str) -> ResourceKey:
    return ResourceKey(scan, label)


def furnish(site: Site) -> None:
    """P1 with three sessions of its own and one shared in from P2."""
    for project in ("P1", "P2"):
        site.projects[project] = Project(project, _stamps(), project, project, members={"mia": "member"})
    for number, project, label in ((1, "P1", "SUB01"), (2, "P1", "SUB02"), (3, "P2", "OTHER")):
        site.subjects[f"XNAT_S{number:05d}"] = Subject(f"XNAT_S{number:05d}", project, label, _stamps())
    site.subjects["XNAT_S00003"].shares["P1"] = "HERE"
    full = _session(site, SESSION, "P1", "XNAT_S00001", "SUB01_MR1", "xnat:mrSessionData", date="2024-03-01")
    for number, kind in (("4", "T1 mpr"), ("5", "4"), ("4-T1_mpr", "x")):
        _scan(site, full, number, kind)
    add_resource(site, full.scans["4"], f"{full.folder}/SCANS/4", "DICOM", DICOM)
    add_resource(site, full.scans["4"], f"{full.folder}/SCANS/4", "NIFTI", {"a.nii.gz": b"nii"})
    add_resource(site, full.scans["5"], f"{full.folder}/SCANS/5", "DICOM", {"5.dcm": b"five"})
    add_resource(site, full.scans["4-T1_mpr"], f"{full.folder}/SCANS/odd", "DICOM", {"odd.dcm": b"odd"})
    add_resource(site, full, f"{full.folder}/RESOURCES", "QC", {"report.html": b"<!DOCTYPE html><html>fine</html>"})
    quality = _session(site, "XNAT_E00009", "P1", "XNAT_S00001", "QC1", "xnat:qcManualAssessorData")
    del site.experiments[quality.id]
    full.assessors[quality.id] = quality
    add_resource(site, quality, f"{full.folder}/ASSESSORS/QC1", "OUT", {"assessed.txt": b"not ours"})
    _session(site, BARE, "P1", "XNAT_S00002", "SUB02_PET", "xnat:petSessionData")
    shared = _session(site, SHARED, "P2", "XNAT_S00003", "OTHER_CT", "xnat:ctSessionData")
    shared.shares["P1"] = "HERE_CT"
    _scan(site, shared, "1", "CT")
    add_resource(site, shared.scans["1"], f"{shared.folder}/SCANS/1", "DICOM", {"ct.dcm": b"ct"})
    add_resource(site, shared, f"{shared.folder}/RESOURCES", "NOTES", {"note.txt": b"note"})
    for holder in (site.subjects["XNAT_S00001"], site.projects["P1"]):
        add_resource(site, holder, f"archive/{type(holder).__name__}", "PLAN", {"plan.txt": b"plan"})


def _session(site: Site, session: str, project: str, subject: str, label: str, kind: str, **fields: str) -> Experiment:
    folder = f"archive/{project}/arc001/{label}"
    made = Experiment(session, project, subject, label, kind, _stamps(), folder, fields=dict(fields))
    site.experiments[session] = made
    return made


def _scan(site: Site, session: Experiment, number: str, kind: str) -> None:
    fields = {"type": kind, "quality": "usable", "series_description": f"series {number}"}
    session.scans[number] = Scan(site.next_key(), number, "xnat:mrScanData", _stamps(), fields)


def _stamps() -> Stamps:
    return Stamps("2024-01-01 10:00:00.0", "admin", bubbled="2024-01-01 10:00:00.0")
