"""The things of an XNAT as programs read them: one object for each row of a listing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from xnatsync.core.wording import size
from xnatsync.views.blocks import Block, Line, Table, Tone

if TYPE_CHECKING:
    from xnatsync.app.listings import ProjectView, SessionView
    from xnatsync.core.nouns import ProjectHeld, ResourceHeld, ScanHeld, SessionHeld

SESSION_COLUMNS = {"id": "id", "label": "label", "subject": "subject", "date": "date", "modality": "modality"}
SCAN_COLUMNS = {
    "id": "id",
    "type": "type",
    "quality": "quality",
    "frames": "frames",
    "series_description": "series description",
}
RESOURCE_COLUMNS = {
    "label": "label",
    "format": "format",
    "file_count": "files",
    "file_size": "bytes",
    "content": "content",
}


def session_row(held: SessionHeld) -> dict[str, object]:
    """A row of `session list`."""
    return {
        "id": held.id,
        "label": held.label,
        "subject": held.subject,
        "date": held.date,
        "modality": held.modality,
        "subject_id": held.subject_id,
        "project": held.project,
        "xsi_type": held.xsi_type,
    }


def scan_row(held: ScanHeld) -> dict[str, object]:
    """A row of `scan list`."""
    return {
        "id": held.id,
        "type": held.type,
        "series_description": held.series_description,
        "quality": held.quality,
        "frames": held.frames,
        "note": held.note,
        "xsi_type": held.xsi_type,
    }


def resource_row(held: ResourceHeld) -> dict[str, object]:
    """A row of `resource list`."""
    return {
        "label": held.label,
        "format": held.format,
        "file_count": held.files,
        "file_size": held.size,
        "content": held.content,
    }


def project_row(held: ProjectHeld) -> dict[str, object]:
    """A row of `project list`."""
    return {
        "id": held.id,
        "name": held.name,
        "pi": held.pi,
        "description": held.description,
        "secondary_id": held.secondary_id,
    }


def project_fields(seen: ProjectView) -> dict[str, object]:
    """`project show`, for programs."""
    return {**project_row(seen.project), "subjects": seen.subjects, "sessions": seen.sessions}


def project_blocks(seen: ProjectView) -> Iterator[Block]:
    """`project show`, for people."""
    held = seen.project
    yield Line(held.id, Tone.HEAD)
    for word, text in (
        ("name", held.name),
        ("running title", held.secondary_id),
        ("investigator", held.pi),
        ("description", held.description),
        ("subjects", str(seen.subjects)),
        ("sessions", str(seen.sessions)),
    ):
        if text:
            yield Line(f"{word}: {text}", indent=2)


def session_fields(seen: SessionView) -> dict[str, object]:
    """`session show`, for programs."""
    return {
        **session_row(seen.session),
        "scans": [scan_row(scan) for scan in seen.scans],
        "resources": [resource_row(resource) for resource in seen.resources],
    }


def session_blocks(seen: SessionView) -> Iterator[Block]:
    """`session show`, for people."""
    held = seen.session
    yield Line(held.label or held.id, Tone.HEAD)
    for word, text in (
        ("id", held.id),
        ("subject", held.subject or held.subject_id),
        ("project", held.project),
        ("date", held.date),
        ("type", held.xsi_type),
    ):
        if text:
            yield Line(f"{word}: {text}", indent=2)
    yield Line(f"scans: {len(seen.scans)}", indent=2)
    if seen.scans:
        rows = [(scan.id, scan.type, scan.quality, scan.series_description) for scan in seen.scans]
        yield Table(("id", "type", "quality", "series description"), rows, indent=4)
    yield Line(f"resources of the session: {len(seen.resources)}", indent=2)
    if seen.resources:
        yield Table(
            ("label", "format", "files", "size"),
            [
                (held.label, held.format, _number(held.files), "" if held.size is None else size(held.size))
                for held in seen.resources
            ],
            indent=4,
            right=frozenset({2, 3}),
        )


def _number(count: int | None) -> str:
    return "" if count is None else str(count)
