"""What the ledger says about now and about before.  Only read: it works beside a running instance."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from xnatsync.app.mailbox import is_at_work
from xnatsync.app.running import is_alive
from xnatsync.app.waits import waits_now
from xnatsync.core.errors import Exit
from xnatsync.core.moment import clock_words, seconds_between, stamp
from xnatsync.core.pasting import command_line
from xnatsync.core.phases import ENDED
from xnatsync.ledger.agents import AgentRow, JobRow
from xnatsync.ledger.outbox import NotificationRow
from xnatsync.ledger.rows import EventRow, ItemRow, PauseRow, RunRow, UnitRow
from xnatsync.ledger.tree_rows import MirrorCounts, OwnerRow, TroubleRow, UnplacedRow

if TYPE_CHECKING:
    from xnatsync.app.strays import Strays
    from xnatsync.config.model import Config
    from xnatsync.ledger.ledger import Ledger

RUNS_LOOKED_AT = 50  # of the newest, to find the last of each kind
SILENT_S = 90.0  # an agent that has not said for so long that it is at work is not healthy
LISTED_MAX = 200  # items under way or held that are shown one by one


@dataclass(frozen=True, slots=True)
class Standing:
    """An item that has not come to its end, with its units."""

    item: ItemRow
    units: tuple[UnitRow, ...]
    left_out: Mapping[str, int]  # by the route's selection: how many files by which key
    waits: tuple[str, ...] = ()  # for what, where nothing is held

    @property
    def is_held(self) -> bool:
        """Return whether it waits for a person."""
        return self.item.hold == "person" or any(unit.hold == "person" for unit in self.units)


@dataclass(frozen=True, slots=True)
class PhaseCount:
    """So many items of a route are in a phase."""

    phase: str
    items: int
    bytes: int


@dataclass(frozen=True, slots=True)
class TreeStanding:
    """How the tree of a mirror or a push stands."""

    counts: MirrorCounts
    troubles: tuple[TroubleRow, ...]
    held: tuple[OwnerRow, ...]  # for a person, or until they are tried again
    unplaced: tuple[UnplacedRow, ...] = ()  # files of a push that are not sent, as nobody owns them


@dataclass(frozen=True, slots=True)
class RouteStanding:
    """A route: how many items in which phase, and what is still under way; or how its tree stands."""

    name: str
    kind: str  # drop | mirror | push; of a route that is no longer configured, by what the ledger has of it
    folder: str | None  # None: no longer configured, or a route without one
    counts: tuple[PhaseCount, ...]
    standing: tuple[Standing, ...]
    more: int  # items under way that are not listed in `standing`
    left_out: Mapping[str, int]  # of all items, by key of the selection, as far as it was never sent
    tree: TreeStanding | None = None  # None: not yet run, or a route without a tree
    custody: int = 0  # things in custody that the ledger does not know of: the next run makes items of them
    rivals: int = 0  # things in custody that belong to another ledger, which is there
    notes: tuple[str, ...] = ()  # settings that do not do what one would think
    is_configured: bool = False


@dataclass(frozen=True, slots=True)
class AgentStanding:
    """The agent that runs, or ran last, and what it last said of itself."""

    row: AgentRow
    alive: bool
    healthy: bool  # it is alive, and said lately that something goes forward
    told: Mapping[str, Any]
    jobs: tuple[JobRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Overview:
    """All routes, what is left alone, and how the last runs went."""

    routes: tuple[RouteStanding, ...]
    last_run: RunRow | None
    last_verify: RunRow | None = None
    pauses: tuple[PauseRow, ...] = ()
    alive: bool = False  # the process of the last run is at work
    agent: AgentStanding | None = None  # None: none ever ran
    failing: tuple[tuple[NotificationRow, int], ...] = ()  # targets that take no messages, with how many wait

    @property
    def exit_code(self) -> int:
        """0 only when nothing of these routes is held or still to be done."""
        trees = [route.tree for route in self.routes if route.tree is not None]
        asked = [row.person for tree in trees for row in tree.troubles]
        asked += [row.person for tree in trees for row in tree.unplaced]
        standing = [part for route in self.routes for part in route.standing]
        if any(asked) or any(tree.held for tree in trees) or any(part.is_held for part in standing):
            return Exit.HELD
        is_open = any(part.item.phase not in ENDED for part in standing) or any(route.more for route in self.routes)
        return Exit.TEMPORARY if is_open or self.pauses else Exit.OK


@dataclass(frozen=True, slots=True)
class DiaryLine:
    """One event, with the path of the item it is about, or the name of the project, subject or session."""

    event: EventRow
    path: str | None


@dataclass(frozen=True, slots=True)
class Diary:
    """What happened lately: events, and the runs among them that ended, the oldest first."""

    lines: tuple[DiaryLine, ...] = ()
    runs: tuple[RunRow, ...] = ()


@contextmanager
def reading(config: Config) -> Iterator[Ledger | None]:
    """Open the ledger for reading; None when there is none yet."""
    from xnatsync.ledger.open import open_ledger

    if not config.ledger.path.exists():
        yield None
        return
    ledger = open_ledger(config.ledger.path, read_only=True)
    try:
        yield ledger
    finally:
        ledger.close()


def overview(config: Config, route: str | None = None) -> Overview:
    """Say how every route stands, or one; RouteUnknown when neither configuration nor ledger knows it."""
    with reading(config) as ledger:
        phases = ledger.phase_counts() if ledger is not None else {}
        trees = ledger.mirror_counts() if ledger is not None else {}
        kinds = ledger.route_kinds() if ledger is not None else {}
        known = sorted({*config.routes, *kinds, *trees, *(name for name, _, _ in phases)})
        config.refuse_unknown([route] if route is not None else [], known)
        names = known if route is None else [route]
        runs = ledger.runs(RUNS_LOOKED_AT) if ledger is not None else []
        last = next((run for run in runs if not is_verify(run)), None)
        return Overview(
            tuple(_route(config, ledger, name, phases, trees, kinds) for name in names),
            last,
            next((run for run in runs if is_verify(run) and run.ended_at is not None), None),
            tuple(ledger.pauses()) if ledger is not None else (),
            last is not None and is_alive(last),
            agent_standing(ledger),
            _failing(config, ledger),
        )


def _failing(config: Config, ledger: Ledger | None) -> tuple[tuple[NotificationRow, int], ...]:
    found = ledger.waiting_messages() if ledger is not None else []
    return tuple(part for part in found if part[0].target in config.notify)


def agent_standing(ledger: Ledger | None) -> AgentStanding | None:
    """Return how the agent stands that works, or worked, with a ledger; None where none ever did."""
    row = ledger.agent() if ledger is not None else None
    if ledger is None or row is None:
        return None
    told = json.loads(row.told)
    alive = is_at_work(row)
    silent_s = abs(seconds_between(row.beat_at, stamp(datetime.now(UTC))))
    return AgentStanding(
        row, alive, alive and silent_s < SILENT_S and bool(told["well"]), told, tuple(ledger.jobs().values())
    )


def overview_of(config: Config, routes: Sequence[str]) -> Overview:
    """Say how some routes stand; all, if none is named."""
    seen = overview(config)
    return replace(seen, routes=tuple(part for part in seen.routes if not routes or part.name in routes))


def is_verify(run: RunRow) -> bool:
    """Return whether a run only looked: it counts what it looked at."""
    return '"targets"' in run.counts


def _route(
    config: Config,
    ledger: Ledger | None,
    name: str,
    phases: Mapping[tuple[str, str, str], tuple[int, int]],
    trees: Mapping[str, MirrorCounts],
    kinds: Mapping[str, str],
) -> RouteStanding:
    totals: dict[str, list[int]] = {}
    for (route, phase, _), (items, size_bytes) in phases.items():
        if route == name:
            total = totals.setdefault(phase, [0, 0])
            total[0] += items
            total[1] += size_bytes
    living = ledger.items(route=name) if ledger is not None else []
    standing = [_standing(config, ledger, item) for item in living] if ledger is not None else []
    standing.sort(key=lambda part: not part.is_held)
    left_out = ledger.never_sent(name) if ledger is not None else {}
    folder = str(config.folders[name]) if name in config.folders else None
    tree = _tree(ledger, name, trees.get(name)) if ledger is not None else None
    stray = _strays(config, ledger, name)
    return RouteStanding(
        name,
        config.routes[name].kind if name in config.routes else kinds.get(name, "drop"),
        folder,
        tuple(PhaseCount(phase, items, size_bytes) for phase, (items, size_bytes) in sorted(totals.items())),
        tuple(standing[:LISTED_MAX]),
        max(0, len(standing) - LISTED_MAX),
        left_out,
        tree,
        len(stray.found),
        len(stray.rivals),
        (*_notes(ledger, name), *_refused(ledger, name)),
        name in config.routes,
    )


def _strays(config: Config, ledger: Ledger | None, name: str) -> Strays:
    from xnatsync.app.settings import drop_route
    from xnatsync.app.strays import Strays, strays
    from xnatsync.disk.local import LocalDisk

    if name not in config.drop_routes:
        return Strays()
    return strays(LocalDisk(), drop_route(name, config.drop_routes[name]), ledger)


def _notes(ledger: Ledger | None, name: str) -> tuple[str, ...]:
    since = ledger.standby() if ledger is not None else {}
    return tuple(
        f"paused in the agent since {clock_words(since[one])}: `{command_line('resume', *([one] if one else []))}`"
        for one in (name, "")
        if one in since
    )


def _refused(ledger: Ledger | None, name: str) -> tuple[str, ...]:
    """Say which lookup tables of a route are refused, and what is in force in their place."""
    rows = ledger.lookups(name).values() if ledger is not None else ()
    return tuple(
        f"the lookup table {row.file} is refused since {clock_words(row.at)}: {row.refused}; "
        + ("the last good one stays in force" if row.digest else "there was no good one yet")
        for row in rows
        if row.refused
    )


def _tree(ledger: Ledger, name: str, counts: MirrorCounts | None) -> TreeStanding | None:
    unplaced = tuple(ledger.unplaced(name))
    if counts is None and not unplaced:
        return None
    held = [row for row in ledger.owners(name) if row.hold is not None]
    return TreeStanding(counts or MirrorCounts(), tuple(ledger.troubles(name)), tuple(held), unplaced)


def _standing(config: Config, ledger: Ledger, item: ItemRow) -> Standing:
    units = tuple(ledger.units(item_id=item.id))
    return Standing(item, units, ledger.left_out(item.id), waits_now(config, ledger, item, units))


def diary(config: Config, limit: int) -> Diary:
    """Return the newest events, the oldest of them first, and the runs since the first of them."""
    with reading(config) as ledger:
        if ledger is None:
            return Diary()
        names: dict[tuple[str, int | None], str | None] = {}
        lines = []
        for event in ledger.events(limit=limit):
            about = ("item", event.item_id) if event.item_id is not None else ("owner", event.owner)
            if about not in names:
                names[about] = _name_of(ledger, *about)
            lines.append(DiaryLine(event, names[about]))
        first = lines[0].event.at if lines else ""
        runs = [run for run in ledger.runs(limit)[::-1] if run.ended_at is not None and run.ended_at >= first]
        return Diary(tuple(lines), tuple(runs))


def _name_of(ledger: Ledger, kind: str, number: int | None) -> str | None:
    """Return how a person knows what an event is about; None when it is about nothing that is still known."""
    if number is None:
        return None
    if kind == "item":
        return ledger.item(number).path if ledger.has_item(number) else None
    if not ledger.has_owner(number):
        return None
    row = ledger.owner(number)
    return {"session": row.session, "subject": row.subject}.get(row.kind) or row.project
