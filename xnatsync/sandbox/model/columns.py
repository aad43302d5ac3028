"""From `columns=` to values: shortcuts and paths, what they join, and the key each one answers under (§3.4, §3.5)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from xnatsync.sandbox.model import values
from xnatsync.sandbox.model.fields import known_field, stored_key
from xnatsync.sandbox.model.joins import Joined, Plan
from xnatsync.sandbox.model.schema import element, field_of, is_a, type_name
from xnatsync.sandbox.model.shortcuts import ROOT_ELEMENTS, SHORTCUTS, answer_name

Value = Callable[[Joined], str]
_VARIABLE = re.compile(r"^fields/field\[@?name=([^\]]+)\](?:/field)?$", re.IGNORECASE)
_OWN_TABLES = frozenset(
    {"scans", "assessors", "reconstructions", "resources", "sharing", "fields", "aliases", "experiments"}
    | {"file", "in", "out", "tags"}
)
_CONDITION = re.compile(r"\[[^\]]*\]")


class Unjoinable(Exception):
    """A path that the root element cannot join: XNAT's SQL generator throws (hierarchy.md §3.4)."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: the key it answers under, how to read it from a row, and the type its filters have."""

    key: str
    value: Value
    type: str  # xs: type of the field


def column(root: str, name: str, plan: Plan) -> Column | None:
    """Find a column by shortcut (exact case) or full path (any case) and add to the plan what it joins.

    Unknown shortcuts give None: XNAT drops them silently.  A path nothing joins raises `Unjoinable`.
    """
    path = name if "/" in name else SHORTCUTS[root].get(name)
    if path is None:
        return None
    value, kind = _resolve(root, path, plan)
    return Column(answer_name(root, path), value, kind)


def _resolve(root: str, xpath: str, plan: Plan) -> tuple[Value, str]:
    head, _, path = xpath.partition("/")
    name = type_name(head)
    owner = _owner(root, name, plan)
    lowered = path.lower()
    if owner == "experiment" and lowered.startswith("scans/scan/"):
        return _resolve(root, f"{ROOT_ELEMENTS['scan']}/{path[len('scans/scan/') :]}", plan)
    if owner == "experiment" and lowered.startswith("assessors/assessor/"):
        return _resolve(root, f"xnat:imageAssessorData/{path[len('assessors/assessor/') :]}", plan)
    if joined := _collection(owner, lowered, plan):
        return joined
    if match := _VARIABLE.match(path):
        return values.variable(owner, match[1].strip("'\"")), "xs:string"
    if found := _part(owner, name, lowered, plan):
        return found
    bare = _CONDITION.sub("", path)
    if owner == "resource":
        plan.resource_of = plan.resource_of or root
        return values.resource("resource", _resource_key(bare)), _resource_type(bare)
    kind = _kind(name, bare)
    plan.aliases = plan.aliases or (owner == "project" and lowered.startswith("aliases/"))
    return values.plain(owner, name, _own_key(name, bare), kind), kind


def _owner(root: str, name: str, plan: Plan) -> str:
    """Say which part of the row a type is about, joining it when it is not the root itself."""
    if is_a(name, "xnat:projectData") and root != "scan":
        return "project"
    if is_a(name, "xnat:subjectData") and root != "project":
        return "subject"
    if is_a(name, "xnat:abstractResource"):
        return "resource"
    if is_a(name, "xnat:imageScanData") and root in {"scan", "experiment", "subject"}:
        if root != "scan":
            plan.scans.add(name)
        if root == "subject":
            plan.implied.add("xnat:imageSessionData")
        return "scan"
    if is_a(name, "xnat:reconstructedImageData") and root == "reconstruction":
        return "scan"  # it has what a scan has
    if is_a(name, "xnat:imageAssessorData"):
        return _assessor_owner(root, name, plan)
    if is_a(name, "xnat:experimentData") and root != "project":
        if root == "subject":
            plan.experiments.add(name)
        if root in {"assessor", "derived"} and is_a(name, "xnat:imageSessionData"):
            return "session"
        return "experiment"
    raise Unjoinable(name)


def _assessor_owner(root: str, name: str, plan: Plan) -> str:
    if root in {"assessor", "derived"}:
        return "experiment"
    if root in {"experiment", "subject"}:
        plan.assessors.add(name)
        if root == "subject":
            plan.implied.add("xnat:imageSessionData")
        return "assessor"
    raise Unjoinable(name)


def _collection(owner: str, path: str, plan: Plan) -> tuple[Value, str] | None:
    """Find the columns of a collection's members: scan files, resources, custom variables, shares."""
    if owner == "scan" and path.startswith("file/"):
        plan.files = True
        key = _resource_key(path.removeprefix("file/"))
        return values.resource("file", key), _resource_type(key)
    if path.startswith("resources/resource/"):
        plan.resource_of = owner
        key = _resource_key(path.removeprefix("resources/resource/"))
        return values.resource("resource", key), _resource_type(key)
    if path in {"fields/field/name", "fields/field/field", "fields/field"}:
        plan.variable_of = owner
        return values.member("variable", 0 if path.endswith("name") else 1), "xs:string"
    if path in {"sharing/share/project", "sharing/share/label"}:
        plan.share_of = owner
        return values.member("share", 0 if path.endswith("project") else 1), "xs:string"
    return None


def _part(owner: str, name: str, path: str, plan: Plan) -> tuple[Value, str] | None:
    """Find the column of members that are only kept: steps of provenance, ratings, added IDs; of one kind a query."""
    described = element(name)
    members = described.members.items() if described is not None and path.partition("/")[0] not in _OWN_TABLES else ()
    for where, kind in members:
        if not path.startswith(f"{where.lower()}/"):
            continue
        asked = path.removeprefix(f"{where.lower()}/")
        keys = {key.lower(): key for key in kind.fields} | {key.lower().replace("/", "_"): key for key in kind.fields}
        if asked not in keys or plan.part_of not in {None, (owner, where)}:
            raise Unjoinable(f"{name}/{path}")
        plan.part_of = owner, where
        return values.part(keys[asked]), kind.fields[keys[asked]].type
    return None


def _resource_key(path: str) -> str:
    lowered = path.lower()
    if lowered not in values.RESOURCE_COLUMNS:
        raise Unjoinable(path)
    return lowered


def _resource_type(path: str) -> str:
    found = field_of("xnat:resourceCatalog", path.lower())
    return found.type if found else "xs:string"


def _own_key(name: str, path: str) -> str:
    lowered = path.lower()
    if lowered in values.OWN_COLUMNS or lowered.startswith(("meta/", "aliases/")):
        return lowered
    if element(name) is None or not known_field(name, path):
        raise Unjoinable(f"{name}/{path}")
    return stored_key(name, path)


def _kind(name: str, path: str) -> str:
    if path.lower() in {"meta/insert_date", "meta/last_modified"}:
        return "xs:dateTime"
    if path.lower().startswith("demographics/"):
        name, path = "xnat:demographicData", path.partition("/")[2]
    found = field_of(name, path.lower())
    return found.type if found else "xs:string"
