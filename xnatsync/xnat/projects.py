"""The projects that an account can read."""

from __future__ import annotations

from xnatsync.core.nouns import ProjectHeld
from xnatsync.xnat import names, replies, wire
from xnatsync.xnat.client import Client


def listed(client: Client) -> tuple[ProjectHeld, ...]:
    """List them in the order of their IDs (hierarchy.md §3.2)."""
    call = wire.projects()
    rows = replies.rows(client.get(call), ("ID", "secondary_ID", "name", "description", "pi_lastname"))
    held = [
        ProjectHeld(
            id=names.shown(row["ID"]),
            name=names.shown(row["name"]),
            secondary_id=names.shown(row["secondary_ID"]),
            pi=names.shown(row["pi_lastname"]),
            description=names.words(str(row["description"] or "")),
        )
        for row in rows
    ]
    return tuple(sorted(held, key=lambda project: project.id))


def one(client: Client, project_id: str) -> ProjectHeld:
    """Look one up by ID or alias; NotThere when it is absent or hidden."""
    call = wire.project(project_id)
    fields = replies.item_fields(client.get(call))
    return ProjectHeld(
        id=names.segment(fields.get("ID"), call.what),
        name=names.text(fields.get("name"), call.what),
        secondary_id=names.text(fields.get("secondary_ID"), call.what),
        pi=names.text(fields.get("pi/lastname", fields.get("PI/lastname")), call.what),
        description=names.words(str(fields.get("description") or "")),
    )
