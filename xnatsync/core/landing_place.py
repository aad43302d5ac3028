"""Where an upload came out, which alone tells whether the server understood it (import.md §1.5, §1.6)."""

from __future__ import annotations

import re
from typing import Final

from xnatsync.core.errors import Misrouted, RequestRefused
from xnatsync.core.remote import ImportReply

_PREARCHIVE: Final = re.compile(r"/prearchive/projects/([^/]+)/[^/]+/[^/]+")


def landing_place(reply: ImportReply, project: str) -> str:
    """Return the one prearchive row that an upload for a project came out in; what is anything else is raised."""
    if not reply.uris:
        raise RequestRefused(
            "the server accepted an upload and kept nothing of it",
            advice="A series import filter or an anonymisation script of the server rejects it: correct that.",
        )
    for uri in reply.uris:
        found = _PREARCHIVE.fullmatch(uri)
        if found is None or found.group(1) != project:
            raise Misrouted(f"the upload for project {project} came out as {uri}")
    if len(reply.uris) > 1:
        raise Misrouted(f"one study came out in several places: {', '.join(reply.uris)}")
    return reply.uris[0]
