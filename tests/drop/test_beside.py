"""What is left for people beside their data: how an item stands, and its receipt; neither is ever data itself."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from drop_world import DropWorld, uids
from xnatsync.app.app import App
from xnatsync.app.verify import Asked, verify
from xnatsync.config.load import ConfigInvalid, load
from xnatsync.core.beside import SENTENCES, Word, begins_ours, is_named_ours, item_of, state_name, word_of
from xnatsync.core.phases import ItemPhase
from xnatsync.engine.progress import Progress


def states(world: DropWorld) -> list[str]:
    return sorted(path.name for path in world.folder.iterdir() if ".xnatsync-" in path.name)


def pages(world: DropWorld) -> list[Path]:
    return sorted(world.folder.glob("done/*/*.xnatsync-receipt.html"))


def items(world: DropWorld) -> list[tuple[str, str]]:
    with world.ledger() as ledger:
        return [(item.path, str(item.phase)) for item in ledger.items(living=False)]


@pytest.mark.parametrize("phase", list(ItemPhase))
@pytest.mark.parametrize("held", [False, True])
def test_every_phase_has_its_word_or_none(phase: ItemPhase, held: bool) -> None:
    word = word_of(phase, held=held)

    assert (word is None) == (phase in {ItemPhase.LEFT, ItemPhase.DISMISSED})
    assert word is None or (word is Word.HELD) == held
    assert set(SENTENCES) == set(Word)


def test_a_file_says_how_an_item_stands_and_changes_with_it(world: DropWorld) -> None:
    world.configure(marker=True, settle="60s")
    world.study("exam")
    world.study("unnamed", patient="", seed=2)
    world.sync(patience_s=0.0)
    assert states(world) == ["exam.xnatsync-WAITING.txt", "unnamed.xnatsync-WAITING.txt"]

    world.configure(marker=True)
    world.sync()
    assert states(world) == ["exam.xnatsync-VERIFIED.txt", "unnamed.xnatsync-HELD.txt"]
    assert "SUB1" not in "".join((world.folder / name).read_text() for name in states(world))

    shutil.rmtree(world.folder / "unnamed")
    (world.folder / "exam.xnatsync-VERIFIED.txt").unlink()
    world.sync()
    world.sync()
    assert states(world)[0] == "exam.xnatsync-VERIFIED.txt", "what somebody, or a kill, took away is back"
    assert [path for path, _ in items(world)] == ["exam", "unnamed"], "none of them is an item"

    world.configure()
    world.sync()
    assert states(world) == []


def test_the_file_stays_as_long_as_what_is_kept_where_it_was_dropped(world: DropWorld) -> None:
    world.configure(marker=True, after="keep")
    world.study("exam")
    world.sync()
    world.sync()
    assert states(world) == ["exam.xnatsync-VERIFIED.txt"]


def test_what_has_a_name_of_ours_and_is_data_is_delivered_and_never_removed(world: DropWorld) -> None:
    """Names alone say nothing: a scanner's object under such a name goes where it belongs."""
    world.configure(marker=True)
    first, *others = world.study("exam")
    objects = uids([first, *others])
    first.rename(world.folder / "x.xnatsync-HELD.txt")
    (world.folder / "y.xnatsync-VERIFIED.txt").write_text("somebody's notes")
    world.sync()

    assert world.archived("SUB1_MR_20260301") == objects
    assert (world.folder / "y.xnatsync-VERIFIED.txt").read_text() == "somebody's notes"


def test_what_is_in_the_place_of_ours_is_not_replaced(world: DropWorld) -> None:
    world.configure(marker=True)
    world.study("exam")
    (world.folder / "exam.xnatsync-VERIFIED.txt").mkdir()
    world.sync()

    assert (world.folder / "exam.xnatsync-VERIFIED.txt").is_dir()
    assert ("exam", "done") in items(world)


def test_a_receipt_lies_beside_what_was_filed_and_is_no_data(world: DropWorld) -> None:
    world.configure(receipt_page=True, other="attach")
    world.study("exam")
    world.sync()

    (page,) = pages(world)
    text = page.read_text()
    session = world.session("SUB1_MR_20260301")
    assert session is not None
    assert page.name == "exam.xnatsync-receipt.html"
    assert f"{world.server.url}/data/experiments/{session.id}?format=html" in text
    assert "5 files" in text
    assert "Nomen" not in text
    assert re.search(r"<script|src=|@import", text) is None

    report = verify(App(load(world.config)), ["r"], Asked(), progress=Progress())
    assert report.exit_code == 0
    page.unlink()
    world.sync()
    assert pages(world) == [page], "what a kill left out is made good"

    before = len(world.writes())
    shutil.copytree(page.parent, world.folder / "again")
    shutil.copy(page, world.folder / page.name)
    world.sync()
    assert not any("receipt" in path for _, path in world.writes()[before:])
    assert (world.folder / page.name).exists()
    assert page.name not in {path for path, _ in items(world)}


def test_a_plan_leaves_nothing(world: DropWorld) -> None:
    from xnatsync.app.plan import plan

    world.configure(marker=True)
    world.study("exam")
    plan(App(load(world.config)), [], progress=Progress())

    assert states(world) == []


def test_a_folder_that_cannot_be_written_to_harms_nothing(world: DropWorld) -> None:
    world.configure(receipt_page=True)
    world.study("e" * 240)
    world.sync()

    assert [phase for _, phase in items(world)] == ["done"]
    assert [page.name for page in pages(world)] == ["item-1.xnatsync-receipt.html"]


def test_a_receipt_has_no_place_where_nothing_is_filed(world: DropWorld) -> None:
    world.configure(receipt_page=True, after="keep")

    with pytest.raises(ConfigInvalid, match="receipt_page"):
        load(world.config)


def test_names_are_read_as_they_are_written() -> None:
    for word in Word:
        name = state_name("ex.am 1", word)
        assert is_named_ours(name)
        assert item_of(name) == "ex.am 1"
    assert not is_named_ours("exam.xnatsync-DONE.txt")
    assert not is_named_ours(".xnatsync-HELD.txt")
    assert not begins_ours("somebody's")
    assert not begins_ours(None)
