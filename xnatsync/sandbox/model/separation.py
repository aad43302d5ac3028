"""PET with MR made two sessions of, when `separatePETMR` says so (src PrearchiveSeparatePetMrHandler, PrearcDatabase).

XNAT 1.10.1 no longer does; the sandbox is a 1.9.
"""

from __future__ import annotations

import itertools
from typing import Final

from xnatsync.sandbox.model import archiver, direct, operations, petmr
from xnatsync.sandbox.model.hierarchy import label_taken
from xnatsync.sandbox.model.objects import Experiment
from xnatsync.sandbox.model.prearchive import Row, new_row
from xnatsync.sandbox.model.received import Series
from xnatsync.sandbox.model.site import Site

_KINDS: Final = ("MR", "PET")


def build_parts(site: Site, row: Row) -> list[Row]:
    """Build a session and return what it became: itself, its two parts, or nothing when it is not READY."""
    if not operations.build(site, row, together=True):
        return []
    session = archiver.built_session(site, row, together=True)
    if row.part or not petmr.is_separate(petmr.setting(site, row.project), session):
        return [row]
    if row.direct:
        direct.fall_back(site, row)
    return separate(site, row, session)


def separate(site: Site, row: Row, session: Experiment) -> list[Row]:
    """Move the scans of a session to two new ones, build these, and forget it."""
    prearchive, store = site.prearchive, site.store
    with operations.locked(site, row, "SEPARATING"):
        content = prearchive.content(row)
        kinds = {uid: _kind(series) for uid, series in content.series.items()}
        parts = {kind: _part(site, row, session.label, kind) for kind in _KINDS if kind in kinds.values()}
        site.documents.flush()  # so that a crash leaves no file without a session
        for item in list(content.objects.values()):
            series = content.series[item.series_uid]
            part = parts[kinds[series.uid]]
            store.move(f"{row.path}/{item.path}", f"{part.path}/{item.path}")
            with site.lock:
                del content.objects[item.path]
                found = prearchive.content(part)
                found.objects[item.path] = item
                found.series[series.uid] = series
        store.delete(row.path)
        prearchive.remove(row)
    for part in parts.values():
        operations.build(site, part)
        moved = len(prearchive.content(part).series)
        prearchive.log(part, f"Moved {moved} scans from {row.name} to {part.name}")
    return list(parts.values())


def _kind(series: Series) -> str:
    """Return where a series goes: PET, and what of MR corrects its attenuation, is PET; all else is MR."""
    modality, description = series.facts.get("modality", ""), series.facts.get("series_description", "")
    return "PET" if modality == "PT" or (modality == "MR" and "MRAC" in description) else "MR"


def _part(site: Site, row: Row, label: str, kind: str) -> Row:
    name = _label(site, row.project, label, kind)
    part = new_row(site.prearchive, row.project, name, row.subject, row.tag)
    part.part = kind
    for key in ("uploaded", "scan_date", "scan_time", "autoarchive", "prevent_anon", "prevent_auto_commit"):
        setattr(part, key, getattr(row, key))
    for key in ("source", "visit", "protocol", "timezone"):
        setattr(part, key, getattr(row, key))
    return site.prearchive.add(part)


def _label(site: Site, project: str, whole: str, kind: str) -> str:
    """Return the label of a part: `PETMR` in it is replaced, else the kind is added; a number makes it unique."""
    for found, put in (("PETMR", kind), ("petmr", kind.lower())):
        if found in whole:
            stem = whole.replace(found, put)
            break
    else:
        stem = f"{whole}_{kind}"
    candidates = itertools.chain([stem], (f"{stem}{number}" for number in itertools.count(1)))
    return next(label for label in candidates if not label_taken(site, project, label))
