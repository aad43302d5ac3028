"""Looks at drop folders: what is new becomes an item, and what is known is stepped when it may have changed.

The look is the truth; an event is a hint that one is worth while now.  Three paces: a whole look (`rescan`), which
steps every living item; a look at the names of the folder's top level (`poll`); and, while something is arriving, one
at what arrives, the more seldom the more files it has.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from xnatsync.core.errors import Bug, XnatsyncError
from xnatsync.core.phases import ItemPhase
from xnatsync.engine.dispatcher import After, Dispatcher, Key
from xnatsync.engine.result import Due, Paused, Result
from xnatsync.ledger.rows import ItemRow
from xnatsync.ports.drop import DropEntry
from xnatsync.routes.drop.discovery import discover
from xnatsync.routes.drop.settings import DropRoute
from xnatsync.routes.drop.world import World

ARRIVING_S = (0.25, 3.0)  # so often, at least and at most, what arrives is looked at, whatever its settle time
FILES_PER_S = 2_000  # an item of so many files is looked at a second more seldom
ARRIVING_MAX_S = 30.0
HINT_S = 1.0  # so long after a look the next one is made because of a hint, at the soonest
HINTS_MAX = 20_000  # more names are looked at by their listing alone
LOOK_SHARE = 10  # a look that took long is made so much more seldom
LOST_S = 60.0


@dataclass(slots=True)
class Known:
    """What is known of one drop folder."""

    whole_at: float | None = None  # when it was last looked at as a whole
    names: dict[str, tuple[int, int]] = field(default_factory=dict)  # of the last look: sizes and times of plain files
    newest: int = 0  # the last item that was stepped because of a look
    looked: dict[int, float] = field(default_factory=dict)  # when something that arrives was last stepped
    away: bool = False
    missed: int = 0  # looks in a row that found something of which no event had told
    ended_at: float = 0.0
    took_s: float = 0.0


class Looks:
    """The kind `look`: one key for each drop folder."""

    def __init__(self, world: World, dispatcher: Dispatcher, rescan_s: float, poll_s: float) -> None:
        self.world = world
        self.dispatcher = dispatcher
        self.rescan_s = rescan_s
        self.poll_s = poll_s
        self.names = list(world.routes)
        self.known = [Known() for _ in self.names]
        self.on_seen: Callable[[DropRoute], None] = lambda route: None  # a folder is there
        self._hints: dict[str, set[str]] = {}
        self._lock = threading.Lock()

    # --- from outside ----------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Make every folder due."""
        for number, known in enumerate(self.known):
            known.ended_at = self.world.clock.elapsed_s()
            self.dispatcher.put(("look", number), 0.0)

    def hint(self, name: str, entry: str) -> None:
        """Take note, from any thread, that something of a route may have changed; `tick` makes a look of it."""
        with self._lock:
            if len(hints := self._hints.setdefault(name, set())) < HINTS_MAX:
                hints.add(entry)

    def tick(self) -> None:
        """Make looks due of which there are hints, not more often than is useful; and any that was lost to a bug."""
        now = self.world.clock.elapsed_s()
        with self._lock:
            hinted = {name for name, entries in self._hints.items() if entries}
        for number, (name, known) in enumerate(zip(self.names, self.known, strict=True)):
            rests_s = now - known.ended_at
            if (
                known.away and rests_s >= self.poll_s
            ):  # however often it was not there: a drive that is back is seen soon
                known.ended_at = now
                self.dispatcher.call(lambda name=name: self.dispatcher.take_up(f"route {name}", by_person=False))  # type: ignore[misc]
                continue
            is_lost = rests_s > self.poll_s + LOST_S and not known.away
            if is_lost or (name in hinted and rests_s >= max(HINT_S, known.took_s * LOOK_SHARE)):
                self.dispatcher.wake(("look", number))

    def whole(self, names: Iterable[str]) -> None:
        """Have routes looked at as a whole, now; from any thread."""
        for name in names:
            number = self.names.index(name)
            self.known[number].whole_at = None
            self.dispatcher.wake(("look", number))

    def is_to_come(self, name: str) -> bool:
        """Return whether a whole look that was asked for is still to be made."""
        known = self.known[self.names.index(name)]
        return known.whole_at is None and not known.away

    # --- a kind of key ---------------------------------------------------------------------------------------------

    def step(self, number: int) -> Result:
        """Look at one folder."""
        route, known = self.world.routes[self.names[number]], self.known[number]
        with self._lock:
            hinted = self._hints.pop(route.name, set())
        now = self.world.clock.elapsed_s()
        whole = known.whole_at is None or now - known.whole_at >= self.rescan_s
        try:
            items = self._look(route, known, hinted, whole=whole)
        except XnatsyncError as error:
            known.away, known.whole_at = True, None
            return Paused(f"route {route.name}", error)
        known.away = False
        self.on_seen(route)
        next_s = self._step_items(route, known, items, hinted, whole=whole)
        known.ended_at = self.world.clock.elapsed_s()
        known.took_s = known.ended_at - now
        if whole:
            known.whole_at = now
        return Due(max(next_s, known.took_s * LOOK_SHARE), "looks at the folder")

    def _look(self, route: DropRoute, known: Known, hinted: Collection[str], *, whole: bool) -> list[ItemRow]:
        before, names = known.names, dict[str, tuple[int, int]]()

        def passes_over(entry: DropEntry) -> bool:
            stands = entry.size, entry.mtime_ns
            names[entry.name] = stands
            return not whole and entry.name not in hinted and before.get(entry.name) == stands

        items = discover(self.world, route, passes_over)
        untold = {name for name, stands in names.items() if before.get(name) != stands} - set(hinted)
        known.missed = known.missed + 1 if untold and not whole else 0 if hinted else known.missed
        known.names = names
        return items

    def _step_items(
        self, route: DropRoute, known: Known, items: list[ItemRow], hinted: Collection[str], *, whole: bool
    ) -> float:
        """Step what may have changed; tells in how many seconds the next look is due."""
        now, soonest = self.world.clock.elapsed_s(), self.poll_s
        arriving: dict[int, float] = {}
        for item in items:
            is_told = whole or item.id > known.newest or item.path in hinted or (bool(hinted) and bool(item.flat))
            if item.phase is ItemPhase.SEEN and item.hold is None:
                pace = self._pace_s(route, item)
                last = known.looked.get(item.id, -pace)
                is_told = now - last >= pace
                arriving[item.id] = now if is_told else last
                soonest = min(soonest, pace)
            if is_told and not self._is_at_work(item):
                self.dispatcher.wake(("item", item.id))
        known.looked = arriving
        known.newest = max((item.id for item in items), default=known.newest)
        return soonest

    def _pace_s(self, route: DropRoute, item: ItemRow) -> float:
        least, most = ARRIVING_S
        return min(max(least, min(route.settle_s / 20, most)) + item.files / FILES_PER_S, ARRIVING_MAX_S)

    def _is_at_work(self, item: ItemRow) -> bool:
        """Tell whether a session of it is being stepped: that ends with a step of the item anyhow."""
        if item.phase is ItemPhase.SEEN:
            return False
        units = self.world.ledger.units(item_id=item.id)
        return any(("unit", unit.id) in self.dispatcher.busy for unit in units)

    def aims(self, number: int) -> Iterable[str]:
        """Return its route."""
        return (f"route {self.names[number]}",)

    def rivals(self, number: int, at_work: Collection[Key]) -> Iterable[Key]:
        """Return nothing: whatever a look finds is written in one transaction."""
        return ()

    def hold(self, number: int, bug: Bug) -> None:
        """Do nothing: `tick` makes the look due again after a while."""

    def follow(self, number: int, *, due: bool) -> After:
        """End the pause of its route."""
        return After((f"route {self.names[number]}",))

    def rank(self, number: int, result: Result) -> int:
        """Return that it gets nowhere by itself."""
        return 0
