"""Setting values of items: from parameters named by paths, from XML documents (hierarchy.md §4.3)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

from xnatsync.sandbox.model.creation import ModelError
from xnatsync.sandbox.model.fields import known_field, locate
from xnatsync.sandbox.model.objects import Experiment, Project, Scan, Subject
from xnatsync.sandbox.model.schema import element, is_a, type_name, type_of_document
from xnatsync.sandbox.model.shortcuts import ROOT_ELEMENTS, SHORTCUTS

_XSI = "{http://www.w3.org/2001/XMLSchema-instance}type"
_AMERICAN_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_CONTROL_NAMES = (
    "xsiType ELEMENT_0 format req_format inbody allowDataDeletion populateFromDB loadExisting activate quarantine "
    "_lock fixScanTypes pullDataFromHeaders triggerPipelines supressEmail event_reason event_type event_action "
    "event_comment event_id method removeFiles primary moveAssessors XNAT_CSRF overwrite accessibility "
    "concealHiddenFields label"
)
_CONTROL = frozenset(_CONTROL_NAMES.split())
_COLLECTIONS = {
    "sharing",
    "resources",
    "scans",
    "assessors",
    "reconstructions",
    "experiments",
    "fields",
    "file",
    "tags",
    "aliases",
}


@dataclass(slots=True)
class Values:
    """What a request wants to set: stored keys and custom variables, and the type it speaks of ("" = none named)."""

    xsi_type: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    scans: list[tuple[str, Values]] = field(default_factory=list)  # of an XML document
    aliases: list[str] = field(default_factory=list)
    document: bool = False  # they come from an XML document


def from_params(params: Iterable[tuple[str, str]], into: Values, root: str = "") -> Values:
    """Reads query or form parameters on top of `into`; the type is `xsiType`, else the first path's prefix (§4.3).

    Paths of another type than the item's are dropped silently, as XNAT does (T `TestScans`).
    """
    params = list(params)
    named = next((value for key, value in params if key in {"xsiType", "ELEMENT_0"}), "")
    prefix = next((key.partition("/")[0] for key, _ in params if ":" in key.partition("/")[0] and "/" in key), "")
    into.xsi_type = type_name(named or into.xsi_type or prefix)
    for key, value in params:
        if key in _CONTROL or not key:
            continue
        if key.count("[") != key.count("]"):
            raise ModelError(400, f"Invalid field path {key}")  # an equals sign in it that was not encoded cuts a path
        own = into.xsi_type or root
        place = locate(_path_of(own, key))
        if place.element and own and not is_a(own, place.element):
            continue
        if not place.element and "/" not in key and element(own) is not None and not known_field(own, key):
            continue
        if place.variable:
            into.variables[place.variable] = value
        else:
            into.fields[place.key] = checked(own, place.key, value)
    return into


def _path_of(xsi_type: str, key: str) -> str:
    """Spells a short name (`gender`, `scanner`) out as the path it stands for in items of this type."""
    if ":" in key or "/" in key:
        return key
    for kind, ancestor in ROOT_ELEMENTS.items():
        path = SHORTCUTS[kind].get(key) if is_a(xsi_type, ancestor) else None
        if path is not None and is_a(xsi_type, path.partition("/")[0]):
            return path
    return key


def from_xml(document: bytes) -> Values:
    """Reads an item document; what is no XML at all is 422."""
    try:
        root = ET.fromstring(document)  # noqa: S314 - entities are refused below
    except ET.ParseError as error:
        raise ModelError(422, f"Unable to parse the XML document: {error}") from error
    if b"<!DOCTYPE" in document[:4096]:
        raise ModelError(422, "DOCTYPE is disallowed.")
    kind = type_of_document(_local(root.tag))
    if not kind:
        raise ModelError(422, f"Unknown document type {_local(root.tag)}")
    values = _read(root, kind)
    values.document = True
    return values


def checked(xsi_type: str, key: str, value: str) -> str:
    """Brings a value into the form XNAT stores: dates as ISO (both spellings are taken); refuses impossible ones."""
    if key == "date" or key.endswith(("_date", "dob")):
        if match := _AMERICAN_DATE.fullmatch(value):
            value = f"{match[3]}-{int(match[1]):02d}-{int(match[2]):02d}"
        elif re.fullmatch(r"\d{8}", value):
            value = f"{value[:4]}-{value[4:6]}-{value[6:]}"
        elif value and not _ISO_DATE.match(value):
            raise ModelError(400)
        else:
            value = value[:10]
    if key in {"yob", "frames"} and value and not re.fullmatch(r"-?\d+", value):
        raise ModelError(400)
    if key == "gender" and value not in {"", "male", "female", "other", "unknown", "M", "F"}:
        raise ModelError(400)
    return {"M": "male", "F": "female"}.get(value, value) if key == "gender" else value


def apply(values: Values, item: Project | Subject | Experiment | Scan, *, replace: bool = False) -> bool:
    """Sets the values; tells whether anything changed.

    Fields a document does not mention are kept unless `replace` (allowDataDeletion) is asked.
    """
    if isinstance(item, Project):
        return _apply_project(values, item)
    skipped = {"ID", "project", "label", "subject_ID", "image_session_ID", "xnat_imagescandata_id", "prearchivePath"}
    wanted = {key: value for key, value in values.fields.items() if key not in skipped}
    before = (dict(item.fields), dict(getattr(item, "variables", {})))
    if replace and values.document:
        item.fields.clear()
    _merge(item.fields, wanted)
    if isinstance(item, Subject | Experiment):
        _merge(item.variables, values.variables)
    return before != (item.fields, getattr(item, "variables", {}))


def _apply_project(values: Values, project: Project) -> bool:
    before = (project.secondary_id, project.name, list(project.aliases), dict(project.fields))
    wanted = dict(values.fields)
    wanted.pop("ID", None)
    project.secondary_id = wanted.pop("secondary_ID", project.secondary_id) or project.id
    project.name = wanted.pop("name", project.name) or project.id
    alias = wanted.pop("aliases/alias", "") or wanted.pop("alias", "")
    names = [*values.aliases, *([alias] if alias else [])]
    project.aliases = names or project.aliases
    _merge(project.fields, {key.replace("PI/", "pi_"): value for key, value in wanted.items()})
    return before != (project.secondary_id, project.name, project.aliases, project.fields)


def _merge(into: dict[str, str], values: Mapping[str, str]) -> None:
    for key, value in values.items():
        if value in {"", "NULL"}:
            into.pop(key, None)  # XNAT's word for "set to null"; an empty value shows as none as well
        else:
            into[key] = value


def _read(node: ET.Element, kind: str) -> Values:
    values = Values(kind)
    for name, text in node.attrib.items():
        if not name.startswith("{"):
            values.fields[locate(f"{kind}/{name}").key] = text
    for child in node:
        name = _local(child.tag)
        if name == "fields":
            for entry in child:
                values.variables[entry.get("name", "")] = (entry.text or "").strip()
        elif name == "scans":
            values.scans += [(scan.get("ID", ""), _read(scan, scan.get(_XSI, "xnat:imageScanData"))) for scan in child]
        elif name == "aliases":
            values.aliases += [(alias.text or "").strip() for alias in child]
        elif name not in _COLLECTIONS:
            _read_into(values, kind, child, name)
    return values


def _read_into(values: Values, kind: str, node: ET.Element, path: str) -> None:
    path = path.removeprefix("demographics/") if node.get(_XSI) is None else path
    text = (node.text or "").strip()
    if text:
        key = locate(f"{kind}/{path}").key
        values.fields[key] = checked(kind, key, text)
    for name, value in node.attrib.items():
        if not name.startswith("{"):
            values.fields[locate(f"{kind}/{path}/{name}").key] = value
    for child in node:
        _read_into(values, kind, child, f"{path}/{_local(child.tag)}")


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
