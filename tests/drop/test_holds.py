"""What stands still, why, and how it goes on: folders that are not there, servers that are away, people who decide."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from drop_pieces import LABEL, Meddled, elsewhere, held, imports, meddled_sync, packed, quick_sync, retry
from drop_world import DropWorld, only, uids
from xnatsync.app.sync import SyncReport


def _codes(report: SyncReport) -> list[str]:
    return [error.code for error in report.errors]


def test_a_missing_drop_folder_halts_and_concludes_nothing(world: DropWorld) -> None:
    """An unmounted disk: exit 7; every item is what it was; when the disk is back, it goes on."""
    world.configure(project="LATER")
    sent = uids(world.study())
    assert world.sync().exit_code == 3
    world.put("/data/projects/LATER")
    retry(world)
    with world.ledger() as ledger:
        before = (ledger.items(), ledger.units())
    aside = world.root / "unmounted"
    world.folder.rename(aside)

    report = world.sync()

    assert (report.exit_code, _codes(report)) == (7, ["XS-FOLDER-MISSING"])
    with world.ledger() as ledger:
        assert (ledger.items(), ledger.units()) == before
    aside.rename(world.folder)
    assert world.sync().exit_code == 0
    session = world.session(LABEL, "LATER")
    assert session is not None
    assert sum(len(r.entries) for s in session.scans.values() for r in s.resources.values()) == len(sent)


@pytest.mark.parametrize(
    "moment", [("look", 2), ("look", 3), ("read_manifest", 1), ("stream", 1), ("move", 1), ("look", 4)]
)
@pytest.mark.parametrize("empty", [False, True], ids=["gone", "empty mount point"])
def test_a_folder_that_is_unmounted_in_mid_run_loses_nothing(
    world: DropWorld, moment: tuple[str, int], empty: bool
) -> None:
    """At whatever moment, with or without an empty folder in its place: nothing is called done that is not filed."""
    sent = uids(world.study(series=(2, 2)))
    aside = world.root / "unmounted"
    method, nth = moment

    def unmount(_path: Any) -> None:
        world.folder.rename(aside)
        if empty:
            world.folder.mkdir()

    disk = Meddled(method, unmount, nth=nth)
    first = meddled_sync(world, disk)
    assert disk.struck
    if not empty:
        assert (first.exit_code, _codes(first)) == (7, ["XS-FOLDER-MISSING"])
    if empty:
        shutil.rmtree(world.folder)
    aside.rename(world.folder)

    report = quick_sync(world)

    assert report.exit_code == 0, [(part.item, part.units) for part in report.items]
    assert world.archived(LABEL) == sent
    assert len(world.site.experiments) == 1
    assert len(world.filed()) == len(sent)
    assert world.in_drop() == set()


def test_an_item_whose_disk_is_away_while_it_is_filed_stays_held_until_the_disk_is_back(world: DropWorld) -> None:
    """An empty mount point is no proof: run after run it is held and nothing is written; then it goes on at once."""
    sent = uids(world.study())
    aside = world.root / "unmounted"

    def unmount(_path: Any) -> None:
        world.folder.rename(aside)
        world.folder.mkdir()

    meddled_sync(world, Meddled("move", unmount))
    before = len(world.server.log)

    for _ in range(2):
        report = quick_sync(world)
        assert report.exit_code == 5
        item = only(report).item
        assert (item.phase, item.hold, item.code) == ("verified", "retry", "XS-SOURCE-GONE")
        assert world.writes(before) == []
        assert list(world.folder.iterdir()) == []
    world.folder.rmdir()
    aside.rename(world.folder)
    report = quick_sync(world, patience_s=0.0)
    assert report.exit_code == 0, report
    assert len(world.filed()) == len(sent)


def test_one_missing_folder_does_not_keep_another_route(world: DropWorld) -> None:
    other = world.root / "other"
    sent = uids(world.study())
    text = world.config.read_text()
    route = text[text.index("[routes.r]") :].replace("[routes.r]", "[routes.q]")
    world.config.write_text(text + route.replace(f'"{world.folder}"', f'"{other}"'))

    report = world.sync()

    assert (report.exit_code, _codes(report)) == (7, ["XS-FOLDER-MISSING"])
    assert world.archived(LABEL) == sent


def test_a_held_item_stays_held_until_somebody_acts(world: DropWorld) -> None:
    """Run after run the same exit code, no request that writes, the same words."""
    (world.folder / "bad.zip").write_bytes(b"no archive")
    first = held(world.sync())
    before = len(world.server.log)

    for _ in range(2):
        report = world.sync()
        assert report.exit_code == 3
        assert (held(report).code, held(report).detail) == (first.code, first.detail)
    assert world.writes(before) == []


def test_a_held_item_does_not_keep_the_others(world: DropWorld) -> None:
    (world.folder / "a bad.zip").write_bytes(b"no archive")
    bad = world.study("b", patient="***")
    sent = uids(world.study("c", seed=2))

    report = world.sync()

    assert report.exit_code == 3
    assert world.archived(LABEL) == sent
    assert world.in_drop() == {"a bad.zip", "b"}
    assert all(file.is_file() for file in bad)


def test_a_held_item_that_is_taken_away_is_no_longer_held(world: DropWorld) -> None:
    """The person resolved it by taking it out; what was never sent needs no other word."""
    (world.folder / "bad.zip").write_bytes(packed({"x": b"y"}, ".zip")[:40])
    assert world.sync().exit_code == 3
    (world.folder / "bad.zip").unlink()

    report = quick_sync(world)

    assert report.exit_code == 0, report.items


def test_a_dismissed_item_stays_where_it_is_and_is_not_taken_again(world: DropWorld) -> None:
    from xnatsync.app.app import App
    from xnatsync.app.dismiss import dismiss
    from xnatsync.config.load import load

    world.study("exam", patient="***")
    item = only(world.sync()).item
    dismiss(App(load(world.config)), item.id)

    report = world.sync()

    assert (report.exit_code, report.items) == (0, [])
    assert world.in_drop() == {"exam"}
    assert imports(world) == []


def test_every_hold_has_a_code_a_reason_and_a_remedy(world: DropWorld) -> None:
    (world.folder / "bad.zip").write_bytes(b"no archive")
    world.study("stars", patient="***")
    broken = world.study("broken", patient="SUB5", seed=5)
    broken[0].write_bytes(broken[0].read_bytes()[:-200])
    world.study("one", uid="2.25.1", seed=6)
    world.study("two", uid="2.25.2", seed=7)

    report = quick_sync(world)

    rows = [part.item for part in report.items if part.item.hold] + [
        part.unit for item in report.items for part in item.units if part.unit.hold
    ]
    assert {row.code for row in rows} == {
        "XS-SOURCE-DAMAGED",
        "XS-LABEL-UNUSABLE",
        "XS-OBJECTS-BROKEN",
        "XS-SESSION-COLLISION",
    }
    for row in rows:
        assert row.hold == "person"
        assert len(row.detail or "") > 20
        assert len(row.advice or "") > 20


def test_a_server_that_archives_for_hours_is_waited_for_and_not_asked_again(world: DropWorld) -> None:
    """The row says that it is at work: it is looked at with growing waits, never built or archived a second time."""
    sent = uids(elsewhere(world))
    world.study()
    looks = 0

    def slow(_request: Any) -> None:
        nonlocal looks
        for row in world.site.prearchive.rows.values():
            looks += 1
            row.status = "READY" if looks > 6 else "BUILDING"

    world.after(
        "POST", "action=build", lambda: world.fault("GET", "/prearchive", "call", before=slow, times=7) and None
    )

    report = quick_sync(world)

    assert report.exit_code == 0, report
    assert world.archived(LABEL) == sent
    assert sum("action=build" in str(entry["query"]) for entry in world.server.log) == 1
    assert sum("action=commit" in str(entry["query"]) for entry in world.server.log) == 1
