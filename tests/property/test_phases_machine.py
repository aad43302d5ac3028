"""The two state machines: total in Python, the same in SQLite, and sound under any order of events."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from draws import examples
from unit.ledger_example import NOW, a_file, a_study, concluded, fresh, seen, sent
from xnatsync.core.errors import Bug, ImpossibleMove
from xnatsync.core.phases import ITEM_MOVES, UNIT_MOVES, ItemPhase, UnitPhase, advance_item, advance_unit
from xnatsync.routes.drop.release import wake

ENDS = {"item": {ItemPhase.DONE, ItemPhase.DISMISSED}, "unit": {UnitPhase.CLOSED, UnitPhase.DISMISSED}}


@pytest.mark.parametrize(("start", "to"), list(product(ItemPhase, ItemPhase)))
def test_every_pair_of_item_phases_is_a_move_or_impossible(start: ItemPhase, to: ItemPhase) -> None:
    """The table is the whole truth; staying is not a move."""
    if (start, to) in ITEM_MOVES:
        assert advance_item(start, to) == to
    else:
        with pytest.raises(ImpossibleMove, match=f"from {start} to {to}"):
            advance_item(start, to)


@pytest.mark.parametrize(("start", "to"), list(product(UnitPhase, UnitPhase)))
def test_every_pair_of_unit_phases_is_a_move_or_impossible(start: UnitPhase, to: UnitPhase) -> None:
    """The table is the whole truth; staying is not a move."""
    if (start, to) in UNIT_MOVES:
        assert advance_unit(start, to) == to
    else:
        with pytest.raises(ImpossibleMove, match=f"from {start} to {to}"):
            advance_unit(start, to)


@pytest.mark.parametrize("advance", [advance_item, advance_unit])
def test_a_phase_that_does_not_exist_is_impossible(advance: Callable[[str, str], str]) -> None:
    """A misspelt phase is our mistake, told like any other."""
    with pytest.raises(ImpossibleMove):
        advance("seen", "sceen")
    with pytest.raises(ImpossibleMove):
        advance("nowhere", "dismissed")


def test_proof_comes_only_after_landing() -> None:
    """There is one way to `verified` and one from it, so that nothing skips the look at the target."""
    assert {start for start, to in UNIT_MOVES if to is UnitPhase.VERIFIED} == {UnitPhase.LANDED}
    assert {to for start, to in UNIT_MOVES if start is UnitPhase.VERIFIED} == {UnitPhase.CLOSED}
    assert {start for start, to in ITEM_MOVES if to is ItemPhase.DONE} == {ItemPhase.VERIFIED}
    assert {start for start, to in ITEM_MOVES if to is ItemPhase.VERIFIED} == {ItemPhase.SETTLED}


@pytest.mark.parametrize(
    ("machine", "moves", "start"), [("item", ITEM_MOVES, ItemPhase.SEEN), ("unit", UNIT_MOVES, UnitPhase.PLANNED)]
)
def test_every_phase_is_reached_and_only_ends_are_ends(machine: str, moves: frozenset, start: str) -> None:
    """Nothing is stuck by construction: from every phase that is no end there is a way to one."""
    reached = {start}
    while more := {to for at, to in moves if at in reached} - reached:
        reached |= more

    assert reached == set(type(start))
    assert {phase for phase in reached if not any(at == phase for at, _ in moves)} == ENDS[machine]


class LedgerLife(RuleBasedStateMachine):
    """Anything may happen in any order; whatever the ledger accepts, its promises hold afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.ledger = fresh(Path(self.folder.name))
        self.ledger.database.execute("pragma synchronous = off")
        self.requests = 0

    @initialize()
    def first(self) -> None:
        seen(self.ledger, "name0")

    def teardown(self) -> None:
        self.ledger.close()
        self.folder.cleanup()

    def attempt(self, do: Callable[[], object]) -> None:
        """What is refused leaves everything as it was."""
        before = self.everything()
        try:
            do()
        except Bug:
            assert before == self.everything()

    def everything(self) -> list[list[tuple[object, ...]]]:
        tables = ("item", "unit", "file", "attempt", "entry", "receipt")
        return [self.ledger.database.execute(f"select * from {table}").fetchall() for table in tables]

    # What brings things on.  One rule each, so that most lives come far.

    @rule(number=st.integers(0, 1))
    def drop(self, number: int) -> None:
        self.attempt(lambda: seen(self.ledger, f"name{number}"))

    @precondition(lambda self: self.items_in("seen"))
    @rule(data=st.data(), labels=st.sampled_from([["A", "B"], ["A"], ["A", "A"], ["B", "C"], []]))
    def settle(self, data: st.DataObject, labels: list[str]) -> None:
        item = data.draw(st.sampled_from(self.items_in("seen")))
        files = [a_file(number, study=number) for number in range(len(labels))]
        units = [a_study(number, label) for number, label in enumerate(labels)]
        self.attempt(lambda: self.ledger.settle_item(item, files, units, NOW))

    @precondition(lambda self: self.units_in("planned", "sent"))
    @rule(data=st.data())
    def send(self, data: st.DataObject) -> None:
        unit = self.ledger.unit(data.draw(st.sampled_from(self.units_in("planned", "sent"))))
        self.requests += 1
        self.attempt(lambda: sent(self.ledger, unit, request=f"r{self.requests}."))

    @precondition(lambda self: self.units_in("planned", "sent"))
    @rule(data=st.data())
    def land(self, data: st.DataObject) -> None:
        unit = data.draw(st.sampled_from(self.units_in("planned", "sent")))
        self.attempt(lambda: self.ledger.move_unit(unit, "landed", NOW))

    @precondition(lambda self: self.units_in("landed"))
    @rule(data=st.data(), held=st.sampled_from([1, 0, 1]))
    def conclude(self, data: st.DataObject, held: int) -> None:
        unit = self.ledger.unit(data.draw(st.sampled_from(self.units_in("landed"))))
        self.attempt(lambda: concluded(self.ledger, unit, held=held))

    @precondition(lambda self: self.items_in("settled", "verified"))
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        item = data.draw(st.sampled_from(self.items_in("settled", "verified")))
        self.attempt(lambda: self.ledger.move_item(item, "verified", NOW))
        self.attempt(lambda: self.ledger.move_item(item, "done", NOW))

    # What comes between, chosen by one rule.

    @rule(data=st.data(), what=st.integers(0, 5))
    def disturb(self, data: st.DataObject, what: int) -> None:
        item = data.draw(st.sampled_from(self.items_in(*ItemPhase)))
        units = self.units_in(*UnitPhase)
        match what:
            case 0:
                self.attempt(lambda: self.ledger.reset_item(item, "looks", 1, 1, NOW))
            case 1:
                self.attempt(lambda: self.ledger.dismiss_item(item, NOW))
            case 2:
                to = data.draw(st.sampled_from(list(ItemPhase)))
                self.attempt(lambda: self.ledger.move_item(item, to, NOW))
            case 3:
                self.requests += 1
                wake(self.ledger, "scanner", NOW)
            case _ if units:
                unit, to_phase = data.draw(st.sampled_from(units)), data.draw(st.sampled_from(list(UnitPhase)))
                self.attempt(lambda: self.ledger.move_unit(unit, to_phase, NOW))

    def items_in(self, *phases: str) -> list[int]:
        return [item.id for item in self.ledger.items(living=False) if item.phase in phases]

    def units_in(self, *phases: str) -> list[int]:
        return [unit.id for unit in self.ledger.units(living=False) if unit.phase in phases]

    @invariant()
    def every_filed_object_has_a_receipt(self) -> None:
        """S2, asked of the rows alone."""
        bare = self.ledger.database.execute(
            "select f.path from file f join item i on i.id = f.item_id left join receipt r on r.unit_id = f.unit_id "
            "where i.phase in ('verified', 'done') and f.kind = 'dicom' and r.id is null"
        ).fetchall()
        assert bare == []

    @invariant()
    def one_writer_for_each_target(self) -> None:
        """S5."""
        writers = self.ledger.database.execute("select target from unit where phase in ('sent', 'landed')").fetchall()
        assert len(writers) == len(set(writers))

    @invariant()
    def proven_means_receipt(self) -> None:
        """And the other way round: a receipt is never of a unit that was given up."""
        with_receipt = {row[0] for row in self.ledger.database.execute("select unit_id from receipt").fetchall()}
        proven = {unit.id for unit in self.ledger.units(living=False) if unit.phase in {"verified", "closed"}}
        assert with_receipt == proven

    @invariant()
    def nothing_dangles(self) -> None:
        assert self.ledger.database.execute("pragma foreign_key_check").fetchall() == []


LedgerLife.TestCase.settings = examples(150, stateful_step_count=40, suppress_health_check=list(HealthCheck))
TestLedgerLife = LedgerLife.TestCase
