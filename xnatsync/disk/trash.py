"""The trash of a tree: what is replaced or removed stays there under a name of its own, until its time is over."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from xnatsync.core.errors import SourceChanged
from xnatsync.core.moment import parse
from xnatsync.disk.failures import LinkOnTheWay, Operation, Scope, scope_of, their_file
from xnatsync.disk.handing_out import write_new
from xnatsync.disk.handles import Spot, reach
from xnatsync.disk.item import pieces_at
from xnatsync.disk.spelling import told
from xnatsync.disk.tree_paths import STAGING, TRASH, Ways, failed, refused, remove_empty

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_NO_LINKS = frozenset(
    {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM, errno.EMLINK, errno.EXDEV, errno.EINVAL}
)


def keep(ways: Ways, root: Path, path: str, trash: str) -> bool:
    """Return a file a second name in the trash; see `tree_ports.TreeDisk.keep`."""
    return _second_name(ways, root, path, lambda: ways.own(root, TRASH, trash, make=True))


def copy(ways: Ways, root: Path, path: str, target: str) -> None:
    """Return a file a second name in the tree; see `tree_ports.TreeDisk.copy`."""
    if not _second_name(ways, root, path, lambda: ways.make(root, target)):
        raise refused(target, "another file is there")


def _second_name(ways: Ways, root: Path, path: str, make: Callable[[], Spot]) -> bool:
    place = _file(ways, root, path)
    try:
        second = make()
        try:
            _link(ways, root, place, second, path)
        except FileExistsError:
            if not _same(place, second, path):
                return False
        _settle_way(ways, root, second)
    except OSError as error:
        raise failed(root, error, f"keeping {path} under a second name", Operation.WRITE) from error
    return True


def discard(ways: Ways, root: Path, path: str, trash: str) -> bool:
    """Move a file to the trash; see `tree_ports.TreeDisk.discard`."""
    try:
        second = ways.own(root, TRASH, trash, make=True)
        try:
            place = ways.find(root, path)
        except (FileNotFoundError, NotADirectoryError):
            if not second.exists():
                raise SourceChanged(f"{path} is no longer there") from None
            return True  # done before, and not written down
        if not place.exists() and second.exists():
            return True  # done before, and not written down
        place = _file(ways, root, path)
        try:
            place.rename_exclusively(second)
        except FileExistsError:
            if not _same(place, second, path):
                return False
            place.unlink()
        _settle_way(ways, root, second)
        prune_above(ways, root, path)
    except OSError as error:
        raise failed(root, error, f"moving {path} to the trash", Operation.RENAME) from error
    return True


def find(ways: Ways, root: Path, trash: str) -> tuple[Spot, os.stat_result]:
    """Return the place of a file in the trash and what it is; SourceChanged when no plain file is there."""
    try:
        place = ways.own(root, TRASH, trash)
        seen = place.lstat()
    except OSError as error:
        raise their_file(error, trash) from error
    if not stat.S_ISREG(seen.st_mode):
        raise SourceChanged(f"{trash} in the trash is no longer a file")
    return place, seen


def old_trash(ways: Ways, root: Path, moment: str) -> list[str]:
    """List the files in the trash that came there before a moment, as far as the dates on the disk tell.

    The day in the place's name, the change of the file's names and that of its folder must all lie before it: a day
    that is younger is not looked into.
    """
    before_ns = int(parse(moment).timestamp() * 1e9)
    try:
        top = ways.own(root, TRASH, "x")
        days = [name for name, folder in top.listing() if folder and (not _DAY.fullmatch(name) or name < moment[:10])]
        found: list[str] = []
        for day in days:
            _old_below(top.beside(day).enter("x"), told(day), before_ns, found)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise failed(root, error, "looking at the trash") from error
    return sorted(found)


def _old_below(folder: Spot, path: str, before_ns: int, found: list[str]) -> None:
    youngest = folder.beside(".").lstat().st_mtime_ns
    for name, is_folder in folder.listing():
        spot, called = folder.beside(name), f"{path}/{told(name)}"
        if is_folder:
            _old_below(spot.enter("x"), called, before_ns, found)
        elif max(youngest, spot.lstat().st_ctime_ns) < before_ns:
            found.append(called)


def empty_trash(ways: Ways, root: Path, trash: Sequence[str]) -> list[str]:
    """Remove files from the trash, with the folders that are empty then; what is gone already is as wanted.

    Gives what cannot be removed: it keeps nothing else there.
    """
    left: set[str] = set()
    stay: list[str] = []
    try:
        for name in trash:
            try:
                ways.own(root, TRASH, name).unlink()
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                if isinstance(error, LinkOnTheWay) or scope_of(error.errno, Operation.REMOVE) is Scope.DISK:
                    raise
                stay.append(name)
                continue
            left.add(remove_empty(ways, root, name, kind=TRASH))
        ways.sync(root, left, kind=TRASH)
    except OSError as error:
        raise failed(root, error, "emptying the trash") from error
    finally:
        ways.unsettle()
    return stay


def prune_above(ways: Ways, root: Path, path: str) -> None:
    """Remove the folders above a place that are empty now, but not the root, and bring that to the disk."""
    ways.sync(root, [remove_empty(ways, root, path)])


def _settle_way(ways: Ways, root: Path, place: Spot) -> None:
    """Bring a name in the trash or the tree to the disk, and those of the folders on its way that may be new."""
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
    """Return the place of a plain file; SourceChanged when it is none."""
    try:
        place = ways.find(root, path)
        seen = place.lstat()
    except OSError as error:
        raise their_file(error, path) from error
    if not stat.S_ISREG(seen.st_mode):
        raise SourceChanged(f"{path} is no longer a file")
    return place


def _same(one: Spot, other: Spot, path: str) -> bool:
    """Return whether two names stand for one file, or for two with the same content."""
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
    """Copy where there are no links; the name appears when the copy is whole and on the disk."""
    begun = ways.own(root, STAGING, f"copy-{hashlib.sha256(os.fsencode(str(second))).hexdigest()[:24]}", make=True)
    write_new(begun, pieces_at(lambda: place, path))
    begun.rename_exclusively(second)
