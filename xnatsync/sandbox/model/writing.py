"""Setting values of items: from parameters named by paths, from XML documents (hierarchy.md §4.3).

Nothing is taken that has no place: an unknown name, element, attribute or type is refused.  One exception is XNAT's:
a path of another type than the item's changes nothing (T `TestScans`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from xnatsync.sandbox.model.creation import ModelError
from xnatsync.sandbox.model.documents import read_document
from xnatsync.sandbox.model.fields import field_at, stored_key
from xnatsync.sandbox.model.fieldvalues import checked, checked_field
from xnatsync.sandbox.model.investigators import is_reference
from xnatsync.sandbox.model.objects import Experiment, Part, Project, Scan, Subject
from xnatsync.sandbox.model.schema import Element, element, is_a, named_type
from xnatsync.sandbox.model.shortcuts import READ_ONLY, ROOT_ELEMENTS, SHORTCUTS

_MEMBER = re.compile(r"(?P<path>[^\[\]]+)\[@?(?P<by>[\w-]+)=(?P<value>[^\]]*)\](?:/(?P<rest>[^\[\]]+))?")
_CONDITION = re.compile(r"\[@?xsi:type=[^\]]*\]")
_ALIAS = re.compile(r"aliases/alias(?:\[\d+\])?(?:/alias)?", re.IGNORECASE)
_IDENTITY = ("ID", "name", "imageScan_ID", "label")  # what tells one member of a collection from the next
_SKIPPED = {"ID", "project", "label", "subject_ID", "imageSession_ID", "image_session_ID", "prearchivePath"}

CONTROL = frozenset(
    "xsiType ELEMENT_0 format req_format inbody allowDataDeletion populateFromDB loadExisting activate quarantine "  # noqa: SIM905
    "_lock fixScanTypes pullDataFromHeaders triggerPipelines supressEmail event_reason event_type event_action "
    "event_comment event_id method removeFiles primary moveAssessors XNAT_CSRF overwrite accessibility "
    "concealHiddenFields label".split()
)


@dataclass(slots=True)
class Values:
    """What a request wants to set: stored keys, members of collections, and the type it speaks of ("" = none named)."""

    xsi_type: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)  # fields/field
    parts: dict[str, list[Part]] = field(default_factory=dict)  # members that are only kept, by path
    scans: list[tuple[str, Values]] = field(default_factory=list)
    reconstructions: list[tuple[str, Values]] = field(default_factory=list)
    assessors: list[Values] = field(default_factory=list)
    experiments: list[Values] = field(default_factory=list)
    resources: list[str] = field(default_factory=list)  # labels
    shares: dict[str, str] = field(default_factory=dict)  # project -> label
    share: dict[str, str] = field(default_factory=dict)  # the one that parameters can name: its project, its label
    aliases: dict[str, str] = field(default_factory=dict)  # alias -> source
    people: dict[str, str] = field(default_factory=dict)  # path of an investigator of a project -> key of the row
    document: bool = False  # they come from an XML document


def from_params(params: Iterable[tuple[str, str]], into: Values, root: str = "") -> Values:
    """Read query or form parameters on top of `into`; the type is `xsiType`, else the first path's prefix (§4.3)."""
    params = list(params)
    named = next((value for key, value in params if key in {"xsiType", "ELEMENT_0"}), "")
    prefix = next((key.partition("/")[0] for key, _ in params if ":" in key.partition("/")[0] and "/" in key), "")
    into.xsi_type = named_type(named or into.xsi_type or prefix)
    if into.xsi_type and element(into.xsi_type) is None:
        raise ModelError(400, f"Unknown data type {into.xsi_type}")
    for key, value in params:
        if key in CONTROL or not key:
            continue
        if key.count("[") != key.count("]"):
            raise ModelError(400, f"Invalid field path {key}")  # an equals sign in it that was not encoded cuts a path
        _set(into, into.xsi_type or root, key, value)
    if into.share:
        if not into.share.get("project"):
            raise ModelError(400, "A share needs its project.")
        into.shares[into.share["project"]] = into.share.get("label", "")
    return into


def _set(into: Values, own: str, key: str, value: str) -> None:
    head, slash, path = _path_of(own, key).partition("/")
    if ":" not in head or not slash:
        head, path = "", f"{head}{slash}{path}"
    if head and element(head) is None:
        raise ModelError(400, f"Unknown data type {head}")
    if head and own and not is_a(own, head):
        return  # of another type: nothing happens, with success
    described = element(own)
    if described is None:  # no type was named: an item that is there stays as it is, whatever is said about it (§4.3)
        if "/" not in path and path not in SHORTCUTS["experiment"]:
            raise ModelError(400, f"Unknown parameter {key}")
        into.fields[path] = value
        return
    path = _CONDITION.sub("", path)
    if own == "xnat:projectData" and is_reference(path):
        into.people[path] = value
        return
    if match := _MEMBER.fullmatch(path):
        _set_member(into, described, match, value)
    elif path.lower() in _SHARE and "sharing/share" in described.members:
        into.share[path.lower().rpartition("/")[2]] = value
    elif _ALIAS.fullmatch(path) and "aliases/alias" in described.members:
        into.aliases[value] = ""
    elif (found := field_at(own, path)) is not None:
        into.fields[stored_key(own, path)] = checked_field(found, value)
    else:
        raise ModelError(400, f"Unknown parameter {key}")


