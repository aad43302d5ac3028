"""What a failure or trouble means for an entity of a transfer, and when so many fail that the run is stopped."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from xnatsync.core.advice import advice_of
from xnatsync.core.errors import (
    ClusterUnreachable,
    Disposition,
    ServerUnreachable,
    Stopped,
    TooManyFailures,
    WorkersMissing,
    XnatsyncError,
)
from xnatsync.core.hold import Hold
from xnatsync.core.mirror_decision import Trouble
from xnatsync.engine.blame import LEDGER, of_the_ledger
from xnatsync.engine.dispatcher import Key
from xnatsync.engine.holds import LOOK_AGAIN_S, OF_THE_SERVER
from xnatsync.engine.result import Due, Paused, Rest, Result
from xnatsync.engine.troubles import told
from xnatsync.ledger.tree_rows import OwnerRow
from xnatsync.routes.transfer.settings import TransferRoute
from xnatsync.routes.transfer.world import TransferWorld

_AGAIN = frozenset({Disposition.RETRY, Disposition.PAUSE, Disposition.LOOK})
_LONGEST_S = 3600.0


@dataclass(frozen=True, slots=True)
class Group:
    """What is due of one subject: itself, and its sessions, which wait for it."""

    head: int | None
    members: tuple[int, ...]

    @property
    def all(self) -> tuple[int, ...]:
        """Return all of them."""
        return self.members if self.head is None else (self.head, *self.members)


@dataclass(slots=True)
class Failures:
    """What failed in this run: how often each entity, and how many subjects in a row."""

    world: TransferWorld
    route: TransferRoute
    project: int | None  # where it is due: everything else waits for it
    groups: Sequence[Group]
    tries: dict[int, int] = field(default_factory=dict)
    failed: set[int] = field(default_factory=set)
    held: set[int] = field(default_factory=set)
    over: set[int] = field(default_factory=set)  # that have come to their end in this run
    ended: set[int] = field(default_factory=set)  # groups that were counted, by their place
    in_a_row: int = 0
    tripped: XnatsyncError | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def first(self) -> list[int]:
        """Return what a run begins with: the project, or where it is in agreement what waits for nothing else."""
        return [self.project] if self.project is not None else self._heads()

    def freed(self, number: int) -> tuple[Key, ...]:
        """Return what may go now that an entity is at the destination."""
        if number == self.project:
            return tuple(("owner", one) for one in self._heads())
        return tuple(("owner", one) for group in self.groups if group.head == number for one in group.members)

    def _heads(self) -> list[int]:
        return [one for group in self.groups for one in (group.all if group.head is None else (group.head,))]

    def fail(self, row: OwnerRow, error: XnatsyncError) -> Result:
        """Try an entity again soon, or in the next run; leave the route alone where a whole server is the matter."""
        if isinstance(error, Stopped):
            return Due(LOOK_AGAIN_S, str(error))
        if of_the_ledger(error):
            return Paused(LEDGER, error)
        if isinstance(error, ClusterUnreachable | WorkersMissing):
            with self.lock:
                self.tripped = self.tripped or error
            return Rest()
        wide = error.disposition is Disposition.PAUSE and (not error.effect or isinstance(error, ServerUnreachable))
        if wide or isinstance(error, OF_THE_SERVER):
            return Paused(f"route {row.route}", error)
        tries = self.tries[row.id] = self.tries.get(row.id, 0) + 1
        waits = error.disposition in _AGAIN
        again = waits and tries <= self.route.retries
        wait_s = min(max(self.route.delay_s * 2 ** (tries - 1), error.retry_after_s or 0.0), _LONGEST_S)
        world = self.world
        world.progress.failed(error.code, f"o{row.id}")
        with world.ledger.write():
            hold = Hold(
                kind="retry" if waits else "person", code=error.code, detail=str(error), advice=error.remedy,
                retry_at=world.in_seconds(wait_s if again else 0.0) if waits else None, tries=row.tries + 1,
            )  # fmt: skip
            world.ledger.hold_owner(row.id, hold)
            world.note(row.route, error.code, f"o{row.id} failed", level="warning", owner=row.id)
        if again:
            return Due(wait_s, str(error))
        self.failed.add(row.id)
        self._count(row.id)
        return Rest()

    def went(self, number: int, *, is_held: bool) -> None:
        """Note that an entity came to its end without a failure; one that waits for a person is no success either."""
        if is_held:
            self.held.add(number)
        self._count(number)

    def _count(self, number: int) -> None:
        """Count subjects in a row: one that has come to its end without a failure begins anew."""
        with self.lock:
            self.over.add(number)
            for place, group in enumerate(self.groups):
                if place in self.ended or number not in group.all:
                    continue
                stuck = group.head in self.failed or group.head in self.held
                if stuck or self.over.issuperset(group.all):
                    self.ended.add(place)
                    if not self.failed.isdisjoint(group.all):
                        self.in_a_row += 1
                    elif self.held.isdisjoint(group.all):
                        self.in_a_row = 0
            if self.in_a_row >= self.route.max_failures > 0 and self.tripped is None:
                self.tripped = TooManyFailures(f"{self.in_a_row} subjects failed one after the other: stopped")


def hold_by(world: TransferWorld, row: OwnerRow, troubles: Sequence[Trouble]) -> bool:
    """Write down what is in trouble, and hold the entity when a person must act; True then."""
    persons = [trouble for trouble in troubles if trouble.person]
    for code in sorted({trouble.code for trouble in troubles}):
        world.progress.failed(code, f"o{row.id}")
    with world.ledger.write():
        world.ledger.set_troubles(row.id, told(troubles), world.now())
        if not persons:
            world.ledger.release_owner(row.id)
            return False
        first = persons[0]
        more = f" (and {len(persons) - 1} more)" if len(persons) > 1 else ""
        place = f"{first.path}: " if first.path else ""
        hold = Hold(kind="person", code=first.code, detail=f"{place}{first.detail}{more}", advice=advice_of(first.code))
        world.ledger.hold_owner(row.id, hold)
        if row.code != first.code:
            world.note(row.route, first.code, f"o{row.id} waits for a person", level="error", owner=row.id)
    return True
