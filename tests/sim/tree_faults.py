"""What goes wrong in mirrors and pushes: the draws of `faults`, for the kinds that archives and trees can meet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from sim import faults
from sim.faults import Faults
from sim.places import Cell

READS = ("inventory", "owner_files", "fetch_resources", "fetch_file", "metadata")
MUTATORS = ("mark", "stage", "flush", "land", "keep", "copy", "discard", "rename", "settle_files", "settle_folders",
            "empty_trash")  # fmt: skip
READERS = ("sentinel", "look_tree", "stat", "read", "open")

_READ = ("503", "500", "401", "login page", "refused", "cut", "slow")
_LIST = ("stale", "short")
_FILES = ("fewer", "no digest", "wrong digest")
_BODY = ("wrong bytes", "cut body")
_STORE = ("503", "500", "401", "login page", "refused", "cut", "slow", "reply lost", "delayed", "lost", "lost in limbo",
          "twice", "truncated")  # fmt: skip

# Every fault that can meet every method of a port.
CELLS: tuple[Cell, ...] = (
    *((kind, f"archive.{method}") for kind in _READ for method in READS),
    *((kind, f"archive.{method}") for kind in _LIST for method in READS[:2]),
    ("uncounted", "archive.inventory"),
    *((kind, "archive.owner_files") for kind in _FILES),
    *((kind, f"archive.{method}") for kind in _BODY for method in READS[2:4]),
    ("not sent", "archive.fetch_resources"),
    ("range ignored", "archive.fetch_file"),
    *((kind, "archive.put_resource_file") for kind in _STORE),
    *(("eio", f"disk.{method}") for method in (*MUTATORS, *READERS)),
    *(("enospc", f"disk.{method}") for method in MUTATORS),
    *((kind, "ledger.write") for kind in ("ledger busy", "ledger full", "ledger io")),
)
KINDS = tuple(dict.fromkeys((*(kind for kind, _ in CELLS), *faults.BOUNDARY)))
SHARE = {
    **faults.SHARE, "short": 1.0, "fewer": 1.0, "no digest": 1.0, "wrong digest": 0.5, "uncounted": 1.0, "stale": 1.0,
    "wrong bytes": 0.3, "cut body": 0.3, "not sent": 0.3, "eio": 0.06, "enospc": 0.06, "crash": 0.05,
    "power cut": 0.04, "act": 0.12, "clock jump": 0.01,
}  # fmt: skip


class TreeFaults(Faults):
    """The faults of one history; see `Faults` for masks, stories and spots."""

    def __init__(
        self,
        seed: int,
        masked: frozenset[tuple[str, int]] = frozenset(),
        only: frozenset[str] | None = None,
        forced: Mapping[Cell, int] | None = None,
    ) -> None:
        self.seed = seed
        self.masked = masked
        self.only = only
        self.forced = dict(forced or {})
        self.on = True
        self.counts = Counter()
        self.fired = []
        self.blocks = {}
        self.rates = {
            kind: self.random("rate " + kind, 0).choice(faults.RATES) * SHARE.get(kind, 1.0)
            if only is None or kind in only
            else 0.0
            for kind in KINDS
        }
        chance = self.random("spot", 0)
        self.spot = chance.choice(CELLS) if only is None and chance.random() < 0.4 else ("", "")
        self.live = {kind for kind, rate in self.rates.items() if rate or kind == self.spot[0] or self.forced}

    def masks(self, kind: str, where: str) -> bool:
        """Draws once whether something that always happens is left out; it can be masked like a fault."""
        if not self.on:
            return True
        self.counts[kind] += 1
        if (kind, self.counts[kind]) in self.masked:
            return True
        self.fired.append((kind, self.counts[kind], where))
        return False
