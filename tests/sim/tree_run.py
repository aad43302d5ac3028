"""Long runs of mirrors and pushes: `python -m sim.tree_run --seeds 0-3000 --workers 2`, or one seed: `--seed 42`.

From `tests/`, with the package installed.  Prints histories a second, kills, faults, and for each failing seed the few
faults that matter.  Exit code 1 when a promise was broken.
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

from sim.faults import Fired
from sim.invariants import Violation
from sim.tree_catches import BUGS, caught_at, fails
from sim.tree_world import TreeHistory

BLOCK = 50
HANGS_S = 60  # of the processor; a history takes a fraction of a second
CATCH_SEEDS = 500


@dataclass(slots=True)
class Figures:
    """What a batch of histories did."""

    histories: int = 0
    steps: int = 0
    crashes: int = 0
    fired: Counter[str] = field(default_factory=Counter)
    places: Counter[tuple[str, str]] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    marks: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    failed: list[tuple[int, str]] = field(default_factory=list)

    def play(self, seed: int) -> None:
        """Plays one history; what breaks a promise, or never ends, is noted."""
        history = TreeHistory(seed)
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
        self.fired.update(kind for kind, _, _ in history.faults.fired)
        self.places.update((kind, where) for kind, _, where in history.faults.fired)
        self.checks.update(history.judge.checks)
        self.marks.update(history.marks)
        self.held.update(history.held)

    def add(self, other: Figures) -> None:
        """Adds another batch."""
        self.histories += other.histories
        self.steps += other.steps
        self.crashes += other.crashes
        self.failed += other.failed
        for name in ("fired", "places", "checks", "marks", "held"):
            getattr(self, name).update(getattr(other, name))

    def told(self, took_s: float) -> str:
        """Everything."""
        head = (
            f"{self.histories} histories in {took_s:.0f} s: {self.histories / took_s:.0f} a second; {self.steps} steps"
        )
        many = sum(self.fired.values())
        lines = [f"{head}, {self.crashes} kills, {many} faults and acts at {len(self.places)} different places"]
        titles = (("faults", self.fired), ("checks", self.checks), ("people", self.marks), ("asked", self.held))
        for title, counter in titles:
            lines.append(f"{title}: " + ", ".join(f"{name} {count}" for name, count in counter.most_common()))
        return "\n".join([*lines, f"failed: {', '.join(str(seed) for seed, _ in self.failed) or 'none'}"])


def batch(first: int, last: int) -> Figures:
    """Plays the seeds from `first` up to, and without, `last`."""
    figures = Figures()
    for seed in range(first, last):
        figures.play(seed)
    return figures


def shrink(seed: int, bug: str | None = None) -> tuple[list[Fired], list[Fired], str]:
    """Gives the faults of a failing seed, those that matter, and the promise that is broken with these alone."""
    first = fails(seed, bug)
    assert first is not None, f"seed {seed} does not fail"
    promise = first[0].split(":")[0]
    masked: frozenset[tuple[str, int]] = frozenset()
    fired, story = list(first[1].faults.fired), first[0]
    parts = 2
    while fired:
        size = max(1, len(fired) // parts)
        for start in range(0, len(fired), size):
            tried = masked | {(kind, number) for kind, number, _ in fired[start : start + size]}
            found = fails(seed, bug, tried)
            if found is not None and found[0].split(":")[0] == promise and len(found[1].faults.fired) < len(fired):
                masked, fired, story = tried, list(found[1].faults.fired), found[0]
                parts = max(2, parts - 1)
                break
        else:
            if size == 1:
                break
            parts = min(len(fired), parts * 2)
    return list(first[1].faults.fired), fired, story


def _endless(*_: object) -> NoReturn:
    raise AssertionError(f"no end after {HANGS_S} seconds of work")


def main() -> int:
    """Runs what was asked for."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seeds", default="0-500", help="FIRST-LAST, the last one not included")
    asked.add_argument("--seed", type=int, help="one seed: its story, and when it fails what matters")
    asked.add_argument("--bug", choices=sorted(BUGS), help="with --seed: plant this bug")
    asked.add_argument("--catches", action="store_true", help="which seed catches which planted bug")
    asked.add_argument("--workers", type=int, default=1)
    given = asked.parse_args()
    if given.seed is not None:
        return _one(given.seed, given.bug)
    if given.catches:
        return _catches()
    first, last = (int(part) for part in given.seeds.split("-"))
    begun, figures = time.monotonic(), Figures()
    starts = range(first, last, BLOCK)
    with ProcessPoolExecutor(max_workers=given.workers) as pool:
        for part in pool.map(batch, starts, [min(start + BLOCK, last) for start in starts]):
            figures.add(part)
            for seed, story in part.failed:
                print(f"seed {seed}: {story}", flush=True)
    print(figures.told(time.monotonic() - begun), flush=True)
    return 1 if figures.failed else 0


def _one(seed: int, bug: str | None) -> int:
    found = fails(seed, bug)
    history = found[1] if found is not None else TreeHistory(seed).play()
    print("\n".join(line for line in history.trace if line.startswith("[")))
    if found is None:
        print(f"seed {seed} keeps every promise")
        return 0
    before, after, story = shrink(seed, bug)
    print(f"\nseed {seed}: {found[0]}\n{len(before)} faults, of which {len(after)} matter: {story}")
    print("\n".join(f"  {kind} #{number} at {where}" for kind, number, where in after))
    return 1


def _catches() -> int:
    missed = 0
    for bug in BUGS:
        found = caught_at(bug, range(CATCH_SEEDS))
        if found is None:
            print(f"{bug:<40} not caught", flush=True)
            missed += 1
            continue
        before, after, story = shrink(found[0], bug)
        kinds = " ".join(sorted({kind for kind, _, _ in after}))
        print(
            f"{bug:<40} seed {found[0]:>4}  {len(before):>3} → {len(after)}  {kinds or 'none'}  | {story}", flush=True
        )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
