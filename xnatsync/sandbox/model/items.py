"""Items: one project, subject, experiment or scan with everything below it, ready to be written (hierarchy.md §4.1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from xnatsync.sandbox.model.objects import Experiment, Part, Project, Resource, Scan, Stamps, Subject
from xnatsync.sandbox.model.schema import is_a
from xnatsync.sandbox.model.values import catalog_path

_ADDED = re.compile(r"^parameters/addParam\[@?name=(.+?)\](?:/addField)?$")
_PERSON = {"pi_firstname": "firstname", "pi_lastname": "lastname"}
_SETTINGS = frozenset({"current_arc", "scan_type_mapping"})  # of a project; no part of its document


@dataclass(slots=True)
class Item:
    """A node of the document: its type, its own values by path, the items below it by field, in XNAT's words."""

    xsi_type: str
    values: dict[str, str] = field(default_factory=dict)
    children: list[tuple[str, list[Item]]] = field(default_factory=list)
    stamps: Stamps | None = None
    keys: dict[str, int] = field(default_factory=dict)  # database keys: shown in JSON, not in XML

    def add(self, name: str, items: Iterable[Item]) -> None:
        """Add a collection; one without members is absent."""
        found = list(items)
        if found:
            self.children.append((name, found))


def project_item(project: Project) -> Item:
    """Describe a project; its subjects and experiments are not part of it."""
    own = {"ID": project.id, "secondary_ID": project.secondary_id, "name": project.name}
    known = {key: value for key, value in project.fields.items() if key not in _SETTINGS}
    item = Item("xnat:projectData", _filled({**own, **_without_person(known)}), stamps=project.stamps)
    item.add(
        "aliases/alias",
        (_member("xnat:projectData_alias", alias=alias, source=source) for alias, source in project.aliases.items()),
    )
    item.add("PI", _keyed(_person(project.fields, "PI"), [project.pi]))
    item.add("resources/resource", (resource_item(each) for each in project.resources.values()))
    item.add("fields/field", _variables(project.variables, "xnat:projectData_field"))
    _add_parts(item, project.parts)
    for name, members in item.children:
        if name == "investigators/investigator":
            _keyed(members, project.investigators)
    return item


def subject_item(subject: Subject, experiments: Iterable[Experiment] = ()) -> Item:
    """Describe a subject with its experiments; demographics are an item of their own."""
    outside = {"group", "src", "initials"}
    own = {"ID": subject.id, "project": subject.project, "label": subject.label}
    plain = {key: value for key, value in subject.fields.items() if key in outside}
    personal = {key: value for key, value in _without_person(subject.fields).items() if key not in outside}
    metadata = {key: personal.pop(key) for key in list(personal) if key.startswith("metadata/")}
    item = Item("xnat:subjectData", _filled({**own, **plain}), stamps=subject.stamps)
    item.add("sharing/share", _shares(subject.shares, "xnat:projectParticipant"))
    item.add("resources/resource", (resource_item(each) for each in subject.resources.values()))
    item.add("investigator", _person(subject.fields))
    if _filled(personal):
        item.add("demographics", [Item("xnat:demographicData", _filled(personal), stamps=subject.stamps)])
    if _filled(metadata):
        inner = {key.removeprefix("metadata/"): value for key, value in metadata.items()}
        item.add("metadata", [Item("xnat:subjectMetadata", _filled(inner), stamps=subject.stamps)])
    item.add("experiments/experiment", (experiment_item(each) for each in experiments))
    item.add("fields/field", _variables(subject.variables, "xnat:subjectData_field"))
    _add_parts(item, subject.parts)
    return item


