"""S9 on the real disk: whatever a run names, renames or removes is on the disk before the ledger relies on it.

Whole runs of the real product, real files and a real ledger; what is asked of the operating system is noted.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from drop_pieces import Meddled, meddled_sync
from drop_world import DropWorld
from flushes import Flushes
from mirror_box import now
from mirror_world import MirrorWorld
from noun_world import NounWorld, furnish, here
from xnatsync.app.app import App
from xnatsync.app.clock import SystemClock

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the way of a handle is asked of /proc")


@contextmanager
def listening(monkeypatch: pytest.MonkeyPatch, root: Path, before: Flushes | None = None) -> Iterator[Flushes]:
    """Listens to what happens below a folder while the block runs, and goes on with what was heard before."""
    found = before or Flushes((root,))
    with monkeypatch.context() as patched:
        found.start(patched)
        yield found


def judge(found: Flushes, *lines: str) -> None:
    """Everything was flushed; and without the flush of any of some lines of the product it would not be."""
    assert found.unflushed() == []
    sites = found.sites()
    for line in lines:
        (site,) = [site for site in sites if line in site] or [f"nothing flushed at {line}: {sorted(sites)}"]
        assert found.unflushed(site) != [], site


# --- drops -------------------------------------------------------------------------------------------------------


@pytest.fixture
def drop(tmp_path: Path, monkeypatch: Any) -> Iterator[DropWorld]:
    made = DropWorld(tmp_path, monkeypatch)
    try:
        yield made
    finally:
        made.close()


MOVE = ("move: end.sync()", "move: start.sync()", "make_at: spot.sync()")


def test_a_drop_that_is_filed(drop: DropWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """One rename into custody, one to its day, and the folders that are made and removed for it."""
    found = None
    for number in (1, 2):  # the second finds the folders there
        drop.study(f"exam{number}", patient=f"SUB{number}", seed=number)
        with listening(monkeypatch, drop.folder, found) as found:
            assert drop.sync().exit_code == 0
    assert found is not None
    judge(found, *MOVE, "prune: spot.sync()")


@pytest.mark.parametrize(("after", "lines"), [("move", MOVE[:2]), ("delete", ["remove: spot.sync()"])])
def test_a_drop_that_is_filed_piece_by_piece(
    drop: DropWorld, monkeypatch: pytest.MonkeyPatch, after: str, lines: Sequence[str]
) -> None:
    """Something came between the proof and the filing: each file is renamed, or removed, by itself."""
    drop.configure(after=after)
    files = drop.study(series=(2,))
    late = drop.root / "late.txt"
    late.write_text("late")

    def act(_path: object) -> None:
        shutil.copy(late, files[0].parent / "late.txt")

    with listening(monkeypatch, drop.folder) as found:
        meddled_sync(drop, Meddled("move", act))
    judge(found, *lines)


def test_a_drop_that_is_removed(drop: DropWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file, and the folders that are empty then."""
    drop.configure(after="delete")
    found = None
    for number in (1, 2):
        drop.study(f"exam{number}", patient=f"SUB{number}", seed=number)
        (drop.folder / f"exam{number}" / "note.txt").write_text("stays")
        with listening(monkeypatch, drop.folder, found) as found:
            assert drop.sync().exit_code == 0
    assert found is not None
    judge(found, "move: end.sync()", "prune: spot.sync()")


def test_a_drop_that_stays(drop: DropWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it is named anew."""
    drop.configure(after="keep")
    drop.study()
    with listening(monkeypatch, drop.folder) as found:
        assert drop.sync().exit_code == 0
    judge(found)
    assert not [note for note in found.notes if note.what == "changed" and "/.xnatsync" not in note.text]


# --- mirrors -----------------------------------------------------------------------------------------------------


class LaterApp(App):
    """The application some days from now."""

    days = 0.0

    def make_clock(self) -> SystemClock:
        class Later(SystemClock):
            def now(self) -> Any:
                return super().now() + timedelta(days=LaterApp.days)

        return Later(self.stop)


@pytest.mark.parametrize("many", [1, 6])
def test_a_mirror_through_its_life(world: MirrorWorld, monkeypatch: pytest.MonkeyPatch, many: int) -> None:
    """Fetched, replaced, removed, renamed with its session, edited, and thrown away in the end; few files and many."""
    world.configure(policy="replica", max_delete=1000)
    world.make_app = LaterApp
    monkeypatch.setattr(LaterApp, "days", 0.0)
    session = world.session_with(scans=2)
    world.fill(session, files=many)
    with listening(monkeypatch, world.tree) as found:
        assert world.mirror().exit_code == 0
        files = f"experiments/{session}/scans/1/resources/NIFTI/files"
        world.upload(f"{files}/1.nii", b"another content", overwrite=True)
        world.mirror()
        world.delete(f"experiments/{session}/scans/2")
        world.mirror()
        world.put(f"/data/experiments/{session}?label=RENAMED")
        world.mirror()
        for days in (31.0, 33.0):
            monkeypatch.setattr(LaterApp, "days", days)
            world.mirror()
    assert world.trash() == {}
    judge(
        found, "mark: begun.sync()", "_settle_way: spot.sync()", "empty_trash: ways.sync", "prune_above: ways.sync",
        "_settle: self._ways.sync", "staging.py:flush: sync_files", "make_at: spot.sync()",
    )  # fmt: skip
    assert any("empty_trash" in note.site for note in found.notes if note.what == "changed")
    assert any("keep" in note.site or "_link" in note.site for note in found.notes if note.what == "changed")


def test_what_is_restored(world: MirrorWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Folders that were made for it too."""
    from xnatsync.app.restore import restore
    from xnatsync.config.load import load

    world.fill(world.session_with(scans=1), scans=1)
    world.mirror()
    out = tmp_path / "restored"
    out.mkdir()
    with listening(monkeypatch, out) as found:
        report = restore(App(load(world.config)), "m", [""], now(), out / "deep", now=now())
    assert report.exit_code == 0
    assert report.restored
    judge(found, "hand_out: ways.sync", "drafts.py:flush: os.fsync(self.file.fileno())")


# --- downloads and reports ---------------------------------------------------------------------------------------


@pytest.fixture
def far(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[NounWorld]:
    with here(tmp_path, capsys, monkeypatch) as found:
        furnish(found)
        yield found


@pytest.mark.parametrize("words", [["--unzip"], []], ids=["folder", "zips"])
def test_what_is_downloaded(far: NounWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str]) -> None:
    """Its folders, its files and its mark; a zip with the folder that is made for it."""
    out = tmp_path / "out"
    out.mkdir()
    with listening(monkeypatch, out) as found:
        ran = far.run("session", "download", "-E", "XNAT_E00001", "--out", str(out), *words)
    assert ran.code == 0, ran.err
    lines = ["_settle: self._ways.sync", "mark: begun.sync()", "staging.py:flush: sync_files"]
    judge(found, *(lines if words else ["land: self.target.sync()", "flush: os.fsync(self.file.fileno())"]))


def test_a_report_that_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In a folder that is made for it."""
    from xnatsync.app import named_files as handwritten
    from xnatsync.disk.handing_out import write_whole

    with listening(monkeypatch, tmp_path) as found:
        handwritten.write_whole(tmp_path / "new" / "deep" / "report.json", "{}", force=False)
        write_whole(tmp_path / "list", b"list")
    judge(found, "make_folder: sync_folder(folder.parent)", "land: self.target.sync()")
