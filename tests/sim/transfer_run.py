"""Long runs of transfers: `python -m sim.transfer_run --seeds 0-2000 --workers 2`, or one seed: `--seed 42`.

From `tests/`, with the package installed.  Prints histories a second, kills, faults by kind and port method, and each
failing seed; `--seed` tells the few faults that matter in it.  Exit code 1 when a promise was broken.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from sim import figures
from sim.figures import BLOCK, Figures
from sim.transfer_catches import BUGS, caught_at, fails
from sim.transfer_places import GRID
from sim.transfer_world import TransferHistory


def batch(first: int, last: int) -> Figures:
    """Plays the seeds from `first` up to, and without, `last`."""
    played = Figures()
    for seed in range(first, last):
        played.note(TransferHistory(seed))
    return played


def fill(played: Figures) -> Figures:
    """Plays histories that go for the cells of the table which chance has left empty."""
    return figures.fill(played, GRID, lambda seed, cell: TransferHistory(seed, spot=cell))


def main() -> int:
    """Runs what was asked for."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seeds", default="0-1000", help="FIRST-LAST, the last one not included")
    asked.add_argument("--seed", type=int, help="one seed: its story, and when it fails what matters")
    asked.add_argument("--bug", choices=sorted(BUGS), help="with --seed: plant this bug")
    asked.add_argument("--catches", action="store_true", help="which seed catches which planted bug")
    asked.add_argument("--workers", type=int, default=1)
    asked.add_argument("--no-fill", action="store_true", help="leave the cells empty that chance has left empty")
    given = asked.parse_args()
    if given.seed is not None:
        return figures.story(given.seed, given.bug, fails, lambda seed: TransferHistory(seed).play())
    if given.catches:
        return figures.catches(BUGS, caught_at, fails)
    first, last = (int(part) for part in given.seeds.split("-"))
    begun, all_of_it = time.monotonic(), Figures()
    starts = range(first, last, BLOCK)
    with ProcessPoolExecutor(max_workers=given.workers) as pool:
        for part in pool.map(batch, starts, [min(start + BLOCK, last) for start in starts]):
            all_of_it.add(part)
            for seed, story in part.failed:
                print(f"seed {seed}: {story}", flush=True)
    if not given.no_fill:
        all_of_it.add(fill(all_of_it))
    print(all_of_it.told(time.monotonic() - begun, GRID), flush=True)
    return 1 if all_of_it.failed else 0


if __name__ == "__main__":
    sys.exit(main())
