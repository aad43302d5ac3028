"""What goes wrong in mirrors and pushes: the draws of `faults`, for the kinds that archives and trees can meet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from sim import faults
from sim.faults import Faults
from sim.grid import Cell
from sim.tree_places import GRID, LATER

CELLS = GRID.possible()
KINDS = tuple(dict.fromkeys((*(kind for kind, _ in CELLS), *faults.BOUNDARY, "second run", "clock ahead")))
SHARE = {
    **faults.SHARE, "short": 1.0, "fewer": 1.0, "no digest": 1.0, "wrong digest": 0.5, "uncounted": 1.0, "stale": 1.0,
    "wrong bytes": 0.3, "cut body": 0.3, "not sent": 0.3, "eio": 0.06, "enospc": 0.06, "crash": 0.05,
    "power cut": 0.04, "act": 0.12, "clock jump": 0.01, "second run": 0.02, "clock ahead": 2.0,
    "stuck": 0.1, "unwilling": 1.5, "observer": 2.0,
}  # fmt: skip
# What few histories come to at all is met in more of them.
TIMES = {
    **dict.fromkeys(("archive.put_resource_file", "archive.put_resource_files", "disk.keep", "disk.discard"), 4),
    **dict.fromkeys(("disk.rename", "disk.settle_files"), 4),
    **dict.fromkeys(("archive.fetch_resources", "disk.open", "disk.stat"), 3), "archive.fetch_file": 2, "disk.copy": 6,
    "disk.empty_trash": 4, "disk.mark": 2,
}  # fmt: skip
SPOTS = tuple(cell for cell in CELLS if not {*cell} & {*LATER, "run"} for _ in range(TIMES.get(cell[1], 1)))
LATER_SPOTS = tuple(cell for cell in CELLS if cell[0] in {"stuck", "unwilling"})


LATER_RATE = 0.1  # so many histories go for a fault that is drawn apart


class TreeFaults(Faults):
    """The faults of one history; see `Faults` for masks, stories and spots."""

    def __init__(
        self,
        seed: int,
        masked: frozenset[tuple[str, int]] = frozenset(),
        only: frozenset[str] | None = None,
        forced: Mapping[Cell, int] | None = None,
        spot: Cell | None = None,
        without: frozenset[str] = frozenset(),
    ) -> None:
        """`without` are kinds that never happen."""
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
            if (only is None or kind in only) and kind not in without
            else 0.0
            for kind in KINDS
        }
        chance = self.random("spot", 0)
        drawn = chance.choice(SPOTS) if only is None and chance.random() < 0.5 else ("", "")
        later = self.random("later spot", 0)
        if only is None and not without and later.random() < LATER_RATE:
            drawn = later.choice(LATER_SPOTS)
        self.spot = spot or drawn
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
