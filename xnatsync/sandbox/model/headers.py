"""Reading an archived session's fields from its DICOM files again, and its scan types (import.md §6.3, §7.2)."""

from __future__ import annotations

from xnatsync.sandbox.model import scanfields, scantypes
from xnatsync.sandbox.model.creation import touch_up
from xnatsync.sandbox.model.dicomhead import NotDicomError
from xnatsync.sandbox.model.objects import Experiment, Scan
from xnatsync.sandbox.model.received import Seen, read_head
from xnatsync.sandbox.model.site import Site

_UNTYPED = "Unknown"


def pull_from_headers(site: Site, session: Experiment, *, only: Scan | None = None, overwrite: bool = False) -> None:
    """Fill the fields of a session and its scans from the files; nothing existing is replaced without `overwrite`.

    Of a scan alone (since 1.9.3) the session's fields stay.
    """
    first: dict[str, str] = {}
    for scan in list(session.scans.values()) if only is None else [only]:
        found = _facts(site, scan)
        if found is None:
            continue
        facts, frames = found
        first = {**facts, **first}
        with site.lock:
            _fill(scan.fields, scanfields.scan_fields(facts, scan.xsi_type, frames), overwrite=overwrite)
            if scan.fields.get("type", _UNTYPED) == _UNTYPED:  # T TestScans.testPullDataFromHeaders*
                scan.fields["type"] = facts.get("SeriesDescription", "") or scan.fields.get("series_description", "")
    with site.lock:
        if only is None:
            _fill(session.fields, scanfields.session_fields(first), overwrite=overwrite)
        site.changed(session)
        touch_up(site, session)


def fix_scan_types(site: Site, session: Experiment) -> None:
    """Return scans without a type the one scans of their description have in the project, else the description."""
    with site.lock:
        scantypes.apply_history(site, session)
        site.changed(session)
        touch_up(site, session)


def _facts(site: Site, scan: Scan) -> tuple[dict[str, str], int] | None:
    """Return the facts of a scan's first readable object, and the number of its files."""
    resource = scan.resources.get("DICOM") or scan.resources.get("secondary")
    if resource is None:
        return None
    for path in sorted(resource.entries):
        try:
            return Seen(read_head(site.store, f"{resource.folder}/{path}"), {}).facts(), len(resource.entries)
        except (NotDicomError, FileNotFoundError):
            continue
    return None


def _fill(fields: dict[str, str], found: dict[str, str], *, overwrite: bool) -> None:
    for name, value in found.items():
        if overwrite or not fields.get(name):
            fields[name] = value
