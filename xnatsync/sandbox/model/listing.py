"""Which items each listing holds, and its default columns (hierarchy.md §3.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

from xnatsync.sandbox.model.accounts import User
from xnatsync.sandbox.model.joins import Joined, Plan
from xnatsync.sandbox.model.objects import Experiment, Project, Stamps, Subject
from xnatsync.sandbox.model.query import Query, compiled, root_element, rows_of
from xnatsync.sandbox.model.schema import is_a
from xnatsync.sandbox.model.site import Site, kind_of

Rows = Iterator[dict[str, str]]
T = TypeVar("T", Subject, Experiment)

DEFAULTS = {
    "project": ("ID", "secondary_ID", "name", "description", "pi_firstname", "pi_lastname"),
    "subject": ("ID", "project", "label", "insert_date", "insert_user"),
    "experiment": ("ID", "project", "date", "xsiType", "label", "insert_date"),
    "scan": ("xnat_imagescandata_id", "ID", "type", "quality", "xsiType", "note", "series_description"),
    "reconstruction": ("xnat_reconstructedimagedata_id", "ID", "type", "baseScanType"),
    "derived": ("ID", "project", "label", "date", "xsiType", "insert_date", "session_ID", "session_label"),
}


def projects(site: Site, user: User, query: Query, right: str = "read") -> tuple[list[str], Rows]:
    """List the projects a user has a right to: an administrator has every right (`allDataOverride` adds nothing)."""
    plan = compiled(query)
    with site.lock:
        shown = [item for item in site.projects.values() if may(site, user, item, right)]
    roots = (Joined(project=item, uri=f"/data/projects/{item.id}") for item in shown)
    return plan.names, rows_of(plan, roots, site.lock, paging=query)


def may(site: Site, user: User, project: Project, right: str) -> bool:
    """Return whether a user has a right on a project itself, not on its data: members do not edit it (§14, §18)."""
    return site.can_see(user, project) if right == "read" else site.can(user, project.id, "delete")


def subjects(site: Site, user: User, query: Query, project: str | None = None) -> tuple[list[str], Rows]:
    """List subjects; in a project those shared into it too, under their label there but with their own project."""
    plan = compiled(query)
    with site.lock:
        found = _as_stored(item for item in site.subjects.values() if project is None or _is_in(item, project))
        if plan.plan.sessions:
            _gather_experiments(site, user, plan.plan)
    roots = (
        Joined(
            project=site.projects.get(item.project),
            subject=item,
            shown_label=_label_in(item, project),
            shown_item=item,
            uri=f"/data/subjects/{item.id}",
        )
        for item in found
    )
    return plan.names, rows_of(plan, roots, site.lock, paging=query, allowed=_readable(site, user))


def project_experiments(
    site: Site, user: User, query: Query, project: str, subject: Subject | None = None
) -> tuple[list[str], Rows]:
    """List the subject assessors of a project or of a subject; shared ones under label and project of the share.

    XNAT looks the shares up by the key column under its own name: where a shortcut names it (`session_ID`), the label
    and project of the owner stay.
    """
    wanted = root_element(query, "xnat:subjectAssessorData")
    plan = compiled(replace(query, xsi_type=wanted))
    as_shared = f"{wanted}/ID".lower() in plan.names
    with site.lock:
        found = _as_stored(
            item
            for item in site.experiments.values()
            if _is_in(item, project) and (subject is None or item.subject == subject.id) and is_a(item.xsi_type, wanted)
        )
    roots = (
        replace(
            _experiment_root(site, item),
            shown_label=_label_in(item, project) if as_shared else "",
            shown_item=item,
            shown_project=project if as_shared and item.project != project else "",
        )
        for item in found
    )
    return plan.names, rows_of(plan, roots, site.lock, paging=query, allowed=_readable(site, user))


def experiments(site: Site, user: User, query: Query) -> tuple[list[str], Rows]:
    """List experiments of the whole site, image assessors included, under label and project of their owner."""
    wanted = root_element(query)
    assessor = is_a(wanted, "xnat:imageAssessorData")
    extra: tuple[str, ...] = ()
    if is_a(wanted, "xnat:subjectAssessorData"):
        extra = ("subject_ID", "subject_label")
    elif assessor:
        extra = ("session_ID", "session_label")
    kind = "assessor" if assessor else "experiment"
    plan = compiled(replace(query, xsi_type=wanted, root=kind, defaults=(*query.defaults, *extra)))
    with site.lock:
        roots = [_experiment_root(site, item) for item in site.experiments.values() if is_a(item.xsi_type, wanted)]
        roots += [
            _assessor_root(site, session, item)
            for session in site.experiments.values()
            for item in session.assessors.values()
            if is_a(item.xsi_type, wanted)
        ]
        roots.sort(key=lambda row: _touched(row.experiment.stamps) if row.experiment else "")
    return plan.names, rows_of(plan, roots, site.lock, paging=query, allowed=_readable(site, user))


def scans(site: Site, session: Experiment, query: Query) -> tuple[list[str], Rows]:
    """List the scans of a session; filters only say which type is meant (§3.2)."""
    wanted = root_element(query)
    plan = compiled(replace(query, xsi_type=wanted, filters=()))
    with site.lock:
        shown = [item for item in session.scans.values() if is_a(item.xsi_type, wanted)]
    uri = f"/data/experiments/{session.id}/scans"
    roots = (Joined(experiment=session, scan=item, uri=f"{uri}/{item.id}") for item in shown)
    return plan.names, rows_of(plan, roots, site.lock, paging=query)


def reconstructions(site: Site, session: Experiment, query: Query) -> tuple[list[str], Rows]:
    """List the reconstructions of a session; filters mean nothing (§19)."""
    plan = compiled(replace(query, xsi_type="", filters=()))
    with site.lock:
        shown = list(session.reconstructions.values())
    uri = f"/data/experiments/{session.id}/reconstructions"
    roots = (Joined(experiment=session, scan=item, uri=f"{uri}/{item.id}") for item in shown)
    return plan.names, rows_of(plan, roots, site.lock, paging=query)


def assessors(site: Site, user: User, session: Experiment, query: Query) -> tuple[list[str], Rows]:
    """List the image assessors of a session; filters only say which type is meant."""
    wanted = root_element(query)
    plan = compiled(replace(query, xsi_type=wanted, filters=()))
    with site.lock:
        shown = [item for item in session.assessors.values() if is_a(item.xsi_type, wanted)]
        roots = [_assessor_root(site, session, item) for item in shown]
    return plan.names, rows_of(plan, roots, site.lock, paging=query, allowed=_readable(site, user))


def search_roots(site: Site, user: User, name: str, plan: Plan) -> Iterator[Joined]:
    """Return the rows of a type a search begins with, of all projects, only those the user may read (§3.7)."""
    allowed = _readable(site, user)
    if is_a(name, "xnat:projectData"):
        found = [Joined(project=item) for item in site.projects.values() if site.can_see(user, item)]
    elif is_a(name, "xnat:subjectData"):
        found = [Joined(project=site.projects.get(item.project), subject=item) for item in site.subjects.values()]
        if plan.sessions:
            _gather_experiments(site, user, plan)
    elif is_a(name, "xnat:imageAssessorData"):
        sessions = list(site.experiments.values())
        pairs = [(session, item) for session in sessions for item in session.assessors.values()]
        found = [_assessor_root(site, session, item) for session, item in pairs if is_a(item.xsi_type, name)]
    elif is_a(name, "xnat:imageScanData"):
        found = [
            replace(_experiment_root(site, session), scan=scan)
            for session in site.experiments.values()
            for scan in session.scans.values()
            if is_a(scan.xsi_type, name)
        ]
    else:
        found = [_experiment_root(site, item) for item in site.experiments.values() if is_a(item.xsi_type, name)]
    return (row for row in found if allowed(row))


def _experiment_root(site: Site, item: Experiment) -> Joined:
    return Joined(
        project=site.projects.get(item.project),
        subject=site.subjects.get(item.subject),
        experiment=item,
        uri=f"/data/experiments/{item.id}",
    )


def _assessor_root(site: Site, session: Experiment, item: Experiment) -> Joined:
    return replace(_experiment_root(site, item), session=session, subject=site.subjects.get(session.subject))


def _is_in(item: Subject | Experiment, project: str) -> bool:
    return item.project == project or project in item.shares


def _label_in(item: Subject | Experiment, project: str | None) -> str:
    if project is None or item.project == project:
        return ""
    return item.shares.get(project, "") or item.id


def _readable(site: Site, user: User) -> Callable[[Joined], bool]:
    known: dict[tuple[str, ...], bool] = {}

    def allowed(row: Joined) -> bool:
        item = row.experiment or row.subject
        if item is None:
            return True
        homes = (item.project, *item.shares)
        key = (kind_of(item), *homes)
        if key not in known:
            known[key] = site.can_any(user, homes, "read", key[0])
        return known[key]

    return allowed


def _gather_experiments(site: Site, user: User, plan: Plan) -> None:
    for item in site.experiments.values():
        if site.can_read(user, item):
            plan.below.setdefault(item.subject, []).append(item)


def _as_stored(items: Iterable[T]) -> list[T]:
    """Order items as the database's heap does without ORDER BY: a row that was updated moves to the end (§3.3)."""
    return sorted(items, key=lambda item: _touched(item.stamps))


def _touched(stamps: Stamps) -> str:
    return stamps.last_modified or stamps.insert_date
