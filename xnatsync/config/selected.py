"""The keys of the selection that every kind of route has; what a kind has beyond them stands with the kind."""

from __future__ import annotations

from datetime import date
from typing import Any

from xnatsync.config.values import Part
from xnatsync.core.misread import Misread
from xnatsync.core.selection import KEYS, TIERS, Selection

NOT_OF_DROPS = {  # the keys that ask for what only a server knows, and what a drop route has instead
    "types": "the server gives a session its type when it archives it: select by `modalities`",
    "qualities": "a scan gets its quality on the server: select by `scan_types`, `scans` or `files`",
    "resources": "what is dropped has no resources yet: select by `files`, and see `other` for what is not DICOM",
    "levels": "what is dropped are scans, and no resources of anything else: see `other` for what is not DICOM",
}


class SelectionConfig(Part):
    """What a route takes, as far as every kind of route can ask it."""

    subjects: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    scans: tuple[str, ...] = ()
    scan_types: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def selection(self, today: date | None = None) -> Selection:
        """What the route takes; without a day, `last 30d` is still to be fixed by `Selection.on`."""
        return Selection.parse(levels=getattr(self, "levels", TIERS), today=today, **self._keys)

    @property
    def _keys(self) -> dict[str, Any]:
        return {key: getattr(self, key) for key in KEYS if key in type(self).model_fields}

    def _misread(self) -> list[tuple[str, str]]:
        """List keys whose words mean nothing: the key to change, and why."""
        found = []
        for key, texts in self._keys.items():
            try:
                Selection.parse(**{key: texts})
            except Misread as error:
                found.append((error.key, error.why))
        return found
