"""The log: one JSON object a line, with codes and ids only.

What a path, a label or a server's words may contain is not ours to publish: a line names the item or unit by its
number, and `xnatsync why` tells the person the rest (S8).
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from xnatsync.core.moment import stamp
from xnatsync.ledger.rows import ItemRow, UnitRow

_PLAIN_DATA = (int, float, bool, type(None))


class Log:
    """Writes lines to a stream.  Is a `Notify`, and a `Progress` that notes each change of phase or hold."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._last: dict[tuple[str, int], tuple[str, str | None]] = {}

    def event(self, code: str, text: str, **data: object) -> None:
        """Writes one event.  `text` stays in the diary of the ledger; of `data` only numbers and codes are written."""
        safe = {key: value for key, value in data.items() if isinstance(value, _PLAIN_DATA) or _is_code(value)}
        self._line({"code": code, **safe})

    def bug(self, trace: str) -> None:
        """Writes where our own mistake happened: the frames, and the class of the exception without its message."""
        lines = trace.splitlines()
        frames = [line.strip() for line in lines if line.startswith('  File "')]
        kind = lines[-1].partition(":")[0] if lines else ""
        self._line({"code": "XS-BUG", "exception": kind, "frames": frames})

    def item(self, item: ItemRow, note: str) -> None:
        """Notes a new phase or hold."""
        self._moved("item", item.id, item.phase, item.hold, item.code)

    def unit(self, unit: UnitRow, note: str) -> None:
        """Notes a new phase or hold."""
        self._moved("unit", unit.id, unit.phase, unit.hold, unit.code)

    def read(self, item_id: int, files: int, size_bytes: int) -> None:
        """Too often for a log."""

    def sent(self, unit_id: int, size_bytes: int) -> None:
        """Too often for a log."""

    def fetched(self, unit_id: int, size_bytes: int) -> None:
        """Too often for a log."""

    def owner(self, owner_id: int, name: str, note: str) -> None:
        """Notes that an owner of a mirror is at work: its number, never its name."""
        self._line({"code": "owner.step", "owner": owner_id})

    def goal(self, size_bytes: int) -> None:
        """Too often for a log."""

    def _moved(self, kind: str, number: int, phase: str, hold: str | None, code: str | None) -> None:
        with self._lock:
            if self._last.get((kind, number)) == (phase, hold):
                return
            self._last[(kind, number)] = (phase, hold)
        fields: dict[str, object] = {"code": f"{kind}.{phase}", kind: number}
        if hold is not None:
            fields |= {"hold": hold, "cause": code}
        self._line(fields)

    def _line(self, fields: dict[str, object]) -> None:
        line = json.dumps({"at": stamp(datetime.now(UTC)), **fields})
        with self._lock:
            self._stream.write(line + "\n")
            self._stream.flush()


@contextmanager
def open_log(file: Path | None) -> Iterator[Log]:
    """Opens a log file for appending, or stderr when there is none."""
    if file is None:
        yield Log(sys.stderr)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as stream:
        yield Log(stream)


def _is_code(value: object) -> bool:
    """A code is short and made of letters, digits and `.-_` alone; labels and paths do not come this way."""
    return isinstance(value, str) and value.startswith(("XS-", "xs-"))
