"""What we once wrote into a tree, known by digests in our own folder: a lost ledger makes nobody's edits of it.

The list is a help and no promise: it is not flushed, and where it is gone a file counts as one that nobody knows.
"""

from __future__ import annotations

import hashlib
import os
import threading
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from xnatsync.core.paths import OWN_FOLDER
from xnatsync.disk.handles import Spot, reach

WRITTEN = "written"
MAX = 64 << 20  # bytes, of nearly four million files; then the list begins anew
_DIGITS = 16  # of each digest of path and content, in hex
_ADDING = os.O_WRONLY | os.O_CREAT | os.O_APPEND


class Memory:
    """The lists of trees.  Any number of threads may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[Path, array[int]] = {}

    def add(self, root: Path, written: Iterable[tuple[str, bytes]]) -> None:
        """Add what was written at which path, by its SHA-256; what cannot be added is not remembered."""
        text = "".join(f"\n{_note(path, sha256)}" for path, sha256 in written)
        if not text:
            return
        with self._lock, suppress(OSError):
            place = reach(root, (OWN_FOLDER, WRITTEN))
            handle = place.open(_ADDING | (os.O_TRUNC if _is_long(place) else 0), 0o600)
            try:
                os.write(handle, text.encode())
            finally:
                os.close(handle)

    def holds(self, root: Path, path: str, sha256: bytes) -> bool:
        """Tell whether we wrote this at this path, in an earlier run or with an earlier ledger."""
        wanted = int(_note(path, sha256), 16)
        with self._lock:
            if root not in self._known:
                self._known[root] = _sorted(_read(root))
            known = self._known[root]
        at = bisect_left(known, wanted)
        return at < len(known) and known[at] == wanted


def _note(path: str, sha256: bytes) -> str:
    return hashlib.sha256(os.fsencode(path) + b"\0" + sha256).hexdigest()[:_DIGITS]


def _is_long(place: Spot) -> bool:
    return place.exists() and place.lstat().st_size > MAX


def _sorted(numbers: Iterator[int]) -> array[int]:
    found = array("Q", numbers)
    return array("Q", sorted(found))


def _read(root: Path) -> Iterator[int]:
    """Give what stands in the list; a line that a full disk or a power cut tore says nothing."""
    try:
        handle = reach(root, (OWN_FOLDER, WRITTEN)).open(os.O_RDONLY)
    except OSError:
        return
    with os.fdopen(handle, "rb") as file:
        for line in file:
            text = line.strip()
            if len(text) == _DIGITS:
                with suppress(ValueError):
                    yield int(text, 16)
