"""The log: one JSON object a line, with codes and ids only.

What a path, a label or a server's words may contain is not ours to publish: a line names the item or unit by its
number, and `xnatsync why` tells the person the rest (S8).
"""

from __future__ import annotations

import errno
import json
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from xnatsync.core.moment import stamp
from xnatsync.engine.progress import Failed, Happening, ItemAt, Noted, OwnerAt, UnitAt, Waiting
from xnatsync.ledger.rows import EventRow
from xnatsync.report import streams

_WAIT_TOLD_S = 1.0
_BEGIN = b'{"at": "2'  # of each line
_PLAIN_DATA = (int, float, bool, type(None))


class Lines(Protocol):
    """Where lines go; never fails."""

    def write(self, text: str) -> int:
        """Write whole lines."""
        ...

    def flush(self) -> None:
        """Bring them out."""
        ...


_CODE = re.compile(r"XS-[A-Z]{2,20}(-[A-Z]{2,20}){0,3}|xs-[0-9a-f]{32}")


class LogFile:
    """A file that lines are appended to.  A line that cannot be written is lost, and the next one is tried again."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._torn = False  # the last line is there in part

    def write(self, text: str) -> int:
        """Append lines at once, so that those of two processes do not mix."""
        data = ("\n" * self._torn + text).encode("utf-8", "backslashreplace")
        try:
            written = os.write(self._handle, data)
        except OSError:  # the disk is full: nobody stops working because nobody can say so
            return 0
        self._torn = 0 < written < len(data)
        return len(text)

    def flush(self) -> None:
        """Nothing is kept back."""


class Log:
    """Write lines to a stream; `hear` is an observer of a run."""

    def __init__(self, stream: Lines) -> None:
        self._stream = stream
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
        self._line({**_safe(data), "code": event.code, "event": event.id, "level": event.level, **known})

    def bug(self, trace: str) -> None:
        """Write where our own mistake happened: the frames, and the class of the exception without its message."""
        lines = trace.splitlines()
        frames = [line.strip() for line in lines if line.startswith('  File "')]
        kind = lines[-1].partition(":")[0] if lines else ""
        self._line({"code": "XS-BUG", "exception": kind, "frames": frames})

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
        self._line({"code": code, "about": what})

    def began(self, command: str) -> None:
        """Note that a command began."""
        self._line({"code": "run.began", "command": command, "pid": os.getpid()})

    def ended(self, command: str, exit_code: int) -> None:
        """Note how it ended."""
        self._line({"code": "run.ended", "command": command, "exit_code": exit_code})

    def _moved(self, kind: str, number: int, phase: str, hold: str | None, code: str | None) -> None:
        with self._lock:
            if self._last.get((kind, number)) == (phase, hold, code):
                return
            self._last[(kind, number)] = (phase, hold, code)
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
def open_log(file: Path | None, failed: Callable[[OSError], None] = lambda error: None) -> Iterator[Log]:
    """Open a log file for appending, or stderr when there is none; `failed` is told when it cannot be opened.

    The work goes on without a log then.
    """
    if file is None:
        yield Log(streams.stderr())
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _refuse_no_log(file)
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o600)
    except OSError as error:
        failed(error)
        yield Log(streams.LossyStream(None))
        return
    try:
        yield Log(LogFile(handle))
    finally:
        os.close(handle)


def _refuse_no_log(file: Path) -> None:
    """Raise FileExistsError when a plain file of somebody else's lies there: lines are added to a log of ours alone."""
    if not file.is_file() or not file.stat().st_size:
        return
    with file.open("rb") as stream:
        begin = stream.read(len(_BEGIN))
    if not _BEGIN.startswith(begin):  # a full disk may have cut the first line
        raise FileExistsError(errno.EEXIST, "it is no log of xnatsync, and nothing was added to it", str(file))


def _safe(data: Mapping[str, object]) -> dict[str, object]:
    """Keep numbers and codes of ours: what is text may hold what is not ours to publish."""
    return {key: value for key, value in data.items() if isinstance(value, _PLAIN_DATA) or _is_code(value)}


def _is_code(value: object) -> bool:
    """A code of ours (`XS-DISK-FULL`) or a request's name (`xs-` and 32 hex digits), and nothing behind it (S8)."""
    return isinstance(value, str) and _CODE.fullmatch(value) is not None