def _set_member(into: Values, described: Element, match: re.Match[str], value: str) -> None:
    member = described.members.get(match["path"])
    rest = match["rest"] or (member.text if member else "")
    if member is None or match["by"] not in member.fields or rest not in member.fields:
        raise ModelError(400, f"{described.name} has no field {match[0]}")
    by = match["value"].strip("'\"")
    part = Part(member.name, {match["by"]: by, rest: checked(member, rest, value)})
    if match["path"] == "fields/field":
        into.variables[by] = value
    elif match["path"] in _PLACED:
        _place(into, match["path"], part)
    else:
        into.parts.setdefault(match["path"], []).append(part)


def _path_of(xsi_type: str, key: str) -> str:
    """Spell a short name (`gender`, `scanner`) out as the path it stands for in items of this type."""
    if ":" in key or "/" in key:
        return key
    for kind, ancestor in ROOT_ELEMENTS.items():
        path = SHORTCUTS[kind].get(key) if is_a(xsi_type, ancestor) and key not in READ_ONLY else None
        if path is not None and is_a(xsi_type, path.partition("/")[0]):
            return path
    return key


def from_xml(document: bytes) -> Values:
    """Read an item document."""
    values = _values_of(read_document(document))
    values.document = True
    return values


def _values_of(part: Part) -> Values:
    values = Values(part.xsi_type)
    values.fields = {stored_key(part.xsi_type, path): value for path, value in part.values.items()}
    session = is_a(part.xsi_type, "xnat:imageSessionData")
    for path, members in part.parts.items():
        for member in members:
            if path == "fields/field":
                values.variables[member.values.get("name", "")] = member.values.get("field", "")
            elif path in _PLACED and (session or path != "scans/scan"):
                _place(values, path, member)
            else:
                values.parts.setdefault(path, []).append(member)
    return values


def _place(values: Values, path: str, member: Part) -> None:
    """Put a member where the site has things of their own for it."""
    given = member.values
    if path in {"scans/scan", "reconstructions/reconstructedImage"}:
        where = values.scans if path == "scans/scan" else values.reconstructions
        where.append((given.get("ID", ""), _values_of(member)))
    elif path == "assessors/assessor":
        values.assessors.append(_values_of(member))
    elif path == "experiments/experiment":
        values.experiments.append(_values_of(member))
    elif path == "sharing/share":
        values.shares[given.get("project", "")] = given.get("label", "")
    elif path == "aliases/alias":
        values.aliases[given.get("alias", "")] = given.get("source", "")
    else:
        values.resources.append(given.get("label", ""))


_SHARE = frozenset({"sharing/share/project", "sharing/share/label"})
_PLACED = frozenset(
    "scans/scan reconstructions/reconstructedImage assessors/assessor experiments/experiment sharing/share "  # noqa: SIM905
    "aliases/alias resources/resource out/file file".split()
)


def apply(values: Values, item: Project | Subject | Experiment | Scan, *, replace: bool = False) -> bool:
    """Set the values; say whether anything changed.

    Fields a document does not mention are kept unless `replace` (allowDataDeletion) is asked.
    """
    if isinstance(item, Project):
        return _apply_project(values, item)
    skipped = _SKIPPED | {"xnat_imagescandata_id"}
    wanted = {key: value for key, value in values.fields.items() if key not in skipped}
    before = (dict(item.fields), dict(getattr(item, "variables", {})))
    if replace and values.document:
        item.fields.clear()
        item.parts.clear()
    _merge(item.fields, wanted)
    changed = _merge_parts(item.parts, values.parts)
    if isinstance(item, Subject | Experiment):
        _merge(item.variables, values.variables)
    return changed or before != (item.fields, getattr(item, "variables", {}))


def _apply_project(values: Values, project: Project) -> bool:
    before = (project.secondary_id, project.name, dict(project.aliases), dict(project.fields), dict(project.variables))
    wanted = dict(values.fields)
    wanted.pop("ID", None)
    project.secondary_id = wanted.pop("secondary_ID", project.secondary_id) or project.id
    project.name = wanted.pop("name", project.name) or project.id
    project.aliases = dict(values.aliases) or project.aliases
    _merge(project.fields, wanted)
    _merge(project.variables, values.variables)
    changed = _merge_parts(project.parts, values.parts)
    after = (project.secondary_id, project.name, project.aliases, project.fields, project.variables)
    return changed or before != after


def _merge(into: dict[str, str], values: Mapping[str, str]) -> None:
    for key, value in values.items():
        if value in {"", "NULL"}:
            into.pop(key, None)  # XNAT's word for "set to null"; an empty value shows as none as well
        else:
            into[key] = value


def _merge_parts(into: dict[str, list[Part]], given: Mapping[str, list[Part]]) -> bool:
    """Add members; one that is known by its ID or name takes the new values."""
    changed = False
    for path, members in given.items():
        kept = into.setdefault(path, [])
        for member in members:
            known = next((one for one in kept if _same(one, member)), None)
            if known is None:
                kept.append(member)
                changed = True
            elif known != member:
                known.xsi_type = member.xsi_type
                known.values |= member.values
                _merge_parts(known.parts, member.parts)
                changed = True
    return changed


def _same(one: Part, other: Part) -> bool:
    key = next((name for name in _IDENTITY if other.values.get(name)), "")
    return one.values.get(key) == other.values[key] if key else one == other
