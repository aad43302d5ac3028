"""Every command of the pages on uploading: only the program's name, paths, hosts and prearchive rows are replaced.

What is looked at is the server: the bytes it holds, the rows of its prearchive, the files of its resources.
"""

from __future__ import annotations

import json
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydicom import dcmread

from noun_world import PASSWORD, USER
from workflows.conftest import Workplace, blocks, manual
from xnatsync.dicom.make import SeriesPlan, StudyPlan, make_study
from xnatsync.sandbox.model.creation import create_project
from xnatsync.sandbox.scp.receiver import Receiver

PROJECT, LABEL = "MYPROJECT", "MYSESSION"
ROOT = "path/to/DICOM_ROOT"

# Lines of the pages that are not run, and why.
NOT_RUN = {
    'pip install "xnatctl[dicom]"': "no command of the program, and pynetdicom is no extra here",
}


def commands(page: str) -> list[str]:
    """The lines after `$`, joined where they go on; a comment behind a backslash is for readers, no shell takes it."""
    found: list[str] = []
    for _, text in blocks(page, "console"):
        joined = re.sub(r"\\[ \t]*(#[^\n]*)?\n\s*", " ", text)
        lines = [line.removeprefix("$ ") for line in joined.splitlines() if line.startswith("$ ")]
        found += [re.sub(r"\s+# .*$", "", line).strip() for line in lines]
    return found


UPLOADING = "uploading.rst"


def page() -> list[str]:
    """The commands of the page, without those that no program is asked for."""
    return [command for command in commands(manual(UPLOADING)) if command not in NOT_RUN]


