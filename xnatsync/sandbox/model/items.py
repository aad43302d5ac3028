"""Items: one project, subject, experiment or scan with everything below it, ready to be written (hierarchy.md §4.1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from xnatsync.sandbox.model.objects import Experiment, Project, Resource, Scan, Stamps, Subject
from xnatsync.sandbox.model.schema import is_a
from xnatsync.sandbox.model.values import catalog_path

_ADDED = re.compile(r"^parameters/addParam\[@?name=(.+?)\](?:/addField)?$")
_PERSON = {"pi_firstname": "firstname", "pi_lastname": "lastname"}


@dataclass(slots=True)
class Item:
    """A node of the document: its type, its own values by path, the items below it by field, in XNAT's words."""

    xsi_type: str
    values: dict[str, str] = field(default_factory=dict)
    children: list[tuple[str, list[Item]]] = field(default_factory=list)
    stamps: Stamps | None = None
    keys: dict[str, int] = field(default_factory=dict)  # database keys: shown in JSON, not in XML

    def add(self, name: str, items: Iterable[Item]) -> None:
        """Adds a collection; one without members is absent."""
        found = list(items)
        if found:
            self.children.append((name, found))


def project_item(project: Project) -> Item:
    """Describes a project; its subjects and experiments are not part of it."""
    own = {"ID": project.id, "secondary_ID": project.secondary_id, "name": project.name}
    item = Item("xnat:projectData", _filled({**own, **_without_person(project.fields)}), stamps=project.stamps)
    item.add("aliases/alias", (_member("xnat:projectData_alias", alias=alias) for alias in project.aliases))
    item.add("PI", _person(project.fields))
    item.add("resources/resource", (resource_item(each) for each in project.resources.values()))
    return item


def subject_item(subject: Subject, experiments: Iterable[Experiment] = ()) -> Item:
    """Describes a subject with its experiments; demographics are an item of their own."""
    outside = {"group", "src", "initials"}
    own = {"ID": subject.id, "project": subject.project, "label": subject.label}
    plain = {key: value for key, value in subject.fields.items() if key in outside}
    personal = {key: value for key, value in subject.fields.items() if key not in outside and key not in _PERSON}
    item = Item("xnat:subjectData", _filled({**own, **plain}), stamps=subject.stamps)
    item.add("sharing/share", _shares(subject.shares, "xnat:projectParticipant"))
    item.add("resources/resource", (resource_item(each) for each in subject.resources.values()))
    item.add("investigator", _person(subject.fields))
    if _filled(personal):
        item.add("demographics", [Item("xnat:demographicData", _filled(personal), stamps=subject.stamps)])
    item.add("experiments/experiment", (experiment_item(each) for each in experiments))
    item.add("fields/field", _variables(subject.variables, "xnat:subjectData_field"))
    return item


def experiment_item(
    experiment: Experiment, session: str = "", may_read: Callable[[Experiment], bool] | None = None
) -> Item:
    """Describes an experiment or (with the accession ID of its session) an image assessor, with all that is below."""
    owner = {"imageSession_ID": session} if session else {"subject_ID": experiment.subject}
    own = {"ID": experiment.id, "project": experiment.project, "label": experiment.label, **owner}
    item = Item(experiment.xsi_type, _filled({**own, **_without_person(experiment.fields)}), stamps=experiment.stamps)
    item.add("sharing/share", _shares(experiment.shares, "xnat:experimentData_share"))
    field_name = "out/file" if session else "resources/resource"
    item.add(field_name, (resource_item(each) for each in experiment.resources.values()))
    item.add("investigator", _person(experiment.fields))
    item.add("fields/field", _variables(experiment.variables, "xnat:experimentData_field"))
    item.add("scans/scan", (scan_item(each, experiment.id) for each in experiment.scans.values()))
    readable = [each for each in experiment.assessors.values() if may_read is None or may_read(each)]
    item.add("assessors/assessor", (experiment_item(each, experiment.id) for each in readable))
    return item


def scan_item(scan: Scan, session: str) -> Item:
    """Describes a scan with its resources."""
    added = {match[1]: value for key, value in scan.fields.items() if (match := _ADDED.match(key))}
    plain = {key: value for key, value in scan.fields.items() if not key.startswith("parameters/addParam")}
    values = _filled({"ID": scan.id, "image_session_ID": session, **_without_person(plain)})
    item = Item(scan.xsi_type, values, stamps=scan.stamps, keys={"xnat_imagescandata_id": scan.key})
    item.add("sharing/share", (_member("xnat:imageScanData_share", project=each) for each in scan.shares))
    item.add("investigator", _person(scan.fields))
    item.add("parameters/addParam", (_member("xnat:mrScanData_addParam", name=k, addField=v) for k, v in added.items()))
    files = [resource_item(each, scan.id) for each in scan.resources.values()]
    for child in files:
        child.keys["xnat_imagescandata_xnat_imagescandata_id"] = scan.key
    item.add("file", files)
    return item


def resource_item(resource: Resource, scan_id: str = "") -> Item:
    """Describes a resource; `URI` is the catalogue's path on the server, which leaks the archive's layout."""
    counts = {
        "file_count": "" if resource.file_count is None else str(resource.file_count),
        "file_size": "" if resource.file_size is None else str(resource.file_size),
    }
    values = {
        "label": resource.label,
        "format": resource.format,
        "content": resource.content,
        "description": resource.description,
        "URI": catalog_path(resource, scan_id),
        **counts,
    }
    item = Item("xnat:resourceCatalog", _filled(values), keys={"xnat_abstractresource_id": resource.id})
    tags = [tag for tag in resource.tags.split(",") if tag]
    item.add("tags/tag", (_member("xnat:abstractResource_tag", tag=tag) for tag in tags))
    return item


def _filled(values: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in values.items() if value != ""}


def _without_person(values: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in values.items() if key not in _PERSON}


def _person(values: Mapping[str, str]) -> list[Item]:
    found = {name: values[key] for key, name in _PERSON.items() if values.get(key)}
    return [Item("xnat:investigatorData", found)] if found else []


def _member(xsi_type: str, **values: str) -> Item:
    return Item(xsi_type, _filled(values))


def _variables(variables: Mapping[str, str], xsi_type: str) -> list[Item]:
    return [_member(xsi_type, name=name, field=value) for name, value in variables.items()]


def _shares(shares: Mapping[str, str], xsi_type: str) -> list[Item]:
    return [_member(xsi_type, project=project, label=label) for project, label in shares.items()]


def is_session(experiment: Experiment) -> bool:
    """Tells whether an experiment is an imaging session."""
    return is_a(experiment.xsi_type, "xnat:imageSessionData")
