"""Where in a folder a file lies, so that every disk can hold it: a name that some disk refuses is written otherwise.

The list of files says what a path stands for, so it may be anything; it keeps to the name where that is plain, for the
sake of people.  Two names that differ in letter case alone get two paths on every disk.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Final

from xnatsync.core.described import Part
from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey
from xnatsync.core.paths import HostileName, check_segment

_PLAIN: Final = re.compile(r"[A-Za-z0-9_+=,@-][A-Za-z0-9 ._+=,@()-]{0,99}")
_ODD: Final = re.compile(r"[^A-Za-z0-9_-]+")
_HINT_MAX: Final = 40  # letters of a name that stay readable in a path that was made for it
DOCUMENT: Final = "entity.json"
LISTING: Final = "files.jsonl"
MANIFEST: Final = "xnatsync-folder.json"


class Places:
    """Paths that are taken, so that no disk takes two of them for one."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        """Begin with the paths of files that lie there."""
        self._known: dict[str, tuple[str, bool]] = {}  # in lower case -> as it is, and whether it is a folder
        for path in taken:
            self._take(path)

    def place(self, above: str, names: Iterable[str]) -> str:
        """Return a path below a folder that is like these names, and is taken from now on."""
        parts = list(names)
        path = above
        for at, name in enumerate(parts):
            is_last = at == len(parts) - 1
            path = self._free(path, name, is_folder=not is_last)
        self._take(path)
        return path

    def _free(self, above: str, name: str, *, is_folder: bool) -> str:
        for number in range(1, 1_000_000):
            for spelled in (plain(name) if number == 1 else None, coded(name, number)):
                if spelled is None:
                    continue
                path = f"{above}/{spelled}" if above else spelled
                known = self._known.get(path.lower())
                if known is None or (is_folder and known == (path, True)):
                    return path
        raise AssertionError("no folder holds a million files of one name")

    def _take(self, path: str) -> None:
        self._known.setdefault(path.lower(), (path, False))
        while (cut := path.rfind("/")) > 0:
            path = path[:cut]
            if path.lower() in self._known:
                return
            self._known[path.lower()] = (path, True)


def plain(name: str) -> str | None:
    """Return a name that every disk takes as it is; None for any other."""
    if _PLAIN.fullmatch(name) is None:
        return None
    try:
        return check_segment(name, windows=True)
    except HostileName:
        return None


def coded(name: str, number: int) -> str:
    """Return what stands for a name that some disk would not take."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    again = f"-{number}" if number > 1 else ""
    return f"{_ODD.sub('_', name)[:_HINT_MAX]}~{digest}{again}"


def above_of(owner: Owner) -> tuple[str, ...]:
    """Return the names of the folder of an entity."""
    if owner.kind is OwnerKind.PROJECT:
        return ("project",)
    return ("subjects", owner.subject) if owner.kind is OwnerKind.SUBJECT else ("sessions", owner.session)


def names_of(key: ResourceKey, name: str) -> tuple[str, ...]:
    """Return the names of the way to a file within the folder of its entity."""
    part = Part.parse(key.scan)
    words = str(part).split("/") if part.kind is not None else []
    head = ("scans", *words) if len(words) == 1 else tuple(words) or ("own",)
    return (*head, key.label, *name.split("/"))
