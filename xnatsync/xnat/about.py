"""What a server says of itself: its version and its clock.  For `doctor`; nothing the engine decides depends on it."""

from __future__ import annotations

import json
from datetime import UTC
from email.utils import parsedate_to_datetime

from xnatsync.core.remote import ServerAbout
from xnatsync.xnat import wire
from xnatsync.xnat.client import Client
from xnatsync.xnat.replies import Reply


def about(client: Client) -> ServerAbout:
    """Ask for the build information, which is open to everybody (hierarchy.md §2.3)."""
    reply = client.get(wire.build_info())
    return ServerAbout(_version(reply), _clock(reply))


def _version(reply: Reply) -> str:
    try:
        said = json.loads(reply.text)
    except (ValueError, RecursionError):
        return ""
    version = said.get("version") if isinstance(said, dict) else None
    return version if isinstance(version, str) and version.isprintable() else ""


def _clock(reply: Reply) -> float | None:
    """Read the `Date` header, which is in GMT whatever the server's own zone."""
    try:
        moment = parsedate_to_datetime(reply.headers.get("date", ""))
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError):  # no date, or none that a clock can show
        return None
