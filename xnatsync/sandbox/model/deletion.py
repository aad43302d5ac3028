"""Taking things away: delete, unshare, and what stays on disk (hierarchy.md §4.5)."""

from __future__ import annotations

from xnatsync.sandbox.model.creation import ModelError, touch_up
from xnatsync.sandbox.model.hierarchy import archive_folder, folder_of, scan_resource_folder, session_of
from xnatsync.sandbox.model.objects import Experiment, Project, Scan, Subject
from xnatsync.sandbox.model.site import Site


def delete_project(site: Site, project: Project, *, remove_files: bool) -> None:
    """Delete a project and all it owns; its id can never be used again."""
    for experiment in [item for item in site.experiments.values() if item.project == project.id]:
        delete_experiment(site, experiment, remove_files=remove_files)
    for subject in [item for item in site.subjects.values() if item.project == project.id]:
        delete_subject(site, subject, remove_files=remove_files)
    items: list[Subject | Experiment] = [*site.subjects.values(), *site.experiments.values()]
    for item in items:
        if item.shares.pop(project.id, None) is not None:
            site.save(item)
    if remove_files:
        site.store.delete(archive_folder(project.id).rpartition("/")[0])
    del site.projects[project.id]
    site.record.retired_projects.append(project.id)
    site.forget(project)
    site.save_site()


def delete_subject(site: Site, subject: Subject, *, remove_files: bool) -> None:
    """Delete a subject with its experiments."""
    for experiment in [item for item in site.experiments.values() if item.subject == subject.id]:
        delete_experiment(site, experiment, remove_files=remove_files)
    if remove_files:
        for resource in subject.resources.values():
            site.store.delete(resource.folder)
    site.subjects.pop(subject.id, None)
    site.forget(subject)
    _bubble(site, site.projects.get(subject.project))


def _bubble(site: Site, parent: Project | Subject | None) -> None:
    """Show above what was deleted that something changed below."""
    if parent is not None:
        site.bubble(parent)
        site.save(parent)


def delete_experiment(site: Site, experiment: Experiment, *, remove_files: bool) -> None:
    """Delete a session or assessor; without `remove_files` only the database forgets it, the files stay."""
    session = session_of(site, experiment.id)
    if session is not None:
        del session.assessors[experiment.id]
        touch_up(site, session)
    else:
        site.experiments.pop(experiment.id, None)
        site.forget(experiment)
        _bubble(site, site.subjects.get(experiment.subject))
    if remove_files:
        site.store.delete(folder_of(experiment))


def delete_scan(site: Site, session: Experiment, scan: Scan) -> None:
    """Delete a scan; its folder always goes, whatever `removeFiles` says."""
    session.scans.pop(scan.id, None)
    site.store.delete(scan_resource_folder(session, scan, "x").rpartition("/")[0])
    touch_up(site, session)


def unshare(site: Site, item: Subject | Experiment, project_id: str) -> None:
    """Take something out of a project it is shared into, a subject with its sessions (official TestSharing)."""
    if project_id not in item.shares:
        if isinstance(item, Subject):
            raise ModelError(403, f"Subject is not assigned to specified project {project_id}")
        return
    below = [each for each in site.experiments.values() if isinstance(item, Subject) and each.subject == item.id]
    for each in (item, *(each for each in below if project_id in each.shares)):
        del each.shares[project_id]
        site.changed(each)
        site.save(each)
