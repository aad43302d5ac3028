"""Which files an archive holds and under which paths: the four layouts (hierarchy.md §7)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from xnatsync.sandbox.model.hierarchy import folder_of, label_in
from xnatsync.sandbox.model.selection import Held
from xnatsync.sandbox.model.site import Site
from xnatsync.sandbox.model.zipping import Packed


@dataclass(frozen=True, slots=True)
class Layout:
    """How paths inside an archive are built."""

    structure: str = ""  # "" | simplified | improved | legacy
    by_scan: bool = False  # the URL named scans: the default layout then shows their type
    tar: bool = False
    with_project: bool = False
    with_subject: bool = False
    project: str = ""  # the project of the URL: its label of a shared session counts


def packed(site: Site, held: Held, paths: Iterable[str], layout: Layout) -> Iterator[Packed]:
    """Return files of a resource with their paths inside the archive."""
    with site.lock:
        prefix = _prefix(site, held, layout)
    for path in paths:
        name = f"{prefix}/{path}"
        if layout.structure == "simplified":  # textual, as XNAT does it: also inside the file's own path
            name = name.replace("/resources", "").replace("/files", "")
        yield Packed(name, f"{held.resource.folder}/{path}")


def archive_name(held: list[Held], project: str) -> str:
    """Return the name of the archive: the session's folder, or the label of what else was asked for."""
    first = held[0]
    if first.session is not None:
        return folder_of(first.session).rpartition("/")[2]
    return first.subject.label if first.subject is not None else project


def _prefix(site: Site, held: Held, layout: Layout) -> str:
    parts = []
    session = held.session
    if session is not None and layout.with_project:
        parts.append(layout.project or session.project)
    if session is not None and layout.with_subject:
        subject = site.subjects.get(session.subject)
        parts.append(subject.label if subject is not None else session.subject)
    if session is None:
        parts.append(held.subject.label if held.subject is not None else held.project.id if held.project else "")
        parts += ["resources", held.resource.label, "files"]
        return "/".join(part for part in parts if part)
    if layout.structure != "improved":
        parts.append((label_in(session, layout.project) if layout.project else None) or session.label)
    return "/".join([*parts, *_inside(held, layout)])


def _inside(held: Held, layout: Layout) -> list[str]:
    label = held.resource.label
    if held.scan is not None:
        kind = re.sub(r"\W", "_", held.scan.fields.get("type", ""))
        if layout.structure == "legacy":
            return ["SCANS", held.scan.id, label]
        if layout.structure == "improved":
            return ["scans", f"{held.scan.id}_{kind}" if kind and not layout.tar else held.scan.id, label]
        suffix = f"-{kind}" if kind and layout.by_scan and not layout.structure else ""
        return ["scans", f"{held.scan.id}{suffix}", "resources", label, "files"]
    if held.assessor is not None:
        if layout.structure == "legacy":
            return ["ASSESSORS", held.assessor.label, label]
        if layout.structure == "improved":
            return ["assessors", f"{held.assessor.id}_{re.sub(r'[^A-Za-z0-9]', '_', held.assessor.xsi_type)}", label]
        return ["assessors", held.assessor.id, "resources", label, "files"]
    if layout.structure == "legacy":
        return ["RESOURCES", label]
    return ["resources", label] if layout.structure == "improved" else ["resources", label, "files"]
