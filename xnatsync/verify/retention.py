"""Filed copies go when their time is over or room is needed: the oldest first, and only what a fresh look confirms.

The look is the one of `verify`, at the level of the route; what the server does not show whole now stays here.
What goes is announced in the ledger before the first file is removed, so that a killed run goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from xnatsync.core.errors import Stopped, XnatsyncError
from xnatsync.core.moment import seconds_between
from xnatsync.core.phases import PROVEN
from xnatsync.core.settle import fingerprint
from xnatsync.core.verification import Finding, Looked, Target, Verdict
from xnatsync.core.wording import counted
from xnatsync.ledger.retention import Outcome, RetentionRow
from xnatsync.ledger.rows import FileRow, ItemRow, UnitRow
from xnatsync.ports.drop import ItemLook
from xnatsync.routes.drop.settings import DropRoute
from xnatsync.verify.drops import Drops
from xnatsync.verify.examiner import Looking
from xnatsync.verify.filed_copies import NO_CONTENT, filed_place, is_folder

AGAIN_S = 86_400.0  # what could not go is tried again after a day
_UNTOUCHED = "files of it were never sent, or are not as they were filed"


@dataclass(frozen=True, slots=True)
class Terms:
    """When filed copies of a route go: after a time, and when less than so much of their disk is free."""

    keep_s: float | None = None
    free_bytes: int = 0
    at_once: bool = False  # a person asks: what could not go before is tried again now


@dataclass(frozen=True, slots=True)
class Let:
    """What became of one filed copy, or would."""

    item: ItemRow
    outcome: Outcome
    why: str
    files: int = 0  # that were removed
    bytes: int = 0
    left: int = 0  # files that stay, as they were never sent, or are not what was filed
    error: XnatsyncError | None = None
    verdict: Verdict | None = None  # what the look found, where that is why it stays


@dataclass(slots=True)
class Retaining:
    """One run over the filed copies of one route."""

    looking: Looking
    route: DropRoute
    terms: Terms
    rehearse: bool = False
    free: Callable[[], int] | None = None
    _targets: dict[int, Target] = field(default_factory=dict)
    _seen: dict[Target, Looked] = field(default_factory=dict)
    _freed: int = 0

    def run(self) -> Iterator[Let]:
        """Let go what is due, the oldest first; ends when nothing older is due, or a server or disk is away."""
        drops = Drops(self.looking, self.route, self.route.level, repairing=False)
        for item in self.looking.ledger.filed_items(self.route.name):
            why = self._due(item)
            if not why:
                return
            if self._rests(item):
                continue
            self.looking.check_stop()
            if not self._targets:
                self._targets = {number: target for target in drops.targets() for number in target.ids}
            try:
                let = self._one(drops, item, why)
            except Stopped:
                raise
            except XnatsyncError as error:
                yield self._noted(Let(item, "kept", str(error), error=error))
                return
            yield self._noted(let)

    # --- what is due -----------------------------------------------------------------------------------------------

    def _due(self, item: ItemRow) -> str:
        """Return why a copy goes; "" while it stays."""
        now = self.looking.now()
        if self.terms.keep_s is not None and seconds_between(item.moved_at, now) >= self.terms.keep_s:
            return f"it was filed on {item.moved_at[:10]}"
        free = self._free() + self._freed if self.rehearse else self._free()
        return "room is needed on its disk" if free < self.terms.free_bytes else ""

    def _free(self) -> int:
        if not self.terms.free_bytes:
            return 0
        return self.free() if self.free is not None else self.looking.trees.free_bytes(self.route.done)

    def _rests(self, item: ItemRow) -> bool:
        last = self.looking.ledger.retention(item.id)
        if self.terms.at_once or last is None:
            return False
        return 0 <= seconds_between(last.at, self.looking.now()) < AGAIN_S

    # --- one copy --------------------------------------------------------------------------------------------------

    def _one(self, drops: Drops, item: ItemRow, why: str) -> Let:
        place = filed_place(self.looking, self.route, item)
        if place is None or self.looking.ledger.shares_its_place(item):
            return Let(item, "kept", "another item was filed under its name")
        units = [unit for unit in self.looking.ledger.units(item_id=item.id, living=False) if unit.phase in PROVEN]
        for unit in units:
            obstacle = self._obstacle(drops, unit)
            if obstacle is not None:
                return Let(item, "kept", obstacle[1], verdict=obstacle[0])
        look = self.looking.disk.look(place)
        if look is None or not (look.files or look.problems):
            return Let(item, "kept", "its copy is not there: see `xnatsync verify`")
        numbers = {unit.id for unit in units}
        files = [file for file in self.looking.ledger.files(item.id) if file.sha256 != NO_CONTENT]
        single = not is_folder(self.looking, place)
        sent = [file for file in files if file.unit_id in numbers]
        goes, left = (_whole if single else _parted)(item, look, sent, len(files))
        size = sum(file.stored_size for file in goes)
        if not self.rehearse and goes:
            self._announce(item, units, goes, why)
            self._remove(place, [] if single else goes)
        self._freed += size
        if left and not goes:
            why = _UNTOUCHED
        return Let(item, "rest" if left else "gone", why, files=len(goes), bytes=size, left=left)

    def _obstacle(self, drops: Drops, unit: UnitRow) -> tuple[Verdict, str] | None:
        """Return what the server does not show of a session; None when it shows all of it, now."""
        receipt = self.looking.ledger.receipt(unit.id)
        if receipt is None or receipt.place != "archive":
            return Verdict.UNVERIFIABLE, f"session {unit.session} is not in the archive yet"
        target = self._targets.get(unit.id)
        if target is None:
            return Verdict.UNVERIFIABLE, f"session {unit.session} is on its way"
        looked = self._seen.get(target)
        if looked is None:
            looked = self._seen[target] = drops.examine(target)
        found = next((one for one in looked.findings if _counts(one)), None)
        if found is not None:
            wrong = sum(one.count for one in looked.findings if _counts(one))
            return found.verdict, f"session {unit.session}: {counted(wrong, 'object')} {found.verdict} on the server"
        return None

    def _announce(self, item: ItemRow, units: list[UnitRow], goes: list[FileRow], why: str) -> None:
        looking, now = self.looking, self.looking.now()
        with looking.ledger.write():
            looking.ledger.sight((unit.id for unit in units), looking.run_id, self.route.level.value, now)
            looking.ledger.let_go(item.id, (file.position for file in goes), looking.run_id, now)
            looking.diary.note(
                "copy.let_go",
                f"item {item.id}: {counted(len(goes), 'filed file')} removed, {why}; "
                f"the server was just seen to hold them, compared by {self.route.level.value}",
                route=item.route, item_id=item.id, data={"files": len(goes)},
            )  # fmt: skip

    def _remove(self, place: Path, within: list[FileRow]) -> None:
        """Remove files of a folder, and what is empty then; without any, the one file that the copy is."""
        disk = self.looking.disk
        for file in within:
            disk.remove(place / file.path)
        if within:
            disk.prune(place)
        else:
            disk.remove(place)
        if place.parent != self.route.done and not disk.entries(place.parent):
            disk.prune(place.parent)

    def _noted(self, let: Let) -> Let:
        if not self.rehearse:
            detail = let.why if let.outcome == "kept" else f"{counted(let.files, 'file')} let go, {let.left} left"
            self.looking.ledger.note_retention(RetentionRow(let.item.id, let.outcome, detail, self.looking.now()))
        return let


def _counts(found: Finding) -> bool:
    """Return whether a finding says that the server may not hold all: or that a manifest was tampered with."""
    if found.verdict in {Verdict.SAME, Verdict.EXTRA}:
        return False
    return found.side == "server" or found.key is None


def _whole(item: ItemRow, look: ItemLook, sent: list[FileRow], files: int) -> tuple[list[FileRow], int]:
    """Return what goes of a copy that is one file, and what stays: an archive goes as a whole or not at all."""
    name = PurePosixPath(item.path).name  # it may have been filed under another
    now = fingerprint(((name, file.size, file.mtime_ns) for file in look.files), ())
    return (sent, 0) if len(sent) == files and not look.problems and now == item.fingerprint else ([], 1)


def _parted(item: ItemRow, look: ItemLook, sent: list[FileRow], files: int) -> tuple[list[FileRow], int]:
    """Return what goes of a folder, and how many files stay: never sent, changed since, or not in the manifest."""
    there = {file.path: (file.size, file.mtime_ns) for file in look.files}
    goes = [file for file in sent if there.get(file.path) == (file.stored_size, file.mtime_ns)]
    return goes, len(there) + len(look.problems) - len(goes)
