"""What a document says about things below an item: scans, reconstructions, assessors, resources, shares.

Scans, reconstructions and assessors are made or changed, subjects and experiments are shared.  Resources and shares of
scans have requests of their own: a document may name those that are there, as one that was fetched does; others are
refused, never dropped.
"""

from __future__ import annotations

from collections.abc import Iterable

from xnatsync.sandbox.model.accounts import User
from xnatsync.sandbox.model.creation import ModelError, create_assessor, create_scan
from xnatsync.sandbox.model.hierarchy import find_assessor, find_project
from xnatsync.sandbox.model.objects import Experiment, Project, Scan, Subject
from xnatsync.sandbox.model.schema import element, is_a
from xnatsync.sandbox.model.sharing import share
from xnatsync.sandbox.model.site import Site
from xnatsync.sandbox.model.writing import Values, apply

RECONSTRUCTION = "xnat:reconstructedImageData"


def settle(site: Site, user: User, item: Project | Subject | Experiment, values: Values) -> bool:
    """Settle everything a document says below an item; say whether anything changed."""
    _known_resources(values.resources, item.resources)
    shared = isinstance(item, Subject | Experiment) and _share(site, user, item, values)
    if isinstance(item, Subject):
        return _experiments(site, user, item, values) or shared
    if not isinstance(item, Experiment):
        return False
    changed = _scans(site, user, item, values) or shared
    changed |= _reconstructions(site, user, item, values)
    return _assessors(site, user, item, values) or changed


def _share(site: Site, user: User, item: Subject | Experiment, values: Values) -> bool:
    """Share an item as a request for it would, by the same rights (hierarchy.md §4.5)."""
    new = [name for name in values.shares if name not in item.shares]
    for name in new:
        project = find_project(site, name)
        if project is None:
            raise ModelError(422, f"There is no project {name} to share with.")
        if not site.may(user, item, "create", project.id):
            raise ModelError(403, "Sharing is not allowed.")
        share(site, item, project.id, values.shares[name])
    return bool(new)


def put_reconstruction(site: Site, session: Experiment, identifier: str, values: Values, user: User) -> bool:
    """Make a reconstruction or changes it; IDs are looked up in the whole site (hierarchy.md §19)."""
    made = session.reconstructions.get(identifier)
    if made is None:
        if any(identifier in other.reconstructions for other in site.experiments.values()):
            raise ModelError(409, f"Another session has a reconstruction {identifier}.")
        made = Scan(site.next_key(), identifier, RECONSTRUCTION, site.stamp(user))
        session.reconstructions[identifier] = made
        apply(values, made)
        return True
    _known_resources(values.resources, made.resources)
    return apply(values, made)


def _scans(site: Site, user: User, session: Experiment, values: Values) -> bool:
    changed = False
    for scan_id, given in values.scans:
        scan = session.scans.get(scan_id)
        if scan is None:
            found = element(given.xsi_type)
            if found is None or found.abstract:
                raise ModelError(422, f"A new scan needs a type of its own, {scan_id} has none.")
            scan = create_scan(site, session, scan_id, given.xsi_type, user)
            changed = True
        elif not is_a(scan.xsi_type, given.xsi_type):
            raise ModelError(409, "Specified xsiType differs from existing xsiType")
        _known_resources(given.resources, scan.resources)
        if missing := sorted(set(given.shares) - set(scan.shares)):
            raise ModelError(422, f"Sharing needs a request of its own: {', '.join(missing)}")
        changed |= apply(given, scan)
    return changed


def _reconstructions(site: Site, user: User, session: Experiment, values: Values) -> bool:
    changed = False
    for name, given in values.reconstructions:
        changed |= put_reconstruction(site, session, name, given, user)
    return changed


def _assessors(site: Site, user: User, session: Experiment, values: Values) -> bool:
    changed = False
    for given in values.assessors:
        label = given.fields.get("label", "") or given.fields.get("ID", "")
        assessor = find_assessor(session, given.fields.get("ID", "")) or find_assessor(session, label)
        if assessor is None:
            given_id = given.fields.get("ID", "")
            assessor = create_assessor(site, session, label, given.xsi_type, user, given_id=given_id)
            changed = True
        changed |= settle(site, user, assessor, given)
        changed |= apply(given, assessor)
    return changed


def _experiments(site: Site, user: User, subject: Subject, values: Values) -> bool:
    changed = False
    for given in values.experiments:
        found = site.experiments.get(given.fields.get("ID", ""))
        if found is None or found.subject != subject.id:
            raise ModelError(422, "An experiment that is not there needs a request of its own.")
        changed |= settle(site, user, found, given) | apply(given, found)
        site.save(found)
    return changed


def _known_resources(named: Iterable[str], there: Iterable[str]) -> None:
    if missing := sorted(set(named) - set(there)):
        raise ModelError(422, f"Resources come by upload, no document makes them: {', '.join(missing)}")
