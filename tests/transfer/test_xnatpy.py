"""A project that an unmodified xnatpy made is transferred, and xnatpy sees over there what it made here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from transfer.commands_world import Desk, a_desk
from transfer_world import PASSWORD, USER, Side

ORDER = ("project", "transfer", "-p", "prod", "-P", "MADE", "--dest-profile", "staging", "--dest-project", "COPY")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    with a_desk(tmp_path, monkeypatch, lambda: tuple(capsys.readouterr())) as found:  # type: ignore[arg-type,return-value]
        yield found


def theirs(side: Side) -> Any:
    import xnat

    return xnat.connect(side.box.url, user=USER, password=PASSWORD, verify=False, loglevel="ERROR")


def make(side: Side, folder: Path) -> None:
    """Subject, session, two scans, resources of three levels, fields and a custom variable."""
    for name in ("plan.txt", "one.dcm", "report.csv"):
        (folder / name).write_bytes(name.encode() * 100)
    side.put("/data/projects/MADE")
    with theirs(side) as there:
        project = there.projects["MADE"]
        project.create_resource("DOCS").upload(str(folder / "plan.txt"), "plan.txt")
        subject = there.classes.SubjectData(parent=project, label="S1")
        subject.demographics.gender = "female"
        subject.fields["handed"] = "left"
        session = there.classes.MrSessionData(parent=subject, label="S1_MR")
        session.note = "made by a script"
        session.create_resource("QC").upload(str(folder / "report.csv"), "report.csv")
        scan = there.classes.MrScanData(parent=session, id="7", type="T1", quality="usable")
        scan.note = "sharp"
    with theirs(side) as there:  # anew: an address of it that xnatpy keeps has the type in the place of the ID
        scan = there.projects["MADE"].subjects["S1"].experiments["S1_MR"].scans["7"]
        scan.create_resource("DICOM").upload(str(folder / "one.dcm"), "one.dcm")


def seen(side: Side, project_id: str, folder: Path) -> dict[str, object]:
    """What xnatpy shows of it, and the bytes that it downloads."""
    folder.mkdir()
    with theirs(side) as there:
        project = there.projects[project_id]
        subject = project.subjects["S1"]
        session = subject.experiments["S1_MR"]
        scan = session.scans["7"]
        for number, resource in enumerate(
            (project.resources["DOCS"], session.resources["QC"], scan.resources["DICOM"])
        ):
            resource.download_dir(str(folder / str(number)), verbose=False)
        return {
            "gender": subject.demographics.gender, "handed": subject.fields["handed"], "note": session.note,
            "scan": (scan.type, scan.quality, scan.note),
            "files": {path.name: path.read_bytes() for path in sorted(folder.rglob("*.*")) if path.is_file()},
        }  # fmt: skip


def test_what_xnatpy_made_is_there_as_it_made_it(desk: Desk, tmp_path: Path) -> None:
    make(desk.pair.source, tmp_path)

    ran = desk.run(*ORDER, "--yes")

    assert ran.code == 0, ran
    made, copied = seen(desk.pair.source, "MADE", tmp_path / "a"), seen(desk.pair.target, "COPY", tmp_path / "b")
    assert copied == made
    assert made["gender"] == "female"
    assert len(made["files"]) == 3  # type: ignore[arg-type]
    with theirs(desk.pair.target) as there:
        there.projects["COPY"].subjects["S1"].experiments["S1_MR"].scans["7"].quality = "unusable"
    assert desk.run(*ORDER, "--yes").code == 3, "what xnatpy changed over there is found"
