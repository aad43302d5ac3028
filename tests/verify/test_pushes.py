"""A push is verified against the server, and what was deleted there is sent again only when that is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from mirror.test_push import REPORT, SCAN_REPORT, codes, configure, stored, write
from mirror_world import MirrorWorld
from xnatsync.app.app import App
from xnatsync.app.plan import plan
from xnatsync.app.verify import Asked, verify
from xnatsync.config.load import load
from xnatsync.engine.progress import Progress

URL = "resources/QC/files/report.txt"


@pytest.fixture
def pushed(tree: MirrorWorld) -> MirrorWorld:
    """A session, and two results that were sent to it."""
    tree.number = tree.session_with()
    configure(tree)
    write(tree, REPORT, b"good")
    write(tree, SCAN_REPORT, b"{}")
    assert tree.mirror().exit_code == 0
    assert tree.mirror().exit_code == 0
    return tree


def look(world: MirrorWorld, **asked: Any) -> Any:
    return verify(App(load(world.config)), (), Asked(**asked), progress=Progress())


def planned(world: MirrorWorld) -> Any:
    (push,) = plan(App(load(world.config)), (), progress=Progress()).pushes
    return push


def gone(world: MirrorWorld) -> None:
    world.delete(f"experiments/{world.number}/{URL}")


def test_a_repair_sends_again_what_was_deleted(pushed: MirrorWorld) -> None:
    """A rehearsal says so and changes nothing; asked for, the next sync stores it, and all is well."""
    gone(pushed)

    rehearsed = look(pushed, repair=True, rehearse=True)
    assert [(part.action, part.key, part.done) for part in rehearsed.repairs] == [("send", REPORT, False)]
    assert codes(pushed.mirror()) == {"XS-PUSH-GONE"}

    repaired = look(pushed, repair=True)
    assert [(part.action, part.key, part.done) for part in repaired.repairs] == [("send", REPORT, True)]
    assert (pushed.mirror().exit_code, stored(pushed)[URL]) == (0, b"good")
    assert look(pushed).exit_code == 0


def test_a_verification_alone_sends_nothing(pushed: MirrorWorld) -> None:
    """It makes the session due: the next sync tells, and nothing is stored."""
    gone(pushed)

    assert look(pushed).exit_code == 4
    assert codes(pushed.mirror()) == {"XS-PUSH-GONE"}
    assert URL not in stored(pushed)


def test_a_difference_that_no_count_shows_is_told_after_a_verification(pushed: MirrorWorld) -> None:
    """Replaced by as many bytes, with the server counting as before: a verification makes the session due."""
    pushed.upload(f"experiments/{pushed.number}/{URL}", b"evil", overwrite=True)

    assert look(pushed).exit_code == 4
    assert codes(pushed.mirror()) == {"XS-FOREIGN-CONTENT"}


def test_a_recheck_looks_at_everything_now(pushed: MirrorWorld) -> None:
    """The same without a verification: `sync --recheck`."""
    pushed.upload(f"experiments/{pushed.number}/{URL}", b"evil", overwrite=True)

    assert codes(pushed.mirror(recheck=True)) == {"XS-FOREIGN-CONTENT"}


@pytest.mark.parametrize("damage", ["edited", "removed"])
def test_what_is_wrong_here_is_never_moved_away(damage: str, pushed: MirrorWorld) -> None:
    """A push fetches nothing: what it cannot fetch again, a repair does not take away either."""
    place = pushed.tree / REPORT
    facts = place.stat()
    if damage == "removed":
        place.unlink()
    else:
        place.write_bytes(b"evil")
        import os

        os.utime(place, ns=(facts.st_atime_ns, facts.st_mtime_ns))

    report = look(pushed, repair=True)

    assert {part.action for part in report.repairs} == {"person"}
    assert place.exists() is (damage == "edited")
    assert stored(pushed)[URL] == b"good"


# --- the plan ----------------------------------------------------------------------------------------------------


def test_a_plan_is_what_the_run_does(pushed: MirrorWorld) -> None:
    """New, edited, deleted there, of others: what the plan would store is stored, what it refuses is refused."""
    gone(pushed)
    new = "P1/S1/S1_MR/resources/QC/files/new.txt"
    theirs = "P1/S1/S1_MR/resources/QC/files/theirs.txt"
    write(pushed, new, b"new")
    write(pushed, SCAN_REPORT, b"{1}")
    write(pushed, theirs, b"mine")
    pushed.upload(f"experiments/{pushed.number}/resources/QC/files/theirs.txt", b"theirs")

    ((_, found),) = planned(pushed).steps
    report = pushed.mirror()

    assert sorted(file.path for file in found.store) == sorted([new, SCAN_REPORT])
    assert report.counts["sent"] == len(found.store)
    told = {(trouble.path, trouble.code) for trouble in found.troubles}
    assert told == {(REPORT, "XS-PUSH-GONE"), (theirs, "XS-FOREIGN-CONTENT")}
    assert told == {(trouble.path, trouble.code) for trouble in report.troubles}


def test_a_plan_knows_what_was_deleted_though_nothing_is_new_here(pushed: MirrorWorld) -> None:
    """And counts nothing of it as to be stored."""
    gone(pushed)

    ((_, found),) = planned(pushed).steps

    assert (found.store, [trouble.code for trouble in found.troubles]) == ((), ["XS-PUSH-GONE"])
