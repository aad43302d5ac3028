"""A transfer as a whole: everything arrives, nothing is repeated, nothing of others is overwritten."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from transfer.engine_world import EngineWorld, furnish
from transfer.model import Archive
from xnatsync.core.described import ThingKind
from xnatsync.core.transfer_filter import Inside, Names, SyncType, Things, TransferFilter
from xnatsync.routes.transfer.wanted import Create


@pytest.fixture
def moved(tmp_path: Path) -> EngineWorld:
    """A project that was transferred."""
    world = EngineWorld(tmp_path / "one")
    furnish(world.source)
    done = world.run()
    assert (done.outcome, done.errors, world.troubles()) == ("complete", [], [])
    return world


def seen(world: EngineWorld) -> tuple[object, object]:
    (here,), (there,) = world.source.state().values(), world.there.state().values()  # type: ignore[attr-defined]
    return here, there


def test_everything_arrives(moved: EngineWorld) -> None:
    """Fields, custom values, parts, resources at every level, empty ones too; the source is only read."""
    here, there = seen(moved)

    assert there == here
    assert moved.source.writes == []


def test_a_second_run_writes_nothing_and_asks_little(moved: EngineWorld) -> None:
    """Two listings of each side tell that nothing changed."""
    done = moved.run()

    assert (moved.there.writes, done.outcome, done.due) == ([], "complete", 0)
    assert moved.source.calls == moved.there.calls == ["inventory", "part_stamps"]


# --- changes at the source ---------------------------------------------------------------------------------------


def test_only_what_changed_is_sent(moved: EngineWorld) -> None:
    """A new session, a new scan, a changed field, a new and a replaced file; and nothing else."""
    source = moved.source
    one, two = source.find("S1_MR"), source.find("S2_MR")
    source.session(source.find("S1"), "S1_MR2", UID="1.2.9")
    scan = source.part_of(two, ThingKind.SCAN, "4", "xnat:mrScanData", type="T2")
    source.put(scan, "DICOM", {"new.dcm": b"new"})
    one.fields["note"], one.custom["form/2"] = "changed", "7"
    one.changes += 1
    source.put(one, "QC", {"report.txt": b"another", "more.txt": b"more"})

    done = moved.run()

    here, there = seen(moved)
    assert there == here
    assert done.synced == {"session": 3}
    assert sorted(moved.there.writes) == [
        "catalogue", "catalogue", "catalogue", "create_experiment", "create_part", "create_resource", "overlay",
        "put_resource_file", "put_resource_file", "put_resource_file", "set_custom",
    ]  # fmt: skip
    assert (done.outcome, moved.troubles(), moved.run().due) == ("complete", [], 0)


def test_a_record_or_an_assessor_that_changed_is_found(moved: EngineWorld) -> None:
    """No listing of sessions shows them."""
    for label, part in (("S1", "S1_CLIN"), ("S2_MR", "S2_QC")):
        thing = moved.source.find(label)
        found = next(one for one in thing.parts if one.label == part)
        found.fields["note"] = "seen"
        found.changes += 1

    moved.run()

    here, there = seen(moved)
    assert there == here
    assert moved.there.writes == ["overlay", "overlay"]


def test_what_the_source_no_longer_has_stays_there(moved: EngineWorld) -> None:
    """It is told, and removed nowhere."""
    before = moved.there.state()
    one = moved.source.find("S1_MR")
    del one.resources["", "QC"].files["report.txt"], one.fields["note"]
    one.resources["", "QC"].changes += 1
    one.parts.remove(one.part(ThingKind.SCAN, "2"))
    one.changes += 1
    del moved.source.things[moved.source.find("S2_MR").id]

    done = moved.run()

    assert moved.there.state() == before
    assert (moved.there.writes, moved.codes(), done.errors) == ([], {"XS-GONE-AT-SOURCE"}, [])


# --- changes at the destination ----------------------------------------------------------------------------------


def field_changed(there: Archive) -> None:
    there.find("S1_MR").fields["note"] = "theirs"


def field_removed(there: Archive) -> None:
    del there.find("S1_MR").fields["note"]


def part_field_changed(there: Archive) -> None:
    there.find("S1_MR").part(ThingKind.SCAN, "1").fields["quality"] = "unusable"


def custom_changed(there: Archive) -> None:
    there.find("S1").custom["form/1"] = "2"


def file_changed(there: Archive) -> None:
    there.put(there.find("S1_MR"), "QC", {"report.txt": b"evil"})


def file_deleted(there: Archive) -> None:
    res = there.find("S1_MR").resources["", "QC"]
    res.changes += 1
    del res.files["report.txt"]


def resource_deleted(there: Archive) -> None:
    del there.find("S1_MR").part(ThingKind.SCAN, "1").resources["", "DICOM"]


def empty_resource_deleted(there: Archive) -> None:
    del there.find("S1_MR").resources["", "EMPTY"]


def part_deleted(there: Archive) -> None:
    one = there.find("S1_MR")
    one.parts.remove(one.part(ThingKind.SCAN, "1"))


def session_deleted(there: Archive) -> None:
    del there.things[there.find("S1_MR").id]


def subject_deleted(there: Archive) -> None:
    for label in ("S1_MR", "S1"):
        del there.things[there.find(label).id]


def touched(there: Archive) -> None:
    for one in there.things.values():
        one.changes += 1


CHANGED, GONE = "XS-CHANGED-THERE", "XS-GONE-THERE"


@pytest.mark.parametrize(
    ("tamper", "code"),
    [
        *((field_changed, CHANGED), (part_field_changed, CHANGED), (custom_changed, CHANGED), (file_changed, CHANGED)),
        *((field_removed, GONE), (file_deleted, GONE), (resource_deleted, GONE), (part_deleted, GONE)),
        *((session_deleted, GONE), (subject_deleted, GONE), (empty_resource_deleted, GONE)),
    ],
)
def test_what_was_changed_at_the_destination_is_told_and_left(
    moved: EngineWorld, tamper: Callable[[Archive], None], code: str
) -> None:
    """Nothing is sent; what was deleted comes again with repair alone, what is another never."""
    tamper(moved.there)
    touched(moved.there)
    before = moved.there.state()

    done = moved.run()

    assert (moved.there.writes, moved.there.state(), moved.codes()) == ([], before, {code})
    assert done.outcome == "partial"

    moved.run(repair=True)

    here, there = seen(moved)
    assert (there == here) == (code == GONE)
    assert moved.codes() == ({code} if code == CHANGED else set())
    assert (moved.there.writes == []) == (code == CHANGED)


def test_relabelled_at_the_destination_is_known_by_its_id(moved: EngineWorld) -> None:
    """Case 13: it is told, and nothing is sent again; what is new goes to where it is."""
    there = moved.there.find("S1_MR")
    there.label = "RENAMED"
    touched(moved.there)
    moved.source.put(moved.source.find("S1_MR"), "QC", {"new.txt": b"new"})

    moved.run()

    assert moved.codes() == {"XS-RENAMED-THERE"}
    assert moved.there.writes == ["put_resource_file", "catalogue"]
    assert there.resources["", "QC"].files["new.txt"] == b"new"


# --- what was there before ---------------------------------------------------------------------------------------


def test_a_stranger_under_the_label_is_never_merged(tmp_path: Path) -> None:
    """Another study, another type, another value, other bytes: each is told, and stays; the others go on."""
    world = EngineWorld(tmp_path / "one")
    furnish(world.source)
    there = world.there
    there.project("Q")
    one = there.session(there.subject("Q", "S1", gender="male"), "S1_MR", UID="9.9")
    two = there.session(there.subject("Q", "S2"), "S2_MR", UID="1.2.2")
    there.put(two, "QC", {"report.txt": b"theirs"})

    world.run()

    assert {(trouble.code, trouble.path) for trouble in world.troubles()} == {
        ("XS-LABEL-TAKEN", ""), (CHANGED, "gender"), (CHANGED, "-/QC/report.txt"),
    }  # fmt: skip
    assert (one.fields, one.parts, one.resources) == ({"UID": "9.9"}, [], {})
    assert two.resources["", "QC"].files == {"report.txt": b"theirs"}
    assert {part.name for part in two.parts} == {part.name for part in world.source.find("S2_MR").parts}


def test_a_study_that_is_there_under_another_label_is_told_before_anything_is_made(tmp_path: Path) -> None:
    """Case 15; and so is an upload that waits for the same place.  The others go on, nothing is merged."""
    world = EngineWorld(tmp_path / "one")
    furnish(world.source)
    world.there.project("Q")
    world.there.session(world.there.subject("Q", "OTHER"), "OTHER_MR", UID="1.2.1")
    world.there.upload_waits("Q", "S2_MR")

    world.run()

    assert world.codes() == {"XS-LABEL-TAKEN", "XS-PREARCHIVE-OCCUPIED"}
    assert sorted(one.label for one in world.there.things.values()) == ["OTHER", "OTHER_MR", "S1", "S2"]


def test_two_coordinators_come_to_one_end(tmp_path: Path) -> None:
    """The second finds everything there, and takes it for what it is."""
    first = EngineWorld(tmp_path / "one")
    furnish(first.source)
    first.run()
    second = EngineWorld(tmp_path / "two", first.source, first.there)

    done = second.run()

    assert (second.there.writes, done.outcome, second.troubles()) == ([], "complete", [])
    second.source.put(second.source.find("S1_MR"), "QC", {"report.txt": b"newer"})
    second.run()
    assert second.there.find("S1_MR").resources["", "QC"].files == {"report.txt": b"newer"}


# --- shares ------------------------------------------------------------------------------------------------------


def test_shares_are_made_among_what_is_transferred(moved: EngineWorld) -> None:
    """Case 11: one with a project that does not travel is told; it is made once that one is transferred."""
    source, there = moved.source, moved.there
    source.project("P2")
    one = source.find("S1_MR")
    one.shares["P2"], one.changes = "SHARED", one.changes + 1

    moved.run()
    assert (moved.codes(), there.writes) == ({"XS-NOT-CARRIED"}, [])

    there.project("Q2")
    moved.ledger.remember_route("t2", "transfer", "d", "2026-03-01T00:00:00.000Z")
    moved.ledger.begin_transfer_run(1, "t2", server="a", project="P2", to_server="b", to_project="Q2", now="x")
    moved.run()
    assert (moved.codes(), there.writes, there.find("S1_MR").shares) == (set(), ["share"], {"Q2": "SHARED"})

    there.find("S1_MR").shares.clear()
    touched(there)
    moved.run()
    assert (moved.codes(), there.writes) == ({GONE}, [])


def test_what_others_share_into_the_project_is_told(moved: EngineWorld) -> None:
    """It belongs to them, and travels with them."""
    source = moved.source
    source.project("P2")
    other = source.session(source.subject("P2", "X"), "X_MR")
    other.shares["P"] = "X_HERE"

    done = moved.run()

    assert [(trouble.code, trouble.path) for trouble in moved.troubles()] == [("XS-NOT-CARRIED", "X_HERE")]
    assert (moved.there.writes, done.outcome) == ([], "complete")


# --- what cannot be kept or had ----------------------------------------------------------------------------------


def test_a_value_that_is_kept_otherwise_is_told_and_not_sent_again(tmp_path: Path) -> None:
    """Also one that is not kept at all."""
    world = EngineWorld(tmp_path / "one")
    furnish(world.source)
    world.there.keeps = lambda path, value: {"note": "", "quality": value.upper()}.get(path, value)

    world.run()

    assert {trouble.path for trouble in world.troubles()} == {"note", "1:quality", "2:quality"}
    assert (world.codes(), world.run().due) == ({"XS-NOT-CARRIED"}, 0)

    one = world.source.find("S1_MR")
    one.part(ThingKind.SCAN, "1").fields["quality"] = "bad"
    one.changes += 1
    world.run()
    assert world.there.writes == ["overlay"]
    assert world.there.find("S1_MR").part(ThingKind.SCAN, "1").fields["quality"] == "BAD"


def test_what_the_source_has_lost_is_asked_for_once_a_run(moved: EngineWorld) -> None:
    """Case 14, an outcome of its own: the rest arrives, and nothing counts as failed."""
    one = moved.source.find("S1_MR")
    res = moved.source.put(one, "QC", {"lost.txt": b"?", "here.txt": b"!"})
    res.lost.add("lost.txt")

    done = moved.run(max_failures=1)

    assert (moved.codes(), done.errors, done.failed) == ({"XS-LOST-AT-SOURCE"}, [], {})
    assert moved.there.find("S1_MR").resources["", "QC"].files == {"report.txt": b"good", "here.txt": b"!"}
    asked = [call for call in moved.source.calls if call.startswith("fetch")]
    moved.run()
    assert [call for call in moved.source.calls if call.startswith("fetch")]
    assert len(asked) <= 4

    res.lost.clear()
    moved.run()
    assert (moved.codes(), moved.run().due) == (set(), 0)


def test_without_digests_the_bytes_are_compared(tmp_path: Path) -> None:
    """A server that states none is asked for the bytes; what differs is told."""
    world = EngineWorld(tmp_path / "one", there=Archive("b", digests=False))
    furnish(world.source)
    assert (world.run().outcome, world.troubles()) == ("complete", [])
    world.there.find("S1_MR").resources["", "QC"].files["report.txt"] = b"evil"
    other = EngineWorld(tmp_path / "two", world.source, world.there)

    other.run()

    assert [(trouble.code, trouble.path) for trouble in other.troubles()] == [(CHANGED, "-/QC/report.txt")]
    assert other.there.writes == []


# --- filters and plans -------------------------------------------------------------------------------------------


def test_what_the_filters_leave_out_is_not_sent(tmp_path: Path) -> None:
    """A level at a time."""
    filters = TransferFilter(
        sessions=Things(SyncType.EXCLUDE, frozenset({"S2_MR"}), inside=Inside(resources=Names(SyncType.NONE))),
        records=Things(SyncType.NONE),
    )
    world = EngineWorld(tmp_path / "one", filters=filters)
    furnish(world.source)

    done = world.run()

    assert sorted(one.label for one in world.there.things.values()) == ["S1", "S1_MR", "S2"]
    assert world.there.find("S1").parts == []
    assert world.there.find("S1_MR").resources == {}
    assert (done.counts["unselected"], done.outcome, world.run().due) == (1, "complete", 0)


def test_a_plan_names_what_a_run_does_and_changes_nothing(tmp_path: Path) -> None:
    """Before the first run, and after a change."""
    world = EngineWorld(tmp_path / "one", on_disk=True)
    furnish(world.source)

    planned = world.plan()

    assert (world.there.writes, world.there.projects, world.ledger.owners("t")) == ([], {}, [])
    done = world.run()
    assert (planned.files, planned.bytes) == (done.counts["files"], done.counts["bytes"])
    created = [effect for _, wanted in planned.steps for effect in wanted.effects if isinstance(effect, Create)]
    assert len(created) == len(
        [call for call in world.there.writes if call.startswith("create_") and call != "create_resource"]
    )
    again = world.plan()
    assert (again.steps, again.agreed, again.errors) == ([], 5, [])
