"""Everything a transfer works with, and what it counts while it works."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace

from xnatsync.core.inventory import ResourceKey
from xnatsync.engine.context import Context
from xnatsync.ledger.tree_rows import DeedRow
from xnatsync.ports.transfer import TransferServer
from xnatsync.routes.transfer.errand import Cluster
from xnatsync.routes.transfer.limits import Lines
from xnatsync.routes.transfer.settings import TransferRoute


@dataclass(slots=True, kw_only=True)
class TransferWorld(Context):
    """The ports, the ledger and the routes of one run of transfers."""

    server: Callable[[str], TransferServer]
    routes: Mapping[str, TransferRoute]
    threads: bool = False  # the source is read ahead of the destination: the same requests, sooner
    lines: Lines = field(default_factory=Lines)
    cluster: Cluster | None = None  # what is changed at the destination is changed by workers on other machines
    looking: AbstractContextManager[object] = field(default_factory=nullcontext)  # so many look at the same time
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

    def latest_deed(
        self, route: TransferRoute, owner_id: int, key: ResourceKey, name: str, *, taken: bool = False
    ) -> DeedRow | None:
        """Return what was last done to something, or `taken`: and was not refused.

        It is quiet for the route's `quiet` at most.  A longer rest was written down by a clock that was ahead: it
        begins now, once.
        """
        find = self.ledger.latest_taken if taken else self.ledger.latest_deed
        deed = find(owner_id, key, name)
        longest = self.in_seconds(route.quiet_s)
        if deed is None or deed.outcome in {None, "ok"} or deed.quiet_at <= longest:
            return deed
        self.ledger.shorten_deed(deed.id, longest)
        return replace(deed, quiet_at=longest)

    def note(self, route: str, code: str, text: str, level: str = "info", owner: int | None = None) -> None:
        """Write a line in the diary.  `text` names entities by number (`o7`), never by label (S8)."""
        data = {"owner": owner} if owner is not None else None
        self.diary.note(code, text, level=level, route=route, data=data)
