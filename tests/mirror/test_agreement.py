"""A mirror shows what the server holds, asks little, and loses nothing."""

from __future__ import annotations

from mirror_world import MirrorWorld, some_bytes

SCAN = "P1/S1/S1_MR/scans/{scan}/resources/NIFTI/files/{name}"


def test_a_project_is_pulled_whole_and_a_second_run_asks_only_what_changed(world: MirrorWorld) -> None:
    """Files, metadata, and then nothing but the listings of the whole."""
    number = world.session_with()
    world.fill(number)
    world.upload(f"experiments/{number}/resources/QC/files/report.txt", b"good")

    report = world.mirror()

    assert (report.exit_code, report.errors, report.troubles) == (0, (), ())
    files = world.files()
    assert files[SCAN.format(scan=1, name="1.nii")] == some_bytes(f"{number}/1/1", 100)
    assert files["P1/S1/S1_MR/resources/QC/files/report.txt"] == b"good"
    assert len(files) == 7
    assert {path for path in world.shown() if path.endswith(".xml")} == {
        "P1/project.xml",
        "P1/S1/subject.xml",
        "P1/S1/S1_MR/session.xml",
    }

    mark = len(world.server.log)
    again = world.mirror()
    assert (again.exit_code, again.due, dict(again.counts)) == (0, 0, {})
    listings = [asked for asked in world.requests(mark) if asked != "GET /data/auth"]
    assert len(listings) <= 5, listings
