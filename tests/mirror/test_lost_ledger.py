"""After a lost ledger: what we once wrote and nobody touched is no edit; whatever a person wrote is kept as ever."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mirror_world import MirrorWorld
from xnatsync.core.conflict import is_conflict_copy
from xnatsync.disk.memory import MAX, WRITTEN, Memory

SCAN = "P1/S1/S1_MR/scans/1/resources/NIFTI/files/1.nii"
XML = "P1/S1/S1_MR/session.xml"


@pytest.fixture(params=["add", "replica"])
def pulled(world: MirrorWorld, request: pytest.FixtureRequest) -> MirrorWorld:
    """A mirror that agrees with a session of two scans with three files each, under either policy."""
    world.configure(policy=request.param)
    world.number = world.session_with()
    world.fill(world.number)
    assert world.mirror().exit_code == 0
    return world


def lose_the_ledger(world: MirrorWorld) -> None:
    for file in world.root.glob("ledger.db*"):
        file.unlink()


def change_there(world: MirrorWorld) -> None:
    """Metadata and a file are replaced on the server."""
    world.put("/data/projects/P1/subjects/S1/experiments/S1_MR?note=changed")
    where = f"experiments/{world.number}/scans/1/resources/NIFTI/files/1.nii"
    world.upload(where, b"another version", overwrite=True)


def copies(world: MirrorWorld) -> list[str]:
    return [path for path in world.shown() if is_conflict_copy(path) and "subject.xml" not in path]


def is_add(world: MirrorWorld) -> bool:
    return 'policy = "add"' in world.config.read_text()


def test_what_nobody_touched_is_replaced_and_in_the_trash(pulled: MirrorWorld) -> None:
    """No conflict copy, no edit; under `add` the file stays, and is said to be another version than the server's."""
    before = pulled.shown()
    change_there(pulled)
    lose_the_ledger(pulled)

    report = pulled.mirror()

    codes = {trouble.code for trouble in report.troubles}
    assert copies(pulled) == []
    assert codes == ({"XS-MIRROR-REPLACED"} if is_add(pulled) else set())
    shown = pulled.shown()
    assert shown[XML] != before[XML]
    assert before[XML] in pulled.trash().values()
    assert (shown[SCAN] == before[SCAN]) == is_add(pulled)
    assert is_add(pulled) or before[SCAN] in pulled.trash().values()
    again = pulled.mirror()
    assert {trouble.code for trouble in again.troubles} == codes


def edited(world: MirrorWorld) -> None:
    for path in (XML, SCAN):
        place = world.tree / path
        place.write_bytes(place.read_bytes() + b"<!-- mine -->")


def swapped(world: MirrorWorld) -> None:
    """Our own bytes, where a person put them."""
    other = world.tree / SCAN.replace("1.nii", "2.nii")
    (world.tree / SCAN).write_bytes(other.read_bytes())
    (world.tree / XML).write_bytes(other.read_bytes())


def forgotten(world: MirrorWorld) -> None:
    (world.tree / ".xnatsync" / WRITTEN).unlink()


def torn(world: MirrorWorld) -> None:
    (world.tree / ".xnatsync" / WRITTEN).write_bytes(b"\x00\xff\nabc\n" * 7)


@pytest.mark.parametrize("act", [edited, swapped, forgotten, torn])
def test_whatever_we_cannot_know_is_kept_where_it_is_or_beside_it(
    pulled: MirrorWorld, act: Callable[[MirrorWorld], None]
) -> None:
    """An edit, our own bytes at another place, a list that is gone or damaged: as if nobody had written it."""
    act(pulled)
    before = pulled.shown()
    change_there(pulled)
    lose_the_ledger(pulled)

    report = pulled.mirror()

    assert report.exit_code == 3
    kept = [*pulled.shown().values()]
    assert before[XML] in kept
    assert before[SCAN] in kept
    assert len(copies(pulled)) == (1 if is_add(pulled) else 2)


def test_its_plan_is_what_the_run_does(pulled: MirrorWorld) -> None:
    """Nothing is written down by a plan, and it tells no conflict either."""
    from xnatsync.app.app import App
    from xnatsync.app.plan import plan
    from xnatsync.config.load import load
    from xnatsync.engine.progress import Progress

    change_there(pulled)
    lose_the_ledger(pulled)
    foreseen = plan(App(load(pulled.config)), [], progress=Progress())

    found = pulled.mirror()

    told = {trouble.code for step in foreseen.mirrors[0].steps for trouble in step.answer.troubles}
    assert told == {trouble.code for trouble in found.troubles}


def test_a_list_that_grew_too_long_begins_anew(world: MirrorWorld) -> None:
    """Bounded; what it no longer says is as if it had never been known."""
    place = world.tree / ".xnatsync" / WRITTEN
    place.parent.mkdir(parents=True)
    with place.open("wb") as file:
        file.truncate(MAX + 1)

    Memory().add(world.tree, [("a", bytes(32))])

    assert place.stat().st_size == 17
    assert place.stat().st_mode & 0o777 == 0o600 or place.stat().st_size
    assert Memory().holds(world.tree, "a", bytes(32))
    assert not Memory().holds(world.tree, "b", bytes(32))


def test_what_cannot_be_remembered_stops_nothing(world: MirrorWorld) -> None:
    """A folder, or a link, in the place of the list."""
    place = world.tree / ".xnatsync" / WRITTEN
    place.mkdir(parents=True)
    Memory().add(world.tree, [("a", bytes(32))])
    place.rmdir()
    behind = world.root / "behind"
    behind.write_text("theirs")
    place.symlink_to(behind)
    Memory().add(world.tree, [("a", bytes(32))])

    assert behind.read_text() == "theirs"
    assert not Memory().holds(world.tree, "a", bytes(32))
