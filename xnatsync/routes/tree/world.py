"""Everything a mirror works with, and what it counts while it works."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from xnatsync.engine.context import Context
from xnatsync.ports.tree import Archive, TreeDisk
from xnatsync.routes.tree.mirror_settings import MirrorRoute
from xnatsync.routes.tree.push_settings import PushRoute


@dataclass(slots=True)
class Tally:
    """What one route's run did, counted from many threads."""

    counts: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, what: str, many: int = 1) -> None:
        """Count something: `new`, `restored`, `replaced`, `adopted`, `renamed`, `removed`, `bytes`…"""
        if many:
            with self.lock:
                self.counts[what] = self.counts.get(what, 0) + many

    def __getitem__(self, what: str) -> int:
        """Return a count, 0 when nothing was counted."""
        return self.counts.get(what, 0)


@dataclass(slots=True, kw_only=True)
class TreeWorld(Context):
    """The ports, the ledger and the routes of one run of mirrors."""

    disk: TreeDisk
    archive: Callable[[str], Archive]
    routes: Mapping[str, MirrorRoute | PushRoute]
    folders: Mapping[str, Path] = field(default_factory=dict)  # of every configured route that keeps files in a tree
    tallies: dict[str, Tally] = field(default_factory=dict)
    threads: bool = False  # several files of an owner at a time: the same ones in the same order, sooner

    def tally(self, route: str) -> Tally:
        """What a route did so far."""
        return self.tallies.setdefault(route, Tally())

    def note(self, route: str, code: str, text: str, level: str = "info", owner: int | None = None) -> None:
        """Write a line in the diary.  `text` names owners by number (`o7`), never by label or path (S8)."""
        data = {"owner": owner} if owner is not None else None
        self.diary.note(code, text, level=level, route=route, data=data)
