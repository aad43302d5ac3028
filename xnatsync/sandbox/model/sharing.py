"""Sharing, moving and renaming (hierarchy.md §4.5)."""

from __future__ import annotations

from xnatsync.sandbox.model import rerun
from xnatsync.sandbox.model.creation import ModelError, touch_up
from xnatsync.sandbox.model.hierarchy import (
    experiment_labelled,
    folder_of,
    label_in,
    label_taken,
    session_folder,
    subject_labelled,
    subject_resource_folder,
)
from xnatsync.sandbox.model.objects import Experiment, Resource, Scan, Subject
from xnatsync.sandbox.model.site import Site


def share(site: Site, item: Subject | Experiment, project_id: str, label: str) -> None:
    """Show something in a second project, under a label of its own if one is given."""
    if label_in(item, project_id) is not None:
        raise ModelError(409, f"Already assigned to project:{project_id}")
    if label:
        _check_free(site, item, project_id, label)
    item.shares[project_id] = label
    site.changed(item)
    site.save(item)


def move(site: Site, item: Subject | Experiment, project_id: str, label: str) -> None:
    """Return something to another project, which becomes its owner; its files move along."""
    label = label or item.label
    if item.project == project_id:
        raise ModelError(409, f"Already assigned to project: {project_id}")
    _check_free(site, item, project_id, label)
    item.shares.pop(project_id, None)
    item.project = project_id
    _relabel(site, item, label)
    if isinstance(item, Experiment):
        rerun.names_changed(site, item)


def rename(site: Site, item: Subject | Experiment, label: str, *, project_id: str) -> None:
    """Return something a new label in a project; in the owning one its files move too."""
    if label_in(item, project_id) == label:
        return
    _check_free(site, item, project_id, label, "Specified label is already in use.")
    if project_id in item.shares:
        item.shares[project_id] = label
        site.changed(item)
        site.save(item)
        return
    _relabel(site, item, label)
    sessions = [item] if isinstance(item, Experiment) else _sessions(site, item)
    for session in sessions:
        rerun.names_changed(site, session)


def change_subject(site: Site, session: Experiment, subject: Subject) -> None:
    """Move a session to another subject."""
    if session.subject == subject.id:
        return
    before = site.subjects.get(session.subject)
    session.subject = subject.id
    site.changed(session)
    touch_up(site, session)
    if before is not None:
        site.bubble(before)
        site.save(before)
    rerun.names_changed(site, session)


def _sessions(site: Site, subject: Subject) -> list[Experiment]:
    return [experiment for experiment in site.experiments.values() if experiment.subject == subject.id]


def _relabel(site: Site, item: Subject | Experiment, label: str) -> None:
    if isinstance(item, Experiment):
        target = session_folder(item.project, label)
        source = folder_of(item)
        if source != target:
            if site.store.exists(target):
                raise ModelError(409, "File system destination contains pre-existing files")
            if site.store.exists(source):
                site.store.move(source, target)
            _rebase(item, source, target)
        item.label = label
    else:
        item.label = label
        for resource in item.resources.values():
            target = subject_resource_folder(item, resource.label)
            if resource.folder != target and site.store.exists(resource.folder):
                site.store.move(resource.folder, target)
            resource.folder = target
    site.changed(item)
    site.save(item)


def _rebase(session: Experiment, source: str, target: str) -> None:
    session.folder = target
    holders: list[Experiment | Scan] = [session, *session.scans.values(), *session.assessors.values()]
    for assessor in session.assessors.values():
        assessor.project = session.project
        assessor.folder = target + assessor.folder.removeprefix(source)
    resources: list[Resource] = [resource for holder in holders for resource in holder.resources.values()]
    for resource in resources:
        resource.folder = target + resource.folder.removeprefix(source)


def _check_free(site: Site, item: Subject | Experiment, project_id: str, label: str, message: str = "") -> None:
    if isinstance(item, Subject):
        other: Subject | Experiment | None = subject_labelled(site, project_id, label)
    else:
        other = experiment_labelled(site, project_id, label)
        if other is None and label_taken(site, project_id, label):
            raise ModelError(409, message or f"Label already in use:{label}")
    if other is not None and other is not item:
        raise ModelError(409, message or f"Label already in use:{label}")
