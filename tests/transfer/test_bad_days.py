"""What the simulation of transfers found, one by one: each was mended, and stays so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from transfer.engine_world import EngineWorld, furnish
from transfer.model import Archive
from transfer_world import a_side
from xnatsync.core.described import Described, ThingKind
from xnatsync.core.errors import ForeignContent, NotThere, OutcomeUnknown
from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey


def outcomes(world: EngineWorld, name: str) -> list[str | None]:
    """How the deeds of one name ended, in their order."""
    rows = world.ledger._raw.execute("select outcome from deed where name = ? order by id", [name]).fetchall()
    return [row[0] for row in rows]


@pytest.fixture
def one(tmp_path: Path) -> EngineWorld:
    """A session with a file, and nothing at the destination."""
    world = EngineWorld(tmp_path / "one", retries=0)
    world.source.project("P")
    session = world.source.session(world.source.subject("P", "S"), "E", UID="1.2.3")
    world.source.put(session, "NOTES", {"a.txt": b"a"})
    return world


def test_a_write_of_a_clock_that_was_ahead_is_over_when_the_clock_is_right(one: EngineWorld) -> None:
    """It is waited for as long as any, and not until the day that the clock said."""
    lost = iter([True])

    def before(call: str) -> None:
        if call == "create_subject" and next(lost, False):
            raise OutcomeUnknown("no answer")

    one.there.before = before
    one.clock.s = 400 * 86_400.0
    assert one.run(patience_s=1.0).unfinished
    one.clock.s = 0.0

    assert one.run(patience_s=100.0).outcome == "complete"

    assert one.clock.s < 200
    assert one.there.find("E").resources["", "NOTES"].files == {"a.txt": b"a"}


def test_what_no_listing_shows_is_told_once_and_never_stored_over(one: EngineWorld) -> None:
    """A part that somebody's cut store left: one store in a run, a person is asked, and everything else arrives."""
    put, asked = one.there.put_resource_file, list[str]()

    def refused(owner: Owner, resource: ResourceKey, name: str, content: Iterator[bytes], **more: object) -> None:
        asked.append(name)
        if name == "a.txt":
            raise ForeignContent("a.txt is there")
        put(owner, resource, name, content, **more)  # type: ignore[arg-type]

    one.there.put_resource_file = refused  # type: ignore[method-assign]
    one.source.put(one.source.find("E"), "MORE", {"b.txt": b"b"})

    assert one.run().errors == []

    assert sorted(asked) == ["a.txt", "b.txt"]
    assert one.codes() == {ForeignContent.code}
    assert one.there.find("E").resources["", "MORE"].files == {"b.txt": b"b"}
    one.there.put_resource_file = put  # type: ignore[method-assign]
    assert one.run().outcome == "complete"
    assert one.codes() == set()


def test_the_part_that_our_own_cut_store_left_is_stored_over(one: EngineWorld) -> None:
    """Also when the file could not be had meanwhile: what was refused since left nothing, and hides nothing."""
    put, parts, overwrites = one.there.put_resource_file, set[str](), list[bool]()

    def cut(
        owner: Owner, resource: ResourceKey, name: str, content: Iterator[bytes], *, overwrite: bool, **more: object
    ) -> None:
        overwrites.append(overwrite)
        if len(overwrites) == 1:
            parts.add(name)
            raise OutcomeUnknown("cut")
        if name in parts and not overwrite:
            raise ForeignContent(f"{name} is there")
        put(owner, resource, name, content, overwrite=overwrite, **more)  # type: ignore[arg-type]

    one.there.put_resource_file = cut  # type: ignore[method-assign]
    res = one.source.find("E").resources["", "NOTES"]
    one.run(patience_s=1.0)
    one.clock.s += 4000.0
    res.lost.add("a.txt")
    one.run()
    assert one.codes() == {"XS-LOST-AT-SOURCE"}
    res.lost.clear()
    one.clock.s += 4000.0

    assert one.run().outcome == "complete"

    assert overwrites == [False, True]
    assert one.codes() == set()


@pytest.mark.parametrize("side", ["source", "there"])
def test_a_file_that_cannot_be_compared_stops_nothing_else(tmp_path: Path, side: str) -> None:
    """Without digests both are fetched: what one side lists and cannot give is told of that file alone."""
    world = EngineWorld(tmp_path / "one", there=Archive("b", digests=False))
    furnish(world.source)
    assert world.run().outcome == "complete"
    archive: Archive = getattr(world, side)
    thing = archive.projects["P" if side == "source" else "Q"]
    thing.resources["", "PROTOCOL"].lost.add("plan.pdf")
    world.source.find("S1").fields["note"] = "new"
    world.source.find("S1").changes += 1
    other = EngineWorld(tmp_path / "two", world.source, world.there)  # knows nothing: all is compared

    other.run()

    assert other.codes() == {"XS-LOST-AT-SOURCE" if side == "source" else "XS-CHANGED-THERE"}
    assert world.there.find("S1").fields["note"] == "new" or other.ledger.owners("t")
    assert [row.code for row in other.ledger.owners("t") if row.hold] == (
        [] if side == "source" else ["XS-CHANGED-THERE"]
    )


