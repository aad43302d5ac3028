"""What long runs have in common, whichever routes they play: counting, a story, the table of planted bugs."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NoReturn, Self

from sim.invariants import Violation
from sim.shrink import Fails, shrink

BLOCK = 50
HANGS_S = 60  # of the processor; a history takes a fraction of a second
CATCH_SEEDS = 500


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

    def failures(self) -> str:
        """The seeds that broke a promise."""
        return f"failed: {', '.join(str(seed) for seed, _ in self.failed) or 'none'}"


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
