"""What is said of somebody else's upload that is in the way of ours."""

from __future__ import annotations

from xnatsync.core.errors import PrearchiveOccupied
from xnatsync.core.remote import PrearchiveSeen, PrearchiveState


def occupied(row: PrearchiveSeen) -> PrearchiveOccupied:
    """Mostly time helps: whoever sent it archives it.  What is still being received is nobody's to delete."""
    advice = None
    if row.state is PrearchiveState.RECEIVING:
        advice = (
            "Wait until that upload has come to its end: this item goes on by itself once the row is archived. It must "
            "not be deleted while it is receiving."
        )
    return PrearchiveOccupied(
        f"{row.uri} ({row.status}) was uploaded by somebody else and is of this study", advice=advice
    )
