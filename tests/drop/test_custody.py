"""What lies in custody is found without the ledger that brought it there: lost, restored from yesterday, killed."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from drop_pieces import LABEL, Meddled, MeddledApp, QuickClock, elsewhere, quick_sync
from drop_world import DropWorld, uids
from xnatsync.app.app import App
from xnatsync.app.dismiss import dismiss
from xnatsync.app.doctor import examine
from xnatsync.app.status import overview
from xnatsync.app.sync import sync
from xnatsync.config.load import load
from xnatsync.engine.progress import Progress
from xnatsync.ledger.open import open_ledger


def back_up(world: DropWorld, place: Path) -> None:
    """As the manual says."""
    with closing(sqlite3.connect(world.root / "ledger.db")) as raw:
        raw.execute("vacuum into ?", [str(place)])


def without(world: DropWorld) -> None:
    """The ledger is lost."""
    for path in world.root.glob("ledger.db*"):
        path.unlink()


def killed_in_filing(world: DropWorld) -> set[str]:
    """Delivers an exam, and ends when it has just been taken into its box."""
    sent = uids(world.study())
    app = MeddledApp(load(world.config))
    app.disk = Meddled("move", lambda _: app.stop.set(), after=True)
    app.clock = QuickClock(threading.Event())
    assert sync(app, [], progress=Progress(), patience_s=3600.0).interrupted
    return sent


@pytest.mark.parametrize("ledger", ["kept", "lost", "restored"])
def test_an_item_in_its_box_is_filed_whatever_became_of_the_ledger(world: DropWorld, ledger: str) -> None:
    """Killed between custody and done: the same end with the ledger, without it, and with one from yesterday."""
    world.study("former", patient="SUB0", seed=5)
    assert quick_sync(world).exit_code == 0
    backup = world.root / "yesterday.db"
    back_up(world, backup)
    sent = killed_in_filing(world)
    if ledger != "kept":
        without(world)
    if ledger == "restored":
        shutil.copy(backup, world.root / "ledger.db")
    begun = len(world.server.log)

    report = quick_sync(world)

    assert report.exit_code == 0, report
    assert world.archived(LABEL) == sent
    assert not [path for path in (world.folder / ".xnatsync" / "custody").rglob("*") if path.is_file()]
    assert len({name for name in world.filed() if name.startswith("exam")}) == 5
    assert world.writes(begun) == []
    assert quick_sync(world).items == []


@pytest.mark.parametrize("ledger", ["lost", "restored"])
def test_a_late_object_in_custody_is_delivered_without_the_ledger(world: DropWorld, ledger: str) -> None:
    """It is told by `status` and `doctor` before, and delivered by the next run."""
    backup = world.root / "yesterday.db"
    quick_sync(world)
    back_up(world, backup)
    sent = uids(world.study(uid="2.25.99"))
    late = elsewhere(world, "late", series=(1,), first=7, uid="2.25.99", seed=7)
    assert quick_sync(world).exit_code == 0
    box = world.folder / ".xnatsync" / "custody" / "1" / "exam"
    box.mkdir(parents=True)
    shutil.copy(late[0], box / "late.dcm")
    without(world)
    if ledger == "restored":
        shutil.copy(backup, world.root / "ledger.db")
    config = load(world.config)
    assert [part.custody for part in overview(config).routes] == [1]
    told = [check for check in examine(world.config).checks if " in custody of " in check.text]
    assert [check.state for check in told] == ["warning"]

    assert quick_sync(world).exit_code == 0

    assert world.archived(LABEL) == sent | uids(late[:1])
    assert [part.custody for part in overview(config).routes] == [0]


def test_what_another_ledger_has_in_custody_is_left_to_it(
    world: DropWorld, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Two installations on one folder: the box of the one that was killed waits for it, and is told."""
    sent = killed_in_filing(world)
    mine = world.root / "ledger.db"
    other = tmp_path_factory.mktemp("other") / "ledger.db"
    text = world.config.read_text()
    world.config.write_text(text.replace(str(mine), str(other)))

    assert quick_sync(world).items == []
    told = [check for check in examine(world.config).checks if " in custody of " in check.text]
    assert [(check.state, str(mine) in check.text) for check in told] == [("warning", True)]

    world.config.write_text(text)
    report = quick_sync(world)
    assert (report.exit_code, world.archived(LABEL)) == (0, sent)
    assert not [path for path in (world.folder / ".xnatsync" / "custody").rglob("*") if path.is_file()]


