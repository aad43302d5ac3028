"""Where the objects of a study have arrived, whichever project they were routed to (import.md §2.1, §4.6, §5)."""

from __future__ import annotations

import re
from typing import Final

from xnatsync.core.remote import PrearchiveSeen, SessionSeen
from xnatsync.xnat import prearchive, replies, wire
from xnatsync.xnat.client import Client
from xnatsync.xnat.wire import Call

_COLUMNS: Final = "ID,label,project,subject_label,xsiType,UID"
_NAMED: Final = re.compile(r"-([0-9a-z]{1,7})\.dcm")
_WORD: Final = 0xFFFFFFFF
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


def rows_of_study(client: Client, study_uid: str, project: str | None = None) -> tuple[PrearchiveSeen, ...]:
    """List the prearchive rows of a study: of one project, or of all that this account may edit (§2.1)."""
    listed = prearchive.rows(client, project) if project else replies.prearchive(client.get(_everywhere()))
    return tuple(row for row in listed if row.study_uid == study_uid)


def sessions_of_study(client: Client, study_uid: str) -> tuple[SessionSeen, ...]:
    """List the sessions of the archive that are of a study, in all projects that this account may read."""
    listed = replies.sessions(client.get(_experiments(study_uid)), "", study_uid=study_uid)
    return tuple(seen for seen in listed if seen.study_uid == study_uid)


def mark_of(sop_class: str, sop_uid: str) -> str:
    """Return the part of a file's name by which the default template tells an object from others (§4.6)."""
    number, digits = (37 * _java_hash(sop_class) + _java_hash(sop_uid)) & _WORD, ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits or "0"


def mark_in(name: str) -> str:
    """Return that part of a name; "" when the name is not of the template."""
    found = _NAMED.search(name.rsplit("/", 1)[-1])
    return found[1] if found is not None and found.end() == len(name.rsplit("/", 1)[-1]) else ""


def _java_hash(text: str) -> int:
    value = 0
    for character in text:
        value = (31 * value + ord(character)) & _WORD
    return value


def _everywhere() -> Call:
    return wire.read("/data/prearchive/projects", "listing the prearchive of all projects")


def _experiments(study_uid: str) -> Call:
    query = (("xsiType", "xnat:imageSessionData"), ("columns", _COLUMNS), ("UID", study_uid))
    return wire.read("/data/experiments", "listing the sessions of a study", *query)
