"""A process that is killed in an upload leaves a server that may still be reading: the quiet time begins anew."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from datetime import timedelta

from drop_pieces import LABEL, QuickClock, imports, quick_sync
from drop_world import DropWorld, uids
from xnatsync.app.app import App
from xnatsync.app.plan import plan
from xnatsync.config.load import load
from xnatsync.core.drop_decision import Wait
from xnatsync.core.moment import parse
from xnatsync.engine.progress import Progress

IMPORT = "import-handler=DICOM-zip"


def test_the_quiet_time_begins_when_the_death_is_noticed(world: DropWorld) -> None:
    """The upload began long ago: counted from its beginning the quiet time would be over, and it may still arrive."""
    world.configure(quiet="60s", streams=1)
    sent = uids(world.study(series=(2,)))
    kept = world.root / "as it was.db"

    def killed(_request: object) -> None:
        with closing(sqlite3.connect(world.root / "ledger.db")) as now, closing(sqlite3.connect(kept)) as copy:
            now.backup(copy)

    world.fault("POST", IMPORT, "call", before=killed)
    world.fault("POST", IMPORT, "status", status=503)
    clock = QuickClock(threading.Event())
    world.sync(patience_s=0.0)
    for path in world.root.glob("ledger.db-*"):
        path.unlink()
    kept.replace(world.root / "ledger.db")
    with closing(sqlite3.connect(world.root / "ledger.db")) as raw:
        assert raw.execute("select count(*) from attempt where ended_at is null").fetchone() == (1,)
        raw.execute("update attempt set began_at = ?, quiet_at = ?", ["2026-01-01T00:00:00.000Z"] * 2)
        raw.commit()
    requests = len(world.server.log)
    waited: list[float] = []
    world.fault("POST", IMPORT, "call", before=lambda _request: waited.append(sum(clock.waited)))

    report = quick_sync(world, clock)

    assert report.exit_code == 0, report
    assert len(imports(world, requests)) == 1
    assert waited[0] >= 59
    with world.ledger() as ledger:
        first = ledger.attempts(1)[0]
    assert (first.outcome, first.ended_at is not None) == ("unknown", True)
    assert parse(first.quiet_at) - parse(first.ended_at or "") >= timedelta(seconds=59)
    assert world.archived(LABEL) == sent


def test_a_plan_waits_no_longer_than_a_run_for_what_a_clock_that_was_ahead_wrote(world: DropWorld) -> None:
    """It corrects such timestamps as a run does when it begins, on its copy of the ledger alone."""
    world.configure(quiet="60s")
    world.study(series=(2,))
    world.fault("POST", IMPORT, "cut_request", bytes=2000, times=99)
    clock = QuickClock(threading.Event())
    clock.wait(400 * 86400.0)
    quick_sync(world, clock, patience_s=0.0)
    with world.ledger() as ledger:
        before = ledger.attempts(1)

    (item,) = plan(App(load(world.config)), [], progress=Progress()).items

    step = item.units[0].step
    assert isinstance(step, Wait), step
    assert 0.0 < step.seconds <= 60.0
    with world.ledger() as ledger:
        assert ledger.attempts(1) == before
