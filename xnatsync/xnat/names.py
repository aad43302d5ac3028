"""Names a server supplied are hostile until looked at: they become paths, keys and parts of later requests.

A name that is too long, holds a control character, climbs with `..` or starts at a root is refused as ReplyStrange, so
that nothing behind this module has to think of it again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from xnatsync.core.errors import ReplyStrange

SEGMENT_MAX: Final = 256
PATH_MAX: Final = 4096
WORDS_MAX: Final = 300

_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_UID: Final = re.compile(r"[0-2](?:\.(?:0|[1-9][0-9]*)){2,}")
_PREARCHIVE: Final = re.compile(r"(?:/data|/REST)?(/prearchive/projects/([^/]+)/([0-9A-Za-z_.-]{1,64})/([^/]+))/?")
_ARCHIVE: Final = re.compile(
    r"(?:/data|/REST)?(/archive/(?:projects/([^/]+)/subjects/([^/]+)/)?experiments/([^/]+))/?",
)
_DIRECT: Final = re.compile(r"/xapi/direct-archive/([^/]+)/([^/]+)/([^/]+)")


@dataclass(frozen=True, slots=True)
class Lacking:
    """Stands where an entry of a listing lacks a column: no text, and nothing to show."""

    column: str

    def __str__(self) -> str:
        """Return nothing."""
        return ""


def text(value: object, what: str, *, longest: int = PATH_MAX) -> str:
    """Return a value as plain text without control characters; numbers are written out, null is empty."""
    if value is None:
        return ""
    if isinstance(value, Lacking):
        raise ReplyStrange(f"{what}: an entry lacks the column {value.column}")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ReplyStrange(f"{what}: the server sent something that is not text")
    written = str(value)
    if len(written) > longest:
        raise ReplyStrange(f"{what}: the server sent a text of {len(written)} characters")
    if _CONTROL.search(written):
        raise ReplyStrange(f"{what}: the server sent a text with control characters")
    return written


def shown(value: object) -> str:
    """Return a value as text that harms nobody: control characters are quoted by number, what is too long is cut.

    For what is shown or compared and never becomes an address: one odd label must not hide all the others.
    """
    written = "" if value is None else value if isinstance(value, str) else str(value)
    quoted = _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", written[:PATH_MAX])
    return quoted if len(quoted) < PATH_MAX else quoted[: PATH_MAX - 1] + "…"


def said(value: object) -> str:
    """Return what a person wrote as one line that harms nobody: its ends of lines are blanks."""
    return shown(" ".join(value.split()) if isinstance(value, str) else value)


def segment(value: object, what: str) -> str:
    """Return a name that is one part of a path: a label, an ID, a scan, a resource."""
    name = text(value, what, longest=SEGMENT_MAX)
    if not name or name in {".", ".."} or "/" in name or "\\" in name:
        raise ReplyStrange(f"{what}: the server sent a name that cannot be one")
    return name


def relative_path(value: object, what: str) -> str:
    """Return the path of a file below its resource: never absolute, never climbing."""
    path = text(value, what)
    parts = path.split("/")
    if any(part in {"", ".", ".."} or len(part) > SEGMENT_MAX for part in parts) or "\\" in path or _drive(parts[0]):
        raise ReplyStrange(f"{what}: the server sent a file name that is not a relative path")
    return path


def is_uid(name: str) -> bool:
    """Return whether this is a DICOM unique identifier (of three parts at least, so that `1.dcm` is none)."""
    return len(name) <= 64 and _UID.fullmatch(name) is not None


def sop_uid_of(file_name: str) -> str:
    """Return the SOP Instance UID that a name of ours tells (`{UID}.dcm`), "" when the name tells none."""
    stem = file_name.removesuffix(".dcm")
    return stem if stem != file_name and is_uid(stem) else ""


def prearchive_uri(value: object, what: str) -> str | None:
    """Return a prearchive URI as `/prearchive/projects/P/TIME/FOLDER`; None when it is of another kind."""
    return _uri(_PREARCHIVE, value, what)


def archive_uri(value: object, what: str) -> str | None:
    """Return an archive URI as `/archive/projects/P/subjects/S/experiments/E`; None when it is of another kind."""
    return _uri(_ARCHIVE, value, what)


def destination(value: object, what: str) -> str:
    """Return one of the places the import service names (import.md §1.5); ReplyStrange when it names anything else."""
    found = prearchive_uri(value, what) or archive_uri(value, what)
    if found is None and (direct := _DIRECT.fullmatch(text(value, what))) is not None:
        for part in direct.groups():
            segment(part, what)
        found = direct.group(0)
    if found is None:
        raise ReplyStrange(f"{what}: the server named a place that is neither in the prearchive nor in the archive")
    return found


def words(said: str) -> str:
    """Make a server's words fit for a message: one line, bounded, without control characters."""
    line = " ".join(_CONTROL.sub(" ", said).split())
    return line if len(line) <= WORDS_MAX else line[: WORDS_MAX - 1] + "…"


def _uri(shape: re.Pattern[str], value: object, what: str) -> str | None:
    found = shape.fullmatch(text(value, what))
    if found is None:
        return None
    for part in found.groups()[1:]:
        if part is not None:
            segment(part, what)
    return found.group(1)


def _drive(part: str) -> bool:
    return len(part) >= 2 and part[1] == ":"