def test_what_the_destination_said_it_made_and_never_showed_is_made_again(one: EngineWorld) -> None:
    """Nobody deleted it there, and nobody is asked."""
    create, given = one.there.create_subject, list[str]()

    def limbo(project: str, described: Described) -> str:
        given.append(described.label)
        return "b_S9999" if len(given) == 1 else create(project, described)

    one.source.find("S").fields["gender"] = "f"
    one.there.create_subject = limbo  # type: ignore[method-assign]

    one.run()
    assert one.run().errors == []

    assert given == ["S", "S"]
    assert one.codes() == set()
    assert one.there.find("E").fields["UID"] == "1.2.3"


def test_an_upload_that_comes_while_the_first_run_is_at_work_is_met(one: EngineWorld) -> None:
    """The project was made a moment ago: its prearchive is looked at all the same."""
    one.there.after = lambda call: one.there.upload_waits("Q", "E") if call == "create_subject" else None

    one.run()

    assert one.codes() == {"XS-PREARCHIVE-OCCUPIED"}
    assert "create_experiment" not in one.there.writes


def test_a_session_of_which_a_part_cannot_travel_is_created_beside_itself(tmp_path: Path) -> None:
    """A copy within one server leaves a reconstruction behind, tells so, and makes the session."""
    archive = Archive("a")
    furnish(archive)
    archive.project("Q")
    world = EngineWorld(tmp_path / "one", archive, archive, to_server="a")

    assert world.run().outcome == "complete"

    copies = [thing for thing in archive.things.values() if thing.project == "Q" and thing.kind is ThingKind.SESSION]
    assert [thing.label for thing in copies] == ["S1_MR", "S2_MR"]
    assert world.codes() == {"XS-NOT-CARRIED"}


def test_what_was_there_before_we_made_it_was_refused(one: EngineWorld) -> None:
    """The server said that it did not do it: that is no unknown end, and nothing is waited for."""
    made = iter([True])

    def before(call: str) -> None:
        if call == "create_subject" and next(made, False):
            one.there.subject("Q", "S")

    one.there.before = before

    assert one.run(patience_s=1.0).outcome == "complete"

    assert outcomes(one, "/create")[:2] == ["ok", "refused"]


def test_what_is_at_no_place_is_never_called_agreed(one: EngineWorld) -> None:
    """A destination whose answers fit nothing: the entity waits with a reason."""

    def gone(owner: Owner) -> Described:
        raise NotThere("gone")

    one.there.describe = gone  # type: ignore[method-assign]

    one.run()

    assert [row.phase for row in one.ledger.owners("t")] == ["known"] * 3


def test_a_record_without_a_file_is_no_hostile_name() -> None:
    """No listing of files has a row of it, and the look-up of sessions does not know it."""
    with a_side("s") as side:
        for path in ("", "/subjects/S"):
            side.put(f"/data/projects/P{path}")
        for label in ("R1", "R2"):
            side.put(f"/data/projects/P/subjects/S/experiments/{label}", xsiType="xnat:subjectVariablesData")
        side.put("/data/projects/P/subjects/S/experiments/R2/resources/X/files/x.txt", b"x")

        listing = side.server.all_files([owner := side.owner(OwnerKind.SUBJECT, "S", "P")])[owner]

    assert (listing.complete, listing.refused) == (True, ())
    assert [(file.scan, file.name) for file in listing.files] == [("records/R2", "x.txt")]


@pytest.mark.parametrize("is_theirs", [True, False])
def test_what_has_the_size_of_ours_is_not_taken_for_ours(tmp_path: Path, is_theirs: bool) -> None:
    """The destination lists no digest: its bytes are read before anything is replaced."""
    world = EngineWorld(tmp_path / "one", there=Archive("b", digests=False))
    furnish(world.source)
    assert world.run().outcome == "complete"
    ours = world.there.find("S1_MR").resources["", "QC"]
    if is_theirs:
        ours.files["report.txt"] = b"evil"
    world.source.put(world.source.find("S1_MR"), "QC", {"report.txt": b"another one"})

    world.run()

    assert ours.files["report.txt"] == (b"evil" if is_theirs else b"another one")
    assert world.codes() == ({"XS-CHANGED-THERE"} if is_theirs else set())
