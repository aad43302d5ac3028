"""After a restart the prearchive is what the disk says (import.md §2.1: `PUT /data/prearchive` does the same)."""

from __future__ import annotations

import re

from xnatsync.sandbox.model import scanfields
from xnatsync.sandbox.model.prearchive import UNASSIGNED, Row, date_text
from xnatsync.sandbox.model.received import Content, load
from xnatsync.sandbox.model.site import Site

_TIMESTAMP = re.compile(r"\d{8}_\d{9}")


def recover(site: Site) -> None:
    """End what was under way when the process died: half-moved files go back, orphaned folders get rows again."""
    for row in list(site.prearchive.rows.values()):
        if row.destination:
            _bring_back(site, row)
        if row.status not in {"READY", "CONFLICT", "ERROR", "RECEIVING"}:
            row.status = "READY" if row.built else "RECEIVING"
        if site.store.list(row.path):
            site.prearchive.save(row)
        else:
            site.prearchive.remove(row)
    rescan(site)


def rescan(site: Site) -> None:
    """Make rows for the sessions that lie in the prearchive's folders without one."""
    found = {"/".join(path.split("/")[:3]) for path, _ in site.store.list("prearchive")}
    for place in sorted(found):
        parts = place.split("/")
        if len(parts) != 3 or not _TIMESTAMP.fullmatch(parts[1]):
            continue
        if site.prearchive.find(parts[0], parts[1], parts[2]) is None:
            content = load(site.store, f"prearchive/{place}")
            if content.objects:
                site.prearchive.add(_row_of(site, parts, content))


def _row_of(site: Site, parts: list[str], content: Content) -> Row:
    facts = next(iter(content.series.values())).facts
    now = site.clock()
    project = "" if parts[0] == UNASSIGNED else parts[0]
    text = date_text(now)
    row = Row(
        project,
        parts[1],
        parts[2],
        parts[2],
        facts.get("patient_name", ""),
        facts.get("study_uid", ""),
        "RECEIVING",
        text,
        text,
        now,
    )
    scan_date = scanfields.date(facts.get("study_date", ""))
    row.scan_date = f"{scan_date} 00:00:00.0" if scan_date else ""
    row.scan_time = scanfields.time(facts.get("study_time", ""))
    return row


def _bring_back(site: Site, row: Row) -> None:
    """Move files that had gone to the archive, but were never entered there, back to their session."""
    owner = next((one for one in site.experiments.values() if one.folder == row.destination), None)
    entered = set()
    if owner is not None:
        for scan in owner.scans.values():
            for resource in scan.resources.values():
                entered |= {f"{resource.folder}/{path}" for path in resource.entries}
    if not row.direct:
        for path, _ in site.store.list(f"{row.destination}/SCANS"):
            there, here = f"{row.destination}/SCANS/{path}", f"{row.path}/SCANS/{path}"
            if there not in entered and not path.endswith("_catalog.xml") and not site.store.exists(here):
                site.store.move(there, here)
        if owner is None:
            site.store.delete(row.destination)
    row.destination = ""
