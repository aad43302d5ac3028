"""Every Python example of the founding document, run as it stands: only the imports, the address and the files differ.

Each is followed by a look at the server or at the disk: that an example ran says little.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from noun_world import PASSWORD, USER, NounWorld, content, here
from workflows.conftest import manual
from xnatsync.dicom.make import SeriesPlan, StudyPlan, make_study
from xnatsync.sandbox.model.creation import create_experiment, create_project, create_scan, create_subject

_CODE = re.compile(
    r"^from xnatctl\..*?(?=^class xnatctl\.|^Base Service|^Error Handling|^Download service for|\Z)",
    re.MULTILINE | re.DOTALL,
)


def examples() -> list[str]:
    """The blocks of code, each from its first import on."""
    return [found.group(0) for found in _CODE.finditer(manual("services-api.txt"))]


def example(service: str) -> str:
    """The one example of a service, with the names of this program."""
    (text,) = [text for text in examples() if f"import {service}" in text and "XNATClient(" not in text]
    return ours(text)


def ours(text: str) -> str:
    """The changes that a user's script needs: two imports."""
    return text.replace("from xnatctl.core.client import", "from xnatsync import").replace("xnatctl.", "xnatsync.")


@dataclass
class Stage:
    """The archive that the examples speak of, and what they printed."""

    world: NounWorld
    session: str
    folder: Path
    printed: list[str] = field(default_factory=list)

    def run(self, text: str, **names: Any) -> dict[str, Any]:
        """Run an example in the folder; `print` is kept."""
        from xnatsync import XNATClient

        with XNATClient(self.world.server.url, USER, PASSWORD) as client:
            known: dict[str, Any] = {"client": client, "print": lambda *words: self.printed.append(str(words[0]))}
            known |= names
            exec(compile(text, "the document", "exec"), known)
        return known


