"""Cases of the kinds that people reported (docs: cases 1 to 3), which nobody had tried: seen on the server's side."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from noun_world import PROJECT, NounWorld
from xnatsync import XNATClient
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
