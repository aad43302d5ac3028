"""The subjects of a project."""

from __future__ import annotations

from xnatsync.core.nouns import SubjectHeld
from xnatsync.xnat import names, replies, wire
from xnatsync.xnat.client import Client


def listed(client: Client, project_id: str) -> tuple[SubjectHeld, ...]:
    """List them by label, with those shared into the project (hierarchy.md §3.2); NotThere when it is hidden."""
    call = wire.subjects(project_id)
    rows = replies.rows(client.get(call), ("ID", "label"))
    held = [SubjectHeld(names.shown(row["ID"]), names.shown(row["label"]) or str(row["ID"])) for row in rows]
    return tuple(sorted(held, key=lambda subject: (subject.label, subject.id)))
