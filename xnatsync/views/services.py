"""Subjects, scans and custom variables as services return them, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xnatsync.core.wording import size
from xnatsync.views.blocks import Block, Line, Table, Tone

if TYPE_CHECKING:
    from xnatsync.services.models import Scan, Subject


def subject_fields(
    found: Subject, experiments: Sequence[Mapping[str, Any]], custom: Mapping[str, str]
) -> dict[str, object]:
    """`subject show`, for programs."""
    return {
        "id": found.id,
        "label": found.label,
        "project": found.project,
        "group": found.group,
        "gender": found.gender,
        "yob": found.yob,
        "sessions": found.session_count or 0,
        "experiments": [
            {"id": row["ID"], "label": row["label"], "project": row["project"], "xsi_type": row["xsiType"]}
            for row in experiments
        ],
        "variables": dict(custom),
    }


def subject_blocks(
    found: Subject, experiments: Sequence[Mapping[str, Any]], custom: Mapping[str, str]
) -> Iterator[Block]:
    """`subject show`, for people."""
    yield Line(found.label, Tone.HEAD)
    told = (("id", found.id), ("project", found.project), ("group", found.group), ("gender", found.gender))
    for word, text in (*told, ("year of birth", str(found.yob) if found.yob is not None else None)):
        if text:
            yield Line(f"{word}: {text}", indent=2)
    yield Line(f"experiments: {len(experiments)}", indent=2)
    if experiments:
        rows = [(str(row["ID"]), str(row["label"]), str(row["project"]), str(row["xsiType"])) for row in experiments]
        yield Table(("id", "label", "project", "type"), rows, indent=4)
    yield from _variables(custom, indent=2)


def scan_fields(found: Scan, session: str, resources: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    """`scan show`, for programs."""
    return {
        "session": session,
        "id": found.scan_id,
        "type": found.type,
        "series_description": found.series_description,
        "quality": found.quality,
        "note": found.note,
        "frames": found.frames,
        "xsi_type": found.xsi_type,
        "uid": found.uid,
        "file_count": found.file_count,
        "file_size": found.file_size,
        "resources": [str(row["label"]) for row in resources],
    }


def scan_blocks(found: Scan, resources: Sequence[Mapping[str, Any]]) -> Iterator[Block]:
    """`scan show`, for people."""
    yield Line(f"scan {found.scan_id}", Tone.HEAD)
    for word, text in (
        ("type", found.type),
        ("series description", found.series_description),
        ("quality", found.quality),
        ("note", found.note),
        ("frames", "" if found.frames is None else str(found.frames)),
        ("resources", ", ".join(str(row["label"]) for row in resources)),
        ("files", "" if found.file_count is None else str(found.file_count)),
        ("size", "" if found.file_size is None else size(found.file_size)),
    ):
        if text:
            yield Line(f"{word}: {text}", indent=2)


def variables_fields(
    item_id: str, label: str, shown: Mapping[str, str], wanted: Mapping[str, str], *, dry_run: bool
) -> dict[str, object]:
    """Custom variables, for programs."""
    return {"id": item_id, "label": label, "variables": dict(shown), "set": dict(wanted), "dry_run": dry_run}


def variables_blocks(shown: Mapping[str, str], wanted: Mapping[str, str], *, dry_run: bool) -> Iterator[Block]:
    """Custom variables, for people."""
    yield from _variables(shown, indent=0)
    for name, text in wanted.items():
        yield Line(f"{'to be set' if dry_run else 'set'}: {name} = {text}", Tone.PLAIN if dry_run else Tone.GOOD)
    if not shown and not wanted:
        yield Line("no custom variables", Tone.DIM)


def _variables(shown: Mapping[str, str], indent: int) -> Iterator[Block]:
    if shown:
        yield Table(("variable", "value"), sorted(shown.items()), indent=indent)
