"""Runs with a wrong clock: what they did counts in the order of the runs, and what lies in a tree now is shown now."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from draws import examples
from property.test_ledger_versions import version
from xnatsync.core.inventory import Owner, OwnerKind
from xnatsync.core.misdated import SLACK_S, Misdated, RunTime, misdated
from xnatsync.core.moment import seconds_between, stamp
from xnatsync.ledger.open import open_ledger

DAY = 86_400.0
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
AHEAD = st.sampled_from([0.0, 0.0, 0.0, DAY, 365 * DAY, -365 * DAY, 1.5])


def at(seconds: float) -> str:
    return stamp(BEGIN + timedelta(seconds=seconds))


@st.composite
def clocks(draw: st.DrawFn) -> tuple[list[float], float]:
    """What the clock said when each run began, a day apart, some wrong; and now."""
    days = draw(st.integers(1, 8))
    return [day * DAY + draw(AHEAD) for day in range(days)], days * DAY


@given(clocks())
def test_what_runs_did_counts_in_their_order_and_not_after_now(drawn: tuple[list[float], float]) -> None:
    """Whatever the clocks said; nothing is called wrong that fits."""
    said, now = drawn
    runs = [RunTime(number, at(begin), at(begin + 10)) for number, begin in enumerate(said)]
    wrong = {run.run: run.counts_at for run in misdated(runs, at(now))}
    counted = [wrong.get(run.id, run.began_at) for run in runs]
    assert all(seconds_between(one, two) >= -SLACK_S for one, two in pairwise([*counted, at(now)]))
    if all(one <= two for one, two in pairwise([*said, now])):
        assert not wrong


def test_the_one_clock_that_was_wrong_is_found() -> None:
    """A year ahead or behind, where more runs than one tell; dead runs end before the next."""
    for place in (1, 2, 3):
        for ahead in (365 * DAY, -365 * DAY):
            said = [day * DAY + (ahead if day == place else 0.0) for day in range(5)]
            runs = [RunTime(number, at(begin), None) for number, begin in enumerate(said)]
            end = "9999-12-31T23:59:59.999Z" if ahead > 0 else at(0)
            assert misdated(runs, at(5 * DAY)) == [Misdated(place, at(said[place]), end, at(said[place + 1]))]


@examples(10)
@given(clocks(), st.data())
def test_what_lies_in_a_tree_now_is_what_is_shown_now(drawn: tuple[list[float], float], data: st.DataObject) -> None:
    """Each run puts and removes something by its clock; the newest moment shows the tree, and its last change."""
    said, now = drawn
    with tempfile.TemporaryDirectory() as folder:
        ledger = open_ledger(Path(folder) / "ledger.db")
        ledger.remember_route("r", "mirror", "", at(0))
        (owner,) = ledger.ensure_owners("r", [Owner(OwnerKind.SESSION, "P", "E")], at(0))
        trees: list[set[str]] = []
        for begin in said:
            run = ledger.start_run("command", 1, "", "", at(begin))
            for path in data.draw(st.sets(st.sampled_from("abc"))):
                old = ledger.find_living("r", path)
                put = data.draw(st.booleans())
                begun = [version(owner.id, path, data.draw(st.sampled_from("xy")))] if put else []
                ledger.change_versions(begun, [(old.id, "removed")] if old is not None else [], at(begin + 1), run)
            ledger.end_run(run, "ok", {}, at(begin + 10))
            trees.append({path for path, _ in ledger.living("r")})
        shown = {found.version.path for found in ledger.versions_at("r", at(now), now=at(now))}
        assert shown == trees[-1]
        last = ledger.last_change("r", at(now))
        assert (last is None) == (not any(trees)) or last is not None
        if last is not None:
            then = ledger.versions_at("r", last, now=at(now))
            assert {found.version.path for found in then} == trees[-1]
        ledger.close()
