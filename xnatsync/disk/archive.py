"""Reads zip and tar archives member by member, straight from the packed bytes, and trusts none of them.

Nothing is ever unpacked to the disk, so a wicked name cannot reach it; it is refused all the same, because names become
keys and, later, somebody's files.  A damaged archive is refused as a whole, naming member and reason: what cannot be
read cannot be listed, and what is not listed would be lost silently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from xnatsync.core.errors import SourceDamaged
from xnatsync.disk.spelling import shown

MAX_MEMBERS = 1_000_000
MAX_RATIO = 200  # unpacked to packed bytes, of the whole archive: images reach 3, empty segmentations perhaps 50
ALLOWANCE = 256 << 20  # bytes that are never too much, however well they were packed
MAX_NAME = 4096  # characters: no system has a longer path
UNPACK = "Unpack it, see that everything came out, and drop the folder."
_SAID = 120  # characters of a name, or of what a library says, in a message


@dataclass(frozen=True, slots=True)
class Part:
    """One file of an item.  `open` gives its content in pieces, once, before the next part is asked for."""

    path: str
    size: int
    mtime_ns: int
    open: Callable[[], Iterator[bytes]]


Kind = Literal["zip", "tar"]


def members(path: Path, name: str, kind: Kind) -> Iterator[Part]:
    """List an archive's files in the order in which they lie in it; SourceDamaged as soon as something is wrong.

    `name` is what the archive is called in messages.  The list is complete only when it was read to its end.
    """
    from xnatsync.disk.tars import tar_members
    from xnatsync.disk.zips import zip_members

    guard = Guard(name, path.stat().st_size)
    return zip_members(path, guard) if kind == "zip" else tar_members(path, guard)


@dataclass(slots=True)
class Guard:
    """Watches over one archive: its members' names and the bytes that come out of it."""

    archive: str
    packed_bytes: int
    _unpacked_bytes: int = 0
    _names: dict[str, int] = field(default_factory=dict)  # how many members have had that name

    def damaged(self, member: str, reason: str) -> SourceDamaged:
        """Make the error for what is not whole: and why; unpacked, some of it would be lost."""
        return self.closed(member, reason, None)

    def closed(self, member: str, reason: str, advice: str | None = UNPACK) -> SourceDamaged:
        """Make the error for what may be whole, and is not opened here."""
        where = f"{self.archive}: {_short(shown(member))!r}" if member else self.archive
        return SourceDamaged(f"{where}: {_short(reason, 3 * _SAID)}", advice=advice)

    def admit(self, member: str) -> str:
        """Check a member's name and give the path it is known by: relative, POSIX, storable, and never twice.

        What tells members apart is their place in the archive: a second one of a name is another file, and is known by
        its number among them, the same each time.
        """
        path = self._safe(member)
        number = self._names.get(path, 0) + 1
        self._names[path] = number
        place = PurePosixPath(path)
        while number > 1 and (numbered := (place.parent / f"{place.stem} ({number}){place.suffix}").as_posix()):
            if numbered not in self._names:
                self._names[path], self._names[numbered] = number, 1
                path = numbered
                break
            number += 1
        if len(self._names) > MAX_MEMBERS:
            raise self.closed("", f"it holds more than {MAX_MEMBERS} files")
        return path

    def count(self, member: str, unpacked_bytes: int) -> None:
        """Count bytes that came, or will come, out of the archive; refuse what can only be a bomb."""
        self._unpacked_bytes += unpacked_bytes
        if self._unpacked_bytes > self.packed_bytes * MAX_RATIO + ALLOWANCE:
            raise self.closed(member, f"it unpacks to more than {MAX_RATIO} times its size")

    def _safe(self, member: str) -> str:
        """Old Windows tools write backslashes, so both slashes part folders."""
        if "\0" in member:
            raise self.closed(member, "its name holds a zero byte")
        if len(member) > MAX_NAME:
            raise self.closed(member, f"its name is longer than {MAX_NAME} characters")
        steps = member.replace("\\", "/").split("/")
        if steps[0] == "" or (len(steps[0]) > 1 and steps[0][1] == ":"):
            raise self.closed(member, "its name is absolute")
        kept = [step for step in steps if step not in {"", "."}]
        if ".." in kept:
            raise self.closed(member, "its name leads out of the archive")
        if not kept:
            raise self.closed(member, "it has no name")
        return shown("/".join(kept))


def _short(text: str, most: int = _SAID) -> str:
    """Leave out the middle of what is too long to be read: a name in an archive may have a megabyte."""
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-most // 2 :]}"
