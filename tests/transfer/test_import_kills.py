"""A transfer by import that is killed between any two steps, or in the middle of any object, goes on and is whole."""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

import pytest

from transfer.engine_world import EngineWorld
from transfer.import_model import IMPORT_WRITES, ImportingArchive, an_object, script
from transfer.inline import inline
from transfer.model import WRITES
from xnatsync.core.described import ThingKind
from xnatsync.core.errors import OutcomeUnknown, ReadFailed, ServerUnreachable, ServerUnwell
from xnatsync.routes.transfer.run import TransferRun, run

SCANS = {"7": ("1.2.7", "1"), "8": ("1.2.8", "2")}  # of the source: the series, and the number that the import goes by


def world_of(folder: Path, *, changes: bool) -> EngineWorld:
    """A session of two scans with two objects each, one scan without any, and what people wrote."""
    source = ImportingArchive("a")
    there = ImportingArchive("b", script=script) if changes else ImportingArchive("b")
    source.project("P")
    subject = source.subject("P", "S1")
    session = source.session(subject, "S1_MR", note="calm", dcmPatientName="Jane", **{"@UID": "1.2.3"})
    for scan, (series, number) in SCANS.items():
        made = source.part_of(session, ThingKind.SCAN, scan, "xnat:mrScanData", quality="bad", note=f"of {scan}")
        made.fields["@UID"] = series
        source.put(made, "DICOM", {
            f"odd {one}": an_object("1.2.3", series, number, f"{series}.{one}", bytes([int(scan), one] * 4), "Jane")
            for one in range(2)
        })  # fmt: skip
        source.put(made, "NIFTI", {"a.nii": scan.encode()})
    source.part_of(session, ThingKind.SCAN, "N", "xnat:mrScanData", note="of N")
    return EngineWorld(folder, source, there, dicom="import", quiet_s=20.0)


class Killed(BaseException):
    """The process is gone.  No handler of the product may swallow it."""


class Boundaries:
    """Counts every boundary of the destination and the ledger between them, and kills at one of them."""

    def __init__(self, world: EngineWorld, at: int | None = None) -> None:
        self.at, self.passed, self.names = at, 0, list[str]()
        there = world.there
        assert isinstance(there, ImportingArchive)
        there.before = lambda call: self.step(f"before {call}")
        there.after = lambda call: self.step(f"after {call}")
        there.within = lambda: self.step("within an object")

    def step(self, name: str) -> None:
        self.passed += 1
        self.names.append(name)
        if self.at is not None and self.passed >= self.at:  # dead: nothing more is done
            raise Killed


def once(world: EngineWorld) -> TransferRun | None:
    bugs: list[str] = []
    try:
        with inline():
            done = run(world.world(), world.route, workers=1, patience_s=300.0, on_bug=bugs.append)
    except Killed:
        world.killed()
        return None
    assert bugs == []
    return done


def judge(world: EngineWorld) -> None:
    """Everything is there once and whole, nothing waits in the prearchive, and another run changes nothing."""
    there = world.there
    assert isinstance(there, ImportingArchive)
    done = once(world)
    assert done is not None
    assert (done.outcome, done.errors, world.codes()) == ("complete", [], set())
    (session,) = [one for one in there.things.values() if one.kind is ThingKind.SESSION]
    assert (there.waiting, there.archived_cut) == ({}, 0)
    assert (session.fields["note"], session.fields["dcmPatientName"]) == ("calm", "Nobody")
    scans = {one.fields["note"]: one for one in session.parts}
    assert set(scans) == {"of 7", "of 8", "of N"}
    for scan, (series, number) in SCANS.items():
        made = scans[f"of {scan}"]
        assert (made.id, made.fields["quality"]) == (number, "bad")
        assert set(made.resources["", "DICOM"].files) == {f"{series}.{one}.dcm" for one in range(2)}
        assert made.resources["", "NIFTI"].files == {"a.nii": scan.encode()}
    state = there.state_text()
    done = once(world)
    assert done is not None
    assert (done.due, there.state_text()) == (0, state)


def boundaries(folder: Path, *, changes: bool) -> list[str]:
    world = world_of(folder, changes=changes)
    found = Boundaries(world)
    assert once(world) is not None
    Boundaries(world)
    judge(world)
    world.ledger.close()
    return found.names


