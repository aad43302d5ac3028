"""An effect is announced before it is done and recorded afterwards, with one meaning for each failure."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from unit.ledger_example import LATER, NOW, fresh, settled
from xnatsync.app.clock import SystemClock
from xnatsync.core import errors
from xnatsync.core.errors import Bug, ForeignContent, OutcomeUnknown, RequestRefused, ServerUnwell, XnatsyncError
from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey
from xnatsync.core.moment import parse
from xnatsync.engine.attempts import Attempt, OnFile, OnUnit, close_cut, outcome_of
from xnatsync.engine.context import Context
from xnatsync.engine.progress import Progress
from xnatsync.engine.result import Due


class Names:
    def request_id(self) -> str:
        return "xs-1"


class Noon(SystemClock):
    """It is noon."""

    def now(self) -> datetime:
        return parse(NOW)


@pytest.fixture
def acting(tmp_path: Path) -> Iterator[Context]:
    with closing(fresh(tmp_path)) as ledger:
        yield Context(
            ledger=ledger,
            clock=Noon(threading.Event()),
            ids=Names(),
            run_id=1,
            progress=Progress(),
            stopping=lambda: False,
        )


def on_unit(acting: Context) -> OnUnit:
    (unit,) = settled(acting.ledger)
    return OnUnit("import", unit.id, "1 object", keys=["1.2.0"])


KEY = ResourceKey("", "NOTES")


def on_file(acting: Context) -> OnFile:
    acting.ledger.remember_route("up", "push", "digest", NOW)
    owner = Owner(OwnerKind.PROJECT, "NEURO", "NEURO")
    (row,) = acting.ledger.ensure_owners("up", [owner], NOW)
    return OnFile(row.id, KEY, "a.txt", bytes(32))


EFFECTS: list[Callable[[Context], Any]] = [on_unit, on_file]


def written(acting: Context, effect: OnUnit | OnFile) -> Any:
    """What the ledger holds of an effect."""
    if isinstance(effect, OnUnit):
        return acting.ledger.attempts(effect.unit_id)[-1]
    return acting.ledger.latest_deed(effect.owner_id, effect.key, effect.file)


def family(root: type[XnatsyncError]) -> list[type[XnatsyncError]]:
    return [root, *(kind for below in root.__subclasses__() for kind in family(below))]


EVERY = [kind for kind in family(XnatsyncError) if kind.__module__ == errors.__name__]
REFUSED = {"RequestRefused", "NameRefused", "ForeignContent"}
UNKNOWN = {"OutcomeUnknown", "PeerLost", "WorkerLost"} | {
    kind.__name__
    for root in (errors.SourceError, errors.DiskError, errors.LedgerError, errors.Stopped)
    for kind in family(root)
}


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_each_failure_has_one_meaning(kind: type[XnatsyncError]) -> None:
    """Alone: what got no answer, or was broken off by us, may have happened in part; a refusal is one; the rest failed.

    For every class of the catalogue, so that a new one is looked at.
    """
    expected = "unknown" if kind.__name__ in UNKNOWN else "refused" if kind.__name__ in REFUSED else "failed"

    assert outcome_of([kind("x")]) == expected


def test_what_may_still_land_is_never_said_to_have_failed() -> None:
    """One of several parts without an answer makes the whole unknown, however grave the others are."""
    assert outcome_of([Bug("x"), RequestRefused("x"), OutcomeUnknown("x")]) == "unknown"
    assert outcome_of([RequestRefused("x"), ServerUnwell("x")]) == "refused"
    assert outcome_of([ServerUnwell("x")]) == "failed"
    assert outcome_of([]) == "ok"


@pytest.mark.parametrize("make", EFFECTS)
def test_it_is_announced_when_it_is_done_and_ends_once(make: Callable[[Context], Any], acting: Context) -> None:
    """While it acts the ledger holds it open, with its request; afterwards it has ended."""
    effect = make(acting)
    seen: list[Any] = []

    def act(row: Any) -> list[XnatsyncError]:
        seen.append(written(acting, effect))
        assert row.request_id == "xs-1"
        return []

    assert Attempt(acting, effect, 60.0).carry_out(act) is None

    assert (seen[0].ended_at, seen[0].quiet_at) == (None, LATER)
    ended = written(acting, effect)
    assert (ended.outcome, ended.ended_at, ended.code) == ("ok", NOW, None)


@pytest.mark.parametrize("raises", [True, False])
@pytest.mark.parametrize("error", [OutcomeUnknown("x"), ServerUnwell("x"), ForeignContent("x")], ids=lambda e: e.code)
@pytest.mark.parametrize("make", EFFECTS)
def test_a_failure_is_recorded_before_anybody_hears_of_it(
    make: Callable[[Context], Any], error: XnatsyncError, raises: bool, acting: Context
) -> None:
    """Raised or returned, for a unit and for a file alike, and it says of which effect it is."""
    effect = make(acting)

    def act(row: Any) -> list[XnatsyncError]:
        if raises:
            raise error
        return [error]

    with pytest.raises(type(error)) as raised:
        Attempt(acting, effect, 60.0).carry_out(act)

    ended = written(acting, effect)
    assert (ended.outcome, ended.code) == (outcome_of([error]), error.code)
    assert raised.value.effect == effect.name


@pytest.mark.parametrize("make", EFFECTS)
def test_a_mistake_of_ours_leaves_it_open_and_the_next_life_takes_it_for_unknown(
    make: Callable[[Context], Any], acting: Context
) -> None:
    """Nobody knows how far it came, as after a kill."""
    effect = make(acting)

    def act(row: Any) -> list[XnatsyncError]:
        raise KeyError(row.id)

    with pytest.raises(KeyError):
        Attempt(acting, effect, 60.0).carry_out(act)
    assert written(acting, effect).ended_at is None

    list(close_cut(acting.ledger, NOW, lambda attempt: LATER))

    assert (written(acting, effect).outcome, written(acting, effect).quiet_at) == ("unknown", LATER)


def test_what_is_in_the_way_is_asked_inside_the_transaction_that_announces(acting: Context) -> None:
    """Nothing is announced, and nothing done, behind another writer."""
    effect = on_unit(acting)
    inside: list[bool] = []

    def busy() -> Due:
        inside.append(acting.ledger._raw.in_transaction)
        return Due(3.0)

    def act(row: Any) -> list[XnatsyncError]:
        raise AssertionError

    assert Attempt(acting, effect, 60.0).carry_out(act, unless=busy) == Due(3.0)
    assert inside == [True]
    assert acting.ledger.attempts(effect.unit_id) == []
