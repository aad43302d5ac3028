"""An exam that a scanner writes flat: files at the top of the drop folder that belong to one study are one delivery."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

from drop_pieces import (
    LABEL,
    QuickClock,
    as_archive,
    edit,
    elsewhere,
    imports,
    meddled_sync,
    other_pixels,
    quick_sync,
)
from drop_world import DropWorld, uids
from xnatsync.app.app import App
from xnatsync.app.dismiss import dismiss
from xnatsync.app.plan import plan
from xnatsync.app.story import tell
from xnatsync.config.load import load
from xnatsync.disk.local import LocalDisk
from xnatsync.engine.progress import Progress


def flat(world: DropWorld, name: str = "exam", prefix: str = "IM", **study: object) -> list[Path]:
    """Drops a study without a folder; gives the files, at the top of the drop folder."""
    made = elsewhere(world, name, **study)
    dropped = []
    for number, path in enumerate(made, start=1):
        target = world.folder / f"{prefix}{number:04d}.dcm"
        shutil.copy2(path, target)
        dropped.append(target)
    return dropped


def test_a_flat_study_is_one_delivery(world: DropWorld) -> None:
    """One item, one unit, one upload a series, one filed folder with the files under their own names."""
    files = flat(world, series=(4, 3))
    sent = uids(files)

    report = quick_sync(world)

    assert report.exit_code == 0, report
    (item,) = report.items
    assert (item.item.files, len(item.units)) == (7, 1)
    assert item.item.path.startswith("flat/")
    assert world.archived(LABEL) == sent
    assert world.in_drop() == set()
    uid = item.item.path.removeprefix("flat/")
    assert world.filed() == {f"{uid}/IM{number:04d}.dcm" for number in range(1, 8)}
    assert len(imports(world)) == 2
    assert quick_sync(world).items == []


def test_other_things_at_the_top_stay_what_they_are(world: DropWorld) -> None:
    """Another study between, an archive, a text, an empty file, a link: each is an item of its own."""
    one = flat(world, "one", "A", series=(3,), uid="2.25.1")
    two = flat(world, "two", "B", series=(2,), uid="2.25.2", patient="SUB2", seed=2)
    packed_files = as_archive(world, "three.zip", uid="2.25.3", patient="SUB3", seed=3)
    (world.folder / "README").write_text("for people")
    (world.folder / "link.dcm").symlink_to(one[0])

    report = quick_sync(world)

    assert {item.item.path: item.item.phase for item in report.items} == {
        "flat/2.25.1": "done", "flat/2.25.2": "done", "three.zip": "done", "README": "left", "link.dcm": "settled",
    }  # fmt: skip
    held = [item.item.code for item in report.items if item.item.path == "link.dcm"]
    assert (report.exit_code, held) == (3, ["XS-FILES-UNACCOUNTED"])  # nobody looked at what it leads to
    assert world.archived(LABEL) == uids(elsewhere(world, "one again", series=(3,), uid="2.25.1"))
    assert len(world.archived("SUB2_MR_20260301")) == len(two)
    assert world.archived("SUB3_MR_20260301") == uids(packed_files)
    assert world.in_drop() == {"README", "link.dcm"}


def test_a_file_that_has_no_content_yet_joins_its_study(world: DropWorld) -> None:
    """A name is there before its content, as scanners write: it was an item by itself, and is one no longer."""
    world.configure(settle="60s")
    made = elsewhere(world, series=(3,))
    shutil.copy(made[0], world.folder / "IM1")
    (world.folder / "IM2").touch()
    clock = QuickClock(threading.Event())

    def write(_seconds: float) -> None:
        if not (world.folder / "IM2").stat().st_size:
            shutil.copy(made[1], world.folder / "IM2")
            shutil.copy(made[2], world.folder / "IM3")

    clock.on_wait = write
    report = quick_sync(world, clock)

    assert (report.exit_code, world.in_drop()) == (0, set())
    assert world.archived(LABEL) == uids(made)
    assert [item.item.files for item in report.items] == [3]


def test_late_files_of_a_study_go_into_the_same_session(world: DropWorld) -> None:
    """They are an item of their own when the first ones are done, and the same names may come again."""
    made = elsewhere(world, series=(2, 2))
    for number, path in enumerate(made[:2]):
        shutil.copy2(path, world.folder / f"IM{number}")
    assert quick_sync(world).exit_code == 0
    for number, path in enumerate(made[2:]):
        shutil.copy2(path, world.folder / f"IM{number}")

    assert quick_sync(world).exit_code == 0

    assert world.archived(LABEL) == uids(made)
    assert world.in_drop() == set()
    assert len(world.filed()) == 4
    with world.ledger() as ledger:
        assert [item.phase for item in ledger.items(living=False)] == ["done", "done"]
        assert ledger.loose("r") == {}


def test_what_is_kept_is_not_taken_again(world: DropWorld) -> None:
    """Under `keep` the files stay at the top: a second run reads no head, writes nothing, and asks nothing."""
    world.configure(after="keep")
    made = flat(world, series=(3,))
    assert quick_sync(world).exit_code == 0
    before = len(world.server.log)

    report = quick_sync(world)

    assert (report.exit_code, report.items) == (0, [])
    assert len(world.server.log) == before
    assert {path.name for path in made} <= world.in_drop()
    other_pixels(made[0])
    assert [item.item.files for item in quick_sync(world).items] == [1]


def test_what_was_dismissed_stays_until_it_changes(world: DropWorld) -> None:
    """A person gave the study up: its files lie where they were, and only a new one makes an item."""
    made = flat(world, series=(2,), patient="")
    assert quick_sync(world).exit_code == 3
    dismiss(App(load(world.config)), 1)

    assert quick_sync(world).items == []
    assert {path.name for path in made} <= world.in_drop()
    edit(made[1], PatientID="SUB1")
    report = quick_sync(world)
    assert [(item.item.files, item.item.phase) for item in report.items] == [(1, "done")]


def test_a_broken_object_holds_its_study(world: DropWorld) -> None:
    """As in a folder: the whole ones are delivered, and the item waits for a person."""
    made = flat(world, series=(3,))
    sent = uids(made[:2])
    made[2].write_bytes(made[2].read_bytes()[:-300])

    report = quick_sync(world)

    assert (report.exit_code, [item.item.code for item in report.items]) == (3, ["XS-OBJECTS-BROKEN"])
    assert world.archived(LABEL) == sent
    assert len(world.in_drop()) == 3


def test_plan_shows_the_same_grouping_and_changes_nothing(world: DropWorld) -> None:
    """The plan of two interleaved studies is two items, and the run does just that."""
    world.configure(settle="1h")
    flat(world, "one", "A", series=(3,), uid="2.25.1")
    flat(world, "two", "B", series=(2,), uid="2.25.2", patient="SUB2", seed=2)
    before = sorted(world.folder.rglob("*"))

    seen = plan(App(load(world.config)), (), progress=Progress())

    grouped = [("flat/2.25.1", 3), ("flat/2.25.2", 2)]
    assert [(part.item.path, part.units[0].send_files) for part in seen.items] == grouped
    assert sorted(world.folder.rglob("*")) == before
    report = quick_sync(world, settle_s=0.0)
    assert [(part.item.path, part.item.files) for part in report.items] == grouped


def test_requests_do_not_grow_with_files(world: DropWorld) -> None:
    """The target of issue 8: 200 objects at the top need 60 requests at most; in a folder they need as many.

    A look more or less tells how long the server took, not how many files there are.
    """
    flat(world, series=(200,))
    begun = len(world.server.log)
    assert quick_sync(world).exit_code == 0
    at_the_top = len(world.server.log) - begun

    world.study("again", series=(200,), uid="2.25.9", patient="SUB9", seed=9)
    begun = len(world.server.log)
    assert quick_sync(world).exit_code == 0
    in_a_folder = len(world.server.log) - begun
    assert max(at_the_top, in_a_folder) <= 60
    assert abs(at_the_top - in_a_folder) <= 2


class Impatient(QuickClock):
    """A clock of somebody who ends the command as soon as it waits."""

    def wait(self, seconds: float) -> bool:
        return True


def test_why_knows_a_file_before_it_has_settled(world: DropWorld) -> None:
    """`why IM0001.dcm` tells of the item that the file is a part of."""
    world.configure(settle="1h")
    flat(world, series=(2,))
    quick_sync(world, Impatient(threading.Event()))
    tale = tell(load(world.config), "IM0001.dcm")
    assert [(story.item.flat, story.item.phase) for story in tale.stories] == [(1, "seen")]
    assert "at the top" in tale.stories[0].sentences[0].text


def test_a_quiet_folder_is_neither_read_nor_written_down(world: DropWorld) -> None:
    """While nothing changes, no head is read again and no row is written for a file; a new one is read once."""
    world.configure(settle="1h")
    made = flat(world, series=(5,))
    quick_sync(world, Impatient(threading.Event()))
    heads: list[str] = []

    class Counting(LocalDisk):
        """A disk that counts the heads that are read."""

        def study_of(self, path: Path) -> str:
            heads.append(path.name)
            return super().study_of(path)

    with world.ledger() as ledger:
        before = ledger.loose("r")
    meddled_sync(world, Counting(), Impatient(threading.Event()))
    with world.ledger() as ledger:
        assert ledger.loose("r") == before
    assert heads == []
    shutil.copy2(made[0], world.folder / "IM9")
    meddled_sync(world, Counting(), Impatient(threading.Event()))
    assert heads == ["IM9"]
