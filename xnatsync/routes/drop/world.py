"""Everything the engine works with, in one place: the ports, the ledger, the routes of this run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from xnatsync.core.announced import Series
from xnatsync.core.claim import Claim
from xnatsync.core.drop_view import LastAttempt
from xnatsync.core.lookup_table import TableSeen, TableUse
from xnatsync.engine.backoff import Writes
from xnatsync.engine.context import Context
from xnatsync.ledger.rows import AttemptRow, ItemRow, UnitRow
from xnatsync.ports.drop import Disk, Xnat
from xnatsync.routes.drop.settings import DropRoute


def last_attempt(attempts: Sequence[AttemptRow]) -> LastAttempt | None:
    """The newest outside effect of a unit; one that was never closed counts as unknown."""
    if not attempts:
        return None
    newest = max(attempts, key=lambda attempt: attempt.id)
    return LastAttempt(newest.effect, newest.outcome or "unknown", newest.began_at, newest.quiet_at)


@dataclass(slots=True, kw_only=True)
class World(Context):
    """The ports, the ledger and the routes of one run."""

    disk: Disk
    server: Callable[[str], Xnat]
    routes: Mapping[str, DropRoute]
    writes: Writes = field(default_factory=Writes)
    tried: set[tuple[str, int]] = field(default_factory=set)  # what waits for a person and was tried again in this run
    restless: dict[int, tuple[str, str]] = field(default_factory=dict)  # verified items that changed: looks, since when

    tables: Callable[[TableUse], TableSeen] = lambda use: TableSeen(None, "", "no tables are read here")
    claim: Claim | None = None  # what we say of ourselves beside our custody boxes; None: nothing is written there
    lives: Callable[[Claim], bool] = lambda claim: False  # tells whether another ledger that says so is there
    claimed: set[str] = field(default_factory=set)  # routes where we have said so in this run
    marked: set[str] = field(default_factory=set)  # routes whose done folder is known to have our mark
    sorted_at: dict[str, float] = field(default_factory=dict)  # when the top of a drop folder was last sorted
    stored: set[tuple[int, str]] = field(default_factory=set)  # objects that a server acknowledged in this run, by unit
    counted: dict[int, tuple[str, tuple[Series, ...], tuple[str, ...], str]] = field(default_factory=dict)  # by look
    quiet_s: Callable[[], float] = lambda: 0.0  # for how long nothing new is sent
    heads: dict[tuple[str, str, int, int], str] = field(default_factory=dict)  # studies of files that are nobody's yet

    leaves: bool = True  # False: nothing is left beside data, as nothing of this run is to stay
    pages: Callable[[str], str] = lambda server: ""  # the address of a server, for people
    ours: dict[tuple[str, str, int, int], bool] = field(default_factory=dict)  # files of a name of ours: are they?
    shown_at: dict[str, float] = field(default_factory=dict)  # when it was last brought up to date what people see
    receipted: set[int] = field(default_factory=set)  # items whose receipt is beside them, as far as is known

    def acknowledge(self, unit: UnitRow, keys: Sequence[str]) -> None:
        """Note that the server acknowledged objects of a unit."""
        self.ledger.acknowledge(unit, keys)
        self.stored.update((unit.id, key) for key in keys)

    def note(
        self,
        about: ItemRow | UnitRow,
        code: str,
        text: str,
        level: str = "info",
        data: Mapping[str, object] | None = None,
    ) -> None:
        """Write a line in the diary.  `text` names items and units by number, never by path or label (S8)."""
        item_id, unit_id = (about.item_id, about.id) if isinstance(about, UnitRow) else (about.id, None)
        self.diary.note(code, text, level=level, route=about.route, item_id=item_id, unit_id=unit_id, data=data)
