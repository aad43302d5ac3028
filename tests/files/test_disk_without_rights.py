"""What an account without rights meets, on a pretended file system: root, who runs many a CI, may read everything."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyfakefs.fake_filesystem import FakeFilesystem
from pyfakefs.helpers import set_uid

from xnatsync.core.errors import DiskRefused, SourceUnreadable
from xnatsync.disk import handles, renaming
from xnatsync.disk.local import LocalDisk

FOLDER = Path("/drop/exam")


@pytest.fixture
def exam(fs: FakeFilesystem, monkeypatch: pytest.MonkeyPatch) -> FakeFilesystem:
    """An exam of two folders with a file in each, seen by an account that is not root."""
    monkeypatch.setattr(handles, "BY_HANDLE", False)  # pretended folders are not opened: by path, as on Windows
    monkeypatch.setattr(renaming, "_kernel_rename", lambda *names: False)
    fs.create_file(FOLDER / "open" / "1.dcm", contents=b"one")
    fs.create_file(FOLDER / "closed" / "2.dcm", contents=b"two")
    fs.create_dir("/done")
    set_uid(1000)
    return fs


def test_what_may_be_read_is_listed(exam: FakeFilesystem) -> None:
    """The pretended file system is one to the product."""
    look = LocalDisk().look(FOLDER)

    assert look is not None
    assert [file.path for file in look.files] == ["closed/2.dcm", "open/1.dcm"]
    assert look.problems == ()


def test_a_folder_without_rights_is_a_problem_and_not_empty(exam: FakeFilesystem) -> None:
    """Unreadable never means absent."""
    exam.chmod(FOLDER / "closed", 0o000, force_unix_mode=True)

    look = LocalDisk().look(FOLDER)

    assert look is not None
    assert [file.path for file in look.files] == ["open/1.dcm"]
    assert [(problem.path, problem.unreadable) for problem in look.problems] == [("closed", True)]


def test_a_file_without_rights_is_named(exam: FakeFilesystem) -> None:
    """Nothing of the item is concluded without it."""
    exam.chmod(FOLDER / "closed" / "2.dcm", 0o000, force_unix_mode=True)

    with pytest.raises(SourceUnreadable, match=r"closed/2\.dcm"):
        LocalDisk().read_manifest(FOLDER, tags=frozenset(), pixels=False)


def test_a_done_folder_without_rights_takes_nothing_and_loses_nothing(exam: FakeFilesystem) -> None:
    """The item stays where it was."""
    exam.chmod("/done", 0o500, force_unix_mode=True)

    with pytest.raises(DiskRefused, match="may not write in the folder /done, ") as refused:
        LocalDisk().move(FOLDER, Path("/done/2026-03-01/exam"))

    assert "the right to write in /done;" in refused.value.remedy, "of the folder, and not of the item"
    assert (FOLDER / "open" / "1.dcm").read_bytes() == b"one"


@pytest.mark.parametrize("closed", ["/done/2026-03-01", "/drop"])
def test_a_closed_folder_is_named_and_not_the_item(exam: FakeFilesystem, closed: str) -> None:
    """The folder of the day, and the one that the item is to leave."""
    set_uid(0)
    exam.create_dir("/done/2026-03-01")
    for folder in ("/done", "/done/2026-03-01", "/drop"):
        exam.chmod(folder, 0o555 if folder == closed else 0o777, force_unix_mode=True)
    set_uid(1000)

    with pytest.raises(DiskRefused, match=f"may not write in the folder {closed}, ") as refused:
        LocalDisk().move(FOLDER, Path("/done/2026-03-01/exam"))

    assert "what is to be moved is all right" in refused.value.remedy
    assert (FOLDER / "open" / "1.dcm").read_bytes() == b"one"
