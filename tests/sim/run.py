"""Long runs with figures: `python -m sim.run --seeds 0-100000 --workers 2`, or one seed: `--seed 42`.

From `tests/`, with the package installed.  Prints histories a second, crashes, faults by kind and port method, what was
held and for what, and for each failing seed the few faults that matter.  Exit code 1 when a promise was broken.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from sim import figures, places
from sim.catches import BUGS, caught_at, fails
from sim.figures import BLOCK, Figures
from sim.world import History


def batch(first: int, last: int) -> Figures:
    """Plays the seeds from `first` up to, and without, `last`."""
    played = Figures()
    for seed in range(first, last):
        played.note(History(seed))
    return played


def fill(played: Figures) -> Figures:
    """Plays histories that go for the cells of the table which chance has left empty."""
    return figures.fill(played, places.GRID, lambda seed, cell: History(seed, spot=cell))


def main() -> int:
    """Runs what was asked for."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seeds", default="0-2000", help="FIRST-LAST, the last one not included")
    asked.add_argument("--seed", type=int, help="one seed: its story, and when it fails what matters")
    asked.add_argument("--bug", choices=sorted(BUGS), help="with --seed: plant this bug")
    asked.add_argument("--catches", action="store_true", help="which seed catches which planted bug")
    asked.add_argument("--workers", type=int, default=1)
    asked.add_argument("--every", type=int, default=10_000, help="tell all figures after so many histories")
    given = asked.parse_args()
    if given.seed is not None:
        return figures.story(given.seed, given.bug, fails, lambda seed: History(seed).play())
    if given.catches:
        return figures.catches(BUGS, caught_at, fails)
    first, last = (int(part) for part in given.seeds.split("-"))
    return _many(range(first, last), given.workers, given.every)


def _many(seeds: range, workers: int, every: int) -> int:
    """Plays them, and tells figures and failing seeds as it goes: whoever cuts it short has those all the same."""
    begun, all_of_it = time.monotonic(), Figures()
    starts = seeds[::BLOCK]
    with ProcessPoolExecutor(max_workers=workers) as pool:
        for part in pool.map(batch, starts, [min(start + BLOCK, seeds.stop) for start in starts]):
            all_of_it.add(part)
            for seed, story in part.failed:
                print(f"seed {seed}: {story}", flush=True)
            if all_of_it.histories % every < BLOCK and all_of_it.histories < len(seeds):
                print(all_of_it.told(time.monotonic() - begun, places.GRID), flush=True)
            elif all_of_it.histories % 1_000 < BLOCK:
                print(all_of_it.summary(time.monotonic() - begun), flush=True)
    all_of_it.add(fill(all_of_it))
    print(all_of_it.told(time.monotonic() - begun, places.GRID), flush=True)
    return 1 if all_of_it.failed else 0


if __name__ == "__main__":
    sys.exit(main())
