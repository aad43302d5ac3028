"""Which items of our own ledger count on a session of the prearchive: asked before a person acts on it there.

A row that one of our uploads made is the place where that delivery goes on.  Taken away by hand it is no loss, for the
source stays until a receipt exists, but the delivery begins anew, or waits for what never comes.  A row in which a
delivery was proven may be the only copy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from xnatsync.app.profile import Profile
from xnatsync.app.status import reading
from xnatsync.core.pasting import command_line
from xnatsync.core.phases import PROVEN, UnitPhase
from xnatsync.core.remote import PrearchiveSeen
from xnatsync.ledger.rows import UnitRow


@dataclass(frozen=True, slots=True)
class Need:
    """An item that counts on a row.  `is_known`: the ledger has this row as its own, and does not only expect one."""

    unit: UnitRow
    is_known: bool

    @property
    def item(self) -> int:
        """Return the number of the item."""
        return self.unit.item_id

    @property
    def is_waiting(self) -> bool:
        """Return whether its delivery is still to go on through the row."""
        return self.unit.phase not in PROVEN

    @property
    def is_moving(self) -> bool:
        """Return whether a run may act on it at any moment: delivering it, or filing what was proven."""
        by_person = self.unit.hold == "person"
        return (self.is_waiting and not by_person) or self.unit.phase is UnitPhase.VERIFIED

    @property
    def words(self) -> str:
        """Say it, with the command that tells more."""
        why = f"`{command_line('why', str(self.item))}`"
        if not self.is_waiting:
            return f"item {self.item} was delivered into it and proven there ({why})"
        if self.unit.hold == "person":
            return f"item {self.item} waits there for a decision ({self.unit.code}, {why})"
        sure = "" if self.is_known else " perhaps"
        return f"the delivery of item {self.item} goes{sure} on through it ({why})"


def needs(profile: Profile | None, row: PrearchiveSeen) -> tuple[Need, ...]:
    """List the items of the configuration's ledger that count on a row of a server; none where there is no ledger."""
    if profile is None:
        return ()
    alike = [name for name, server in profile.config.servers.items() if server.base_url == profile.server.base_url]
    found = dict[int, Need]()
    with reading(profile.config) as ledger:
        for name in alike if ledger is not None else ():
            assert ledger is not None
            found |= {unit.id: Need(unit, is_known=True) for unit in ledger.claims(name, row.uri)}
            expecting = ledger.expecting(name, row.project, row.study_uid, row.name)
            found = {unit.id: Need(unit, is_known=False) for unit in expecting} | found
    return tuple(found[number] for number in sorted(found))


@contextmanager
def undisturbed(profile: Profile | None, found: Sequence[Need]) -> Iterator[None]:
    """Keep runs away from the ledger meanwhile, where one might act on the row; LedgerHeld when one is at work."""
    if profile is None or not any(need.is_moving for need in found):
        yield
        return
    from xnatsync.ledger.lock import hold

    with hold(profile.config.ledger.path):
        yield
