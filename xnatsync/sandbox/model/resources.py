"""Resources: which parent a write means, creating, finding and deleting them (hierarchy.md §5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xnatsync.sandbox.model.accounts import User
from xnatsync.sandbox.model.creation import ModelError
from xnatsync.sandbox.model.hierarchy import (
    assessor_resource_folder,
    find_assessor,
    find_experiment,
    find_project,
    find_subject,
    project_resource_folder,
    reconstruction_folder,
    scan_resource_folder,
    session_resource_folder,
    subject_resource_folder,
)
from xnatsync.sandbox.model.objects import Experiment, Project, Resource, Scan, Subject
from xnatsync.sandbox.model.selection import Held, scans_named
from xnatsync.sandbox.model.site import Site, kind_of


@dataclass(frozen=True, slots=True)
class Place:
    """The one parent a write goes to."""

    project: Project
    subject: Subject | None = None
    session: Experiment | None = None
    scan: Scan | None = None
    assessor: Experiment | None = None
    reconstruction: Scan | None = None

    @property
    def resources(self) -> dict[str, Resource]:
        """The parent's resources by label."""
        return (
            self.scan or self.reconstruction or self.assessor or self.session or self.subject or self.project
        ).resources

    @property
    def owner(self) -> str:
        """The id of the project whose rights count."""
        item = self.assessor or self.session or self.subject
        return item.project if item is not None else self.project.id

    @property
    def kind(self) -> str:
        """The type of data whose rights count; "" = those on the project itself."""
        item = self.assessor or self.session or self.subject
        return kind_of(item) if item is not None else ""

    def folder(self, label: str) -> str:
        """Return where the files of a resource of this parent lie."""
        if self.session is not None:
            if self.scan is not None:
                return scan_resource_folder(self.session, self.scan, label)
            if self.reconstruction is not None:
                return f"{reconstruction_folder(self.session, self.reconstruction.id)}/{label}"
            if self.assessor is not None:
                return assessor_resource_folder(self.session, self.assessor, label)
            return session_resource_folder(self.session, label)
        if self.subject is not None:
            return subject_resource_folder(self.subject, label)
        return project_resource_folder(self.project, label)

    def saved(self, site: Site, *, changed: bool) -> None:
        """Keep the parent after one of its resources changed; `changed` bubbles the stamps (hierarchy.md §3.9)."""
        document = self.session or self.subject or self.project
        if changed:
            subject = self.subject or (site.subjects.get(self.session.subject) if self.session is not None else None)
            site.bubble(self.scan, self.assessor, self.session, subject, self.project)
            if subject is not None and subject is not document:
                site.save(subject)
        site.save(document)


def place_for_write(site: Site, user: User, ids: Mapping[str, str]) -> Place:
    """Find the one parent of a URL's ids: PROJECT_ID, SUBJECT_ID, EXPT_ID, SCAN_ID, ASSESSOR_ID.

    Missing, unreadable or several: 404; nothing falls through to a higher parent here (hierarchy.md §5.1).
    """
    project = find_project(site, ids["PROJECT_ID"]) if "PROJECT_ID" in ids else None
    if "PROJECT_ID" in ids and (project is None or not site.can(user, project.id, "read")):
        raise ModelError(404, "Unable to identify project")
    home = project.id if project is not None else None
    subject = find_subject(site, home, ids["SUBJECT_ID"]) if "SUBJECT_ID" in ids else None
    if "SUBJECT_ID" in ids and (subject is None or not site.can_read(user, subject)):
        raise ModelError(404, "Unable to identify subject")
    session = find_experiment(site, home, ids["EXPT_ID"]) if "EXPT_ID" in ids else None
    if "EXPT_ID" in ids and (session is None or not site.can_read(user, session)):
        raise ModelError(404, "Unable to identify " + ("image session" if "SCAN_ID" in ids else "experiment"))
    scan = assessor = None
    if session is not None and "SCAN_ID" in ids:
        found = scans_named(session, ids["SCAN_ID"])
        if len(found) != 1:
            raise ModelError(404, "Unable to identify scan")
        scan = found[0]
    if session is not None and "ASSESSOR_ID" in ids:
        assessor = find_assessor(session, ids["ASSESSOR_ID"])
        if assessor is None:
            raise ModelError(404, "Unable to identify assessor")
    made = None
    if session is not None and "RECON_ID" in ids:
        made = session.reconstructions.get(ids["RECON_ID"])
        if made is None:
            raise ModelError(404, "Unable to identify reconstruction")
    owner = site.projects.get((session or subject).project) if (session or subject) is not None else project  # type: ignore[union-attr]
    if owner is None:
        raise ModelError(404, "Unable to identify project")
    return Place(owner, subject, session, scan, assessor, made)


def place_of(site: Site, held: Held) -> Place:
    """Return the parent of a resource that was found for reading."""
    item = held.session or held.subject
    project = site.projects.get(item.project) if item is not None else held.project
    if project is None:
        raise ModelError(404, "Unable to identify project")
    subject = None if held.session is not None else held.subject
    return Place(project, subject, held.session, held.scan, held.assessor, held.reconstruction)


def named(site: Site, held: list[Held], reference: str) -> list[Held]:
    """Pick resources by a comma list of labels and numeric ids; a numeric id nobody has is 404 (hierarchy.md §3.8)."""
    found = []
    for name in reference.split(","):
        chosen = [
            item for item in held if (str(item.resource.id) == name if name.isdigit() else item.resource.label == name)
        ]
        if name.isdigit() and not chosen:
            raise ModelError(404)
        found += chosen
    return found


def own_resource(place: Place, reference: str) -> Resource | None:
    """Find the resource of a parent a write means; a purely numeric name is an id, and 404 when there is none."""
    if reference.isdigit():
        found = next((item for item in place.resources.values() if str(item.id) == reference), None)
        if found is None:
            raise ModelError(404)
        return found
    return place.resources.get(reference)


def create_resource(site: Site, place: Place, label: str, attributes: Mapping[str, str]) -> Resource:
    """Create an empty resource; the label must be free, and no apostrophe may be in it."""
    if "'" in label or "&apos;" in label or not label:
        raise ModelError(400, "Invalid resource label")
    if label in place.resources:
        raise ModelError(409, "Specified resource already exists.")
    resource = Resource(site.next_key(), label, place.folder(label))
    first = not place.resources
    place.resources[label] = resource
    describe(resource, attributes)
    if place.scan is not None and first and place.scan.fields.get("type") and not resource.content:
        resource.content = "RAW"
    place.saved(site, changed=True)
    return resource


def describe(resource: Resource, attributes: Mapping[str, str]) -> bool:
    """Set format, content, tags and description where given; say whether the row changed."""
    changed = False
    for name in ("format", "content", "tags", "description"):
        value = attributes.get(name, "")
        if value and getattr(resource, name) != value:
            setattr(resource, name, value)
            changed = True
    return changed


def delete_resource(site: Site, place: Place, resource: Resource) -> None:
    """Delete a resource; its files always go with it (hierarchy.md §5.1)."""
    del place.resources[resource.label]
    site.store.delete(resource.folder)
    place.saved(site, changed=True)
