"""The quiet phase: faults stop, and everything must come to its end, or wait for a person who then resolves it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim import content
from sim.disk import is_object
from sim.invariants import Violation
from sim.server import SETTING
from xnatsync.core import errors
from xnatsync.core.retry import LONGEST_S
from xnatsync.ledger.rows import ItemRow, UnitRow
from xnatsync.routes.drop.release import release_unit, unsure_s
from xnatsync.sandbox.model import deletion, operations
from xnatsync.sandbox.model.creation import ModelError

if TYPE_CHECKING:
    from sim.world import History

STEPS_MAX = 1_500  # L2: so many steps are enough for any history of this size, once nothing goes wrong any more
ROUNDS_MAX = 24  # so often a person may be asked until everything is resolved
ASKED_MAX = 6  # and so often about one item, before it is given up


class Calm:
    """The second phase of a history."""

    def __init__(self, history: History) -> None:
        self.history = history

    def calm_down(self) -> None:
        """Faults stop; everything must come to its end."""
        self.history.log("--- quiet")
        self.history.faults.on = False
        self.history.wider_at = min(self.history.wider_at, self.history.starts + 1)  # later nobody changes anything
        self._finish_everything()
        if self.history.alive:
            self.history.stop_run()
        for number in range(ROUNDS_MAX):
            self.settle_down()
            living = self._living()
            self._everyone_knows_why(living)
            if number == 0:
                self.history.held = Counter(code for _, code in self._held(living))
            if all(item.phase == "left" for item in living):
                break
            for item in living:
                self.resolve(item)
        else:
            self.settle_down()
            if codes := sorted(code for _, code in self._held(self._living())):
                raise Violation("L5", f"still not resolved: {codes}")
        self.history.judge.nothing_is_forgotten()
        self.history.judge.what_is_left_out_is_told()
        self.history.judge.everything_is_somewhere()
        self.history.judge.nothing_secret_is_told()
        self._again_does_nothing()

    def _finish_everything(self) -> None:
        while self.history.events or self.history.server.pending:
            moments = [self.history.events[0][0]] if self.history.events else []
            moments += [one.due_ms for one in self.history.server.pending]
            self.history.clock.ms = max(self.history.clock.ms, min(moments))
            self.history.happen()
        self.history.mount()
        self.history.done_is_back()
        self.history.disk.sick = (0, 0)
        self.history.unwilling = (0, 0)
        self.history.configure_password()

    def settle_down(self) -> None:
        """Runs, each to its end however long it takes, until a run finds nothing to do."""
        begun = self.history.steps
        for _ in range(12):
            before = self._progress()
            self.history.begin()
            while self.history.work() or self._wait_on():
                if self.history.steps - begun > STEPS_MAX:
                    raise Violation("L2", f"no end after {STEPS_MAX} steps")
            self.history.judge.after_tick()
            self.history.stop_run()
            if self._progress() == before:
                return
        raise Violation("L2", "every run finds something to do")

    def _wait_on(self) -> bool:
        assert self.history.dispatcher is not None
        wait_s = self.history.dispatcher._next_s()
        if wait_s is None or wait_s == float("inf"):
            return False
        if wait_s > LONGEST_S:
            raise Violation("L2", f"something waits for {wait_s / 86400:.0f} days")
        self.history.pass_time(max(1, int(wait_s * 1000) + 1))
        return True

    def _progress(self) -> tuple[Any, ...]:
        return (
            *self.history.questions("select id, phase, hold, code from item order by id"),
            *self.history.questions("select id, phase, hold, code from unit order by id"),
            *self.history.questions("select count(*) from attempt"),
        )

    def _living(self) -> list[ItemRow]:
        return self.history.ledger.items(route="r")

    def _held(self, items: Sequence[ItemRow]) -> list[tuple[UnitRow | ItemRow, str]]:
        rows: list[UnitRow | ItemRow] = []
        for item in items:
            rows += [item] if item.hold == "person" else []
            rows += [unit for unit in self.history.ledger.units(item_id=item.id) if unit.hold == "person"]
        return [(row, row.code or "") for row in rows]

    def _everyone_knows_why(self, living: Sequence[ItemRow]) -> None:
        """L1: what has not come to its end waits for a person, itself, or behind a writer that does."""
        for item in living:
            if item.phase == "left" or item.hold == "person":
                continue
            units = self.history.ledger.units(item_id=item.id)
            if not units:
                raise Violation("L1", f"item {item.id} is {item.phase}, and nobody is asked")
            for unit in units:
                self.history.judge.blames_nobody(unit)
                writer = self.history.ledger.writer_of(unit.target)
                waits = unit.hold == "person" or (
                    writer is not None and writer.id != unit.id and writer.hold == "person"
                )
                if not waits and not (unit.phase in {"verified", "closed"} and len(units) > 1):
                    raise Violation("L1", f"unit {unit.id} is {unit.phase}, and nobody is asked")

    def resolve(self, item: ItemRow) -> None:
        """A person does what the advice says, and then lets go; at last with the hammer."""
        for row, code in self._held([item]):
            self.history.log(f"person: {code}")
            self.history.asked[item.id] += 1
            if self.history.asked[item.id] > ASKED_MAX and item.phase in {"seen", "settled"}:
                self._dismiss(item)
                return
            match code:
                case errors.SourceGone.code if item.phase == "verified":
                    self.history.disk.has_own_folder = True  # as the advice says
                case errors.DiskRefused.code:
                    self.history.disk.stuck.clear()
                case errors.SourceUnreadable.code if item.phase == "verified":
                    pass  # it can be read again
                case errors.SessionTypeDiffers.code:
                    if self.history.faults.next("administrator").random() < 0.3:
                        self._dismiss(item)
                        return
                    self.history.server.site.settings.update({SETTING: False})
                case (
                    errors.SessionCollision.code
                    | errors.SourceGone.code
                    | errors.SourceUnreadable.code
                    | errors.Unverifiable.code
                ):
                    self._dismiss(item)
                    return
                case errors.SourceDamaged.code:
                    self._remove_broken(item)
                case _ if code in errors.ACCEPTABLE:
                    if self.history.asked[item.id] > 1 or self.history.faults.next("accept").random() < 0.5:
                        self.history.accept(item)
                    else:
                        self._remove_broken(item)
                case errors.ObjectsConflict.code:
                    self._remove_rivals(item)
                case _ if isinstance(row, UnitRow):
                    self._clear_server(row, code, hammer=self.history.asked[item.id] >= 3)
            self._release(item, row)

    def _dismiss(self, item: ItemRow) -> None:
        while (wait_s := unsure_s(self.history.ledger, item.id, self.history.ledger_now())) > 0:
            self.history.pass_time(int(wait_s * 1000) + 1)
        self.history.ledger.dismiss_item(item.id, self.history.ledger_now())
        self.history.marks["dismissed"] += 1

    def _release(self, item: ItemRow, row: ItemRow | UnitRow) -> None:
        if isinstance(row, ItemRow):
            self.history.ledger.release_item(row.id)
            return
        while (wait_s := unsure_s(self.history.ledger, item.id, self.history.ledger_now())) > 0:
            self.history.pass_time(int(wait_s * 1000) + 1)
        if self.history.ledger.unit(row.id).phase != "dismissed":
            release_unit(
                self.history.ledger,
                self.history.ledger.item(item.id),
                self.history.ledger.unit(row.id),
                self.history.ledger_now(),
            )

    def _files_of(self, item: ItemRow) -> list[str]:
        if not item.flat:
            return self.history.disk.below(self.history.route.source(item))
        places = [str(self.history.route.folder / row.name) for row in self.history.ledger.loose_of(item.id)]
        return [place for place in places if place in self.history.disk.files]

    def _remove_broken(self, item: ItemRow) -> None:
        for name in self._files_of(item):
            data = self.history.disk.files[name].data
            try:
                whole = (
                    is_object(data) or name.endswith(".txt") or bool(content.is_archive(data) and content.members(data))
                )
            except Exception:  # a torn archive
                whole = False
            if not whole:
                self.history.give_up(Path(name))

    def _remove_rivals(self, item: ItemRow) -> None:
        seen: dict[str, bytes] = {}
        for name in self._files_of(item):
            data = self.history.disk.files[name].data
            known = content.facts(data) if not content.is_archive(data) else None
            if known is not None and seen.setdefault(known.sop_uid, data) != data:
                self.history.give_up(Path(name))

    def _clear_server(self, unit: UnitRow, code: str, *, hammer: bool) -> None:
        """Deletes on the server what the advice says is in the way."""
        sessions = {errors.ForeignContent.code, errors.ObjectsDiffer.code, errors.StudyElsewhere.code}
        for row in self.history.server.rows():
            if row.tag == unit.study_uid or row.name == unit.session:
                try:
                    operations.delete(self.history.server.site, row)
                except ModelError:
                    operations.reset(self.history.server.site, row)
        for session in self.history.server.sessions():
            if (hammer or code in sessions) and self.history.server.is_of(session, unit.study_uid):
                deletion.delete_experiment(self.history.server.site, session, remove_files=True)

    def _again_does_nothing(self) -> None:
        """L3: another run writes nothing, moves nothing and plans nothing."""
        before = (
            self.history.writes,
            self._progress(),
            {name: file.data for name, file in self.history.disk.files.items()},
        )
        self.settle_down()
        after = (
            self.history.writes,
            self._progress(),
            {name: file.data for name, file in self.history.disk.files.items()},
        )
        if before != after:
            raise Violation("L3", "another run did something")
