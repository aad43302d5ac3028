"""Cases of the kinds that people reported (docs: cases 1 to 4), which nobody had tried: seen on the server's side."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from noun_world import PROJECT, NounWorld
from services.processing import COMMAND, old_engine, statuses
from xnatsync import XNATClient
from xnatsync.core.errors import NotEnabled
from xnatsync.sandbox.model.creation import create_project, create_subject
from xnatsync.sandbox.model.objects import Experiment
from xnatsync.services import errors


def session(far: NounWorld, label: str) -> Experiment:
    return next(each for each in far.site.experiments.values() if each.label == label)


def archive(form: str) -> bytes:
    stream = io.BytesIO()
    if form == "zip":
        with zipfile.ZipFile(stream, "w") as made:
            made.writestr("inside.txt", "inside")
        return stream.getvalue()
    with tarfile.open(fileobj=stream, mode="w:gz") as made_tar:
        info = tarfile.TarInfo("inside.txt")
        made_tar.addfile(info, io.BytesIO())
    return stream.getvalue()


ARCHIVES = {
    "one.zip": archive("zip"), "sub/two.ZIP": archive("zip"), "three.tar.gz": archive("tar"),
    "four.tgz": archive("tar"), "five.nii.gz": gzip.compress(b"voxels" * 100), "six.mrb": archive("zip"),
    "seven.txt": archive("zip"), "sub/eight.jar": archive("zip"), "nine.gz.txt": gzip.compress(b"9"),
}  # fmt: skip


@pytest.mark.parametrize("beside", [0, 40], ids=["alone", "among small files"])
def test_an_archive_is_a_file_too(client: XNATClient, far: NounWorld, tmp_path: Path, beside: int) -> None:
    """Case 1: in a folder that is packed for the way, each has its name and its bytes there, and nothing of it is out.

    Also those whose name does not tell that they are archives.
    """
    made = dict(ARCHIVES) | {f"small/{number}.txt": bytes([number]) * 9 for number in range(beside)}
    for name, content in made.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(content)

    client.resources.upload_directory("MR001", "MIXED", tmp_path / "in", project=PROJECT)

    listed = {file.name: file.size for file in client.resources.list_files("MR001", "MIXED", project=PROJECT)}
    assert listed == {name: len(content) for name, content in made.items()}
    for name in ARCHIVES:
        path = f"/data/experiments/{session(far, 'MR001').id}/resources/MIXED/files/{name}"
        assert client.get(path).content == made[name], name


def test_a_label_of_another_share_is_no_success(client: XNATClient, far: NounWorld) -> None:
    """Case 3: it is there, and not under the label that was asked for; without one it is as wanted."""
    create_project(far.site, "OTHER", far.owner)
    assert client.sessions.share("MR001", "OTHER", "GUEST", project=PROJECT)
    assert client.subjects.share("SUB002", "OTHER", "G2", project=PROJECT)
    mark = far.writes()

    assert client.sessions.share("MR001", "OTHER", project=PROJECT)
    assert client.sessions.share("MR001", "OTHER", "GUEST", project=PROJECT)
    with pytest.raises(errors.XnatsyncError, match="under another label"):
        client.sessions.share("MR001", "OTHER", "GUEST2", project=PROJECT)
    with pytest.raises(errors.XnatsyncError, match="under another label"):
        client.subjects.share("SUB002", "OTHER", "G3", project=PROJECT)

    assert far.writes() == mark
    assert session(far, "MR001").shares == {"OTHER": "GUEST"}


def test_a_subject_whose_label_is_taken_there_is_shared_first(client: XNATClient, far: NounWorld) -> None:
    """Case 3: before anything is sent, with the command to type; the session then lies under it."""
    create_project(far.site, "OTHER", far.owner)
    create_subject(far.site, "OTHER", "sub001", far.owner)

    with pytest.raises(errors.XnatsyncError) as refused:
        client.sessions.share("MR001", "OTHER", project=PROJECT)
    assert far.writes() == []
    assert "xnatsync subject share" in refused.value.remedy

    assert client.subjects.share("SUB001", "OTHER", "SUB001b", project=PROJECT)
    assert client.sessions.share("MR001", "OTHER", project=PROJECT)
    rows = [row for row in client.subjects.list("OTHER") if row.label == "SUB001b"]
    assert [row.session_count for row in rows] == [1]


SLIPS = [
    lambda client: client.resources.upload_file("MR001", "R", Path(__file__), project="NEUROIMAGIN"),
    lambda client: client.resources.upload_directory("MR01", "R", Path(__file__).parent, project=PROJECT),
    lambda client: client.resources.create("MR001", "R", scan_id="9", project=PROJECT),
    lambda client: client.sessions.create("NEUROIMAGIN", "SUB001", "NEW"),
    lambda client: client.sessions.set_field("MR01", "note", "x", project=PROJECT),
    lambda client: client.subjects.merge_subjects(PROJECT, "SUB001", "SUB09"),
    lambda client: client.projects.delete("NEUROIMAGIN"),
    lambda client: client.scans.set_quality("MR001", "9", "usable", project=PROJECT),
    lambda client: client.prearchive.move("NEUROIMAGIN", "20260101_000000", "MR001", "OTHER"),
]


@pytest.mark.parametrize("slip", SLIPS, ids=range(len(SLIPS)))
def test_one_letter_too_much_sends_nothing(client: XNATClient, far: NounWorld, slip: object) -> None:
    """Case 2: in whatever part of the name; one error, not found, and nothing was made."""
    before = (len(far.site.subjects), len(far.site.experiments), set(far.site.projects))

    with pytest.raises(errors.ResourceNotFoundError):
        slip(client)  # type: ignore[operator]

    assert far.writes() == []
    assert (len(far.site.subjects), len(far.site.experiments), set(far.site.projects)) == before


def installed(far: NounWorld, *commands: dict[str, object], project: bool = True) -> list[int]:
    """The Container Service with these commands, each of their wrappers on for the site."""
    processing = far.site.processing
    processing.book.installed, processing.book.daemon, processing.book.pace_s = True, True, 0.0
    for command in commands:
        processing.add_command(command)
    numbers = [int(str(wrapper["id"])) for _, wrapper in processing.wrappers()]
    for number in numbers:
        processing.enable(number, None, on=True)
        processing.enable(number, PROJECT, on=project)
    return numbers


BARE = COMMAND | {"name": "bids-app", "version": "2.0", "xnat": []}


def unrun(client: XNATClient, far: NounWorld, name: str, session: str = "MR001") -> errors.XnatsyncError:
    with pytest.raises(errors.XnatsyncError) as caught:
        client.pipelines.run(name, session, PROJECT)
    assert statuses(far) == []
    return caught.value


def test_a_command_without_a_wrapper_is_not_said_to_be_missing(client: XNATClient, far: NounWorld) -> None:
    """Case 4: it is there, with its image and version, and cannot be run; who asks for another is told of it too."""
    installed(far, COMMAND, BARE)

    bare = unrun(client, far, "bids-app")
    assert isinstance(bare, NotEnabled)
    assert "bids-app (xnat/dcm2niix:latest, version 2.0) is there, and has no wrapper" in str(bare)
    for words in (str(unrun(client, far, "bids-apps")), str(missing_command(client, "bids-apps"))):
        assert "bids-app (xnat/dcm2niix:latest, version 2.0)" in words
        assert "dcm2niix" in words


def missing_command(client: XNATClient, name: str) -> errors.XnatsyncError:
    with pytest.raises(errors.ResourceNotFoundError) as caught:
        client.pipelines.containers.command(name)
    return caught.value


def test_two_versions_of_one_command_are_told_apart(client: XNATClient, far: NounWorld) -> None:
    """Case 4: one lost slices; which is which is in the sentence, and neither is guessed."""
    first, second = installed(far, COMMAND, COMMAND | {"version": "1.8"})

    words = unrun(client, far, "dcm2niix").remedy

    assert f"{first} (dcm2niix-session, xnat/dcm2niix:latest, version 1.7)" in words
    assert f"{second} (dcm2niix-session, xnat/dcm2niix:latest, version 1.8)" in words
    assert client.pipelines.run(str(second), "MR001", PROJECT).state == "complete"


def test_what_is_off_in_both_places_is_told_at_once(client: XNATClient, far: NounWorld) -> None:
    """Case 4: whoever has it enabled for the site would meet the next refusal."""
    (number,) = installed(far, COMMAND, project=False)
    far.site.processing.enable(number, None, on=False)

    assert f"not enabled for the site, nor for project {PROJECT}" in str(unrun(client, far, "dcm2niix"))


def test_a_pipeline_for_another_type_is_told_before_it_is_launched(client: XNATClient, far: NounWorld) -> None:
    """Case 4: the old engine reports a failure without a reason; its list has the reason."""
    old_engine(far, "DicomToNifti")
    (pipeline,) = far.site.processing.book.pipelines
    pipeline.datatype = "xnat:mrSessionData"
    far.server.log.clear()

    error = unrun(client, far, "DicomToNifti", "PET001")

    assert "is not for xnat:petSessionData" in str(error)
    assert "it is for xnat:mrSessionData" in str(error)
    assert not [line for line in far.server.log if line["method"] == "POST" and "launch" in line["path"]]
    assert client.pipelines.run("DicomToNifti", "MR001", PROJECT).state == "complete"
