"""Long runs with figures: `python -m sim.run --seeds 0-100000 --workers 2`, or one seed: `--seed 42`.

From `tests/`, with the package installed.  Prints histories a second, crashes, faults by kind and port method, what was
held and for what, and for each failing seed the few faults that matter.  Exit code 1 when a promise was broken.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import NoReturn

from sim import places
from sim.catches import BUGS, caught_at, fails
from sim.invariants import Violation
from sim.shrink import shrink
from sim.world import History

BLOCK = 50
FILL_SEEDS = 100  # so many histories are tried for an empty cell
HANGS_S = 60  # of the processor; a history takes a fraction of a second


@dataclass(slots=True)
class Figures:
    """What a batch of histories did."""

    histories: int = 0
    steps: int = 0
    crashes: int = 0
    fired: Counter[tuple[str, str]] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    marks: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    failed: list[tuple[int, str]] = field(default_factory=list)

    def play(self, seed: int, spot: places.Cell | None = None) -> None:
        """Plays one history; what breaks a promise, or never ends, is noted."""
        history = History(seed, spot=spot)
        signal.signal(signal.SIGVTALRM, _endless)
        signal.setitimer(signal.ITIMER_VIRTUAL, HANGS_S)
        try:
            history.play()
        except Violation as violation:
            self.failed.append((seed, str(violation)))
        except Exception as error:
            self.failed.append((seed, f"{type(error).__name__}: {error}"))
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        self.histories += 1
        self.steps += history.steps
        self.crashes += history.crashes
        self.fired.update((kind, where) for kind, _, where in history.faults.fired)
        self.checks.update(history.judge.checks)
        self.marks.update(history.marks)
        self.held.update(history.held)

    def add(self, other: Figures) -> None:
        """Adds another batch."""
        self.histories += other.histories
        self.steps += other.steps
        self.crashes += other.crashes
        self.failed += other.failed
        for name in ("fired", "checks", "marks", "held"):
            getattr(self, name).update(getattr(other, name))

    def summary(self, took_s: float) -> str:
        """A line for somebody who waits."""
        return (
            f"{self.histories} histories in {took_s:.0f} s: {self.histories / took_s:.0f} a second; "
            f"{self.steps} steps, {self.crashes} kills, {sum(self.fired.values())} faults and acts, "
            f"{len(self.failed)} failed"
        )

    def told(self, took_s: float) -> str:
        """Everything."""
        lines = ["", self.summary(took_s)]
        for title, counter in (("checks", self.checks), ("diary", self.marks), ("asked of a person", self.held)):
            lines.append(f"{title}: " + ", ".join(f"{name} {count}" for name, count in counter.most_common()))
        failed = ", ".join(str(seed) for seed, _ in self.failed) or "none"
        lines += ["at any boundary: " + places.anywhere(self.fired), "", places.table(self.fired), ""]
        lines += [f"empty, and not explained: {fault} × {where}" for fault, where in places.empty(self.fired)]
        return "\n".join([*lines, f"failed: {failed}"])


def batch(first: int, last: int) -> Figures:
    """Plays the seeds from `first` up to, and without, `last`."""
    figures = Figures()
    for seed in range(first, last):
        figures.play(seed)
    return figures


def fill(figures: Figures) -> Figures:
    """Plays histories that go for a cell of the table which chance has left empty, until something happens there."""
    more = Figures()
    for cell in places.empty(figures.fired):
        for seed in range(FILL_SEEDS):
            if not more.fired[cell]:
                more.play(seed, cell)
    return more


def _endless(*_: object) -> NoReturn:
    raise AssertionError(f"no end after {HANGS_S} seconds of work")


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
        return _one(given.seed, given.bug)
    if given.catches:
        return _catches()
    first, last = (int(part) for part in given.seeds.split("-"))
    return _many(range(first, last), given.workers, given.every)


def _many(seeds: range, workers: int, every: int) -> int:
    """Plays them, and tells figures and failing seeds as it goes: whoever cuts it short has those all the same."""
    begun, figures = time.monotonic(), Figures()
    starts = seeds[::BLOCK]
    with ProcessPoolExecutor(max_workers=workers) as pool:
        for part in pool.map(batch, starts, [min(start + BLOCK, seeds.stop) for start in starts]):
            figures.add(part)
            for seed, story in part.failed:
                print(f"seed {seed}: {story}", flush=True)
            if figures.histories % every < BLOCK and figures.histories < len(seeds):
                print(figures.told(time.monotonic() - begun), flush=True)
            elif figures.histories % 1_000 < BLOCK:
                print(figures.summary(time.monotonic() - begun), flush=True)
    figures.add(fill(figures))
    print(figures.told(time.monotonic() - begun), flush=True)
    return 1 if figures.failed else 0


def _one(seed: int, bug: str | None) -> int:
    found = fails(seed, bug)
    if found is None:
        history = History(seed).play()
        print("\n".join(line for line in history.trace if line.startswith("[")))
        print(f"seed {seed} keeps every promise")
        return 0
    print("\n".join(line for line in found[1].trace if line.startswith("[")))
    before, after, story = shrink(seed, bug)
    print(f"\nseed {seed}: {found[0]}\n{len(before)} faults, of which {len(after)} matter: {story}")
    print("\n".join(f"  {kind} #{number} at {where}" for kind, number, where in after))
    return 1


def _catches() -> int:
    missed = 0
    for bug in BUGS:
        found = caught_at(bug, range(500))
        if found is None:
            print(f"{bug:<36} not caught")
            missed += 1
            continue
        before, after, story = shrink(found[0], bug)
        kinds = " ".join(sorted({kind for kind, _, _ in after}))
        print(
            f"{bug:<36} seed {found[0]:>4}  {len(before):>3} → {len(after)}  {kinds or 'none'}  | {story}", flush=True
        )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
