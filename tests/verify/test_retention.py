"""Filed copies go when their time is over: only what a fresh look at the server confirms, and never anything else."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from drop_world import DropWorld
from verify_world import LABEL, filed, flip, look, lose, resources, untouched, writes
from xnatsync.app.app import App
from xnatsync.app.prune import PruneReport, prune
from xnatsync.app.story import tell
from xnatsync.config.load import load
from xnatsync.core.errors import Bug, ConfigError, LedgerHeld, NothingFound
from xnatsync.disk.local import LocalDisk
from xnatsync.engine.progress import Progress
from xnatsync.ledger.lock import hold
from xnatsync.ledger.open import open_ledger


def let_go(world: DropWorld, app: App | None = None, **asked: Any) -> PruneReport:
    settings = {"keep_s": 0.0, "free_bytes": None, "rehearse": False} | asked
    return prune(app or App(load(world.config)), (), progress=Progress(), **settings)


def kept(report: PruneReport) -> str:
    (let,) = report.lets
    assert let.outcome == "kept"
    return let.why


def test_what_the_server_holds_goes_and_every_later_look_is_content(world: DropWorld) -> None:
    began = len(world.server.log)

    report = let_go(world)

    (let,) = report.lets
    assert (let.outcome, let.files, let.left, report.exit_code) == ("gone", 5, 0, 0)
    assert list((world.folder / "done").iterdir()) == []
    assert writes(world, began) == []
    assert untouched(look(world))
    assert look(world).unkept == []
    assert let_go(world).lets == []
    with world.ledger() as ledger:
        assert "copy.let_go" in [event.code for event in ledger.events(item_id=1)]


def test_a_rehearsal_removes_nothing_and_writes_nothing_down(world: DropWorld) -> None:
    report = let_go(world, rehearse=True)

    assert (report.lets[0].files, len(filed(world))) == (5, 5)
    with world.ledger() as ledger:
        assert (ledger.let_go_of(1), ledger.retention(1)) == (frozenset(), None)


@pytest.mark.parametrize("harm", ["lost", "session"])
def test_what_the_server_does_not_hold_whole_stays(world: DropWorld, harm: str) -> None:
    stored = world.stored(LABEL)[0]
    if harm == "lost":
        lose(world, stored)
    else:
        world.delete("/data/projects/P1/subjects/SUB1/experiments/" + LABEL)

    report = let_go(world)

    assert (report.exit_code, len(filed(world))) == (4, 5)
    assert LABEL in kept(report)


def test_what_cannot_be_seen_stays(world: DropWorld) -> None:
    world.fault("GET", "/data/(experiments|projects)", "status", times=1000, status=404)

    report = let_go(world)

    assert report.exit_code != 0
    assert len(filed(world)) == 5


def test_other_bytes_on_the_server_are_seen_at_the_level_of_the_route(empty: DropWorld) -> None:
    empty.configure(verify="pixels")
    empty.study()
    assert empty.sync().exit_code == 0
    flip(empty.stored(LABEL)[0])

    assert let_go(empty).exit_code in {4, 5}
    assert len(filed(empty)) == 5


def test_what_was_never_sent_stays(empty: DropWorld) -> None:
    empty.study()
    (empty.folder / "exam" / "note.txt").write_text("of the technician")
    assert empty.sync().exit_code == 0

    (let,) = let_go(empty).lets

    assert (let.outcome, let.files, let.left) == ("rest", 5, 1)
    assert [path.name for path in (empty.folder / "done").rglob("*") if path.is_file()] == ["note.txt"]
    assert untouched(look(empty))
    (empty.folder / "done").joinpath(*next((empty.folder / "done").rglob("note.txt")).parts[-3:]).unlink()
    assert len(look(empty).unkept) == 1  # told once, as of any copy that somebody takes


@pytest.mark.parametrize("later_ns", [0, 1_000_000_000])
def test_a_file_that_is_not_what_was_filed_stays(world: DropWorld, later_ns: int) -> None:
    path = filed(world)[0]
    path.write_bytes(path.read_bytes() + b"\0")
    if not later_ns:
        os.utime(path, ns=(path.stat().st_atime_ns, filed(world)[1].stat().st_mtime_ns))

    (let,) = let_go(world).lets

    assert (let.outcome, let.files, let.left) == ("rest", 4, 1)
    assert filed(world) == [path]


def test_only_what_is_old_enough_goes(world: DropWorld) -> None:
    assert let_go(world, keep_s=86_400.0).lets == []
    assert len(filed(world)) == 5


def test_room_is_made_with_the_oldest_and_no_more_than_is_needed(world: DropWorld, monkeypatch: Any) -> None:
    world.study(patient="SUB2", seed=2)
    assert world.sync().exit_code == 0
    app = App(load(world.config))
    disk = app.make_tree_disk()
    before = sum(path.stat().st_size for path in filed(world))
    disk.free_bytes = lambda root: before - sum(path.stat().st_size for path in filed(world))  # type: ignore[method-assign]
    app.make_tree_disk = lambda: disk  # type: ignore[method-assign]

    report = let_go(world, app, keep_s=None, free_bytes=1)

    assert [let.item.id for let in report.gone] == [1]
    assert len(filed(world)) == 5


def test_an_archive_goes_as_a_whole(empty: DropWorld) -> None:
    empty.study()
    shutil.make_archive(str(empty.root / "exam"), "zip", empty.folder / "exam")
    shutil.rmtree(empty.folder / "exam")
    (empty.root / "exam.zip").rename(empty.folder / "exam.zip")
    assert empty.sync().exit_code == 0

    (let,) = let_go(empty).lets

    assert (let.outcome, let.left) == ("gone", 0)
    assert not list((empty.folder / "done").rglob("*.zip"))
    assert untouched(look(empty))


def test_an_archive_with_a_file_that_was_never_sent_stays_and_that_is_the_reason(empty: DropWorld) -> None:
    empty.study()
    (empty.folder / "exam" / "note.txt").write_text("of the technician")
    shutil.make_archive(str(empty.root / "exam"), "zip", empty.folder / "exam")
    shutil.rmtree(empty.folder / "exam")
    (empty.root / "exam.zip").rename(empty.folder / "exam.zip")
    assert empty.sync().exit_code == 0

    report = let_go(empty)

    assert (report.gone, [let.why for let in report.kept]) == (
        [],
        ["files of it were never sent, or are not as they were filed"],
    )
    assert len(list((empty.folder / "done").rglob("*.zip"))) == 1


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        (False, "Its filed copy was let go: item 1: 5 filed files removed"),
        (True, f"Its filed copy stays although its time is over: session {LABEL}: 1 object missing on the server."),
    ],
)
def test_why_tells_what_became_of_the_filed_copy(world: DropWorld, lost: bool, words: str) -> None:
    def told() -> str:
        return " ".join(sentence.text for sentence in tell(load(world.config), "1").stories[0].sentences)

    assert "filed copy" not in told()
    if lost:
        lose(world, world.stored(LABEL)[0])
    let_go(world)

    assert words in told()
    assert told().count("filed copy") == 1


class Dies(LocalDisk):
    """A disk that fails, as a kill would, when the n-th file is to be removed."""

    left = 0

    def remove(self, path: Path) -> None:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        super().remove(path)


@pytest.mark.parametrize("removed", [0, 2, 4])
def test_a_run_that_was_killed_goes_on(world: DropWorld, removed: int) -> None:
    app = App(load(world.config))
    disk = Dies(world.folder, world.folder / "done")
    disk.left = removed
    app.make_disk = lambda: disk  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        let_go(world, app)

    assert untouched(look(world)), "what was announced is expected no more"
    assert [let.outcome for let in let_go(world).lets] == ["gone"]
    assert filed(world) == []


def test_after_a_kill_the_server_is_asked_anew(world: DropWorld) -> None:
    app = App(load(world.config))
    disk = Dies(world.folder, world.folder / "done")
    disk.left = 2
    app.make_disk = lambda: disk  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        let_go(world, app)
    lose(world, world.stored(LABEL)[0])

    assert let_go(world).exit_code == 4
    assert len(filed(world)) == 3


def test_the_ledger_refuses_what_no_look_confirmed(world: DropWorld) -> None:
    with closing(open_ledger(load(world.config).ledger.path)) as ledger:
        with pytest.raises(Bug, match="nothing shows that the server holds this file now"):
            ledger.let_go(1, [0], 1, "2026-03-01T00:00:00.000Z")
        ledger.sight([1], 1, "names", "2026-03-01T00:00:00.000Z")
        ledger.let_go(1, [0], 1, "2026-03-01T00:00:00.000Z")
    with sqlite3.connect(load(world.config).ledger.path) as raw:
        for sql in ("update let_go set position = 1", "delete from let_go", "delete from sighting"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                raw.execute(sql)


def test_a_repair_says_that_the_copy_was_let_go(world: DropWorld) -> None:
    let_go(world)
    lose(world, world.stored(LABEL)[0])

    (repair,) = look(world, repair=True).repairs

    assert (repair.action, repair.done) == ("person", False)
    assert "was let go" in repair.text


def test_nothing_says_when(world: DropWorld) -> None:
    with pytest.raises(NothingFound):
        let_go(world, keep_s=None)
    world.configure(keep_done="0s")
    assert let_go(world, keep_s=None).lets[0].outcome == "gone"


def test_it_waits_for_nobody(world: DropWorld) -> None:
    with hold(load(world.config).ledger.path):
        with pytest.raises(LedgerHeld):
            let_go(world)
        assert let_go(world, rehearse=True).lets[0].files == 5


@pytest.mark.parametrize("after", ["keep", "delete"])
def test_a_route_that_moves_nothing_has_nothing_to_keep(world: DropWorld, after: str) -> None:
    world.configure(after=after, keep_done="30d")
    with pytest.raises(ConfigError, match="keep_done"):
        load(world.config)


def test_resources_of_others_in_the_session_are_no_obstacle(world: DropWorld) -> None:
    stray = resources(world)[0]
    path = world.stored(LABEL)[0]
    shutil.copy(path, path.with_name("1.2.3.999.dcm"))
    assert stray is not None

    assert let_go(world).lets[0].outcome == "gone"
