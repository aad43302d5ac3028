"""A server that lists everything and takes nothing: few uploads with growing waits, words that name it, and an end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from drop_pieces import quick_sync
from drop_world import DropWorld, only, unit_of
from xnatsync.core.errors import Exit
from xnatsync.core.retry import EFFECT_WAITS_S

IMPORT = "/data/services/import"


def _uploads(world: DropWorld, since: int = 0) -> int:
    return sum(1 for method, path in world.writes(since) if method == "POST" and path == IMPORT)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 507, 429, 425])
def test_refused_uploads_are_few_and_the_run_ends(status: int, world: DropWorld) -> None:
    """Whatever the answer: within the patience of two minutes no more than the waits of one effect allow."""
    world.study("exam", series=(1,))
    world.fault("POST", IMPORT, "status", times=1000, status=status)

    report = quick_sync(world, patience_s=120.0)

    assert report.exit_code == Exit.TEMPORARY
    assert 2 <= _uploads(world) <= 4
    unit = unit_of(only(report)).unit
    assert str(status) in (unit.detail or "")
    assert unit.hold == "retry"
    assert unit.retry_at is not None


@pytest.mark.parametrize("status", [502, 507])
def test_the_waits_go_on_growing_from_run_to_run(status: int, world: DropWorld) -> None:
    """They are in the ledger: a run each five minutes does not begin anew; what was read well ends none of them."""
    world.study("exam", series=(1,))
    world.fault("POST", IMPORT, "status", times=1000, status=status)
    uploads = []
    for _ in range(12):
        before = len(world.server.log)
        quick_sync(world, patience_s=1.0)
        uploads.append(_uploads(world, before))
        world.__dict__["clock"].wait(300.0)

    assert sum(uploads) <= 6
    with world.ledger() as ledger:
        back = ledger.backoff(1, "import")
    assert back is not None
    assert back.failures == sum(uploads)


def test_only_success_of_that_effect_ends_its_waits(world: DropWorld) -> None:
    """Builds that fail say nothing of uploads, and the other way round; in the end nothing is left of either."""
    world.study("exam", series=(1,))
    world.fault("POST", IMPORT, "status", times=2, status=507)
    world.fault("POST", "/data/prearchive", "status", times=2, status=503)

    report = quick_sync(world, patience_s=3600.0)

    assert report.exit_code == Exit.OK
    assert _uploads(world) == 3
    with world.ledger() as ledger:
        assert [ledger.backoff(1, effect) for effect in ("import", "build", "commit")] == [None, None, None]


def test_one_study_that_is_refused_keeps_no_other_back(world: DropWorld) -> None:
    """507 for the first upload alone: all others are done in the same run, and it is too when it is taken."""
    for n in range(4):
        world.study(f"exam{n}", patient=f"S{n}", seed=n + 1, series=(1,))
    world.fault("POST", IMPORT, "status", times=1, status=507)

    report = quick_sync(world, patience_s=120.0)

    assert report.exit_code == Exit.OK
    assert _uploads(world) == 5


def test_retry_begins_anew(world: DropWorld) -> None:
    """A person who has mended the server does not wait for what was."""
    world.study("exam", series=(1,))
    fault = world.fault("POST", IMPORT, "status", times=1000, status=507)
    quick_sync(world, patience_s=120.0)
    world.server.faults.clear()
    from xnatsync.ledger.open import open_ledger

    ledger = open_ledger(world.root / "ledger.db")
    ledger.release_unit(1)
    assert ledger.backoff(1, "import") is None
    ledger.close()

    assert fault is not None
    assert quick_sync(world, patience_s=0.0).exit_code == Exit.OK


def test_the_waits_of_an_effect_grow_from_the_second_failure_on() -> None:
    """And end at a day."""
    assert list(EFFECT_WAITS_S) == sorted(set(EFFECT_WAITS_S))
    assert EFFECT_WAITS_S[-1] == timedelta(days=1).total_seconds()