@pytest.fixture
def desk(place: Workplace) -> Workplace:
    """A project, a folder of DICOM, two archives of it, and files for resources; the page's second account."""
    import zipfile

    world = place.world
    create_project(world.site, PROJECT, world.owner)
    plan = StudyPlan("P1", "Nobody^Nomen", "20260301", (SeriesPlan(1, "t1", 3), SeriesPlan(2, "t2", 2)), None, (32, 32))
    files = make_study(place.folder / ROOT, plan, seed=7)
    files[0].rename(files[0].with_suffix(""))  # "includes extensionless files"
    for name in ("session_data.zip", "session.zip"):
        with zipfile.ZipFile(place.folder / "path/to" / name, "w") as into:
            for path in sorted((place.folder / ROOT).rglob("*")):
                if path.is_file():
                    into.write(path, path.relative_to(place.folder / ROOT).as_posix())
    for name, body in {"bids_dataset/a.json": b"{}", "bids_dataset/sub/b.tsv": b"x", "qc_pngs/q.png": b"png"}.items():
        (place.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (place.folder / name).write_bytes(body)
    (place.folder / "t1w.nii.gz").write_bytes(b"\x1f\x8b nifti")
    user = world.site.accounts.add("myuser", "mypassword", admin=True)
    assert user
    return place


def get(place: Workplace, path: str) -> Any:
    """What the server answers, as rows."""
    answer = httpx.get(f"{place.world.server.url}{path}", params={"format": "json"}, auth=(USER, PASSWORD))
    assert answer.status_code == 200, (path, answer.status_code)
    return answer.json()["ResultSet"]["Result"]


def identity(content: bytes) -> tuple[str, str, bytes]:
    """What XNAT leaves as it is: its script writes project, subject and session into the head (import.md §4)."""
    found = dcmread(BytesIO(content))
    return str(found.SeriesInstanceUID), str(found.SOPInstanceUID), bytes(found.PixelData)


Objects = list[tuple[str, str, bytes]]


def archived(place: Workplace, project: str = PROJECT, label: str = LABEL) -> Objects:
    """Each DICOM file that the archive holds in a session."""
    rows = get(place, f"/data/projects/{project}/experiments")
    found = [row["ID"] for row in rows if row["label"] == label]
    if not found:
        return []
    files = get(place, f"/data/experiments/{found[0]}/scans/ALL/files")
    urls = [f"{place.world.server.url}{row['URI']}" for row in files if row["collection"] == "DICOM"]
    return sorted(identity(httpx.get(url, auth=(USER, PASSWORD)).content) for url in urls)


def dropped(place: Workplace, folder: str = ROOT) -> Objects:
    """Each file that was to be uploaded."""
    return sorted(identity(path.read_bytes()) for path in (place.folder / folder).rglob("*") if path.is_file())


def local(command: str) -> str:
    """The command with paths below our folder."""
    return command.replace("/path/to/", "path/to/").replace("/incoming/", "incoming/")


UPLOADS = re.compile(r"(XNAT_TIMEOUT=\d+ )?xnatctl session upload ")


def test_the_page_is_read() -> None:
    """Each kind of command is met; a change of the page, or of the reader, shows here."""
    found = page()

    assert len(found) == 25, found
    assert sum(bool(UPLOADS.match(command)) for command in found) == 11
    assert not [command for command in found if "\\" in command or "#" in command]


def test_every_upload_of_the_page_arrives_or_waits_in_the_prearchive(desk: Workplace) -> None:
    """One after the other under one label: the first sends, those that follow find everything there."""
    sent = dropped(desk)
    for command in (each for each in page() if UPLOADS.match(each)):
        ran = desk.script(local(command))

        assert ran.code == 0, (command, ran.err)
        if "--prearchive" not in command:
            assert archived(desk) == sent, command
    assert not [path for path in desk.files() if "done" in path.split("/") or ".xnatsync" in path]
    assert dropped(desk) == sent


@pytest.mark.parametrize("number", range(11))
def test_each_upload_of_the_page_arrives_alone(number: int, desk: Workplace) -> None:
    """On a server that has nothing of it; what is in the prearchive is told by its row."""
    command = [each for each in page() if UPLOADS.match(each)][number]

    ran = desk.script(local(command))

    assert ran.code == 0, (command, ran.err)
    rows = get(desk, f"/data/prearchive/projects/{PROJECT}")
    if "--prearchive" in command:
        assert (archived(desk), [row["status"] for row in rows]) == ([], ["READY"])
    else:
        assert (archived(desk), rows) == (dropped(desk), [])


def test_a_password_on_the_command_line_is_warned_of(desk: Workplace) -> None:
    """The page shows it; everybody on the machine might read it."""
    (command,) = [each for each in page() if "--password" in each]

    ran = desk.script(local(command))

    assert ran.code == 0
    assert "--password" in ran.err
    assert "mypassword" not in ran.err + ran.out


def test_what_waits_in_the_prearchive_is_listed_archived_or_deleted(desk: Workplace) -> None:
    """The page's way from `--prearchive` to the archive; only the row's own names differ."""
    (upload,) = [each for each in page() if "--prearchive" in each]
    listing, archive, delete = (
        next(each for each in page() if f"prearchive {what}" in each) for what in ("list", "archive", "delete")
    )
    assert desk.script(local(upload)).code == 0
    listed = json.loads(desk.script(f"{listing} -o json").out)
    assert [(row["project"], row["status"]) for row in listed] == [(PROJECT, "READY")]
    (row,) = get(desk, f"/data/prearchive/projects/{PROJECT}")
    theirs, ours = f"{PROJECT} 20240115_120000 Session1", f"{PROJECT} {row['timestamp']} {row['folderName']}"
    assert theirs in archive
    assert theirs in delete

    assert desk.script(archive).code != 0  # there is no such row
    ran = desk.script(archive.replace(theirs, ours))

    assert ran.code == 0, ran.err
    assert archived(desk) == dropped(desk)
    assert get(desk, f"/data/prearchive/projects/{PROJECT}") == []
    assert desk.script(local(upload).replace("MYSESSION", "OTHER")).code in {0, 3}  # the study is archived already
    for waiting in get(desk, f"/data/prearchive/projects/{PROJECT}"):
        named = f"{PROJECT} {waiting['timestamp']} {waiting['folderName']}"
        assert desk.script(delete.replace(theirs, named)).code == 0
    assert get(desk, f"/data/prearchive/projects/{PROJECT}") == []
    assert archived(desk) == dropped(desk)


def test_the_page_sends_by_the_dicom_protocol(desk: Workplace) -> None:
    """A dry run asks the receiver and sends nothing; the command sends every object."""
    dry, send = sorted((each for each in page() if "upload-dicom" in each), key=lambda each: "--dry-run" not in each)
    desk.world.site.settings.update({"receivedFileUser": USER})
    with Receiver(desk.world.site) as receiver:

        def here(command: str) -> str:
            told = local(command).replace("xnat.example.org", "127.0.0.1").replace("8104", str(receiver.port))
            assert "127.0.0.1" in told
            return told

        ran = desk.script(here(dry))
        assert (ran.code, get(desk, "/data/prearchive/projects")) == (0, []), ran.err

        ran = desk.script(here(send))

    assert ran.code == 0, ran.err
    held = [path for path in (desk.folder.parent / "xnat").rglob("*.dcm") if "prearchive" in path.parts]
    assert sorted(identity(path.read_bytes()) for path in held) == dropped(desk)


def test_resources_of_the_page_arrive_byte_for_byte(desk: Workplace) -> None:
    """A folder, a file, and a folder at a scan."""
    for command in (each for each in page() if "resource upload" in each):
        ran = desk.script(command)
        assert ran.code == 0, (command, ran.err)

    url = desk.world.server.url
    found = {
        (place, row["collection"], row["URI"].partition("/files/")[2]): httpx.get(
            f"{url}{row['URI']}", auth=(USER, PASSWORD)
        ).content
        for place in ("", "/scans/1")
        for row in get(desk, f"/data/experiments/XNAT_E00001{place}/files")
        if row["collection"] in {"BIDS", "SNAPSHOTS"} or row["URI"].endswith("t1w.nii.gz")
    }
    assert found == {
        ("", "BIDS", "a.json"): b"{}",
        ("", "BIDS", "sub/b.tsv"): b"x",
        ("", "NIFTI", "t1w.nii.gz"): b"\x1f\x8b nifti",
        ("/scans/1", "SNAPSHOTS", "q.png"): b"png",
    }


def test_what_the_page_asks_about_an_upload_is_answered(desk: Workplace) -> None:
    """Listings, and who one is."""
    (first, *_) = [each for each in page() if UPLOADS.match(each)]
    assert desk.script(local(first)).code == 0
    asked = [each for each in page() if re.search(r"session list|scan list|prearchive list|auth login|whoami", each)]
    assert len(asked) == 7, asked

    ended = {command: desk.script(command) for command in asked}

    assert {command: ran.err for command, ran in ended.items() if ran.code} == {}
    assert LABEL in ended[f"xnatctl session list -P {PROJECT}"].out


def test_the_page_on_workflows_goes_through_the_prearchive(desk: Workplace) -> None:
    """Its first workflow: upload, list, archive; and the catalogues are refreshed."""
    found = commands(manual("workflows.rst"))
    upload, listing, archive, delete, refresh = found
    make_study(
        desk.folder / "incoming/SUBJECT001_MR_20240115",
        StudyPlan("P7", "Nobody^Nomen", "20240115", (SeriesPlan(1, "t1", 2),), None, (32, 32)),
        seed=9,
    )
    upload, archive = upload.replace("-E MR001", "-E MR901"), archive.replace("--label MR001", "--label MR901")

    assert desk.script(local(upload)).code == 0
    assert desk.script(listing).code == 0
    (row,) = get(desk, "/data/prearchive/projects/NEUROIMAGING")
    ours = f"{row['timestamp']} {row['folderName']}"
    ran = desk.script(archive.replace("20240115_120530 MR001", ours))

    assert ran.code == 0, ran.err
    assert archived(desk, "NEUROIMAGING", "MR901") == dropped(desk, "incoming/SUBJECT001_MR_20240115")
    assert "20240115_120530 MR001" in delete
    assert desk.script(delete).code != 0  # it was archived: there is nothing to delete, and nothing is deleted
    assert archived(desk, "NEUROIMAGING", "MR901")
    assert desk.script(refresh).code == 0


def test_a_changed_byte_would_be_seen(desk: Workplace) -> None:
    """The comparison of these tests sees one byte of one file."""
    (first, *_) = [each for each in page() if UPLOADS.match(each)]
    assert desk.script(local(first)).code == 0
    victim: Path = next(path for path in (desk.folder / ROOT).rglob("*.dcm"))
    before = archived(desk)
    assert before == dropped(desk)
    victim.write_bytes(victim.read_bytes()[:-1] + b"\x7f")

    assert archived(desk) != dropped(desk)