def experiment_item(
    experiment: Experiment, session: str = "", may_read: Callable[[Experiment], bool] | None = None
) -> Item:
    """Describe an experiment or (with the accession ID of its session) an image assessor, with all that is below."""
    owner = {"imageSession_ID": session} if session else {"subject_ID": experiment.subject}
    own = {"ID": experiment.id, "project": experiment.project, "label": experiment.label, **owner}
    item = Item(experiment.xsi_type, _filled({**own, **_without_person(experiment.fields)}), stamps=experiment.stamps)
    item.add("sharing/share", _shares(experiment.shares, "xnat:experimentData_share"))
    field_name = "out/file" if session else "resources/resource"
    item.add(field_name, (resource_item(each) for each in experiment.resources.values()))
    item.add("investigator", _person(experiment.fields))
    item.add("fields/field", _variables(experiment.variables, "xnat:experimentData_field"))
    item.add("scans/scan", (scan_item(each, experiment.id) for each in experiment.scans.values()))
    item.add(
        "reconstructions/reconstructedImage",
        (reconstruction_item(each, experiment.id) for each in experiment.reconstructions.values()),
    )
    readable = [each for each in experiment.assessors.values() if may_read is None or may_read(each)]
    item.add("assessors/assessor", (experiment_item(each, experiment.id) for each in readable))
    _add_parts(item, experiment.parts)
    return item


def scan_item(scan: Scan, session: str) -> Item:
    """Describe a scan with its resources."""
    added = {match[1]: value for key, value in scan.fields.items() if (match := _ADDED.match(key))}
    plain = {key: value for key, value in scan.fields.items() if not key.startswith("parameters/addParam")}
    values = _filled({"ID": scan.id, "image_session_ID": session, **_without_person(plain)})
    item = Item(scan.xsi_type, values, stamps=scan.stamps, keys={"xnat_imagescandata_id": scan.key})
    item.add("sharing/share", (_member("xnat:imageScanData_share", project=each) for each in scan.shares))
    item.add("investigator", _person(scan.fields))
    given = {part.values.get("name", ""): part.values for part in scan.parts.get("parameters/addParam", ())}
    item.add(
        "parameters/addParam",
        [
            *(_member("xnat:mrScanData_addParam", name=k, addField=v) for k, v in added.items() if k not in given),
            *(_member("xnat:mrScanData_addParam", **values) for values in given.values()),
        ],
    )
    files = [resource_item(each, scan.id) for each in scan.resources.values()]
    for child in files:
        child.keys["xnat_imagescandata_xnat_imagescandata_id"] = scan.key
    item.add("file", files)
    return item


def reconstruction_item(made: Scan, session: str) -> Item:
    """Describe a reconstruction with its files."""
    values = _filled({"ID": made.id, "image_session_ID": session, **made.fields})
    item = Item(made.xsi_type, values, stamps=made.stamps, keys={"xnat_reconstructedimagedata_id": made.key})
    item.add("out/file", (resource_item(each) for each in made.resources.values()))
    _add_parts(item, made.parts)
    return item


def _add_parts(item: Item, parts: Mapping[str, Iterable[Part]]) -> None:
    for path, members in parts.items():
        item.add(path, (_part_item(member) for member in members))


def _part_item(part: Part) -> Item:
    item = Item(part.xsi_type, _filled(part.values))
    _add_parts(item, part.parts)
    return item


def resource_item(resource: Resource, scan_id: str = "") -> Item:
    """Describe a resource; `URI` is the catalogue's path on the server, which leaks the archive's layout."""
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
    return {
        key: value
        for key, value in values.items()
        if key not in _PERSON and not key.startswith(("PI/", "investigator/"))
    }


def _person(values: Mapping[str, str], where: str = "investigator") -> list[Item]:
    found = {name: values[key] for key, name in _PERSON.items() if values.get(key)}
    found |= {key.removeprefix(f"{where}/"): value for key, value in values.items() if key.startswith(f"{where}/")}
    return [Item("xnat:investigatorData", found)] if found else []


def _keyed(people: list[Item], rows: Sequence[int]) -> list[Item]:
    """Give investigators the keys of their rows."""
    for person, row in zip(people, rows, strict=False):
        if row:
            person.keys["xnat_investigatordata_id"] = row
    return people


def _member(xsi_type: str, **values: str) -> Item:
    return Item(xsi_type, _filled(values))


def _variables(variables: Mapping[str, str], xsi_type: str) -> list[Item]:
    return [_member(xsi_type, name=name, field=value) for name, value in variables.items()]


def _shares(shares: Mapping[str, str], xsi_type: str) -> list[Item]:
    return [_member(xsi_type, project=project, label=label) for project, label in shares.items()]


def is_session(experiment: Experiment) -> bool:
    """Return whether an experiment is an imaging session."""
    return is_a(experiment.xsi_type, "xnat:imageSessionData")