def test_what_a_ledger_that_is_gone_has_in_custody_is_taken_up(
    world: DropWorld, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The other installation was removed with its ledger: nobody else would ever file it."""
    sent = killed_in_filing(world)
    other = tmp_path_factory.mktemp("other") / "ledger.db"
    world.config.write_text(world.config.read_text().replace(str(world.root / "ledger.db"), str(other)))
    without(world)

    assert quick_sync(world).exit_code == 0

    assert world.archived(LABEL) == sent
    assert not [path for path in (world.folder / ".xnatsync" / "custody").rglob("*") if path.is_file()]


@pytest.mark.parametrize("host", ["elsewhere", None])
def test_a_box_of_another_machine_is_never_taken(world: DropWorld, host: str | None) -> None:
    """Nobody here can know whether that machine lives; who removes its mark says that it does not."""
    late = elsewhere(world, "late", series=(1,), first=7, uid="2.25.99", seed=7)
    box = world.folder / ".xnatsync" / "custody" / "4-0123abcd" / "exam"
    box.mkdir(parents=True)
    shutil.copy(late[0], box / "late.dcm")
    marks = world.folder / ".xnatsync" / "ledgers"
    marks.mkdir()
    if host is not None:
        (marks / "0123abcd").write_text(f"0123abcd\n{host}\n/nowhere/ledger.db\n")

    report = quick_sync(world)

    assert bool(report.items) is (host is None)
    assert bool(world.archived(LABEL)) is (host is None)


def test_a_custody_that_was_dismissed_stays(world: DropWorld) -> None:
    """A person gave it up: it does not come again with each run."""
    box = world.folder / ".xnatsync" / "custody" / "9" / "exam"
    box.mkdir(parents=True)
    made = elsewhere(world, "late", series=(1,), patient="")
    shutil.copy(made[0], box / "late.dcm")
    assert quick_sync(world).exit_code == 3
    dismiss(App(load(world.config)), 10)  # no number up to that of a box in custody is given again

    assert quick_sync(world).items == []
    assert (box / "late.dcm").exists()


def test_a_ledger_has_a_name_for_ever(tmp_path: Path) -> None:
    """SQLite refuses to change it, with Python bypassed too."""
    open_ledger(tmp_path / "ledger.db").close()
    raw = sqlite3.connect(tmp_path / "ledger.db")
    for statement in (
        "update identity set name = '00000000'",
        "delete from identity",
        "insert into identity values ('00000000')",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="keeps its name"):
            raw.execute(statement)
    raw.close()


@pytest.mark.parametrize("box", ["2-{ledger}", "2"])
def test_no_item_is_filed_through_the_box_of_a_forgotten_one(world: DropWorld, box: str) -> None:
    """A ledger from yesterday counts on where it was: its next items would get numbers that have boxes already."""
    quick_sync(world)
    with closing(sqlite3.connect(world.root / "ledger.db")) as raw:
        (ledger,) = raw.execute("select name from identity").fetchone()
    place = world.folder / ".xnatsync" / "custody" / box.format(ledger=ledger) / "exam"
    place.mkdir(parents=True)
    forgotten = elsewhere(world, "forgotten", series=(1,), uid="2.25.98", patient="SUB8", seed=8)
    shutil.copy(forgotten[0], place / "0001.dcm")
    dropped = world.study("exam", uid="2.25.99", patient="SUB9", seed=9)

    assert quick_sync(world).exit_code == 0

    with closing(sqlite3.connect(world.root / "ledger.db")) as raw:
        assert [number for (number,) in raw.execute("select id from item order by id")] == [3, 4]
    assert len(world.filed()) == 1 + len(dropped)


def test_strangers_in_the_box_of_an_item_of_yesterday_are_one_item(world: DropWorld) -> None:
    """A ledger from yesterday knows the item and not what came while it was filed: found by looking, and again."""
    sent = uids(world.study(uid="2.25.99"))
    backup = world.root / "yesterday.db"
    world.after("POST", "action=commit", lambda: back_up(world, backup))
    assert quick_sync(world).exit_code == 0
    with closing(sqlite3.connect(backup)) as raw:
        (ledger,) = raw.execute("select name from identity").fetchone()
    box = world.folder / ".xnatsync" / "custody" / f"1-{ledger}" / "exam"
    box.mkdir(parents=True)
    (box / "late.dcm").write_bytes(bytes(5000))
    without(world)
    shutil.copy(backup, world.root / "ledger.db")

    assert quick_sync(world).exit_code == 3
    assert world.archived(LABEL) == sent
    with closing(sqlite3.connect(world.root / "ledger.db")) as raw:
        assert raw.execute("select count(*) from event where code = 'XS-BUG'").fetchone() == (0,)
        held = raw.execute("select place, phase, hold, code from item order by id").fetchall()
    assert held == [("drop", "done", None, None), ("custody", "settled", "person", "XS-FILES-UNACCOUNTED")]
