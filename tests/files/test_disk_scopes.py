"""What a failure of the disk speaks of: one table, total over the numbers of this system and all that we ask of it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from xnatsync.core.errors import DiskFull, DiskRefused, DiskUnwell, Disposition, FolderMissing, PlaceTaken
from xnatsync.disk.failures import Operation, Scope, one_thing, our_disk, scope_of
from xnatsync.disk.local import LocalDisk

CHANGES = [Operation.RENAME, Operation.REMOVE, Operation.MKDIR, Operation.FSYNC, Operation.WRITE]
# The system's words for what a disk, its line or the whole process lacks; whatever is not here speaks of one thing.
WIDE = {
    "ENOSPC", "EDQUOT", "EIO", "EROFS", "ENODEV", "ENXIO", "ENOMEDIUM", "EREMOTEIO", "ESTALE", "EMFILE", "ENFILE",
    "ENOMEM", "ENOBUFS", "ENOLCK", "ENOTCONN", "ESHUTDOWN", "EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN", "ENETUNREACH",
    "ENETRESET", "ECONNRESET", "ECONNABORTED", "ECONNREFUSED", "ETIMEDOUT", "EAGAIN", "EINTR",
}  # fmt: skip


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_every_number_has_a_scope_and_an_error(number: int, operation: Operation) -> None:
    """Nothing falls through; what speaks of one thing is for a person, and has an advice of its own kind."""
    scope = scope_of(number, operation)
    error = one_thing(OSError(number, os.strerror(number)), "moving it", operation)

    assert isinstance(scope, Scope)
    assert os.strerror(number) in str(error)
    if number in {errno.EEXIST, errno.ENOTEMPTY}:
        assert type(error) is PlaceTaken
    elif (number, operation) == (errno.EFBIG, Operation.WRITE):  # no room for bytes of ours, as our_disk says
        assert (type(error), scope) == (DiskFull, Scope.THING)
    elif scope is Scope.THING:
        assert (type(error), error.disposition) == (DiskRefused, Disposition.PERSON)
    else:
        assert type(error) in {DiskFull, DiskUnwell}
    assert error.remedy


def test_what_is_too_big_for_a_file_system_is_not_told_to_make_room() -> None:
    """The disk has room: another advice fits."""
    error = our_disk(OSError(errno.EFBIG, os.strerror(errno.EFBIG)), "writing it")

    assert type(error) is DiskFull
    assert "ulimit" in error.remedy
    assert error.remedy != our_disk(OSError(errno.ENOSPC, "full"), "writing it").remedy


@pytest.mark.parametrize("operation", CHANGES)
def test_only_what_a_disk_lacks_may_speak_of_all_of_it(operation: Operation) -> None:
    """Rights, names, mount points, links, busy files: each is the matter of the thing that was named."""
    wide = {errno.errorcode[number] for number in errno.errorcode if scope_of(number, operation) is Scope.DISK}

    assert wide <= {name for name in errno.errorcode.values() if getattr(errno, name) in {_of(one) for one in WIDE}}
    assert {"ENOSPC", "EIO", "EROFS"} <= wide
    assert not wide & {"EACCES", "EPERM", "EBUSY", "EXDEV", "ENAMETOOLONG", "EILSEQ", "EINVAL", "ETXTBSY", "EFBIG"}


def _of(name: str) -> int | None:
    return getattr(errno, name, None)


@pytest.mark.parametrize("operation", [Operation.READ, Operation.LIST])
def test_a_file_that_cannot_be_read_is_bad_where_it_lies(operation: Operation) -> None:
    """The next one may be good; what the process lacks is another matter."""
    assert scope_of(errno.EIO, operation) is Scope.THING
    assert scope_of(errno.EMFILE, operation) is Scope.DISK


def test_an_error_without_a_number_is_for_the_probe() -> None:
    """It is taken for the disk's, and the probe disproves it."""
    assert type(one_thing(OSError("no number"), "moving it", Operation.RENAME)) is DiskUnwell
    assert type(our_disk(OSError("no number"), "moving it")) is DiskUnwell


def test_a_probe_leaves_nothing_and_passes_where_things_can_be_written(tmp_path: Path) -> None:
    """It writes, flushes, renames and removes, in our own folder."""
    LocalDisk().probe(tmp_path, tmp_path / "done")

    assert [path.name for path in tmp_path.rglob("*")] == [".xnatsync"]


def test_a_probe_finds_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """An unmounted disk is everything of it."""
    with pytest.raises(FolderMissing):
        LocalDisk().probe(tmp_path / "gone", None)


def test_a_probe_finds_a_done_folder_on_another_file_system(tmp_path: Path) -> None:
    """No item of the route could be filed there."""
    if Path("/dev/shm").stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system here")

    with pytest.raises(DiskUnwell, match="another file system"):
        LocalDisk().probe(tmp_path, Path("/dev/shm"))
