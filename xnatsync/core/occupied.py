"""What is said of somebody else's upload that is in the way of ours."""

from __future__ import annotations

from xnatsync.core.errors import PrearchiveOccupied, PrearchiveStuck
from xnatsync.core.remote import PrearchiveSeen, PrearchiveState

_OTHER_UID = "modification of session UID"  # as XNAT says it (import.md §2.6)
_LATE_PART = (
    "A script gave the archived part of this study another UID, and the server joins no later part of it then. In its "
    "prearchive page, archive this one into the existing session, with the choice that appends. Dropped again, it "
    "would end in the same way, unless the script leaves the Study Instance UID (0020,000D) alone."
)


def occupied(row: PrearchiveSeen) -> PrearchiveOccupied:
    """Mostly time helps: whoever sent it archives it.  What is still being received is nobody's to delete."""
    advice = None
    if row.state is PrearchiveState.RECEIVING:
        advice = (
            "Wait until that upload has come to its end: this item goes on by itself once the row is archived. It must "
            "not be deleted while it is receiving."
        )
    return PrearchiveOccupied(
        f"{row.uri} ({row.status}) was uploaded by another client and is of this study", advice=advice
    )


def stuck(row: PrearchiveSeen, log: str) -> PrearchiveStuck:
    """Make the error for our own row in CONFLICT or ERROR, with the advice that fits what the server says of it."""
    said = f": {log}" if log else ""
    return PrearchiveStuck(f"{row.uri} is in {row.status}{said}", advice=_LATE_PART if _OTHER_UID in log else None)
