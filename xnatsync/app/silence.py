"""Which drop routes have gone silent: by what the configuration says, or by what the ledger has seen of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta, tzinfo
from typing import TYPE_CHECKING

from xnatsync.core.causes import Cause, State
from xnatsync.core.moment import clock_words, parse, seconds_between, stamp
from xnatsync.core.silence import WEEK, WEEKS_MAX, Habit, is_silent, learn

if TYPE_CHECKING:
    from xnatsync.config.model import Config
    from xnatsync.ledger.ledger import Ledger

LEARN_S = 3600.0  # so often the habits are learned again


@dataclass(slots=True)
class Silences:
    """Finds routes that are silent; what it has learned is kept for an hour."""

    config: Config
    ledger: Ledger
    zone: tzinfo | None = None
    _habits: dict[str, Habit | None] = field(default_factory=dict, init=False)
    _learned: str = field(default="", init=False)

    def now(self, now: str) -> list[Cause]:
        """List the routes that are silent; one to which nothing ever came is not."""
        if not self._learned or not 0 <= seconds_between(self._learned, now) < LEARN_S:
            self._learned = now
            self._habits.clear()
        paused = self.ledger.standby()
        found = []
        for name, route in self.config.drop_routes.items():
            if route.quiet_for == "never" or name in paused or "" in paused:
                continue
            last = self.ledger.last_arrival(name)
            if last is not None and (usual := self._silent(name, route.quiet_for, last, now)) is not None:
                note = f"the last arrived at {clock_words(last)}{usual}"
                found.append(Cause(state=State.SILENT, place=f"route {name}", since=last, note=note))
        return found

    def _silent(self, name: str, quiet_for: float | str, last: str, now: str) -> str | None:
        """Return what is usual, when it is silent; None when it is not."""
        if isinstance(quiet_for, float):
            return "" if seconds_between(last, now) >= quiet_for else None
        if name not in self._habits:
            begin = stamp(parse(now) - WEEKS_MAX * WEEK - timedelta(days=1))
            self._habits[name] = learn([parse(at) for at in self.ledger.arrivals(name, begin)], parse(now), self.zone)
        habit = self._habits[name]
        if habit is None or not is_silent(habit, parse(last), parse(now), self.zone):
            return None
        return f"; usual is data on {habit.words}"
