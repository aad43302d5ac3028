"""What a changed route and a person's `retry` let go of, on the real ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from unit.ledger_example import LATER, NOW, a_file, a_study, fresh, seen, sent, settled
from xnatsync.core.errors import ObjectsDiffer, ServerBusy, SessionCollision
from xnatsync.core.hold import Hold
from xnatsync.ledger.ledger import Ledger
from xnatsync.ledger.rows import UnitRow
from xnatsync.routes.drop.release import release_unit, wake


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = fresh(tmp_path)
    yield ledger
    ledger.close()


def _hold(ledger: Ledger, unit_id: int, code: str) -> None:
    ledger.hold_unit(unit_id, Hold(kind="person", code=code, detail="d", advice="a", tries=1))


def test_what_waited_for_labels_is_planned_anew(ledger: Ledger) -> None:
    """L5: a person mended the configuration; what was planned under the old one is read again."""
    (unit,) = settled(ledger)
    _hold(ledger, unit.id, SessionCollision.code)
    waiting = seen(ledger, "unreadable")
    ledger.hold_item(waiting.id, Hold(kind="person", code="XS-SOURCE-DAMAGED", detail="d", advice="a", tries=1))

    wake(ledger, "scanner", LATER)

    assert (ledger.unit(unit.id).phase, ledger.unit(unit.id).hold) == ("dismissed", None)
    assert (ledger.item(unit.item_id).phase, ledger.files(unit.item_id)) == ("seen", [])
    assert ledger.item(waiting.id).hold is None


def test_what_was_sent_is_released_where_it_stands(ledger: Ledger) -> None:
    """Its objects are with the server: it is looked at again, not planned again."""
    (unit,) = settled(ledger)
    sent(ledger, unit)
    _hold(ledger, unit.id, ObjectsDiffer.code)

    wake(ledger, "scanner", LATER)

    assert (ledger.unit(unit.id).phase, ledger.unit(unit.id).hold) == ("sent", None)
    assert ledger.item(unit.item_id).phase == "settled"


def test_nothing_is_planned_anew_while_an_upload_may_still_arrive(ledger: Ledger) -> None:
    """The upload of one session got no answer; the other, without a label, goes on waiting instead of being sent."""
    item = seen(ledger)
    good, bad = ledger.settle_item(item.id, [a_file(0, study=0), a_file(1, study=1)], [a_study(0), a_study(1, "")], NOW)
    sent(ledger, good)
    _hold(ledger, bad.id, SessionCollision.code)

    wake(ledger, "scanner", NOW)

    assert ledger.unit(bad.id).hold == "person"
    assert ledger.unit(good.id).phase == "sent"
    with pytest.raises(ServerBusy):
        release_unit(ledger, ledger.item(item.id), ledger.unit(bad.id), NOW)


def test_other_routes_wait_on(ledger: Ledger) -> None:
    """A change of one route is none of another."""
    (unit,) = settled(ledger)
    _hold(ledger, unit.id, SessionCollision.code)

    wake(ledger, "other", NOW)

    assert ledger.unit(unit.id).hold == "person"


def test_other_settings_plan_anew_whatever_was_not_sent(ledger: Ledger) -> None:
    """A project that was not there: the person corrected the route, and the old project is forgotten."""
    (unit,) = settled(ledger)
    _hold(ledger, unit.id, "XS-NOT-THERE")

    assert not release_unit(ledger, ledger.item(unit.item_id), unit, LATER)
    assert ledger.unit(unit.id).phase == "planned"

    _hold(ledger, unit.id, "XS-NOT-THERE")
    wake(ledger, "scanner", LATER)

    assert ledger.item(unit.item_id).phase == "seen"


def test_an_upload_without_an_answer_outlives_the_unit_it_was_made_for(ledger: Ledger) -> None:
    """S5: its item was given up and dropped again; the new unit of the study waits for the late upload too."""
    (unit,) = settled(ledger)
    sent(ledger, unit)
    ledger.dismiss_item(unit.item_id, NOW)

    (again,) = settled(ledger)

    assert again.study_uid == unit.study_uid
    assert ledger.unsure_until(again) == LATER
    assert ledger.unsure_until(unit) is None  # it knows of its own


def test_what_is_only_under_way_is_told_from_what_has_no_answer(ledger: Ledger) -> None:
    """Another item of the study asks again soon after the one, and waits out the quiet time after the other."""
    (unit,) = settled(ledger)
    (other,) = settled(ledger, "visit2")
    assert not ledger.is_sending_beside(other)

    attempt = sent(ledger, unit)

    assert ledger.is_sending_beside(other)
    assert not ledger.is_sending_beside(unit)
    ledger.close_attempt(attempt.id, outcome="unknown", now=NOW)
    assert not ledger.is_sending_beside(other)
    assert ledger.unsure_until(other) == LATER


# --- another selection -------------------------------------------------------------------------------------------


def _with_left_out(ledger: Ledger, path: str) -> UnitRow:
    item = seen(ledger, path)
    aside = a_file(1, kind="other", study=None, reason="left out", left_by="scans")
    (unit,) = ledger.settle_item(item.id, [a_file(0), aside], [a_study()], NOW)
    return unit


def test_what_was_left_out_of_what_is_not_begun_is_judged_anew(ledger: Ledger) -> None:
    """Left as a whole or in part; what is on its way, and what nothing was left out of, goes on as it was planned."""
    left, other = seen(ledger, "left"), seen(ledger, "clutter")
    ledger.leave_item(left.id, [a_file(0, kind="other", study=None, left_by="dates")], "left out", NOW)
    ledger.leave_item(other.id, [a_file(0, kind="other", study=None)], "clutter", NOW)
    planned, begun = _with_left_out(ledger, "planned"), _with_left_out(ledger, "begun")
    sent(ledger, begun)
    (whole,) = settled(ledger, "whole", label="another")

    wake(ledger, "scanner", LATER)

    phases = [
        ledger.item(number).phase for number in (left.id, other.id, planned.item_id, begun.item_id, whole.item_id)
    ]
    assert phases == ["seen", "left", "seen", "settled", "settled"]


def test_a_selection_that_is_new_is_asked_of_what_is_not_begun(ledger: Ledger) -> None:
    """Of everything that waits for its turn, whether or not something was left out of it before."""
    (whole,), (begun,) = settled(ledger, "whole"), settled(ledger, "begun", label="another")
    sent(ledger, begun)

    wake(ledger, "scanner", LATER, selects=True)

    assert [ledger.item(unit.item_id).phase for unit in (whole, begun)] == ["seen", "settled"]
    assert ledger.unit(whole.id).phase == "dismissed"