@pytest.fixture
def stage(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """Project MYPROJECT, subject SUB001, session SESSION01 with one scan; we are in an empty folder."""
    with here(tmp_path, capsys, monkeypatch) as world:
        create_project(world.site, "MYPROJECT", world.owner)
        subject = create_subject(world.site, "MYPROJECT", "SUB001", world.owner)
        made = create_experiment(world.site, "MYPROJECT", subject, "SESSION01", "xnat:mrSessionData", world.owner)
        made.fields |= {"date": "2026-03-02", "scanner": "MR1"}
        scan = create_scan(world.site, made, "1", "xnat:mrScanData", world.owner)
        scan.fields |= {"type": "T1", "quality": "usable"}
        assert made.id == "XNAT_E00001"
        world.store(made.id, "DICOM", {"0001.dcm": content("one"), "0002.dcm": content("two")}, "1")
        world.store(made.id, "DICOM", {"summary.dcm": content("summary")})
        folder = tmp_path / "work"
        folder.mkdir()
        monkeypatch.chdir(folder)
        yield Stage(world, made.id, folder)


def test_there_is_an_example_of_each_service() -> None:
    """Twelve blocks of code; a page that was cut shows here."""
    assert len(examples()) == 11
    assert len({re.search(r"import (\w+Service)", text).group(1) for text in examples()}) == 10  # type: ignore[union-attr]


def test_the_pattern_of_the_first_page(stage: Stage) -> None:
    """With an address and a password of its own."""
    (text,) = [ours(text) for text in examples() if "XNATClient(" in text]
    for theirs, mine in (
        ("https://xnat.example.org", stage.world.server.url),
        ('"admin"', repr(USER)),
        ('"secret"', repr(PASSWORD)),
    ):
        assert theirs in text
        text = text.replace(theirs, mine)

    known = stage.run(text)

    assert "MYPROJECT" in {project.id for project in known["projects"]}
    assert known["project"].id == "MYPROJECT"
    known["client"].close()


def test_projects(stage: Stage) -> None:
    """One is made."""
    known = stage.run(example("ProjectService"))

    assert stage.printed[2] == "Subjects: 1"
    assert known["new_project"].id == "NEWPROJECT"
    made = stage.world.site.projects["NEWPROJECT"]
    assert made.name == "New Project"


def test_subjects(stage: Stage) -> None:
    """The last step deletes one that was renamed before: it is not there under its old label."""
    text = example("SubjectService")
    before, _, after = text.partition("# Delete subject")
    stage.run(before)
    held = [subject.label for subject in stage.world.site.subjects.values() if subject.project == "MYPROJECT"]
    assert held == ["PARTICIPANT001"]

    from xnatsync.services.errors import ResourceNotFoundError

    delete = "from xnatsync.services.subjects import SubjectService\nservice = SubjectService(client)\n#" + after
    with pytest.raises(ResourceNotFoundError):
        stage.run(delete)
    with pytest.raises(RuntimeError, match=r"session|experiment"):  # it still has SESSION01
        stage.run(delete.replace('"SUB001"', '"PARTICIPANT001"'))
    assert stage.session in stage.world.site.experiments


def test_sessions(stage: Stage) -> None:
    """Listed by modality and by subject, and shown."""
    known = stage.run(example("SessionService"))

    assert [held.label for held in known["mr_sessions"]] == ["SESSION01"]
    assert [held.id for held in known["subject_sessions"]] == [stage.session]
    assert stage.printed == ["Date: 2026-03-02", "Scans: 1", "Scanner: MR1"]


def test_scans(stage: Stage) -> None:
    """Listed, and one deleted."""
    stage.run(example("ScanService"))

    assert stage.printed[:2] == ["1: T1", "  Quality: usable"]
    assert list(stage.world.site.experiments[stage.session].scans) == []


def test_resources(stage: Stage) -> None:
    """Two files go up, one resource comes down."""
    Path("analysis.nii.gz").write_bytes(content("analysis"))
    Path("report.pdf").write_bytes(b"%PDF-1.7 report")

    stage.run(example("ResourceService"))

    status, listed = stage.world.ask("GET", f"/data/experiments/{stage.session}/resources/PROCESSED/files?format=json")
    assert status == 200
    assert "analysis.nii.gz" in listed
    assert "report.pdf" in listed
    assert any(path.is_file() for path in Path("downloads").rglob("*"))


def test_downloads(stage: Stage) -> None:
    """Byte for byte."""
    stage.run(example("DownloadService"))

    (one,) = Path("data").rglob("0001.dcm")
    assert one.read_bytes() == content("one")


def test_uploads(stage: Stage) -> None:
    """The list of files is whatever the user has."""
    text = example("UploadService")
    plan = StudyPlan("P1", "Nobody^Nomen", "20260301", (SeriesPlan(1, "series", 3),), None, (32, 32))
    files = make_study(stage.folder / "made", plan, seed=3)
    listed = 'files=["scan001.dcm", "scan002.dcm", ...]'
    assert listed in text

    stage.run(text.replace(listed, "files=FILES").replace('"SESSION01"', '"SESSION02"'), FILES=files)

    (made,) = [held for held in stage.world.site.experiments.values() if held.label == "SESSION02"]
    status, listed = stage.world.ask("GET", f"/data/experiments/{made.id}/scans/1/resources/DICOM/files?format=json")
    assert (status, listed.count('"Name"')) == (200, 3)


def in_prearchive(stage: Stage) -> tuple[str, str]:
    """Uploads a study into the prearchive; gives its timestamp and its folder."""
    import json
    import zipfile

    plan = StudyPlan("P1", "Nobody^Nomen", "20260301", (SeriesPlan(1, "series", 2),), None, (32, 32))
    packed = stage.folder / "made.zip"
    with zipfile.ZipFile(packed, "w") as into:
        for path in make_study(stage.folder / "made", plan, seed=3):
            into.write(path, path.name)
    query = "import-handler=DICOM-zip&inbody=true&PROJECT_ID=MYPROJECT&SUBJECT_ID=SUB009&EXPT_LABEL=WAITS"
    status, said = stage.world.ask(
        "POST", f"/data/services/import?{query}&prevent_auto_commit=true", packed.read_bytes(), "application/zip"
    )
    assert status == 200, said
    row = said.strip()
    assert stage.world.ask("POST", f"{row}?action=build")[0] == 200
    _, listed = stage.world.ask("GET", "/data/prearchive/projects/MYPROJECT?format=json")
    (found,) = json.loads(listed)["ResultSet"]["Result"]
    return found["timestamp"], found["folderName"]


def prearchive_example(stage: Stage) -> tuple[str, str]:
    """The example up to its deletion, and the deletion, with a row that is there."""
    timestamp, folder = in_prearchive(stage)
    text = example("PrearchiveService").replace("20240101_120000", timestamp).replace('"SESSION01"', repr(folder))
    before, mark, after = text.partition("# Delete prearchive session")
    assert mark
    return before, "from xnatsync.services.prearchive import *\nservice = PrearchiveService(client)\n" + after


def test_the_prearchive(stage: Stage) -> None:
    """A session is listed with its attributes and archived; another one is deleted."""
    archive, _ = prearchive_example(stage)
    stage.run(archive)

    assert "WAITS" in {held.label for held in stage.world.site.experiments.values()}
    assert "READY" in stage.printed[0]


def test_a_session_of_the_prearchive_is_deleted(stage: Stage) -> None:
    """The last step of the example, for a session that still waits."""
    _, delete = prearchive_example(stage)
    stage.run(delete)

    assert '"timestamp"' not in stage.world.ask("GET", "/data/prearchive/projects/MYPROJECT?format=json")[1]


ADMIN: list[tuple[str, Callable[[dict[str, Any]], bool]]] = [
    (
        "users",
        lambda known: USER in {user["login"] if "login" in user else user["username"] for user in known["users"]},
    ),
    ("logs", lambda known: isinstance(known["logs"], list)),
]


def test_administration(stage: Stage) -> None:
    """Catalogues, users and the audit."""
    known = stage.run(example("AdminService"))

    assert {name: looks(known) for name, looks in ADMIN} == {"users": True, "logs": True}
    assert [line for line in stage.world.server.log if "refresh" in str(line["path"])]
