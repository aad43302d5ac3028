"""Which resources a URL means: several ids, `all=true`, the parents it falls through to (hierarchy.md §3.6, §3.8)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from xnatsync.sandbox.model.accounts import User
from xnatsync.sandbox.model.hierarchy import find_assessor, find_experiment, find_project, find_subject, session_of
from xnatsync.sandbox.model.objects import Experiment, Project, Resource, Scan, Subject
from xnatsync.sandbox.model.schema import is_a
from xnatsync.sandbox.model.site import Site


@dataclass(frozen=True, slots=True)
class Held:
    """A resource with what holds it; the innermost holder is the one that counts."""

    resource: Resource
    project: Project | None = None
    subject: Subject | None = None
    session: Experiment | None = None
    scan: Scan | None = None
    assessor: Experiment | None = None
    reconstruction: Scan | None = None

    def row(self) -> dict[str, str]:
        """Return the row of a resource listing (§3.2); rows of a session's own resources have no `cat_id`."""
        category, cat_id, cat_desc = "resources", "", ""
        if self.scan is not None:
            category, cat_id, cat_desc = "scans", self.scan.id, self.scan.fields.get("type", "")
        elif self.reconstruction is not None:
            category, cat_id = "reconstructions", self.reconstruction.id
            cat_desc = self.reconstruction.fields.get("type", "")
        elif self.assessor is not None:
            category, cat_id, cat_desc = "assessors", self.assessor.id, self.assessor.xsi_type
        item = self.resource
        return {
            "xnat_abstractresource_id": str(item.id),
            "label": item.label,
            "element_name": "xnat:resourceCatalog",
            "category": category,
            "cat_id": cat_id,
            "cat_desc": cat_desc,
            "file_count": "" if item.file_count is None else str(item.file_count),
            "file_size": "" if item.file_size is None else str(item.file_size),
            "tags": item.tags,
            "content": item.content,
            "format": item.format,
        }


def selected(site: Site, user: User, ids: Mapping[str, str], *, everything: bool = False) -> list[Held] | None:
    """Return the resources a URL means, for reading; None when no parent at all was found.

    `ids` are the URL's PROJECT_ID, SUBJECT_ID, EXPT_ID and SCAN_ID, those it has; below an assessor, ASSESSED_ID is
    the session and EXPT_ID the assessor.  The first kind of parent that is found counts, in the order scans, assessors,
    experiments, subject, project: a wrong scan or session below a subject or project gives *their* resources.
    `everything` (`all=true`) adds scans and assessors to sessions.
    """
    project = find_project(site, ids["PROJECT_ID"]) if "PROJECT_ID" in ids else None
    if "PROJECT_ID" in ids and (project is None or not site.can(user, project.id, "read")):
        return None
    home = project.id if project else None
    subject = find_subject(site, home, ids["SUBJECT_ID"]) if "SUBJECT_ID" in ids else None
    if "SUBJECT_ID" in ids and (subject is None or not site.can_read(user, subject)):
        return None
    sessions = _sessions(site, user, home, ids.get("ASSESSED_ID") or ids.get("EXPT_ID", ""))
    held = _below(site, user, sessions, ids, everything=everything)
    if held is not None:
        return held
    if subject is not None:
        return [Held(item, project, subject) for item in subject.resources.values()]
    return [Held(item, project) for item in project.resources.values()] if project is not None else None


def _below(
    site: Site, user: User, sessions: list[Experiment], ids: Mapping[str, str], *, everything: bool
) -> list[Held] | None:
    if "SCAN_ID" in ids:
        scans = [(session, scan) for session in sessions for scan in scans_named(session, ids["SCAN_ID"])]
        return [held for session, scan in scans for held in _of_scan(session, scan)] if scans else None
    if "RECON_ID" in ids:
        made = [
            (one, one.reconstructions[ids["RECON_ID"]]) for one in sessions if ids["RECON_ID"] in one.reconstructions
        ]
        return [held for session, item in made for held in _of_reconstruction(session, item)] if made else None
    if "ASSESSOR_ID" in ids:
        pairs = [
            (session, item) for session in sessions for item in _assessors(site, user, session, ids["ASSESSOR_ID"])
        ]
        return [held for session, item in pairs for held in _of_assessor(session, item)] if pairs else None
    if not sessions:
        return None
    return [held for session in sessions for held in _of_session(site, user, session, everything=everything)]


def scans_named(session: Experiment, names: str) -> list[Scan]:
    """Find scans by id, comma list, `*`, `ALL`, or by type (`NULL` = none; `[SLASH]`, `[COMMA]`)."""
    if names in {"*", "ALL"}:
        return list(session.scans.values())
    wanted = [name.replace("[SLASH]", "/").replace("[COMMA]", ",") for name in names.split(",")]
    types = {"" if name == "NULL" else name for name in wanted}
    return [scan for scan in session.scans.values() if scan.id in wanted or scan.fields.get("type", "") in types]


def _sessions(site: Site, user: User, project: str | None, names: str) -> list[Experiment]:
    found = (_experiment(site, project, name) for name in names.split(",") if name)
    return [item for item in found if item is not None and site.can_read(user, item)]


def _experiment(site: Site, project: str | None, name: str) -> Experiment | None:
    found = find_experiment(site, project, name)
    if found is not None:
        return found
    session = session_of(site, name)
    return session.assessors[name] if session is not None else None


def _assessors(site: Site, user: User, session: Experiment, names: str) -> Iterator[Experiment]:
    for name in names.split(","):
        one = find_assessor(session, name)
        if one is not None:
            found: Iterable[Experiment] = (one,)
        else:
            every = name in {"*", "ALL"}
            found = (item for item in session.assessors.values() if every or is_a(item.xsi_type, name))
        yield from (item for item in found if site.can_read(user, item))


def _of_scan(session: Experiment, scan: Scan) -> Iterator[Held]:
    return (Held(item, session=session, scan=scan) for item in scan.resources.values())


def _of_assessor(session: Experiment, assessor: Experiment) -> Iterator[Held]:
    return (Held(item, session=session, assessor=assessor) for item in assessor.resources.values())


def _of_reconstruction(session: Experiment, made: Scan) -> Iterator[Held]:
    return (Held(item, session=session, reconstruction=made) for item in made.resources.values())


def _of_session(site: Site, user: User, session: Experiment, *, everything: bool) -> Iterator[Held]:
    yield from (Held(item, session=session) for item in session.resources.values())
    if everything:
        for scan in session.scans.values():
            yield from _of_scan(session, scan)
        for made in session.reconstructions.values():
            yield from _of_reconstruction(session, made)
        for assessor in session.assessors.values():
            if site.can_read(user, assessor):
                yield from _of_assessor(session, assessor)
