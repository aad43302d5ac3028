"""The trash of a tree: what is replaced or removed stays there under a name of its own, until its time is over."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from xnatsync.core.errors import SourceChanged
from xnatsync.disk.atomic import rename_exclusively, sync_folder
from xnatsync.disk.durable import sync_files, sync_folders
from xnatsync.disk.failures import Operation, their_file
from xnatsync.disk.item import pieces_of
from xnatsync.disk.tree_paths import STAGING, TRASH, Ways, failed, own_folder, refused, remove_empty

_NO_LINKS = frozenset(
    {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM, errno.EMLINK, errno.EXDEV, errno.EINVAL}
)


def keep(ways: Ways, root: Path, path: str, trash: str) -> None:
    """Gives a file a second name in the trash; see `tree_ports.TreeDisk.keep`."""
    _second_name(ways, root, path, trash, lambda: ways.own(root, TRASH, trash, make=True))


def copy(ways: Ways, root: Path, path: str, target: str) -> None:
    """Gives a file a second name in the tree; see `tree_ports.TreeDisk.copy`."""
    _second_name(ways, root, path, target, lambda: ways.make(root, target))


def _second_name(ways: Ways, root: Path, path: str, name: str, make: Callable[[], Path]) -> None:
    place = _file(ways, root, path)
    try:
        second = make()
        try:
            _link(ways, root, place, second, path)
        except FileExistsError:
            if not _same(place, second, path):
                raise refused(name, "another file is there") from None
        _settle_way(ways, root, second)
    except OSError as error:
        raise failed(root, error, f"keeping {path} under a second name", Operation.WRITE) from error


def discard(ways: Ways, root: Path, path: str, trash: str) -> None:
    """Moves a file to the trash; see `tree_ports.TreeDisk.discard`."""
    try:
        place, second = ways.find(root, path), ways.own(root, TRASH, trash, make=True)
        if not os.path.lexists(place) and os.path.lexists(second):
            return  # done before, and not written down
        place = _file(ways, root, path)
        try:
            rename_exclusively(place, second)
        except FileExistsError:
            if not _same(place, second, path):
                raise refused(trash, "the trash holds another file there") from None
            place.unlink()
        _settle_way(ways, root, second)
        prune_above(root, place)
    except OSError as error:
        raise failed(root, error, f"moving {path} to the trash", Operation.RENAME) from error


def find(ways: Ways, root: Path, trash: str) -> tuple[Path, os.stat_result]:
    """Gives the place of a file in the trash and what it is; SourceChanged when no plain file is there."""
    try:
        place = ways.own(root, TRASH, trash)
        seen = place.lstat()
    except OSError as error:
        raise their_file(error, trash) from error
    if not stat.S_ISREG(seen.st_mode):
        raise SourceChanged(f"{trash} in the trash is no longer a file")
    return place, seen


def empty_trash(ways: Ways, root: Path, trash: Sequence[str]) -> None:
    """Removes files from the trash, with the folders that are empty then; what is gone already is as wanted."""
    top = own_folder(root) / TRASH
    left: set[Path] = set()
    try:
        for name in trash:
            place = ways.own(root, TRASH, name)
            try:
                place.unlink()
            except (FileNotFoundError, NotADirectoryError):
                continue
            left.add(remove_empty(place.parent, top))
        sync_folders(sorted(left))
    except OSError as error:
        raise failed(root, error, "emptying the trash") from error
    finally:
        ways.unsettle()


def prune_above(root: Path, place: Path) -> None:
    """Removes the folders above a place that are empty now, but not the root, and brings that to the disk."""
    sync_folders([remove_empty(place.parent, root)])


def _settle_way(ways: Ways, root: Path, place: Path) -> None:
    """Brings a name in the trash to the disk, and those of the folders on its way that may be new."""
    new: list[Path] = []
    for folder in place.parents:
        sync_folder(folder)
        if folder == root or ways.is_settled(folder):
            break
        new.append(folder)
    ways.settle(new)


def _file(ways: Ways, root: Path, path: str) -> Path:
    """Gives the place of a plain file; SourceChanged when it is none."""
    place = ways.find(root, path)
    try:
        seen = place.lstat()
    except OSError as error:
        raise their_file(error, path) from error
    if not stat.S_ISREG(seen.st_mode):
        raise SourceChanged(f"{path} is no longer a file")
    return place


def _same(one: Path, other: Path, path: str) -> bool:
    """Tells whether two names stand for one file, or for two with the same content."""
    mine, theirs = one.lstat(), other.lstat()
    if os.path.samestat(mine, theirs):
        return True
    alike = stat.S_ISREG(theirs.st_mode) and mine.st_size == theirs.st_size
    return alike and _digest(one, path) == _digest(other, path)


def _digest(place: Path, name: str) -> bytes:
    digest = hashlib.sha256()
    for piece in pieces_of(place, name):
        digest.update(piece)
    return digest.digest()


def _link(ways: Ways, root: Path, place: Path, second: Path, path: str) -> None:
    try:
        os.link(place, second, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(second):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from error
        _copy(ways, root, place, second, path)


def _copy(ways: Ways, root: Path, place: Path, second: Path, path: str) -> None:
    """Copies where there are no links; the name appears when the copy is whole and on the disk."""
    begun = ways.own(root, STAGING, f"copy-{hashlib.sha256(os.fsencode(second)).hexdigest()[:24]}", make=True)
    with begun.open("wb") as copy:
        copy.writelines(pieces_of(place, path))
    sync_files([begun])
    rename_exclusively(begun, second)
