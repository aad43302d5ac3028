"""Faults on demand: answers and broken connections a test wants at exactly one place."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from xnatsync.sandbox.http.exchange import Request, Response

Kind = Literal["status", "login_page", "cut_request", "cut_response", "lost_reply", "delay", "body", "call"]


@dataclass(slots=True)
class Fault:
    """What goes wrong with requests of `method` ("ANY" for all) whose path and query match `path_regex` anywhere.

    The first `after` of them are spared, the next `times` suffer, later ones are spared again.
    """

    method: str
    path_regex: str
    kind: Kind
    times: int = 1
    after: int = 0
    status: int = 503  # of kind `status`
    headers: dict[str, str] = field(default_factory=dict)  # of kinds `status` and `body`, e.g. Retry-After
    body: str = ""  # of kinds `status` and `body`
    bytes: int = 0  # kind `cut_request`: how much of the body comes before; `cut_response`: 0 = half of the body
    seconds: float = 0.0  # of kind `delay`
    before: Callable[[Request], Response | None] | None = None  # of kind `call`; an answer ends the request
    after_call: Callable[[Request, Response], Response | None] | None = None  # of kind `call`; may replace the answer
    seen: int = 0
    hits: int = 0


class Faults:
    """The faults in force.

    A JSON file (a list of objects with Fault's plain fields) is looked at on each request, so that tests of real
    processes can inject them; a changed file replaces the faults it brought before.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._faults: list[Fault] = []
        self._loaded: list[Fault] = []
        self._file = file
        self._stamp: tuple[int, int] | None = None
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> Fault:
        """Put a fault in force; the same object later tells how often it was `seen` and `hits`."""
        if fault.kind not in get_args(Kind):
            raise ValueError(f"no such kind of fault: {fault.kind}")
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Lift all faults."""
        with self._lock:
            self._faults.clear()
            self._loaded.clear()

    def strike(self, method: str, target: str) -> list[Fault]:
        """Return the faults this request suffers, counting it."""
        with self._lock:
            self._reload()
            struck = []
            for fault in (*self._faults, *self._loaded):
                if fault.method not in {"ANY", method} or not re.search(fault.path_regex, target):
                    continue
                fault.seen += 1
                if fault.after < fault.seen <= fault.after + fault.times:
                    fault.hits += 1
                    struck.append(fault)
            return struck

    def _reload(self) -> None:
        if self._file is None:
            return
        try:
            found = self._file.stat()
            stamp = (found.st_mtime_ns, found.st_size)
            if stamp == self._stamp:
                return
            self._loaded = [Fault(**entry) for entry in json.loads(self._file.read_text("utf-8"))]
            self._stamp = stamp
        except FileNotFoundError:
            self._loaded, self._stamp = [], None
        except ValueError:
            return  # half-written: the next request sees the rest
