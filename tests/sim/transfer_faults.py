"""What goes wrong in transfers: the draws of `faults`, for the kinds that two servers can meet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from sim import faults
from sim.grid import Cell
from sim.transfer_places import GRID
from sim.tree_faults import TreeFaults

CELLS = GRID.possible()
BOUNDARY = ("crash", "clock jump", "act", "worker", "second run", "restart", "stop")
KINDS = tuple(dict.fromkeys((*(kind for kind, _ in CELLS), *BOUNDARY, "clock ahead")))
SHARE = {
    **faults.SHARE, "crash": 0.03, "clock jump": 0.01, "act": 0.08, "worker": 0.5, "second run": 0.01,
    "restart": 0.01, "stop": 0.01, "clock ahead": 2.0, "observer": 2.0, "short": 0.7, "uncounted": 0.7, "fewer": 0.7,
    "no digest": 0.7, "wrong digest": 0.3, "stale": 0.7, "wrong bytes": 0.3, "cut body": 0.3, "401 within": 0.2,
    "not sent": 0.3, "conflict": 0.3, "truncated": 0.1, "full": 0.2, "unwilling": 0.3, "busy": 0.3,
}  # fmt: skip
# What few histories come to at all is met in more of them.
TIMES = {"there.fetch_file": 3, "there.share": 3, "there.create_project": 4, "source.fetch_file": 2, "run": 0,
         "there.prearchive": 2, "there.sessions": 2}  # fmt: skip
SPOTS = tuple(cell for cell in CELLS for _ in range(TIMES.get(cell[1], 1)))


class TransferFaults(TreeFaults):
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
        drawn = chance.choice(SPOTS) if only is None and not without and chance.random() < 0.5 else ("", "")
        self.spot = spot or drawn
        self.live = {kind for kind, rate in self.rates.items() if rate or kind == self.spot[0] or self.forced}
