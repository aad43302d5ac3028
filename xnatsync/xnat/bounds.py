"""How much of a zip may come: of each file what was listed, of what nobody asked for a stated amount."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from xnatsync.core.errors import ReplyStrange
from xnatsync.core.streams import SLACK_BYTES, UNKNOWN_MAX

UNASKED_BYTES: Final = 16 << 30  # scans of the same type, or files that were not selected, come along in a zip
UNASKED_FILES: Final = 200_000  # each is remembered until the directory at the end was read


@dataclass(slots=True)
class Allowance:
    """So many bytes may still come."""

    left: int
    what: str

    def take(self, size: int) -> None:
        """Count bytes; ReplyStrange when more come than may."""
        self.left -= size
        if self.left < 0:
            raise ReplyStrange(f"{self.what}: more came than the server listed")


class Bounds:
    """The bounds of one fetch, of one or several zips; without sizes every file may be as large as an unknown one."""

    def __init__(self, sizes: Mapping[Any, int | None] | None, what: str) -> None:
        self._sizes, self._what = sizes, what
        self._files_left = UNASKED_FILES + len(sizes or ())
        self._unasked = Allowance(max(UNASKED_BYTES, 4 * sum(size or 0 for size in (sizes or {}).values())), what)

    def of(self, place: Hashable | None, *, asked: bool = True) -> Allowance:
        """Return what may come of a member: of one that is listed its size, whether somebody asked for it or not."""
        self._files_left -= 1
        if self._files_left < 0:
            raise ReplyStrange(f"{self._what}: the zip holds more files than the server listed")
        if place is not None and asked and self._sizes is None:
            return Allowance(UNKNOWN_MAX, self._what)
        if place is None or self._sizes is None or place not in self._sizes:
            return self._unasked
        size = self._sizes[place]
        return Allowance(UNKNOWN_MAX if size is None else size + SLACK_BYTES, self._what)
