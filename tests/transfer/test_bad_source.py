"""A bad day: odd contents, and a source that is renamed, moved and deleted between runs."""

from __future__ import annotations

from pathlib import Path

from transfer.test_whole import engine, held
from transfer_world import OTHER, SOURCE, TARGET, two_servers
from xnatsync.core.inventory import OwnerKind
from xnatsync.xnat import raw

SUBJECTS = f"/data/projects/{SOURCE}/subjects"


def test_a_bad_day_between_two_servers(tmp_path: Path) -> None:
    """Labels that differ by case, scans of one UID, odd names and packed files arrive; nothing there is removed."""
    with two_servers() as pair:
        source, world = pair.source, engine(pair, tmp_path / "one")
        session = source.owner(OwnerKind.SESSION, "S2_CT").id
        source.put(f"{SUBJECTS}/s1", gender="male")
        source.put(f"{SUBJECTS}/S2/experiments/S2_CT/resources/NOTES/files/a%20b%2B%C3%BC%23%25.txt", b"odd")
        for scan in ("3", "4"):
            source.put(f"/data/experiments/{session}/scans/{scan}", xsiType="xnat:ctScanData", UID="1.2.3.4.5")
        source.put(f"/data/experiments/{session}/scans/3/resources/ZIP/files/all.zip", b"PK\x03\x04 none")
        assert (world.run().outcome, world.codes()) == ("complete", {"XS-NOT-CARRIED"})
        assert held(pair.target, TARGET) == held(source, SOURCE)
        before, writes = held(pair.target, TARGET), pair.target.writes()

        source.put(f"{SUBJECTS}/S2/experiments/S2_PET", label="PET_NEW")
        source.put(f"/data/experiments/{session}/projects/{OTHER}", primary="true", label="moved")
        gone = source.owner(OwnerKind.SUBJECT, "S1").id
        call = raw.call("DELETE", f"/data/subjects/{gone}", "deleting", (("removeFiles", "true"),))
        raw.change(source.server.client, call, request_id="test", timeout_s=30.0)
        done = world.run()

        assert (done.outcome, done.errors) == ("complete", [])
        assert {"XS-RENAMED-THERE", "XS-GONE-AT-SOURCE"} <= world.codes()
        assert held(pair.target, TARGET) == before
        assert pair.target.writes() == writes
