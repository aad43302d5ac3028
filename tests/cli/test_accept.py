"""`accept` lets be what holds an item, says before what that means, and needs nothing but the ledger."""

from __future__ import annotations

import pytest

from cli_world import World


def held(box: World) -> None:
    """Drops a study with a file of nothing beside it, and one with an odd UID."""
    (box.study("exam") / "IM0003").write_bytes(b"")
    assert box.run("sync").code == 3


def test_it_says_what_holds_and_how_to_let_it_be(box: World) -> None:
    """In the run's own words, in `status`, in `why` and in the plan: never as if all were there."""
    (box.study("exam") / "IM0003").write_bytes(b"")
    plan = box.run("plan")
    ran = box.run("sync")

    for told in (plan, ran, box.run("status"), box.run("why", "exam")):
        words = " ".join(told.out.split())
        assert "IM0003: empty file" in words
        assert "accept 1" in words or told is plan  # whose number is not yet in the ledger
        assert "4 of 4" not in told.out
    assert (plan.code, ran.code) == (0, 3)
    assert "4 of 5 files to deliver, 1 in doubt" in ran.out
    assert "4 objects, of an item of 5 files," in ran.out


def test_a_dry_run_changes_nothing_and_yes_is_needed(box: World) -> None:
    """What would be accepted is told; nobody is there to be asked."""
    held(box)

    dry = box.run("accept", "1", "--dry-run")
    refused = box.run("accept", "1")
    still = box.run("sync")

    assert dry.code == 0
    assert "not delivered: 1 file" in dry.out
    assert "empty file: IM0003" in dry.out
    assert refused.code == 2
    assert "XS-DECLINED" in refused.err
    assert still.code == 3


@pytest.mark.parametrize("name", ["1", "exam", "#1"])
def test_what_was_accepted_goes_on(box: World, name: str) -> None:
    """By whatever name, without asking the server; the diary says that a person did it."""
    held(box)
    asked = len(box.server.log)

    done = box.run("accept", name, "--yes")

    assert done.code == 0, done.err
    assert len(box.server.log) == asked
    assert "item.accepted" in box.run("history").out
    ran = box.run("sync")
    assert ran.code == 0, ran.out
    assert "accepted: not delivered: IM0003" in " ".join(ran.out.split())
    assert "1 accepted as not delivered" in " ".join(ran.out.split())


@pytest.mark.parametrize(
    ("name", "words"),
    [("nothing", "XS-NOTHING-FOUND"), ("o1", "XS-NOTHING-FOUND"), ("u1", "a whole item is meant")],
)
def test_what_cannot_be_accepted_is_refused(box: World, name: str, words: str) -> None:
    held(box)

    refused = box.run("accept", name, "--yes")

    assert refused.code == 2
    assert words in refused.err


def test_an_item_that_no_file_holds_is_refused_with_the_way_on(box: World) -> None:
    """The command that helps is named; the others of the order stay as they are."""
    held(box)
    box.study("unnamed", "", seed=2)
    (box.drop / "torn.zip").write_bytes(b"PK\x03\x04 torn")
    box.run("sync")
    numbers = {item["path"]: item["id"] for item in box.run("status", "-o", "json").document["routes"][0]["items"]}

    for name in ("unnamed", "torn.zip"):
        refused = box.run("accept", "exam", str(numbers[name]), "--yes")
        assert refused.code == 2
        assert "no file of item" in refused.err
        assert f"`xnatsync --config {box.config} why {numbers[name]}`" in refused.err
    assert box.run("sync").code == 3
    assert "item.accepted" not in box.run("history").out
