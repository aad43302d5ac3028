"""Since when something in the trash is certainly too old: one run whose clock is ahead must not empty it.

A clock that is ahead cannot be told from a machine that was off.  So what is over its time is removed only when two
runs found it so, at moments that lie some time apart and that no run in between has belied with an earlier clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from xnatsync.core.moment import later

APART_S: Final = 86_400.0  # a clock that is ahead for so long, and in several runs, is believed


def older_than(now: str, runs: Iterable[str], keep_s: float) -> str | None:
    """Give the moment before which something must have come into the trash to be removed now; None: nothing is.

    `runs` are the moments at which earlier runs began, as their clocks told them, the latest run first.
    """
    apart = later(now, -min(APART_S, keep_s))
    lowest = now
    for began in runs:
        if began <= lowest:  # else a later run told an earlier time: that clock was ahead
            lowest = began
            if began <= apart:
                return later(began, -keep_s)
    return None
