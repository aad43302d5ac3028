"""What needs a person is a total table: a new state, a new code, a new place in the ledger must be decided here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tidy.test_words import faults
from xnatsync.core import causes
from xnatsync.core.causes import ASKING, Asking, State, advice_for, sentence_of, state_of_hold, state_of_pause
from xnatsync.core.errors import XnatsyncError
from xnatsync.ledger.open import open_ledger


def kinds() -> Iterator[type[XnatsyncError]]:
    waiting: list[type[XnatsyncError]] = [XnatsyncError]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if "code" in vars(kind):
            yield kind


def missing(table: dict[State, Asking]) -> set[State]:
    return set(State) ^ set(table)


def test_every_state_says_whether_a_person_is_asked_in_which_words_and_what_to_do() -> None:
    assert not missing(ASKING)
    for state, asking in ASKING.items():
        assert asking.sentence
        assert bool(asking.advice) is asking.person, state
        assert faults(asking.sentence) + faults(asking.advice) == [], state


def test_a_state_that_is_not_decided_is_caught() -> None:
    assert missing({state: asking for state, asking in ASKING.items() if state is not State.DISK}) == {State.DISK}


@pytest.mark.parametrize("kind", list(kinds()), ids=lambda kind: kind.code)
def test_every_code_that_can_hold_or_pause_something_has_a_state_a_sentence_and_an_advice(
    kind: type[XnatsyncError],
) -> None:
    for state in (state_of_hold(kind.code), state_of_pause(kind.code)):
        assert ASKING[state].person, kind.code
        sentence = sentence_of(state, kind.code, 3)
        assert "None" not in sentence
        assert len(sentence.partition("; ")[2]) > 10, sentence
        assert advice_for(state, kind.code) == kind.advice


ASKS = {  # where in the ledger something can wait for a person, and what reads it
    ("item", "hold"): "Outbox.asked", ("unit", "hold"): "Outbox.asked", ("owner", "hold"): "Outbox.asked",
    ("trouble", "person"): "Outbox.asked", ("unplaced", "person"): "Outbox.asked",
    ("lookup", "refused"): "causes: table", ("job", "exit_code"): "causes: job", ("audit", "verdict"): "Outbox.lost",
    ("pause", "advice"): "causes: pauses", ("standby", "name"): "State.PAUSED: a person did it",
    ("run", "exit_code"): "of a command: whoever gave it reads it", ("attempt", "outcome"): "its unit is held",
    ("deed", "outcome"): "its entity is held", ("transfer_run", "outcome"): "its entities are held, its job failed",
    ("run", "outcome"): "of a command, or of the agent itself", ("confirmed", "status"): "of a command",
    ("retention", "outcome"): "the filed copy stays: nothing is lost, and the disk guard's own state is a pause",
    ("backoff", "code"): "State.RETRIED", ("certificate", "outcome"): "its entities are held",
}  # fmt: skip
_SIGNS = {"hold", "person", "refused", "exit_code", "verdict", "outcome", "status"}


def undecided(columns: dict[str, set[str]]) -> set[tuple[str, str]]:
    own = {"cause", "notification", "notified"}
    return {(table, one) for table, names in columns.items() for one in names & _SIGNS if table not in own} - set(ASKS)


def test_every_place_of_the_ledger_where_something_can_wait_is_decided(tmp_path: Path) -> None:
    """A new column `hold`, `person`, `refused`, ... fails here until somebody has said whether a person is asked."""
    ledger = open_ledger(tmp_path / "ledger.db")
    columns = {table.name: set(table.columns_dict) for table in ledger.database.tables}
    ledger.close()

    assert undecided(columns) == set()
    assert all(name in columns[table] for table, name in ASKS)
    assert undecided({**columns, "receiver": {"id", "refused"}}) == {("receiver", "refused")}


def test_the_wording_of_an_error_is_no_part_of_what_makes_a_cause() -> None:
    one = causes.Cause(state=State.HELD, place="route r", code="XS-BUG", detail="a", note="b", many=1)
    other = causes.Cause(state=State.HELD, place="route r", code="XS-BUG", detail="c", note="d", many=9)

    assert one.key == other.key


def test_a_sentence_that_follows_a_number_of_things_does_not_name_them_again() -> None:
    """`1 table a lookup table is refused` was sent to a person."""
    assert [state for state, asking in ASKING.items() if asking.things and asking.sentence.startswith("a ")] == []
