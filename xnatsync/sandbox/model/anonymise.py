"""Anonymisation of received objects by DicomEdit scripts (import.md §2.9).

Most scripts name a few standard elements: they change the head and nothing else is read or touched.  A script that goes
into sequences, private blocks or the pixels works on the whole object, which is held in memory for it.
A script that is not understood fails for every object.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from xnatsync.sandbox.dicomedit.functions import WHOLE_FUNCTIONS
from xnatsync.sandbox.dicomedit.parse import parsed
from xnatsync.sandbox.dicomedit.run import run
from xnatsync.sandbox.dicomedit.syntax import (
    Assign,
    Call,
    Listed,
    Name,
    Path,
    RejectedError,
    Remove,
    Script,
    ScriptError,
    parts,
)
from xnatsync.sandbox.model import dicomrecord
from xnatsync.sandbox.model.dicomhead import Head
from xnatsync.sandbox.model.dicomrewrite import Changes, vr_of
from xnatsync.sandbox.model.dicomstream import Opened
from xnatsync.sandbox.model.wholeobject import edited

__all__ = ["Names", "RejectedError", "ScriptError", "apply", "reach"]

DEFAULT_SITE_SCRIPT: Final = """//
// Default XNAT anonymization script
//
version "6.1"
project != "Unassigned" ? (0008,1030) := project
(0010,0010) := subject
(0010,0020) := session
"""

DEFAULT_PROJECT_SCRIPT: Final = 'version "6.1"\n(0010,0010) := subject\n(0010,0020) := session\n'

WHOLE: Final = 1 << 32  # beyond every tag
_PIXELS: Final = 0x7FE00000
_IDENTITY: Final = frozenset({0x00080016, 0x00080018})  # the file meta information repeats them
_TEXTS: Final = frozenset(b"AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UR UT".split())


@dataclass(frozen=True, slots=True)
class Names:
    """What a script may say of an object's destination."""

    project: str
    subject: str
    session: str


def apply(script: str, item: Opened, names: Names, script_id: str) -> tuple[Opened, Changes]:
    """Run a script on an object: return the object, and what is still to be changed in its head.

    An item in (0012,0064) says which script ran.  Raises RejectedError or ScriptError.
    """
    understood = parsed(script)
    bound = {"project": names.project, "subject": names.subject, "session": names.session}
    changes: dict[int, str | bytes | None] = {}
    if reach(script) == WHOLE:
        item = edited(understood, item, bound)
    else:
        target = _HeadTarget(item.head)
        run(understood, target, bound)
        changes |= target.changes()
    changes[dicomrecord.TAG] = dicomrecord.element(item.head, script_id, 4 if understood.legacy else 6)
    return item, changes


@functools.lru_cache(maxsize=128)
def reach(script: str) -> int:
    """Return the tag up to which an object's head must be read for a script; WHOLE for all of it.

    The script is walked once, not for each object that it runs on.
    """
    understood = parsed(script)
    if not _simple(understood):
        return WHOLE
    tags = [part.simple_tag or 0 for part in parts(understood) if isinstance(part, Path)]
    return max(tags, default=0) + 1


def _simple(script: Script) -> bool:
    """Tell whether a script only sets, removes and reads texts of standard elements at the top level."""
    for part in parts(script):
        if isinstance(part, Listed) or (isinstance(part, Call) and part.name in WHOLE_FUNCTIONS):
            return False
        if isinstance(part, Path) and not _in_head(part.simple_tag):
            return False
        if isinstance(part, Assign) and not isinstance(part.target, Name):
            tag = part.target.simple_tag
            if tag is None or tag in _IDENTITY or vr_of(tag) not in _TEXTS:
                return False
        if isinstance(part, Remove) and part.path.simple_tag in _IDENTITY:
            return False
    return True


def _in_head(tag: int | None) -> bool:
    return tag is not None and 0x00080000 <= tag < _PIXELS and tag != dicomrecord.TAG


class _HeadTarget:
    """An object of which only the head is read; its texts are changed when it is written."""

    def __init__(self, head: Head) -> None:
        self._head = head
        self._new: dict[int, str | None] = {}

    def text(self, path: Path) -> str | None:
        """Return an element's text."""
        tag = path.simple_tag or 0
        if tag in self._new:
            return self._new[tag]
        return self._head.text(tag) if tag in self._head.spans else None

    def assign(self, path: Path, text: str, *, existing: bool) -> None:
        """Note a new text."""
        if not existing or self.text(path) is not None:
            self._new[path.simple_tag or 0] = text

    def remove(self, path: Path) -> None:
        """Note a removal."""
        self._new[path.simple_tag or 0] = None

    def call(self, name: str, arguments: Sequence[Path | str]) -> list[str]:
        """Refuse: a script with such a function works on the whole object."""
        raise ScriptError(f"{name} needs the whole object")

    def changes(self) -> dict[int, str | bytes | None]:
        """Return what differs from the object as it came."""
        head = self._head
        return {
            tag: new
            for tag, new in self._new.items()
            if (tag in head.spans if new is None else tag not in head.spans or new != head.text(tag))
        }
