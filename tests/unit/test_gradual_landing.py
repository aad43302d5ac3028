"""Where objects that are sent one by one come out is written down when it changes, and not once for each of them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from unit.ledger_example import fresh, sent, settled
from xnatsync.core.errors import Misrouted
from xnatsync.core.remote import ImportReply
from xnatsync.routes.drop.gradual import Landing

HERE, THERE = "/prearchive/projects/NEURO/20260301_120000001/S0", "/prearchive/projects/NEURO/20260301_120000002/S0"


def test_one_transaction_for_one_place(tmp_path: Path) -> None:
    """The first answer is written down at once, before an object is acknowledged; equal ones ask for no transaction."""
    with closing(fresh(tmp_path)) as ledger:
        (unit,) = settled(ledger)
        sent(ledger, unit)
        landing, said = Landing(ledger, unit), list[str]()
        ledger.database.conn.set_trace_callback(said.append)

        landing.note(ImportReply((HERE,)))
        first = len(said)
        for _ in range(20):
            landing.note(ImportReply((HERE,)))

        assert any("begin" in line for line in said[:first])
        assert said[first:] == []
        assert ledger.unit(unit.id).prearchive == HERE


def test_another_place_is_written_down_as_it_comes(tmp_path: Path) -> None:
    """And back again: the ledger says what was answered last."""
    with closing(fresh(tmp_path)) as ledger:
        (unit,) = settled(ledger)
        sent(ledger, unit)
        landing = Landing(ledger, unit)

        for place in (HERE, THERE, HERE):
            landing.note(ImportReply((place,)))
            assert ledger.unit(unit.id).prearchive == place


@pytest.mark.parametrize("place", ["/prearchive/projects/OTHER/20260301_120000001/S0", "/archive/projects/NEURO/x/S0"])
def test_a_wrong_place_is_refused_even_after_right_ones(tmp_path: Path, place: str) -> None:
    """Every answer is read, though not every one is written down."""
    with closing(fresh(tmp_path)) as ledger:
        (unit,) = settled(ledger)
        sent(ledger, unit)
        landing = Landing(ledger, unit)
        landing.note(ImportReply((HERE,)))

        with pytest.raises(Misrouted):
            landing.note(ImportReply((place,)))

        assert ledger.unit(unit.id).prearchive == HERE
