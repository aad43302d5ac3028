"""The scans of a session."""

from __future__ import annotations

import re

from xnatsync.core.nouns import ScanHeld
from xnatsync.xnat import listing, names, replies, wire
from xnatsync.xnat.client import Client


def listed(client: Client, session_id: str) -> tuple[ScanHeld, ...]:
    """List them as a person counts; NotThere when the session is not to be seen (hierarchy.md §3.2, §3.8)."""
    call = wire.held_scans(session_id)
    held = [
        ScanHeld(
            id=names.shown(row["ID"]),
            type=names.shown(row["type"]),
            series_description=names.shown(row.get("series_description")),
            quality=names.shown(row.get("quality")),
            frames=names.shown(row.get("frames")),
            note=names.words(str(row.get("note") or "")),
            xsi_type=names.shown(row.get("xsiType")),
        )
        for row in replies.rows(listing.of_session(client, session_id, call), ("ID", "type"))
    ]
    return tuple(sorted(held, key=lambda scan: natural(scan.id)))


def natural(scan_id: str) -> tuple[tuple[int, str], ...]:
    """The order in which a person counts: 2 before 10, 10 before 10-MR1."""
    return tuple((int(part), "") if part.isdigit() else (0, part) for part in re.split(r"([0-9]+)", scan_id))
