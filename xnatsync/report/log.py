"""The log: one JSON object a line, with codes and ids only.

What a path, a label or a server's words may contain is not ours to publish: a line names the item or unit by its
number, and `xnatsync why` tells the person the rest (S8).
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Protocol

from xnatsync.core.moment import stamp
from xnatsync.engine.progress import Failed, Happening, ItemAt, Noted, OwnerAt, UnitAt, Waiting
from xnatsync.ledger.rows import EventRow
from xnatsync.report import streams
from xnatsync.report.journal import Journal
from xnatsync.report.log_files import LogFile, RotatingFile, open_file

_WAIT_TOLD_S = 1.0
_PLAIN_DATA = (int, float, bool, type(None))


class Lines(Protocol):
    """Where lines go; never fails."""

    def write(self, text: str) -> int:
        """Write whole lines."""
        ...

    def flush(self) -> None:
        """Bring them out."""
        ...


Level = Literal["info", "warning", "error"]
_LEVELS = ("info", "warning", "error")

_CODE = re.compile(r"XS-[A-Z]{2,20}(-[A-Z]{2,20}){0,3}|xs-[0-9a-f]{32}")


class Log:
    """Write lines to a stream; `hear` is an observer of a run.  What is less grave than `level` is left out."""

    def __init__(self, stream: Lines, level: Level = "info") -> None:
        self._stream = stream
        self._least = _LEVELS.index(level)
        self._lock = threading.Lock()
        self._last: dict[tuple[str, int], tuple[str, str | None, str | None]] = {}

    def event(self, code: str, text: str, **data: object) -> None:
        """Write one event.  `text` stays in the diary of the ledger; of `data` only numbers and codes are written."""
        self._line({"code": code, **_safe(data)})

    def _noted(self, event: EventRow) -> None:
        """Write a line of the diary: its code, and the numbers of what it is about; `why` tells a person the rest."""
        data = json.loads(event.data) if event.data is not None else {}
        about = {"route": event.route, "run": event.run_id, "item": event.item_id, "unit": event.unit_id}
        known = {key: value for key, value in about.items() if value is not None}
        level: Level = event.level if event.level in _LEVELS else "info"  # type: ignore[assignment]
        self._line({**_safe(data), "code": event.code, "event": event.id, **known}, level)

    def bug(self, trace: str) -> None:
        """Write where our own mistake happened: the frames, and the class of the exception without its message."""
        lines = trace.splitlines()
        frames = [line.strip() for line in lines if line.startswith('  File "')]
        kind = lines[-1].partition(":")[0] if lines else ""
        self._line({"code": "XS-BUG", "exception": kind, "frames": frames}, "error")

    def hear(self, happening: Happening) -> None:
        """Write a line for each new phase or hold, each line of the diary, wait and failure: numbers and codes."""
        match happening:
            case ItemAt(item):
                self._moved("item", item.id, item.phase, item.hold, item.code)
            case UnitAt(unit):
                self._moved("unit", unit.id, unit.phase, unit.hold, unit.code)
            case OwnerAt(number):
                self._line({"code": "owner.step", "owner": number})
            case Waiting(seconds):  # why is in the words of servers, and stays in the ledger
                if seconds >= _WAIT_TOLD_S:
                    self._line({"code": "run.waiting", "seconds": round(seconds, 1)})
            case Noted(event):
                self._noted(event)
            case Failed(code, what):
                self.failed(code, what)
            case _:
                return  # too often for a log

    def failed(self, code: str, what: str) -> None:
        """Write the code of a failure, and what it concerns: a number, or a name of the configuration."""
        self._line({"code": code, "about": what}, "error")

    def began(self, command: str) -> None:
        """Note that a command began."""
        self._line({"code": "run.began", "command": command, "pid": os.getpid()})

    def ended(self, command: str, exit_code: int) -> None:
        """Note how it ended."""
        fields: dict[str, object] = {"code": "run.ended", "command": command, "exit_code": exit_code}
        self._line(fields, "error" if exit_code else "info")

    def _moved(self, kind: str, number: int, phase: str, hold: str | None, code: str | None) -> None:
        with self._lock:
            if self._last.get((kind, number)) == (phase, hold, code):
                return
            self._last[(kind, number)] = (phase, hold, code)
        fields: dict[str, object] = {"code": f"{kind}.{phase}", kind: number}
        if hold is not None:
            fields |= {"hold": hold, "cause": code}
        self._line(fields, "info" if hold is None else "warning")

    def _line(self, fields: dict[str, object], level: Level = "info") -> None:
        if _LEVELS.index(level) < self._least:
            return
        line = json.dumps({"at": stamp(datetime.now(UTC)), "level": level, **fields})
        with self._lock:
            self._stream.write(line + "\n")
            self._stream.flush()


@contextmanager
def open_log(file: Path | None, failed: Callable[[OSError], None] = lambda error: None) -> Iterator[Log]:
    """Open a log file for appending, or stderr when there is none; `failed` is told when it cannot be opened.

    The work goes on without a log then.
    """
    if file is None:
        yield Log(streams.stderr())
        return
    try:
        opened = LogFile(open_file(file))
    except OSError as error:
        failed(error)
        yield Log(streams.LossyStream(None))
        return
    try:
        yield Log(opened)
    finally:
        opened.close()


@contextmanager
def open_lasting_log(
    place: str, level: Level, size_max: int, keep: int, failed: Callable[[OSError], None] = lambda error: None
) -> Iterator[Log]:
    """Open what a service logs to: `journal`, `stderr`, or a file that is rotated.

    Where there is no journal, stderr takes its place; without a log the work goes on, and `failed` is told.
    """
    opened: RotatingFile | Journal | None = None
    try:
        if place == "journal":
            opened = Journal()
        elif place != "stderr":
            opened = RotatingFile(Path(place), size_max, keep)
    except OSError as error:
        failed(error)
    try:
        yield Log(opened or streams.stderr(), level)
    finally:
        if opened is not None:
            opened.close()


def _safe(data: Mapping[str, object]) -> dict[str, object]:
    """Keep numbers and codes of ours: what is text may hold what is not ours to publish."""
    return {key: value for key, value in data.items() if isinstance(value, _PLAIN_DATA) or _is_code(value)}


def _is_code(value: object) -> bool:
    """A code of ours (`XS-DISK-FULL`) or a request's name (`xs-` and 32 hex digits), and nothing behind it (S8)."""
    return isinstance(value, str) and _CODE.fullmatch(value) is not None
