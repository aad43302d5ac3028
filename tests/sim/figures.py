"""What long runs have in common, whichever routes they play: counting, telling, a story, planted bugs."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, Self

from sim.grid import Cell, Grid
from sim.invariants import Violation
from sim.shrink import Fails, shrink

BLOCK = 50
HANGS_S = 60  # of the processor; a history takes a fraction of a second
CATCH_SEEDS = 500
FILL_SEEDS = 100  # so many histories are tried for an empty cell


@dataclass(slots=True)
class Figures:
    """What a batch of histories did."""

    histories: int = 0
    steps: int = 0
    crashes: int = 0
    fired: Counter[tuple[str, str]] = field(default_factory=Counter)  # by fault and place
    checks: Counter[str] = field(default_factory=Counter)
    marks: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    failed: list[tuple[int, str]] = field(default_factory=list)

    def note(self, history: Any) -> Self:
        """Plays one history; what breaks a promise, or never ends, is noted."""
        signal.signal(signal.SIGVTALRM, _endless)
        signal.setitimer(signal.ITIMER_VIRTUAL, HANGS_S)
        try:
            history.play()
        except Violation as violation:
            self.failed.append((history.seed, str(violation)))
        except Exception as error:
            self.failed.append((history.seed, f"{type(error).__name__}: {error}"))
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        self.histories += 1
        self.steps += history.steps
        self.crashes += history.crashes
        self.fired.update((kind, where) for kind, _, where in history.faults.fired)
        self.checks.update(history.judge.checks)
        self.marks.update(history.marks)
        self.held.update(history.held)
        return self

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

    def counts(self) -> list[str]:
        """What was judged, told and asked."""
        titles = (("checks", self.checks), ("diary", self.marks), ("asked of a person", self.held))
        return [
            f"{title}: " + ", ".join(f"{name} {count}" for name, count in counter.most_common())
            for title, counter in titles
        ]

    def told(self, took_s: float, grid: Grid) -> str:
        """Everything."""
        lines = ["", self.summary(took_s), *self.counts()]
        lines += ["at any boundary: " + grid.anywhere(self.fired), "", grid.table(self.fired), ""]
        lines += [f"empty, and not explained: {fault} × {where}" for fault, where in grid.empty(self.fired)]
        return "\n".join([*lines, self.failures()])

    def failures(self) -> str:
        """The seeds that broke a promise."""
        return f"failed: {', '.join(str(seed) for seed, _ in self.failed) or 'none'}"


def fill(played: Figures, grid: Grid, history: Callable[[int, Cell], Any]) -> Figures:
    """Plays histories that go for a cell of the table which chance has left empty, until something happens there."""
    more = Figures()
    for cell in grid.empty(played.fired):
        for seed in range(FILL_SEEDS):
            if not more.fired[cell]:
                more.note(history(seed, cell))
    return more


def met_together(folder: Path, block: int, blocks: int, fired: Mapping[Cell, int]) -> Counter[Cell] | None:
    """Leaves what one block of seeds met in a folder; gives what all have met to whoever finds that all are there."""
    begun = folder / f".{block}"
    begun.write_text(json.dumps([[*cell, count] for cell, count in fired.items()]), encoding="utf-8")
    begun.rename(folder / f"{block}.json")
    if len(parts := list(folder.glob("*.json"))) < blocks:
        return None
    met = Counter[Cell]()
    for part in parts:
        met.update({(fault, where): count for fault, where, count in json.loads(part.read_text(encoding="utf-8"))})
    return met


def story(seed: int, bug: str | None, fails: Fails, play: Callable[[int], Any]) -> int:
    """Prints what happened in one seed, and when it fails what matters in it; gives the exit code."""
    found = fails(seed, bug, frozenset())
    history = found[1] if found is not None else play(seed)
    print("\n".join(line for line in history.trace if line.startswith("[")))
    if found is None:
        print(f"seed {seed} keeps every promise")
        return 0
    before, after, told = shrink(seed, bug, fails)
    print(f"\nseed {seed}: {found[0]}\n{len(before)} faults, of which {len(after)} matter: {told}")
    print("\n".join(f"  {kind} #{number} at {where}" for kind, number, where in after))
    return 1


def catches(bugs: Iterable[str], caught_at: Callable[[str, range], Any], fails: Fails) -> int:
    """Prints which seed catches which planted bug, with the faults before and after shrinking; gives the exit code."""
    missed = 0
    for bug in bugs:
        found = caught_at(bug, range(CATCH_SEEDS))
        if found is None:
            print(f"{bug:<40} not caught", flush=True)
            missed += 1
            continue
        before, after, told = shrink(found[0], bug, fails)
        kinds = " ".join(sorted({kind for kind, _, _ in after}))
        print(f"{bug:<40} seed {found[0]:>4}  {len(before):>3} → {len(after)}  {kinds or 'none'}  | {told}", flush=True)
    return 1 if missed else 0


def _endless(*_: object) -> NoReturn:
    raise AssertionError(f"no end after {HANGS_S} seconds of work")
