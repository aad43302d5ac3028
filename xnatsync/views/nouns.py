"""The things of an XNAT as programs read them: one object for each row of a listing, as the services found it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from xnatsync.core.wording import size
from xnatsync.views.blocks import Block, Line, Table, Tone

if TYPE_CHECKING:
    from xnatsync.services.models import Project, Resource, Scan, Session, Subject

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


def subject_row(found: Subject) -> dict[str, object]:
    """A row of `subject list`."""
    return {"id": found.id, "label": found.label, "sessions": found.session_count or 0}


def session_row(found: Session) -> dict[str, object]:
    """A row of `session list`."""
    return {
        "id": found.id,
        "label": found.label,
        "subject": found.subject,
        "date": found.session_date.isoformat() if found.session_date is not None else "",
        "modality": found.modality,
        "subject_id": found.subject_id,
        "project": found.project,
        "xsi_type": found.xsi_type,
    }


def scan_row(found: Scan) -> dict[str, object]:
    """A row of `scan list`."""
    return {
        "id": found.scan_id,
        "type": found.type,
        "series_description": found.series_description,
        "quality": found.quality,
        "frames": _number(found.frames),
        "note": found.note,
        "xsi_type": found.xsi_type,
    }


def resource_row(held: Resource) -> dict[str, object]:
    """A row of `resource list`."""
    return {
        "label": held.label,
        "format": held.format,
        "file_count": held.file_count,
        "file_size": held.file_size,
        "content": held.content,
    }


def project_row(found: Project) -> dict[str, object]:
    """A row of `project list`."""
    return {
        "id": found.id,
        "name": found.name,
        "pi": found.pi,
        "description": found.description,
        "secondary_id": found.secondary_id,
    }


def project_fields(found: Project) -> dict[str, object]:
    """`project show`, for programs."""
    return {**project_row(found), "subjects": found.subject_count or 0, "sessions": found.session_count or 0}


def project_blocks(found: Project) -> Iterator[Block]:
    """`project show`, for people."""
    yield Line(found.id, Tone.HEAD)
    for word, text in (
        ("name", found.name),
        ("running title", found.secondary_id),
        ("investigator", found.pi),
        ("description", found.description),
        ("subjects", _number(found.subject_count)),
        ("sessions", _number(found.session_count)),
    ):
        if text:
            yield Line(f"{word}: {text}", indent=2)


def session_fields(found: Session, scans: Sequence[Scan], resources: Sequence[Resource]) -> dict[str, object]:
    """`session show`, for programs."""
    return {
        **session_row(found),
        "scans": [scan_row(scan) for scan in scans],
        "resources": [resource_row(resource) for resource in resources],
    }


def session_blocks(found: Session, scans: Sequence[Scan], resources: Sequence[Resource]) -> Iterator[Block]:
    """`session show`, for people."""
    yield Line(found.label or found.id, Tone.HEAD)
    for word, text in (
        ("id", found.id),
        ("subject", found.subject or found.subject_id),
        ("project", found.project),
        ("date", session_row(found)["date"]),
        ("type", found.xsi_type),
    ):
        if text:
            yield Line(f"{word}: {text}", indent=2)
    yield Line(f"scans: {len(scans)}", indent=2)
    if scans:
        rows = [(scan.id, scan.type, scan.quality, scan.series_description) for scan in scans]
        yield Table(("id", "type", "quality", "series description"), rows, indent=4)
    yield Line(f"resources of the session: {len(resources)}", indent=2)
    if resources:
        yield Table(
            ("label", "format", "files", "size"),
            [
                (
                    held.label,
                    held.format,
                    _number(held.file_count),
                    "" if held.file_size is None else size(held.file_size),
                )
                for held in resources
            ],
            indent=4,
            right=frozenset({2, 3}),
        )


def _number(count: int | None) -> str:
    return "" if count is None else str(count)
