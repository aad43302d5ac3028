"""A mirror takes the sessions of a modality by whatever word the route says it; what takes nothing is told."""

from __future__ import annotations

import pytest

from mirror_world import MirrorWorld
from xnatsync.views.tree_run import mirror_blocks


@pytest.fixture
def both(world: MirrorWorld) -> MirrorWorld:
    """An MR session and a PET session, each with a file."""
    for label, kind in (("S1_MR", "mr"), ("S1_PET", "pet")):
        where = f"/data/projects/P1/subjects/S1/experiments/{label}"
        world.put("/data/projects/P1/subjects/S1")
        world.put(f"{where}?xsiType=xnat:{kind}SessionData&date=2026-03-01")
        world.put(f"{where}/scans/1?xsiType=xnat:{kind}ScanData&type=T1")
        session = world.session(label)
        assert session is not None
        world.fill(session.id, scans=1, files=1)
    return world


@pytest.mark.parametrize("word", ["PT", "PET"])
def test_both_words_for_pet_bring_the_pet_sessions(both: MirrorWorld, word: str) -> None:
    """They brought none, with exit code 0, when the route said what the manual said."""
    both.configure(modalities=[word])

    report = both.mirror()

    assert report.exit_code == 0
    assert report.counts["new"] == 1
    assert {path.split("/")[2] for path in both.files()} == {"S1_PET"}
    assert "unselected" not in report.counts


def test_a_selection_that_takes_no_session_is_told(both: MirrorWorld) -> None:
    """It looks like a project that holds nothing otherwise."""
    both.configure(modalities=["CT"])

    report = both.mirror()

    assert report.counts["unselected"] == 2
    told = "\n".join(str(block) for block in mirror_blocks(report))
    assert "2 sessions on the server, and the selection takes none of them" in told
