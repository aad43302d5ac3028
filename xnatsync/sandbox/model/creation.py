"""Making projects, subjects, experiments and scans, by the rules of hierarchy.md §4.3."""

from __future__ import annotations

import re

from xnatsync.sandbox.model.accounts import User
from xnatsync.sandbox.model.hierarchy import folder_of, label_taken, session_folder, session_of, subject_labelled
from xnatsync.sandbox.model.objects import Experiment, Project, Scan, Subject
from xnatsync.sandbox.model.site import Site

_IDENTIFIER = re.compile(r"[A-Za-z0-9_-]+")


class ModelError(Exception):
    """A refusal of the model, with the status XNAT gives it."""

    def __init__(self, status: int, message: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def create_project(site: Site, project_id: str, owner: User) -> Project:
    """Create a project; ids, titles and aliases share one namespace, compared without case (§4.2, rule 6)."""
    if not _IDENTIFIER.fullmatch(project_id):
        raise ModelError(417, "Invalid character in project ID.")
    if project_id in site.record.retired_projects:
        raise ModelError(403, f"Project '{project_id}' was used in a previously deleted project and cannot be reused.")
    check_project_names(site, project_id, [project_id])
    project = Project(project_id, site.stamp(owner), secondary_id=project_id, name=project_id)
    project.members[owner.login] = "owner"
    project.prearchive_code = int(site.settings.number("defaultProjectAutoArchiveSetting"))
    site.projects[project_id] = project
    site.save(project)
    return project


def check_project_names(site: Site, project_id: str, names: list[str]) -> None:
    """Refuse names another project already has, as id, running title, title or alias."""
    wanted = {name.lower() for name in names if name}
    for other in site.projects.values():
        taken = {name.lower() for name in (other.id, other.secondary_id, other.name, *other.aliases)}
        if other.id != project_id and taken & wanted:
            raise ModelError(409, f"Requested new project conflicts with existing projects: {other.id}")


def create_subject(site: Site, project_id: str, label: str, user: User, subject_id: str = "") -> Subject:
    """Create a subject; the label is not decoded and not cleaned, only the caller's rules apply (§1.6)."""
    if subject_labelled(site, project_id, label) is not None:
        raise ModelError(409, f"Specified label is already in use: {label}")
    subject = Subject(subject_id or site.next_subject_id(), project_id, label, site.stamp(user))
    site.subjects[subject.id] = subject
    site.save(subject)
    _bubble_project(site, project_id)
    return subject


def create_experiment(
    site: Site,
    project_id: str,
    subject: Subject,
    label: str,
    xsi_type: str,
    user: User,
    *,
    folder: str = "",
    given_id: str = "",
) -> Experiment:
    """Create a session or another subject assessor, under its own ID if one is given (§4.3)."""
    if label_taken(site, project_id, label):
        raise ModelError(409, f"Conflict: Duplicate experiment label {label}")
    experiment_id = _free_id(site, given_id) or site.next_experiment_id()
    experiment = Experiment(experiment_id, project_id, subject.id, label, xsi_type, site.stamp(user))
    experiment.folder = folder or session_folder(project_id, label)
    site.experiments[experiment.id] = experiment
    site.save(experiment)
    site.bubble(subject)
    site.save(subject)
    return experiment


def create_assessor(
    site: Site, session: Experiment, label: str, xsi_type: str, user: User, *, given_id: str = "", project: str = ""
) -> Experiment:
    """Create an image assessor inside a session; it may belong to a project the session is shared into."""
    project = project or session.project
    if label_taken(site, project, label):
        raise ModelError(409, f"Conflict: Duplicate experiment label {label}")
    assessor_id = _free_id(site, given_id) or site.next_experiment_id()
    assessor = Experiment(assessor_id, project, session.subject, label, xsi_type, site.stamp(user))
    assessor.folder = f"{folder_of(session)}/ASSESSORS/{label}"
    session.assessors[assessor.id] = assessor
    touch_up(site, session)
    return assessor


def create_scan(site: Site, session: Experiment, scan_id: str, xsi_type: str, user: User) -> Scan:
    """Create a scan; an empty id becomes the next free integer."""
    if not scan_id:
        used = [int(known) for known in session.scans if known.isdigit()]
        scan_id = str(max(used, default=0) + 1)
    scan = Scan(site.next_key(), scan_id, xsi_type, site.stamp(user))
    session.scans[scan_id] = scan
    touch_up(site, session)
    return scan


def touch_up(site: Site, session: Experiment) -> None:
    """Keep a session whose inside has changed, and bubbles the stamp to it and its subject (§3.9)."""
    subject = site.subjects.get(session.subject)
    site.bubble(session, subject)
    site.save(session)
    if subject is not None:
        site.save(subject)


def _free_id(site: Site, given: str) -> str:
    if given and (given in site.experiments or session_of(site, given) is not None):
        raise ModelError(409, f"Specified experiment already exists: {given}")
    if given and not _IDENTIFIER.fullmatch(given):
        raise ModelError(417, "Invalid character in experiment label.")
    return given


def _bubble_project(site: Site, project_id: str) -> None:
    project = site.projects.get(project_id)
    if project is not None:
        site.bubble(project)
        site.save(project)
