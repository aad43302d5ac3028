"""What the route of a history selects, and what that means for each object that is ever dropped: the judge's own view.

In some histories the selection becomes wider when a process starts: from then on everything is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from sim import content
from sim.faults import Chance
from xnatsync.core.drop_selection import EVERY_DROP, Wanted
from xnatsync.core.selection import Selection


@dataclass(frozen=True, slots=True)
class Choice:
    """One selection: as the route has it, and whether it takes an object, by what was made of it."""

    wanted: Wanted
    takes: Callable[[content.Thing], bool]

    @property
    def name(self) -> str:
        """What the ledger is told of the route's settings."""
        return self.wanted.selection.describes()

    def leaves(self, data: bytes) -> bool:
        """Tells whether an object is left out; what is none never is."""
        thing = _thing(data)
        return thing is not None and not self.takes(thing)


@cache
def _thing(data: bytes) -> content.Thing | None:
    """An edited object keeps its UID, and is where and what it was before."""
    facts = content.facts(data)
    return _by_uid()[facts.sop_uid] if facts is not None else None


@cache
def _by_uid() -> dict[str, content.Thing]:
    found = {}
    for study in (*content.studies(), tuple(content.others().values())):
        for thing in study:
            facts = content.facts(thing.data)
            assert facts is not None
            found[facts.sop_uid] = thing
    return found


EVERYTHING = Choice(EVERY_DROP, lambda thing: True)
CHOICES = (
    Choice(Wanted(Selection.parse(scan_types=["series 1"])), lambda thing: thing.series == 1),
    Choice(Wanted(Selection.parse(scans=["!1"])), lambda thing: thing.series != 1),
    Choice(Wanted(Selection.parse(dates=["2026-03-02.."])), lambda thing: thing.study == 1),
    Choice(Wanted(Selection.parse(sessions=["*_20260301"])), lambda thing: thing.study != 1),
    Choice(
        Wanted(Selection.parse(sessions=["!*_20260302"], scan_types=["!*1"])),
        lambda thing: thing.study != 1 and thing.series != 1,
    ),
    Choice(Wanted(Selection.parse(modalities=["!MR"])), lambda thing: False),
)


def draw(chance: Chance) -> tuple[Choice, int]:
    """Draws a selection, and with which start of a process it becomes wider; 0: never."""
    if chance.random() < 0.6:
        return EVERYTHING, 0
    choice = chance.choice((*CHOICES[:5], *CHOICES))  # nothing at all is soon told
    return choice, chance.choice((0, 0, 2, 3, 6))
