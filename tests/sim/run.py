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

from sim.catches import BUGS, caught_at, fails
from sim.faults import DISK, KINDS, LEDGER, SERVER_READS, SERVER_WRITES
from sim.invariants import Violation
from sim.shrink import shrink
from sim.world import History

BLOCK = 50
HANGS_S = 60  # of the processor; a history takes a fraction of a second
READS = ("project", "may_edit", "sessions", "session_files", "resource_files", "prearchive", "prearchive_files",
         "prearchive_log", "fetch_scans", "fetch_scans, within")  # fmt: skip
WRITES = ("import_zip", "build", "commit", "put_file")
DISK_METHODS = ("entries", "look", "read_manifest", "stream", "move", "remove", "prune", "exists")
# Cells that stay empty, and why.
EXPLAINED = {
    ("stale", "other reads"): "only listings of the project and of an archived session can lag behind",
    ("short", "other reads"): "only listings of files say whether they are whole",
    ("conflict", "import_zip build put_file"): "a conflict is what the archive step finds",
    ("dropped", "build commit put_file"): "an object is dropped on its way in",
    ("truncated", "build put_file"): "a file is cut on its way in, or on its way into the archive",
    ("delayed, twice", "put_file"): "drawn there, and played as lost and as done once",
    ("unreadable", "other than look, entries"): "what cannot be read while it is opened is EIO",
    ("eio", "entries look"): "there it is `unreadable`",
    ("enospc", "other than move, remove, prune"): "nothing else writes to our disk",
    ("exdev", "other than move"): "nothing else renames",
}  # fmt: skip


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
        return "\n".join([*lines, table(self.fired), "", f"failed: {failed}"])


def batch(first: int, last: int) -> Figures:
    """Plays the seeds from `first` up to, and without, `last`."""
    figures = Figures()
    signal.signal(signal.SIGVTALRM, _endless)
    for seed in range(first, last):
        history = History(seed)
        signal.setitimer(signal.ITIMER_VIRTUAL, HANGS_S)
        try:
            history.play()
        except Violation as violation:
            figures.failed.append((seed, str(violation)))
        except Exception as error:
            figures.failed.append((seed, f"{type(error).__name__}: {error}"))
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        figures.histories += 1
        figures.steps += history.steps
        figures.crashes += history.crashes
        figures.fired.update((kind, where) for kind, _, where in history.faults.fired)
        figures.checks.update(history.judge.checks)
        figures.marks.update(history.marks)
        figures.held.update(history.held)
    return figures


def _endless(*_: object) -> NoReturn:
    raise AssertionError(f"no end after {HANGS_S} seconds of work")


def table(fired: Counter[tuple[str, str]]) -> str:
    """Fault by port method, as a table for people."""
    lines = []
    for title, prefix, kinds, methods in (
        ("reads", "xnat.", SERVER_READS, READS),
        ("writes", "xnat.", SERVER_WRITES, WRITES),
        ("disk", "disk.", DISK, DISK_METHODS),
        ("ledger", "ledger.", LEDGER, ("write",)),
    ):
        lines.append(f"\n{title:<12}" + "".join(f"{method[:14]:>15}" for method in methods))
        lines += [
            f"{kind:<12}" + "".join(f"{fired[kind, prefix + method] or '-':>15}" for method in methods)
            for kind in kinds
        ]
    anywhere = [kind for kind in KINDS if kind not in {*SERVER_READS, *SERVER_WRITES, *DISK, *LEDGER}]
    lines.append("\nat any boundary: " + ", ".join(
        f"{kind} {sum(count for (one, _), count in fired.items() if one == kind)} times at "
        f"{len({where for one, where in fired if one == kind})} places" for kind in anywhere
    ))  # fmt: skip
    lines += [f"empty: {kind} × {where}: {why}" for (kind, where), why in EXPLAINED.items()]
    return "\n".join(lines)


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
