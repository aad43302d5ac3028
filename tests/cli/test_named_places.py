"""Places that a person names: devices, pipes and links stay what they are, and a name may be too long anywhere."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from noun_world import PROJECT, NounWorld, furnish, here
from xnatsync.disk import drafts

SESSION = ("-P", PROJECT, "-E", "MR001")
LONG = "y" * 300


@pytest.fixture
def far(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[NounWorld]:
    with here(tmp_path, capsys, monkeypatch) as found:
        furnish(found)
        yield found


def no_plain_file(place: Path, kind: str) -> None:
    match kind:
        case "pipe":
            os.mkfifo(place)
        case "socket":
            with socket.socket(socket.AF_UNIX) as listening:
                listening.bind(os.path.relpath(place))  # its path may be short only
        case "link":
            place.symlink_to(place.parent / "elsewhere")
            (place.parent / "elsewhere").write_bytes(b"somebody's")


@pytest.mark.parametrize("kind", ["pipe", "socket", "link"])
def test_nothing_takes_the_place_of_what_is_no_plain_file(far: NounWorld, tmp_path: Path, kind: str) -> None:
    """`--force` neither: a device of that name would be gone for the whole machine (`-f /dev/null`)."""
    place = tmp_path / "place"
    no_plain_file(place, kind)
    before = stat.S_IFMT(place.lstat().st_mode)
    mark = len(far.server.log)

    for words in (
        ("resource", "download", "MR001", "QC", "-P", PROJECT, "-f", str(place)),
        ("session", "download", *SESSION, "--out", str(place)),
        ("session", "download", *SESSION, "--out", str(tmp_path), "--name", "place"),
        ("session", "download", *SESSION, "--out", str(tmp_path), "--name", "place", "--unzip"),
        ("scan", "download", *SESSION, "-s", "1", "--out", str(place)),
        ("audit", "--init", str(place), "-P", PROJECT),
    ):
        for force in ((), ("--force",)):
            ran = far.run(*words, *force)
            assert ran.code in {2, 3}, (words, ran)
            assert "XS-BUG" not in ran.err
            assert stat.S_IFMT(place.lstat().st_mode) == before, words
    fetched = [line for line in far.server.log[mark:] if line["method"] == "GET" and "/files/" in str(line["path"])]
    assert fetched == []
    if kind == "link":
        assert (tmp_path / "elsewhere").read_bytes() == b"somebody's"


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_the_rename_itself_refuses(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was put there after the look; the draft is gone, and the other thing is not."""
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "place"

    with drafts.begin(place) as draft:
        draft.file.write(b"ours")
        no_plain_file(place, kind)
        with pytest.raises(FileExistsError):
            draft.land(replace=True)

    assert [each.name for each in tmp_path.iterdir()] == ["place"]
    assert not place.is_file()


TOO_LONG = (
    ("session", "download", *SESSION, "--name", LONG),
    ("session", "download", *SESSION, "--name", "ü" * 200),
    ("session", "download", *SESSION, "--out", LONG, "--unzip"),
    ("session", "download", *SESSION, "--out", LONG, "--dry-run"),
    ("scan", "download", *SESSION, "-s", "1", "--name", LONG, "--dry-run"),
    ("resource", "download", "MR001", "QC", "-P", PROJECT, "-f", LONG),
    ("resource", "upload", "MR001", "QC", LONG, "-P", PROJECT),
    ("session", "upload", LONG, *SESSION, "-S", "SUB001"),
    ("subject", "rename", "--mapping", LONG, "-P", PROJECT),
    ("api", "put", "/data/projects/X", "--file", LONG),
    ("dicom", "inspect", LONG),
    ("audit", "-P", PROJECT, "--init", LONG),
    ("--config", LONG, "whoami"),
    ("--log-file", LONG, "whoami"),
)


@pytest.mark.parametrize("words", TOO_LONG, ids=lambda words: " ".join(words[:2]))
def test_a_name_that_is_too_long_is_no_bug_and_no_sick_disk(
    far: NounWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """Wherever it is typed: what is wrong is the name, and nothing was changed."""
    monkeypatch.chdir(tmp_path)

    ran = far.run(*words)

    assert ran.code in {0, 2, 3} if "--log-file" in words else ran.code in {2, 3}, ran
    assert not [code for code in ("XS-BUG", "XS-DISK-UNWELL") if code in ran.err], ran
    assert far.writes() == []
    assert LONG not in "".join(each.name for each in tmp_path.rglob("*"))
