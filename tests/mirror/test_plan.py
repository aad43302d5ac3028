"""A plan is the run without its effects: the same decisions, the same numbers, the same answer of the rail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from mirror_world import MirrorWorld
from xnatsync.app.app import App
from xnatsync.app.plan import plan
from xnatsync.app.trees import MirrorReport
from xnatsync.config.load import load
from xnatsync.engine.progress import Progress
from xnatsync.routes.tree.mirror_plan import MirrorPlan

EXPERIMENT = "/data/projects/P1/subjects/{subject}/experiments/{label}"
Change = Callable[[MirrorWorld], object]


def planned(world: MirrorWorld) -> MirrorPlan:
    """What a run would do now."""
    (found,) = plan(App(load(world.config)), [], progress=Progress()).mirrors
    return found


def in_the_plan(found: MirrorPlan) -> dict[str, int]:
    """What it says, in the words in which a run counts."""
    counts: Counter[str] = Counter()
    for step in found.steps:
        counts.update(one.why for one in step.answer.fetch)
        counts["removed"] += len(step.answer.trash)
        counts["metadata"] += step.metadata
        counts["renamed"] += step.renamed
        counts["adopted"] += len(step.answer.adopt)
    return {key: many for key, many in counts.items() if many}


def in_the_run(report: MirrorReport) -> dict[str, int]:
    """The same of what was done."""
    wanted = ("new", "restored", "replaced", "removed", "metadata", "renamed", "adopted")
    brought = Counter({key: report.counts[key] for key in wanted if report.counts.get(key)})
    return dict(brought)


def troubles(found: MirrorPlan) -> set[tuple[str, str]]:
    """What the plan says would not be in agreement."""
    return {(trouble.path, trouble.code) for step in found.steps for trouble in step.answer.troubles}


@pytest.fixture
def replica(world: MirrorWorld) -> MirrorWorld:
    """Two sessions of one subject, and one of another, with their metadata; the mirror follows the server."""
    world.configure(policy="replica", max_delete=1000, recheck="0s")
    for label, subject in (("A_MR", "S1"), ("B_MR", "S1"), ("C_MR", "S2")):
        world.fill(world.session_with(label, subject=subject, scans=1), scans=1, files=2)
    assert world.mirror().exit_code == 0
    return world


def number(world: MirrorWorld, label: str) -> str:
    session = world.session(label)
    assert session is not None
    return session.id


CHANGES: dict[str, Change] = {
    "nothing": lambda world: None,
    "a session is deleted": lambda world: world.delete(f"experiments/{number(world, 'A_MR')}?removeFiles=true"),
    "a subject is deleted": lambda world: world.delete("projects/P1/subjects/S2?removeFiles=true"),
    "a session is renamed": lambda world: world.put(f"{EXPERIMENT.format(subject='S1', label='A_MR')}?label=N_MR"),
    "a session is made anew": lambda world: (
        world.delete(f"experiments/{number(world, 'C_MR')}?removeFiles=true"),
        world.fill(world.session_with("C_MR", subject="S2", scans=1), scans=1, files=2),
    ),
    "two swap their labels": lambda world: (
        world.put(f"{EXPERIMENT.format(subject='S1', label='A_MR')}?label=X_MR"),
        world.put(f"{EXPERIMENT.format(subject='S1', label='B_MR')}?label=A_MR"),
        world.put(f"{EXPERIMENT.format(subject='S1', label='X_MR')}?label=B_MR"),
    ),
    "one takes the other's old label": lambda world: (
        world.put(f"{EXPERIMENT.format(subject='S1', label='A_MR')}?label=X_MR"),
        world.put(f"{EXPERIMENT.format(subject='S1', label='B_MR')}?label=A_MR"),
        (world.tree / "P1/S1/A_MR/scans/1/resources/NIFTI/files/1.nii").unlink(),
    ),
    "something lies where it is to go": lambda world: (
        world.put(f"{EXPERIMENT.format(subject='S1', label='A_MR')}?label=N_MR"),
        (world.tree / "P1/S1/N_MR").mkdir(),
        (world.tree / "P1/S1/N_MR/mine.txt").write_text("mine"),
    ),
    "metadata are edited here": lambda world: (world.tree / "P1/S1/A_MR/session.xml").write_text("<mine/>"),
    "metadata are lost here": lambda world: (world.tree / "P1/S1/A_MR/session.xml").unlink(),
    "a scan is new": lambda world: (
        world.put(f"{EXPERIMENT.format(subject='S1', label='A_MR')}/scans/9?xsiType=xnat:mrScanData&type=T9"),
        world.upload(f"experiments/{number(world, 'A_MR')}/scans/9/resources/NIFTI/files/9.nii", b"nine"),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_planned_is_what_is_done(replica: MirrorWorld, change: str) -> None:
    """In every number, with the same troubles; and the plan itself does nothing."""
    CHANGES[change](replica)
    before = replica.shown()

    found = planned(replica)

    assert replica.shown() == before
    report = replica.mirror()
    assert found.errors == []
    assert in_the_plan(found) == in_the_run(report)
    assert troubles(found) == {(row.path, row.code) for row in report.troubles}


@pytest.mark.parametrize("rule", [2, 3])
def test_the_rail_counts_what_the_run_counts(replica: MirrorWorld, rule: int) -> None:
    """Two files of a session and its metadata: three removals, of which two are allowed or three."""
    replica.configure(policy="replica", max_delete=rule, recheck="0s")
    replica.delete(f"experiments/{number(replica, 'A_MR')}?removeFiles=true")

    found = planned(replica)
    report: Any = replica.mirror()

    assert found.over_the_rail is (rule == 2)
    assert ({error.code for error in report.errors} == {"XS-MAX-DELETE"}) is found.over_the_rail
    assert report.counts.get("removed", 0) == (0 if found.over_the_rail else 3)


def test_a_new_mirror_is_planned_whole(world: MirrorWorld) -> None:
    """With its metadata, which nobody asks for before."""
    world.fill(world.session_with(scans=1), scans=1, files=2)
    since = len(world.server.log)

    found = planned(world)

    assert in_the_plan(found) == {"new": 2, "metadata": 3}
    assert not any("format=xml" in f"{entry['path']}?{entry.get('query')}" for entry in world.server.log[since:])
    assert in_the_run(world.mirror()) == {"new": 2, "metadata": 3}


def test_a_plan_counts_what_is_still_to_be_fetched(world: MirrorWorld) -> None:
    """What an interrupted run left in staging is gone on with: neither the plan nor the run counts it again."""
    world.configure(big_file="1KB")
    session = world.session_with(scans=1)
    world.upload(f"experiments/{session}/scans/1/resources/NIFTI/files/a.nii", bytes(3_000_000))
    assert sum(step.bytes for step in planned(world).steps) == 3_000_000
    cut = world.fault("GET", "/files/a.nii", "cut_response", bytes=2_000_000, times=100)
    assert world.mirror(patience_s=0.5).exit_code == 5
    assert cut.hits
    (step,) = [step for step in planned(world).steps if step.answer.fetch]
    assert 0 < step.begun <= 2_000_000
    assert step.bytes == 3_000_000 - step.begun
    world.server.faults.clear()
    report = world.mirror()
    assert report.exit_code == 0, report
    assert report.counts["bytes"] == step.bytes
