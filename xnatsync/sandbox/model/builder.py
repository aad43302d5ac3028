"""Building a session from the objects that have arrived: types, scans, resources, catalogues (import.md §4.2–4.8)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from xnatsync.sandbox.model import scanfields, scantypes
from xnatsync.sandbox.model.objects import Experiment, FileEntry, Resource, Scan, Stamps
from xnatsync.sandbox.model.received import Content, Received, Series
from xnatsync.sandbox.model.store import Store

_ODD: Final = re.compile(r"\W", re.ASCII)
_FILE_ODD: Final = re.compile(r"[^\w.-]", re.ASCII)
PRIMARY: Final = "DICOM"
SECONDARY: Final = "secondary"


def scan_ids(series: Mapping[str, Series]) -> dict[str, str]:
    """Return each series its scan id: the series number, unless several series share it (import.md §4.5)."""
    by_number: dict[str, list[str]] = {}
    for uid, one in series.items():
        by_number.setdefault(one.facts.get("series_number", ""), []).append(uid)
    ids: dict[str, str] = {}
    for number, uids in by_number.items():
        counts: dict[str, int] = {}
        for uid in sorted(uids):
            if not number:
                ids[uid] = _ODD.sub("_", uid) or "NA"
            elif len(uids) == 1:
                ids[uid] = number
            else:
                modality = series[uid].facts.get("modality") or "OT"
                counts[modality] = counts.get(modality, 0) + 1
                ids[uid] = f"{number}-{modality}{counts[modality]}"
    return ids


def arrange(store: Store, folder: str, content: Content) -> None:
    """Move the objects to the folders of their scans and resources, `SCANS/{id}/DICOM` or `.../secondary`."""
    ids = scan_ids(content.series)
    for item in list(content.objects.values()):
        label = PRIMARY if scantypes.primary(item.sop_class) else SECONDARY
        wanted = f"SCANS/{_folder_name(ids[item.series_uid])}/{label}"
        if item.folder == wanted or item.path in content.busy:
            continue
        old, name = item.path, item.name
        known = content.objects.get(f"{wanted}/{name}")
        if known is not None and (known.sop_uid, known.sop_class) != (item.sop_uid, item.sop_class):
            name = f"{item.sop_uid}.dcm"
        store.delete(f"{folder}/{wanted}/{name}")
        store.move(f"{folder}/{old}", f"{folder}/{wanted}/{name}")
        del content.objects[old]
        item.folder, item.name = wanted, name
        content.objects[item.path] = item


def build(content: Content, folder: str, label: str, stamps: Stamps, *, petmr: str = "") -> Experiment:
    """Build the session, PET with MR by the setting `petmr`.

    It has no accession ID, no subject and no database keys before it is archived.
    """
    ids = scan_ids(content.series)
    by_series: dict[str, list[Received]] = {}
    for item in content.objects.values():
        by_series.setdefault(item.series_uid, []).append(item)
    classes = {item.sop_class for item in content.objects.values()}
    modalities = {one.facts.get("modality", "") for uid, one in content.series.items() if uid in by_series}
    xsi_type = scantypes.session_type(classes, modalities, petmr=petmr)
    leads = sorted(content.series.values(), key=lambda one: (_numeric(one.facts.get("series_number", "")), one.uid))
    facts: dict[str, str] = {}
    for lead in leads:  # the first series that says a thing decides
        facts = {**lead.facts, **facts}
    session = Experiment("", "", "", label, xsi_type, stamps, folder)
    session.fields = scanfields.session_fields(facts)
    session.fields["modality"] = scantypes.session_modality(xsi_type, modalities)
    session.variables = scanfields.session_variables(facts)
    for uid in sorted(by_series, key=lambda uid: (_numeric(ids[uid]), ids[uid])):
        scan = _scan(ids[uid], content.series[uid], by_series[uid], folder, stamps)
        session.scans[scan.id] = scan
    return session


def _scan(scan_id: str, series: Series, items: list[Received], folder: str, stamps: Stamps) -> Scan:
    items.sort(key=lambda item: item.order)
    xsi_type = scantypes.scan_type(item.sop_class for item in items)
    frames = sum(item.frames for item in items)
    scan = Scan(0, scan_id, xsi_type, Stamps(stamps.insert_date, stamps.insert_user, bubbled=stamps.bubbled))
    scan.fields = scanfields.scan_fields(series.facts, xsi_type, frames)
    for label in (PRIMARY, SECONDARY):
        chosen = [item for item in items if item.folder.endswith(f"/{label}")]
        if chosen:
            scan.resources[label] = _resource(label, chosen, series, f"{folder}/{chosen[0].folder}")
    return scan


def _resource(label: str, items: list[Received], series: Series, folder: str) -> Resource:
    content = "RAW" if label == PRIMARY else SECONDARY
    resource = Resource(0, label, folder, "DICOM", content, dicom=True)
    if label == PRIMARY:
        resource.uid = series.uid
        resource.dimensions = _dimensions(series.facts, sum(item.frames for item in items))
    for item in items:
        entry = FileEntry(item.name, item.size, item.digest, "DICOM", content)
        entry.uid, entry.instance_number = item.sop_uid, item.instance
        resource.entries[item.name] = entry
    count_up(resource)
    return resource


def count_up(resource: Resource) -> None:
    """Set a resource's statistics from its entries."""
    resource.file_count = len(resource.entries)
    resource.file_size = sum(entry.size for entry in resource.entries.values())


def _dimensions(facts: Mapping[str, str], frames: int) -> tuple[int, int, int] | None:
    rows, columns = facts.get("rows", ""), facts.get("columns", "")
    return (int(columns), int(rows), frames) if rows.isdecimal() and columns.isdecimal() else None


def _folder_name(scan_id: str) -> str:
    name = _FILE_ODD.sub("_", scan_id)
    return name if name.strip(".") else "_" * len(name)


def _numeric(text: str) -> int:
    digits = re.match(r"\d+", text)
    return int(digits[0]) if digits else 1 << 62
