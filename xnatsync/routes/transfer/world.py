"""Everything a transfer works with, and what it counts while it works."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from xnatsync.engine.context import Context
from xnatsync.ports.transfer import TransferServer
from xnatsync.routes.transfer.limits import Lines
from xnatsync.routes.transfer.settings import TransferRoute


@dataclass(slots=True, kw_only=True)
class TransferWorld(Context):
    """The ports, the ledger and the routes of one run of transfers."""

    server: Callable[[str], TransferServer]
    routes: Mapping[str, TransferRoute]
    threads: bool = False  # the source is read ahead of the destination: the same requests, sooner
    lines: Lines = field(default_factory=Lines)
    counts: dict[str, Counter[str]] = field(default_factory=dict)  # by route
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, route: str, what: str, many: int = 1) -> None:
        """Count something that a route did: `created`, `changed`, `files`, `bytes`, `lost`…"""
        if many:
            with self.lock:
                self.counts.setdefault(route, Counter())[what] += many

    def counted(self, route: str) -> dict[str, int]:
        """Return what was counted of a route."""
        with self.lock:
            return dict(self.counts.get(route, {}))

    def note(self, route: str, code: str, text: str, level: str = "info", owner: int | None = None) -> None:
        """Write a line in the diary.  `text` names entities by number (`o7`), never by label (S8)."""
        data = {"owner": owner} if owner is not None else None
        self.diary.note(code, text, level=level, route=route, data=data)
