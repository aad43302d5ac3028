"""Reads one value from a row of a join, as text; "" where there is nothing (hierarchy.md §3.1, §3.9)."""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import attrgetter

from xnatsync.sandbox.model.catalog import catalog_name
from xnatsync.sandbox.model.joins import Joined
from xnatsync.sandbox.model.objects import Experiment, Project, Resource, Scan, Stamps, Subject
from xnatsync.sandbox.model.schema import element, is_a

Value = Callable[[Joined], str]
_PARTS: dict[str, Callable[[Joined], Project | Subject | Experiment | Scan | None]] = {
    name: attrgetter(name) for name in ("project", "subject", "session", "experiment", "assessor", "scan")
}

OWN_COLUMNS = frozenset(
    {"id", "label", "project", "subject_id", "name", "secondary_id", "xsitype", "xnat_imagescandata_id"}
    | {"image_session_id", "extension_item/element_name", "xnat_reconstructedimagedata_id"}
)


def catalog_path(resource: Resource, scan_id: str = "") -> str:
    """Return the absolute path on the server that an item's `URI` of a resource shows (§4.1)."""
    return f"/data/xnat/{resource.folder}/{catalog_name(resource, scan_id)}"


RESOURCE_COLUMNS: dict[str, Callable[[Resource], str]] = {
    "label": lambda item: item.label,
    "format": lambda item: item.format,
    "content": lambda item: item.content,
    "description": lambda item: item.description,
    "uri": catalog_path,
    "file_count": lambda item: "" if item.file_count is None else str(item.file_count),
    "file_size": lambda item: "" if item.file_size is None else str(item.file_size),
    "xnat_abstractresource_id": lambda item: str(item.id),
    "tags/tag": lambda item: item.tags,
    "note": lambda item: "",
}


def resource(part: str, key: str) -> Value:
    """Read a column of a joined resource."""
    if key == "uri":
        return _scan_catalog if part == "file" else _own_catalog
    read = RESOURCE_COLUMNS[key]
    get: Callable[[Joined], Resource | None] = attrgetter(part)

    def value(row: Joined) -> str:
        found = get(row)
        return read(found) if found is not None else ""

    return value


def _scan_catalog(row: Joined) -> str:
    return catalog_path(row.file, row.scan.id) if row.file and row.scan else ""


def _own_catalog(row: Joined) -> str:
    return catalog_path(row.resource) if row.resource else ""


def member(part: str, at: int) -> Value:
    """Read one half of a joined pair: a variable's name or value, a share's project or label."""
    get: Callable[[Joined], tuple[str, str] | None] = attrgetter(part)

    def value(row: Joined) -> str:
        found = get(row)
        return found[at] if found is not None else ""

    return value


def part(key: str) -> Value:
    """Return the reader of a field of a joined member that is only kept, e.g. of a step of provenance."""
    return lambda row: row.part.values.get(key, "") if row.part is not None else ""


def variable(owner: str, name: str) -> Value:
    """Read one custom variable by its name."""
    get = _PARTS[owner]

    def value(row: Joined) -> str:
        item = get(row)
        return item.variables.get(name, "") if isinstance(item, (Subject, Experiment, Project)) else ""

    return value


def plain(owner: str, name: str, key: str, kind: str = "xs:string") -> Value:
    """Read a field of one part of the row; a part of another type than the path's has none."""
    get = _PARTS[owner]
    special = _SPECIAL.get((owner, key)) or _SPECIAL.get(("", key))
    written = _WRITTEN.get(kind)
    checked = owner in {"experiment", "assessor", "scan", "session"}
    concrete = _concrete(name)

    def value(row: Joined) -> str:
        item = get(row)
        if item is None or (checked and not isinstance(item, (Project, Subject)) and not is_a(item.xsi_type, name)):
            return ""
        if special is not None:
            return special(row, item)
        if key.startswith("meta/"):
            return stamp(item.stamps, key, concrete=concrete)
        text = item.fields.get(key, "")
        return written(text) if written is not None and text else text

    return value


def as_decimal(text: str) -> str:
    """Write a number of a floating type as Java does: with a decimal, always (§3.1)."""
    try:
        return str(float(text)) if text else ""
    except ValueError:
        return text


def as_time(text: str) -> str:
    """Write a time of the day as Java does, with milliseconds (§3.1)."""
    match = _TIME.fullmatch(text)
    if match is None:
        return text
    return f"{int(match[1]):02d}:{match[2]}:{match[3] or '00'}.{(match[4] or '').ljust(3, '0')[:3]}"


def as_timestamp(text: str) -> str:
    """Write a moment as Java does: a blank between date and time, and at least one decimal of the second (§3.1)."""
    match = _MOMENT.fullmatch(text)
    return f"{match[1]} {match[2]}.{(match[3] or '').rstrip('0') or '0'}" if match is not None else text


_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)?Z?")
_MOMENT = re.compile(r"(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2})(?:\.(\d+))?Z?")
_WRITTEN: dict[str, Callable[[str], str]] = {
    "xs:float": as_decimal,
    "xs:double": as_decimal,
    "xs:time": as_time,
    "xs:dateTime": as_timestamp,
}


def stamp(stamps: Stamps, key: str, *, concrete: bool) -> str:
    """Read a stamp; `last_modified` of types with documents is the bubbled one, of others the row's own (§3.9)."""
    if key == "meta/insert_date":
        return stamps.insert_date
    if key == "meta/insert_user/login":
        return stamps.insert_user
    return stamps.bubbled if concrete else stamps.last_modified


def _concrete(name: str) -> bool:
    found = element(name)
    return found is not None and bool(found.root)


def _label(row: Joined, item: object) -> str:
    return (row.shown_label if row.shown_item is item else "") or getattr(item, "label", "")


def _project(row: Joined, item: object) -> str:
    return row.shown_project or getattr(item, "project", "")


def _own(name: str) -> Callable[[Joined, object], str]:
    return lambda _row, item: str(getattr(item, name))


_SPECIAL: dict[tuple[str, str], Callable[[Joined, object], str]] = {
    ("", "id"): _own("id"),
    ("", "label"): _own("label"),
    ("", "project"): _own("project"),
    ("", "xsitype"): _own("xsi_type"),
    ("", "extension_item/element_name"): _own("xsi_type"),
    ("experiment", "subject_id"): _own("subject"),
    ("experiment", "label"): _label,
    ("experiment", "project"): _project,
    ("subject", "xsitype"): lambda _row, _item: "xnat:subjectData",
    ("subject", "label"): _label,
    ("project", "name"): _own("name"),
    ("project", "secondary_id"): _own("secondary_id"),
    ("project", "aliases/alias/alias"): lambda row, _item: row.alias or "",
    ("scan", "xnat_imagescandata_id"): _own("key"),
    ("scan", "xnat_reconstructedimagedata_id"): _own("key"),
    ("scan", "project"): lambda row, _item: row.experiment.project if row.experiment else "",
    ("scan", "image_session_id"): lambda row, _item: row.experiment.id if row.experiment else "",
}
