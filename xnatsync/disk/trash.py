"""The trash of a tree: what is replaced or removed stays there under a name of its own, until its time is over."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from xnatsync.core.errors import SourceChanged
from xnatsync.disk.failures import Operation, their_file
from xnatsync.disk.handing_out import write_new
from xnatsync.disk.handles import Spot, reach
from xnatsync.disk.item import pieces_at
from xnatsync.disk.tree_paths import STAGING, TRASH, Ways, failed, refused, remove_empty

_NO_LINKS = frozenset(
    {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM, errno.EMLINK, errno.EXDEV, errno.EINVAL}
)


def keep(ways: Ways, root: Path, path: str, trash: str) -> None:
    """Gives a file a second name in the trash; see `tree_ports.TreeDisk.keep`."""
    _second_name(ways, root, path, trash, lambda: ways.own(root, TRASH, trash, make=True))


def copy(ways: Ways, root: Path, path: str, target: str) -> None:
    """Gives a file a second name in the tree; see `tree_ports.TreeDisk.copy`."""
    _second_name(ways, root, path, target, lambda: ways.make(root, target))


def _second_name(ways: Ways, root: Path, path: str, name: str, make: Callable[[], Spot]) -> None:
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
        second = ways.own(root, TRASH, trash, make=True)
        try:
            place = ways.find(root, path)
        except (FileNotFoundError, NotADirectoryError):
            if not second.exists():
                raise SourceChanged(f"{path} is no longer there") from None
            return  # done before, and not written down
        if not place.exists() and second.exists():
            return  # done before, and not written down
        place = _file(ways, root, path)
        try:
            place.rename_exclusively(second)
        except FileExistsError:
            if not _same(place, second, path):
                raise refused(trash, "the trash holds another file there") from None
            place.unlink()
        _settle_way(ways, root, second)
        prune_above(ways, root, path)
    except OSError as error:
        raise failed(root, error, f"moving {path} to the trash", Operation.RENAME) from error


def find(ways: Ways, root: Path, trash: str) -> tuple[Spot, os.stat_result]:
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
    left: set[str] = set()
    try:
        for name in trash:
            try:
                ways.own(root, TRASH, name).unlink()
            except (FileNotFoundError, NotADirectoryError):
                continue
            left.add(remove_empty(ways, root, name, kind=TRASH))
        ways.sync(root, left, kind=TRASH)
    except OSError as error:
        raise failed(root, error, "emptying the trash") from error
    finally:
        ways.unsettle()


def prune_above(ways: Ways, root: Path, path: str) -> None:
    """Removes the folders above a place that are empty now, but not the root, and brings that to the disk."""
    ways.sync(root, [remove_empty(ways, root, path)])


def _settle_way(ways: Ways, root: Path, place: Spot) -> None:
    """Brings a name in the trash or the tree to the disk, and those of the folders on its way that may be new."""
    new: list[Path] = []
    steps = PurePosixPath(place.path.relative_to(root).as_posix()).parts
    for many in range(len(steps), 0, -1):
        spot = reach(root, steps[:many])
        spot.sync()
        folder = Path(spot.folder)
        if folder == root or ways.is_settled(folder):
            break
        new.append(folder)
    ways.settle(new)


def _file(ways: Ways, root: Path, path: str) -> Spot:
    """Gives the place of a plain file; SourceChanged when it is none."""
    try:
        place = ways.find(root, path)
        seen = place.lstat()
    except OSError as error:
        raise their_file(error, path) from error
    if not stat.S_ISREG(seen.st_mode):
        raise SourceChanged(f"{path} is no longer a file")
    return place


def _same(one: Spot, other: Spot, path: str) -> bool:
    """Tells whether two names stand for one file, or for two with the same content."""
    mine, theirs = one.lstat(), other.lstat()
    if os.path.samestat(mine, theirs):
        return True
    alike = stat.S_ISREG(theirs.st_mode) and mine.st_size == theirs.st_size
    return alike and _digest(one, path) == _digest(other, path)


def _digest(place: Spot, name: str) -> bytes:
    digest = hashlib.sha256()
    for piece in pieces_at(lambda: place, name):
        digest.update(piece)
    return digest.digest()


def _link(ways: Ways, root: Path, place: Spot, second: Spot, path: str) -> None:
    try:
        place.link(second)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if second.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from error
        _copy(ways, root, place, second, path)


def _copy(ways: Ways, root: Path, place: Spot, second: Spot, path: str) -> None:
    """Copies where there are no links; the name appears when the copy is whole and on the disk."""
    begun = ways.own(root, STAGING, f"copy-{hashlib.sha256(os.fsencode(str(second))).hexdigest()[:24]}", make=True)
    write_new(begun, pieces_at(lambda: place, path))
    begun.rename_exclusively(second)
