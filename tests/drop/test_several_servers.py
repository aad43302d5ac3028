"""One drop, several servers: a unit for each, of the same files; filed when all of them hold it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from drop_pieces import LABEL, imports
from drop_world import DropWorld, only, uids
from xnatsync.app.app import App
from xnatsync.app.prune import prune
from xnatsync.app.verify import Asked, verify
from xnatsync.config.load import load
from xnatsync.core.errors import ConfigError
from xnatsync.core.phases import ItemPhase, UnitPhase
from xnatsync.engine.progress import Progress
from xnatsync.sandbox.http.faults import Fault
from xnatsync.sandbox.http.server import SandboxServer
from xnatsync.sandbox.model.objects import Experiment
from xnatsync.sandbox.model.site import Site

COLUMNS = (
    "item_id, route, server, project, subject, session, study_uid, target, phase, files, bytes, planned_at, moved_at,"
    " ruled"
)


class TwoServers(DropWorld):
    """The route `r` delivers to P1 of `s`, and to C1 of `clinic`."""

    def __init__(self, root: Path, monkeypatch: Any) -> None:
        self.clinic = SandboxServer(Site.on_disk(root / "clinic"), folder=root / "clinic")
        self.clinic.site.accounts.add("agent", "hidden", admin=True)
        self.clinic.start()
        monkeypatch.setenv("XNATSYNC_CLINIC_PASSWORD", "hidden")
        super().__init__(root, monkeypatch)
        reply = httpx.put(f"{self.clinic.url}/data/projects/C1", auth=("agent", "hidden"))
        assert reply.status_code < 300, reply.text

    def configure(self, **route: object) -> None:
        super().configure(**route)
        self.config.write_text(
            self.config.read_text().replace(
                "[routes.r]", f'[servers.clinic]\nurl = "{self.clinic.url}"\nuser = "agent"\n[routes.r]'
            )
            + '[[routes.r.also]]\nserver = "clinic"\nproject = "C1"\n'
        )

    def close(self) -> None:
        super().close()
        self.clinic.stop()
        self.clinic.site.close()

    def in_clinic(self) -> Experiment | None:
        return next((one for one in self.clinic.site.experiments.values() if one.project == "C1"), None)

    def there(self) -> set[str]:
        """The objects that the second server's own catalogues list."""
        session = self.in_clinic()
        scans = session.scans.values() if session is not None else ()
        return {
            entry.uid for scan in scans for resource in scan.resources.values() for entry in resource.entries.values()
        }

    def clinic_is_away(self) -> Fault:
        return self.clinic.faults.add(Fault("ANY", "/", "status", times=10_000, status=503))


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TwoServers]:
    made = TwoServers(tmp_path, monkeypatch)
    yield made
    made.close()


def test_both_hold_it_and_each_has_a_receipt_of_its_own(both: TwoServers) -> None:
    sent = uids(both.study())

    report = both.sync()

    assert report.exit_code == 0, (only(report).item.code, only(report).item.detail, both.bugs)
    assert both.archived(LABEL) == sent
    assert both.there() == sent
    assert [(part.unit.server, part.unit.project) for part in only(report).units] == [("s", "P1"), ("clinic", "C1")]
    assert all(part.receipt is not None for part in only(report).units)
    assert list((both.folder / "done").rglob("*.dcm"))


def test_one_that_is_away_holds_the_item_and_not_the_other(both: TwoServers) -> None:
    """Nothing is filed, nothing is sent twice, and it goes on when the server is back."""
    sent = uids(both.study())
    fault = both.clinic_is_away()

    report = both.sync(patience_s=0.0)

    assert report.exit_code != 0
    assert both.archived(LABEL) == sent
    assert [part.unit.phase for part in only(report).units] == [UnitPhase.VERIFIED, UnitPhase.PLANNED]
    assert only(report).item.phase is ItemPhase.SETTLED
    assert both.in_drop() == {"exam"}
    asked = len(both.server.log)
    fault.times = 0

    assert both.sync().exit_code == 0
    assert both.there() == sent
    assert imports(both, asked) == []
    assert both.in_drop() == set()


@pytest.mark.parametrize("server", ["s", "clinic"])
def test_what_one_of_them_loses_is_found_and_sent_again_to_it_alone(both: TwoServers, server: str) -> None:
    sent = uids(both.study())
    assert both.sync().exit_code == 0
    session = both.session(LABEL) if server == "s" else both.in_clinic()
    assert session is not None
    lose_one(session)

    report = verify(App(load(both.config)), (), Asked(repair=True), progress=Progress())

    assert {(target.server, found.verdict.value) for target, found in report.findings} == {(server, "missing")}
    assert [repair.done for repair in report.repairs] == [True]
    assert both.sync().exit_code == 0
    assert (both.archived(LABEL), both.there()) == (sent, sent)


def test_a_filed_copy_stays_while_one_of_them_has_lost_something(both: TwoServers) -> None:
    both.study()
    assert both.sync().exit_code == 0
    session = both.in_clinic()
    assert session is not None
    lose_one(session)

    report = prune(App(load(both.config)), (), keep_s=0.0, free_bytes=None, rehearse=False, progress=Progress())

    assert (report.exit_code, report.gone) == (4, [])
    assert len(list((both.folder / "done").rglob("*.dcm"))) == 5


def test_the_ledger_files_nothing_while_a_twin_is_not_proven(both: TwoServers) -> None:
    both.study()
    both.clinic_is_away()
    both.sync(patience_s=0.0)
    raw = sqlite3.connect(load(both.config).ledger.path)
    try:
        for sql, words in [
            ("update item set phase = 'verified' where id = 1", "not every session of this item is proven"),
            ("update unit set twin_of = null where id = 2", "a twin stays one"),
            (
                f"insert into unit ({COLUMNS}, twin_of) select {COLUMNS}, 1 from unit where id = 1",
                "delivers the study of its item elsewhere",
            ),
        ]:
            with pytest.raises(sqlite3.IntegrityError, match=words):
                raw.execute(sql)
    finally:
        raw.close()


def test_a_study_that_is_held_goes_nowhere_until_a_person_says_where(both: TwoServers) -> None:
    both.study(patient="")

    report = both.sync()

    assert [part.unit.server for part in only(report).units] == ["s"]
    assert both.there() == set()


def test_the_same_place_twice_is_refused_and_nothing_is_deleted_at_once(both: TwoServers) -> None:
    text = both.config.read_text()
    for changed, words in [
        (text.replace('server = "clinic"\nproject = "C1"', 'server = "s"\nproject = "P1"'), "get everything already"),
        (text.replace('server = "clinic"\nproject', 'server = "clinik"\nproject'), "no server is called clinik"),
        (text.replace("[[routes", 'after = "delete"\n[[routes', 1), "nothing is deleted at once"),
    ]:
        both.config.write_text(changed)
        with pytest.raises(ConfigError, match=words):
            load(both.config)


def lose_one(session: Experiment) -> None:
    """Takes an object out of a session: its catalogue entry, which is what is listed."""
    resource = next(resource for scan in session.scans.values() for resource in scan.resources.values())
    resource.entries.pop(next(iter(resource.entries)))
