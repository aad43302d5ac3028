"""What is said of somebody else's upload that is in the way of ours."""

from __future__ import annotations

import re
from collections.abc import Iterable

from xnatsync.core.drop_view import Wish
from xnatsync.core.errors import PrearchiveOccupied, PrearchiveStuck, SessionCollision, StudyElsewhere
from xnatsync.core.remote import PrearchiveSeen, PrearchiveState, SessionSeen

_OTHER_UID = "modification of session UID"  # as XNAT says it (import.md §2.6)
_TYPES = re.compile(r"is of type (\S+), not ")  # as it says that a session has another type
_SESSION = "SessionData"
_LATE_PART = (
    "A script gave the archived part of this study another UID, and the server joins no later part of it then. In its "
    "prearchive page, archive this one into the existing session, with the choice that appends. Dropped again, it "
    "would end in the same way, unless the script leaves the Study Instance UID (0020,000D) alone."
)
_BY_HAND = (
    "That session has no study UID: it may have been created by hand, before the scan. Rename it on the server, and "
    "this study gets its label. Or give the two different labels: change the `session` template of the route, or set "
    '`collision = "suffix"`.'
)
_NOT_A_SESSION = (
    "The label of this session is that of something on the server that is no imaging session. Rename that there, or "
    "change the `session` template of the route. Then dismiss the item with the option --prearchive, and drop it "
    "again: before that, it would end in the same way."
)
_SAME_NAMES = (
    'The session on the server has other objects under the same file names. Set `member_names = "uid"` for the route. '
    "Then dismiss the item with the option --prearchive, and drop it again: before that, it would end in the same way."
)
_SCRIPT = (
    "The anonymisation script of the server cannot be run on it. Have it corrected, and archive or rebuild this one in "
    "the server's prearchive page. Dropped again before that, it would end in the same way."
)


def _fits(state: PrearchiveState, log: str) -> str | None:
    """Return the advice for what the server says; None where no more is known than that it is stuck."""
    if _OTHER_UID in log:
        return _LATE_PART
    if (kinds := _TYPES.search(log)) is not None and not kinds[1].endswith(_SESSION):
        return _NOT_A_SESSION
    if "matching files" in log:
        return _SAME_NAMES
    return _SCRIPT if state is PrearchiveState.ERROR and "nonymiz" in log else None


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
    return PrearchiveStuck(f"{row.uri} is in {row.status}{said}", advice=_fits(row.state, log))


def label_taken(wish: Wish, sessions: Iterable[SessionSeen], what: str) -> SessionCollision:
    """Make the error for a label that is taken; a session without a study may have been made for this very one."""
    taken = [session for session in sessions if session.label == wish.session]
    by_hand = bool(taken) and not any(one.study_uid for one in taken)
    return SessionCollision(f"{wish.where} {what}", advice=_BY_HAND if by_hand else None)


def named_otherwise(wish: Wish, label: str) -> StudyElsewhere:
    """Say that a study has another session than the one that a person named: it is sent to neither."""
    return StudyElsewhere(
        f"the server already holds {wish.where} as session {label}, and it was to become another; nothing was sent",
        advice=f"Name session {label} to add what it lacks, or rename it on the server.",
    )
