"""Which runs had a clock that was wrong, and since when what they did counts.

Runs follow each other by their numbers whatever their clocks said, and the last was before now.  So the times at
which they began must not fall; the fewest runs that do not fit had a wrong clock.  What such a run did counts since the
next run that fits began: later than it was, and never before what was already there.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from xnatsync.core.moment import seconds_between

SLACK_S: Final = 60.0  # runs that begin together get their numbers in any order; a clock may be corrected by a bit
NEVER: Final = "9999-12-31T23:59:59.999Z"


@dataclass(frozen=True, slots=True)
class RunTime:
    """When a run began and ended by its own clock; `ended_at` is None when its end was never recorded."""

    id: int
    began_at: str
    ended_at: str | None


@dataclass(frozen=True, slots=True)
class Misdated:
    """A run with a wrong clock: its timestamps are between `begins` and `ends`, and count as `counts_at`."""

    run: int
    begins: str
    ends: str
    counts_at: str


def misdated(runs: Sequence[RunTime], now: str) -> list[Misdated]:
    """List the runs, given by number, whose timestamps cannot be true."""
    fitting = _fitting(runs, now)
    found: list[Misdated] = []
    following, behind = now, list(runs)
    while behind:
        run = behind.pop()
        if run.id in fitting:
            following = run.began_at
        else:
            found.append(Misdated(run.id, run.began_at, run.ended_at or _next_begin(runs, run.began_at), following))
    return [run for run in reversed(found) if abs(seconds_between(run.begins, run.counts_at)) > SLACK_S]


def _fitting(runs: Sequence[RunTime], now: str) -> set[int]:
    """Return the longest series of runs, by number, of which none began before an earlier one, nor after now.

    Of series of one length the one that begins latest: where one run contradicts one other, the later number is wrong.
    """
    backwards = {began_at: -rank for rank, began_at in enumerate(sorted({run.began_at for run in runs}))}
    heads: list[int] = []  # the latest begin of a series of each length, found from the end
    first: list[int] = []  # and the place of the run that it belongs to
    after: dict[int, int] = {}  # the place of the next run in the series of each
    for place in reversed(range(len(runs))):
        if runs[place].began_at > now:
            continue
        began = backwards[runs[place].began_at]
        length = bisect_right(heads, began)
        if length:
            after[place] = first[length - 1]
        heads[length : length + 1] = [began]
        first[length : length + 1] = [place]
    series: set[int] = set()
    place = first[-1] if first else -1
    while place >= 0:
        series.add(runs[place].id)
        place = after.get(place, -1)
    return series


def _next_begin(runs: Sequence[RunTime], moment: str) -> str:
    """Return when the first of all runs after a moment began: by then one that was killed was dead."""
    return min((run.began_at for run in runs if run.began_at > moment), default=NEVER)
