"""Plays many histories of both simulations and writes what they met into the documents.

`python -m sim.write_figures --seeds 0-20000 --workers 2`, from `tests/`: what stands between the marks in
docs/testing.md and docs/guarantees.md is written anew after each of the two.  Exit code 1 when a promise was broken or
a cell is empty.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sim import places, run, tree_places, tree_run
from sim.figures import BLOCK, Figures
from sim.grid import Grid

DOCS = Path(__file__).parents[2] / "docs"
JUDGED = {
    "receipt": "receipts", "move": "renames", "remove": "removals", "object": "objects sent", "write": "writes",
    "refused": "refused writes", "selected": "files of manifests against the selection",
    "land": "files put in their places", "discard": "files moved to the trash", "empty": "files thrown away",
    "version": "agreements", "store": "stores",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the two simulations, and how its marks are called."""

    name: str
    grid: Grid
    batch: Callable[[int, int], Figures]
    fill: Callable[[Figures], Figures]


KINDS = (
    Kind("drops", places.GRID, run.batch, run.fill),
    Kind("mirrors and pushes", tree_places.GRID, tree_run.batch, tree_run.fill),
)


@dataclass(frozen=True, slots=True)
class Played:
    """What was played: seeds from the first up to, and without, the last; and what it took."""

    first: int
    last: int
    figures: Figures
    took_s: float
    workers: int

    @property
    def when(self) -> str:
        """Which seeds, and today."""
        return f"Seeds {self.first:,}–{self.last - 1:,}, {datetime.now(UTC):%d %B %Y}".replace(", 0", ", ")


def met(kind: Kind, played: Played) -> str:
    """Tells which fault met what, for docs/testing.md."""
    fired = played.figures.fired
    return (
        f"{played.when}: {played.figures.histories:,} histories.\n\n{kind.grid.table(fired)}\n\n"
        f"At any boundary: {kind.grid.anywhere(fired)}."
    )


def judged(played: Played) -> str:
    """Tells how much was played and judged, for docs/guarantees.md."""
    figures = played.figures
    looked = ", ".join(f"{figures.checks[key]:,} {words}" for key, words in JUDGED.items() if figures.checks[key])
    seeds = ", ".join(str(seed) for seed, _ in figures.failed)
    return (
        f"{played.when}: {figures.histories:,} histories in {played.took_s:,.0f} s with {played.workers} processes; "
        f"{figures.steps:,} steps, {figures.crashes:,} kills and power cuts, {sum(figures.fired.values()):,} faults, "
        f"acts of people and steps of a second worker;\n"
        f"{f'seeds that broke a promise: {seeds}' if seeds else 'no promise broken'}. The judge looked at {looked}, "
        f"and at everything after each of {figures.checks['tick']:,} ticks."
    )


def written(text: str, mark: str, new: str) -> str:
    """Returns a document with what stands between two marks written anew."""
    begin, end = f"<!-- figures of {mark} -->\n", "<!-- end of figures -->"
    found = re.subn(re.escape(begin) + ".*?" + re.escape(end), lambda _: f"{begin}{new}\n{end}", text, flags=re.DOTALL)
    if found[1] != 1:
        raise ValueError(f"the mark {begin.strip()} is there {found[1]} times")
    return found[0]


def play(kind: Kind, first: int, last: int, workers: int) -> Played:
    """Plays all seeds; prints what fails as it goes."""
    begun, all_of_it = time.monotonic(), Figures()
    starts = range(first, last, BLOCK)
    with ProcessPoolExecutor(max_workers=workers) as pool:
        for part in pool.map(kind.batch, starts, [min(start + BLOCK, last) for start in starts]):
            all_of_it.add(part)
            for seed, story in part.failed:
                print(f"{kind.name}: seed {seed}: {story}", flush=True)
            if all_of_it.histories % 1_000 < BLOCK:
                print(f"{kind.name}: {all_of_it.summary(time.monotonic() - begun)}", flush=True)
    return Played(first, last, all_of_it, time.monotonic() - begun, workers)


def main() -> int:
    """Plays and writes, one simulation after the other."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seeds", default="0-20000", help="FIRST-LAST, the last one not included")
    asked.add_argument("--workers", type=int, default=2)
    given = asked.parse_args()
    first, last = (int(part) for part in given.seeds.split("-"))
    wrong = 0
    for kind in KINDS:
        played = play(kind, first, last, given.workers)
        played.figures.add(kind.fill(played.figures))
        fired = played.figures.fired
        wrong += len(played.figures.failed) + len(kind.grid.empty(fired)) + len(kind.grid.unexpected(fired))
        for name, text in (("testing.md", met(kind, played)), ("guarantees.md", judged(played))):
            place = DOCS / name
            place.write_text(written(place.read_text(encoding="utf-8"), kind.name, text), encoding="utf-8")
        print(f"{kind.name}: {judged(played)}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
