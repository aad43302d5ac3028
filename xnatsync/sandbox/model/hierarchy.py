"""Finding things: by accession ID first, then by label in a project (hierarchy.md §4.2), and where their files lie."""

from __future__ import annotations

import re

from xnatsync.sandbox.model.objects import Experiment, Project, Scan, Subject
from xnatsync.sandbox.model.site import Site

_OTHER = re.compile(r"[^\w.-]")


def find_project(site: Site, reference: str) -> Project | None:
    """Find a project by its ID or an alias."""
    found = site.projects.get(reference)
    if found is not None:
        return found
    return next((project for project in site.projects.values() if reference in project.aliases), None)


def label_in(obj: Subject | Experiment, project_id: str) -> str | None:
    """Return the label of something in a project, its own or that of a share; None when it is not in the project.

    A share made without a label shows the accession ID (hierarchy.md §3.2).
    """
    if obj.project == project_id:
        return obj.label
    if project_id in obj.shares:
        return obj.shares[project_id] or obj.id
    return None


def find_subject(site: Site, project_id: str | None, reference: str) -> Subject | None:
    """Find a subject by accession ID anywhere, else by label in the project of the URL."""
    found = site.subjects.get(reference)
    if found is not None or project_id is None:
        return found
    return subject_labelled(site, project_id, reference)


def subject_labelled(site: Site, project_id: str, label: str) -> Subject | None:
    """Find a subject by its label in a project, shares included."""
    return next((item for item in site.subjects.values() if label_in(item, project_id) == label), None)


def find_experiment(site: Site, project_id: str | None, reference: str) -> Experiment | None:
    """Find a subject assessor by accession ID anywhere, else by label in the project of the URL."""
    found = site.experiments.get(reference)
    if found is not None or project_id is None:
        return found
    return experiment_labelled(site, project_id, reference)


def experiment_labelled(site: Site, project_id: str, label: str) -> Experiment | None:
    """Find a subject assessor by its label in a project, shares included."""
    return next((item for item in site.experiments.values() if label_in(item, project_id) == label), None)


def find_assessor(session: Experiment, reference: str) -> Experiment | None:
    """Find an image assessor of a session by accession ID, else by label."""
    found = session.assessors.get(reference)
    return found or next((item for item in session.assessors.values() if item.label == reference), None)


def session_of(site: Site, assessor_id: str) -> Experiment | None:
    """Find the session that holds an image assessor."""
    return next((session for session in site.experiments.values() if assessor_id in session.assessors), None)


def label_taken(site: Site, project_id: str, label: str) -> bool:
    """Return whether a label is in use for an experiment of a project, assessors and shares included."""
    return any(
        label_in(item, project_id) == label
        or any(label_in(child, project_id) == label for child in item.assessors.values())
        for item in site.experiments.values()
    )


def archive_folder(project_id: str) -> str:
    """Return where a project's sessions lie."""
    return f"archive/{_clean(project_id)}/arc001"


def session_folder(project_id: str, label: str) -> str:
    """Return where a session's files lie."""
    return f"{archive_folder(project_id)}/{_clean(label)}"


def project_resource_folder(project: Project, label: str) -> str:
    """Return where the files of a project's resource lie."""
    return f"archive/{_clean(project.id)}/resources/{_clean(label)}"


def subject_resource_folder(subject: Subject, label: str) -> str:
    """Return where the files of a subject's resource lie."""
    return f"archive/{_clean(subject.project)}/subjects/{_clean(subject.label)}/{_clean(label)}"


def session_resource_folder(session: Experiment, label: str) -> str:
    """Return where the files of a session's resource lie."""
    return f"{folder_of(session)}/RESOURCES/{_clean(label)}"


def scan_resource_folder(session: Experiment, scan: Scan, label: str) -> str:
    """Return where the files of a scan's resource lie."""
    return f"{folder_of(session)}/SCANS/{_clean(scan.id)}/{_clean(label)}"


def reconstruction_folder(session: Experiment, identifier: str) -> str:
    """Return where the files of a reconstruction lie."""
    return f"{folder_of(session)}/PROCESSED/{_clean(identifier)}"


def assessor_resource_folder(session: Experiment, assessor: Experiment, label: str) -> str:
    """Return where the files of an assessor's resource lie."""
    return f"{folder_of(session)}/ASSESSORS/{_clean(assessor.label)}/{_clean(label)}"


def folder_of(session: Experiment) -> str:
    """Return a session's folder, settled when it is first needed."""
    if not session.folder:
        session.folder = session_folder(session.project, session.label)
    return session.folder


def _clean(name: str) -> str:
    """Make a name a file system takes; XNAT does so for scan ids, labels hardly ever need it."""
    cleaned = _OTHER.sub("_", name)
    return cleaned if cleaned.strip(".") else "_" * max(1, len(cleaned))
