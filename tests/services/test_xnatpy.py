"""An unmodified xnatpy sees what the services wrote of resources, uploads and the prearchive, and the reverse."""

from __future__ import annotations

from pathlib import Path

from cli.test_upload import study
from noun_world import PASSWORD, PROJECT, USER, NounWorld
from xnatsync import XNATClient


def test_xnatpy_sees_what_was_stored_and_uploaded_and_the_reverse(
    client: XNATClient, far: NounWorld, tmp_path: Path
) -> None:
    """Resources byte for byte, an upload in the archive, one that waits; and what xnatpy stored, by the services."""
    import xnat

    far.site.settings.update({"enableSitewideAnonymizationScript": False})
    (tmp_path / "report.txt").write_text("ours")
    (tmp_path / "theirs.txt").write_text("theirs")
    files = study(tmp_path / "exam")
    client.resources.upload_file("MR001", "OURS", tmp_path / "report.txt", project=PROJECT)
    client.uploads.upload_dicom(PROJECT, "SUB09", "SUB09_MR1", tmp_path / "exam")
    waits = study(tmp_path / "later", seed=2)
    client.uploads.upload_dicom_gradual(tmp_path / "later", PROJECT, "SUB09", "SUB09_MR2", direct_archive=False)

    with xnat.connect(far.server.url, user=USER, password=PASSWORD, verify=False, loglevel="ERROR") as theirs:
        project = theirs.projects[PROJECT]
        session = project.experiments["MR001"]
        session.resources["OURS"].download_dir(str(tmp_path / "down"), verbose=False)
        sent = project.experiments["SUB09_MR1"]
        assert sum(len(scan.resources["DICOM"].files) for scan in sent.scans.values()) == len(files)
        (row,) = [one for one in theirs.prearchive.sessions(project=PROJECT) if one.name == "SUB09_MR2"]
        assert sum(len(scan.files) for scan in row.scans) == len(waits)
        session.create_resource("THEIRS").upload(str(tmp_path / "theirs.txt"), "theirs.txt")
        row.archive(overwrite="none")

    (found,) = (tmp_path / "down").rglob("report.txt")
    assert found.read_text() == "ours"
    assert [one.name for one in client.resources.list_files("MR001", "THEIRS", project=PROJECT)] == ["theirs.txt"]
    assert "SUB09_MR2" in {one.label for one in client.sessions.list(PROJECT)}
    assert client.prearchive.list(PROJECT) == []
