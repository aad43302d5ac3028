"""Copies of local edits: what a person changed in a tree while the server changed it too is kept beside the file.

The name tells the content, so that a copy that was made before a crash is known when it is to be made again; it is put
behind everything, so that no program takes the copy for the data.
"""

from __future__ import annotations

import re
from typing import Final

from xnatsync.core.paths import SEGMENT_MAX

_MARK: Final = ".xnatsync-conflict-"
_SHAPE: Final = re.compile(re.escape(_MARK) + r"[0-9a-f]{16}")


def conflict_path(path: str, sha256: bytes) -> str:
    """Return the path of the copy of what lies at a path and has this digest."""
    folder, slash, name = path.rpartition("/")
    ending = f"{_MARK}{sha256.hex()[:16]}"
    while len(f"{name}{ending}".encode()) > SEGMENT_MAX:
        name = name[:-1]
    return f"{folder}{slash}{name}{ending}"


def is_conflict_copy(path: str) -> bool:
    """Return whether a path is that of a copy; one is never sent anywhere and never fetched over."""
    return _SHAPE.search(path, max(0, len(path) - len(_MARK) - 16)) is not None and bool(
        _SHAPE.fullmatch(path[-len(_MARK) - 16 :])
    )
