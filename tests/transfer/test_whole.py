"""A transfer between two stand-in XNATs: a project with every kind of thing arrives, and nothing is written twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from transfer.engine_world import EngineWorld
from transfer_world import ALONE, OTHER, SOURCE, TARGET, XNAT, Pair, Side, two_servers
from xnatsync.core.described import Described, ThingKind
from xnatsync.core.errors import NotCarried
from xnatsync.core.inventory import OwnerKind


@pytest.fixture
def pair() -> Iterator[Pair]:
    with two_servers() as both:
        yield both


def engine(pair: Pair, folder: Path, **keys: object) -> EngineWorld:
    """A coordinator between them; `a` is the source, `b` the destination."""
    world = EngineWorld(folder, pair.source.server, pair.target.server)  # type: ignore[arg-type]
    world.source.calls, world.there.calls = [], []
    world.route = replace(world.route, project=SOURCE, to_project=TARGET, **keys)  # type: ignore[arg-type]
    return world


def held(side: Side, project: str) -> dict[str, object]:
    """Everything that a server says of a project: facts, custom values, resources, files with their digests."""
    found: dict[str, object] = {}
    for owner in side.server.inventory(project, frozenset(OwnerKind)).owners:
        label = owner.session or owner.subject
        for thing in side.server.describe(owner).walk():
            found[f"{owner.kind.value} {label} {thing.kind.value} {thing.label or _id(thing)}"] = (
                thing.xsi_type, thing.fields, thing.custom, sorted((one.side, one.label) for one in thing.resources),
            )  # fmt: skip
        for file in side.server.all_files([owner])[owner].files:
            found[f"{owner.kind.value} {label} {file.scan} {file.resource} {file.name}"] = (file.size, file.digest)
    return found


def _id(thing: Described) -> str:
    return "" if thing.kind is ThingKind.PROJECT else thing.id


def test_everything_arrives_and_a_second_run_writes_nothing(pair: Pair, tmp_path: Path) -> None:
    """What is told is what belongs to projects that do not travel; the source is only read."""
    before = pair.source.writes()
    world = engine(pair, tmp_path / "one")
    done = world.run()
    assert (done.outcome, done.errors, world.codes()) == ("complete", [], {NotCarried.code})
    assert all("which is not transferred" in trouble.detail for trouble in world.troubles())
    assert held(pair.target, TARGET) == held(pair.source, SOURCE)
    writes = pair.target.writes()
    assert [world.run().outcome for _ in range(2)] == ["complete", "complete"]
    assert pair.target.writes() == writes
    assert pair.source.writes() == before


def test_only_what_changed_is_sent(pair: Pair, tmp_path: Path) -> None:
    """A field of a scan, one of a record, a custom variable, a value of a form, a rating, a new scan, a new file."""
    world = engine(pair, tmp_path / "one")
    world.run()
    many = len(pair.target.writes())
    session = pair.source.owner(OwnerKind.SESSION, "S1_MR")
    place = f"/data/projects/{SOURCE}/subjects/S1"
    pair.source.put(f"/data/experiments/{session.id}/scans/2", xsiType="xnat:mrScanData", note="another")
    pair.source.put(f"{place}/experiments/S1_VARS", xsiType="xnat:subjectVariablesData", note="elsewhere")
    pair.source.put(place, **{"xnat:subjectData/fields/field[name=iq]/field": "99"})
    pair.source.custom(f"/experiments/{session.id}", rating=5)
    pair.source.put(f"/data/experiments/{session.id}/assessors/S1_QC", xsiType="xnat:qcManualAssessorData", rater="XY")
    pair.source.put(f"/data/experiments/{session.id}/scans/8", xsiType="xnat:mrScanData", type="late")
    pair.source.put(f"/data/experiments/{session.id}/scans/8/resources/DICOM/files/8.dcm", b"late" * 9, format="DICOM")
    assert held(pair.target, TARGET) != held(pair.source, SOURCE)
    assert world.run().outcome == "complete"
    assert held(pair.target, TARGET) == held(pair.source, SOURCE)
    sent = [line for line in pair.target.writes()[many:] if "/files/" in line]
    assert len(sent) == 1, sent


def test_a_project_is_copied_beside_itself(pair: Pair, tmp_path: Path) -> None:
    """Of one server: what only one thing of a site can have is told, the rest is there twice."""
    names = "<xnat:name>The first</xnat:name><xnat:aliases><xnat:alias>first</xnat:alias></xnat:aliases>"
    pair.source.xml(f"/data/projects/{SOURCE}", f'<xnat:Project ID="{SOURCE}" {XNAT}>{names}</xnat:Project>')
    before = held(pair.source, SOURCE)
    world = engine(Pair(pair.source, pair.source), tmp_path / "one", to_server="a")
    assert world.run().outcome == "complete"
    assert [trouble.path for trouble in world.troubles() if "whole site's" in trouble.detail] == [
        "reconstructions/R_S1"
    ]
    assert world.codes() == {NotCarried.code}
    there = held(pair.source, TARGET)
    assert held(pair.source, SOURCE) == before
    assert {key for key in before if there.get(key) != before[key]} == {
        "project  project ", "session S1_MR reconstruction R_S1", "session S1_MR reconstructions/R_S1/out MEAN m.img"
    }  # fmt: skip
    writes = pair.source.writes()
    assert world.run().outcome == "complete"
    assert pair.source.writes() == writes


def test_what_is_shown_in_two_transferred_projects_is_shown_there_again(pair: Pair, tmp_path: Path) -> None:
    """The session, its subject and one scan by itself; not in a project that stays behind."""
    world = engine(pair, tmp_path / "one")
    world.ledger.remember_route("u", "transfer", "digest", "2026-03-01T00:00:00.000Z")
    assert world.run(project=OTHER, to_project=OTHER, name="u").outcome == "complete"
    assert world.run().outcome == "complete"
    here = pair.source.server.describe(pair.source.owner(OwnerKind.SESSION, "S1_MR"))
    there = pair.target.server.describe(pair.target.owner(OwnerKind.SESSION, "S1_MR", TARGET))
    assert {one.project for one in here.shares} == {OTHER, ALONE}
    assert there.shares == tuple(one for one in here.shares if one.project == OTHER)
    assert there.parts[0].shares == here.parts[0].shares != ()
    subject = pair.target.server.describe(pair.target.owner(OwnerKind.SUBJECT, "S1", TARGET))
    assert [(one.project, one.label) for one in subject.shares] == [(OTHER, "shown_S")]