@pytest.mark.parametrize("changes", [True, False], ids=["other UIDs", "the same UIDs"])
def test_killed_anywhere_it_goes_on(tmp_path: Path, *, changes: bool) -> None:
    """At each boundary of a change up to the whole session, in turn; no object comes more than twice."""
    names = boundaries(tmp_path / "whole", changes=changes)
    assert {"before import_zip", "after import_zip", "within an object", "after build", "after commit"} <= set(names)
    first, last = names.index("before import_zip"), names.index("before create_part")  # the rest is as in a copy
    writes = {f"{when} {call}" for call in IMPORT_WRITES for when in ("before", "after")} | {"within an object"}
    changing = {at for at in range(first, last + 1) if names[at] in writes}
    for number in sorted(changing | {at + 1 for at in changing} | {last}):  # and once what was done is written down
        at, name = number + 1, names[number]
        world = world_of(tmp_path / f"{at}", changes=changes)
        Boundaries(world, at)
        assert once(world) is None, name
        Boundaries(world)
        for _ in range(2):
            world.clock.s += 4000.0
            once(world)
        judge(world)
        assert isinstance(world.there, ImportingArchive)
        assert max(map(world.there.received.count, world.there.received)) <= 2, name
        world.ledger.close()


@pytest.mark.parametrize("changes", [True, False], ids=["other UIDs", "the same UIDs"])
def test_two_coordinators_make_one_session(tmp_path: Path, *, changes: bool) -> None:
    """The second leaves the upload of the first alone, and finds the session by its objects, whatever its UID is."""
    world = world_of(tmp_path / "one", changes=changes)
    names = boundaries(tmp_path / "whole", changes=changes)
    second = EngineWorld(tmp_path / "two", world.source, world.there, dicom="import", quiet_s=20.0)
    Boundaries(world, names.index("before build") + 1)
    assert once(world) is None
    Boundaries(world)
    assert isinstance(world.there, ImportingArchive)
    before = list(world.there.received)
    assert once(second) is not None
    assert (second.codes(), world.there.received) == ({"XS-PREARCHIVE-OCCUPIED"}, before)
    world.clock.s += 4000.0
    judge(world)
    assert world.there.received == before
    second.clock.s = world.clock.s
    judge(second)
    assert world.there.received == before


class Bad:
    """Days on which anything may fail at any boundary of the destination or the source, from a seed."""

    def __init__(self, world: EngineWorld, seed: int) -> None:
        self.chance, self.on, self.dying = random.Random(seed), True, False
        self.rate = self.chance.choice([0.03, 0.08, 0.2])
        for archive in (world.source, world.there):
            assert isinstance(archive, ImportingArchive)
            archive.before = lambda call: self.step(call, done=False)
            archive.after = lambda call: self.step(call, done=True)
            archive.within = lambda: self.step("import_zip", done=True)

    def step(self, call: str, *, done: bool) -> None:
        if self.dying:
            raise Killed
        if not self.on or self.chance.random() >= self.rate:
            return
        if self.chance.random() < 0.3:
            self.dying = True
            raise Killed
        if call in WRITES | IMPORT_WRITES:
            raise OutcomeUnknown("no answer") if done or self.chance.random() < 0.5 else ServerUnwell("503")
        if not done:
            raise self.chance.choice([ReadFailed("cut"), ServerUnreachable("down")])


def play(folder: Path, seed: int) -> None:
    """Some bad runs, and then quiet ones."""
    world = world_of(folder, changes=seed % 2 == 0)
    assert isinstance(world.source, ImportingArchive)
    world.source.catalogued = seed % 3 == 0
    bad = Bad(world, seed)
    for _ in range(bad.chance.randint(1, 5)):
        bad.dying = False
        once(world)
        world.clock.s += bad.chance.choice([0.1, 30.0])
    bad.on = bad.dying = False
    for _ in range(4):
        world.clock.s += 4000.0
        once(world)
    judge(world)
    assert not [call for call in world.source.calls if call in WRITES | IMPORT_WRITES]
    world.ledger.close()


def test_nothing_is_sent_while_an_upload_may_still_land(tmp_path: Path) -> None:
    """An answer that was lost says nothing of what the server is still at."""
    world = world_of(tmp_path, changes=True)
    writes: list[tuple[str, float]] = []
    there = world.there
    assert isinstance(there, ImportingArchive)

    def after(call: str) -> None:
        if call in IMPORT_WRITES:
            writes.append((call, world.clock.s))
            if len(writes) == 1:
                raise OutcomeUnknown("no answer")

    there.after = after
    once(world)
    (first, at), (second, then), *_ = writes
    assert (first, second) == ("import_zip", "build")
    assert then - at >= world.route.quiet_s
    there.after = lambda call: None
    judge(world)


@pytest.mark.parametrize("seed", range(10))
def test_whatever_fails_it_is_whole_in_the_end(tmp_path: Path, seed: int) -> None:
    """Answers that are lost, uploads that are cut, servers that are down, and kills: nothing is there by halves."""
    play(tmp_path, seed)


if __name__ == "__main__":
    for number in range(*map(int, sys.argv[1].split("-"))):
        with tempfile.TemporaryDirectory() as place:
            try:
                play(Path(place), number)
            except BaseException as found:
                print(f"seed {number}: {type(found).__name__} {str(found)[:300]}")
