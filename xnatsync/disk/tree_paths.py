"""Ways into a tree: every step is looked at, so that nothing outside the tree is ever read or written.

A link on the way is never followed, even one that leads back into the tree: whoever may write to the tree could let it
lead anywhere.  The root itself may be a link; it is what the configuration says.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from xnatsync.core.errors import FolderMissing, NameHostile, PlaceTaken, XnatsyncError
from xnatsync.core.paths import OWN_FOLDER, HostileName, check_segment, folded
from xnatsync.disk.durable import sync_folders
from xnatsync.disk.failures import LinkOnTheWay, Operation, one_thing, our_disk
from xnatsync.disk.handles import Opened, Spot, named
from xnatsync.disk.spelling import respelled, shown

WINDOWS = os.name == "nt"
FOLDERS_MAX = 1000  # whose names are remembered, on disks that take `A` and `a` for one
OPEN_MAX = 50  # folders that are kept open for a moment
LOOKED_AT_S = 1.0  # how long ago the steps to a folder were looked at, at most, when only its end is looked at again
SENTINEL, STAGING, TRASH = "sentinel", "staging", "trash"
_UNWRITABLE = frozenset({errno.ENAMETOOLONG, errno.EILSEQ})
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ESTALE})


def steps(path: str) -> list[str]:
    """Split a relative POSIX path; PlaceTaken when it leaves the tree, is ours, or means something else here."""
    found = path.split("/")
    if "\0" in path or not {"", ".", ".."}.isdisjoint(found):
        raise refused(path, "it is no path within the tree")
    if found[0].casefold() == OWN_FOLDER:
        raise refused(path, f"{OWN_FOLDER} belongs to xnatsync")
    _check_spelling(path, found)
    return found


def own_steps(path: str) -> list[str]:
    """Split a path within a folder of our own, which never begins with somebody else's name."""
    found = path.split("/")
    if "\0" in path or not {"", ".", ".."}.isdisjoint(found):
        raise refused(path, "it is no path within our own folder")
    _check_spelling(path, found)
    return found


def _check_spelling(path: str, found: Sequence[str]) -> None:
    try:
        path.encode("utf-8", "surrogateescape")
        if WINDOWS:
            for step in found:
                check_segment(step, windows=True)
    except (UnicodeEncodeError, HostileName) as error:
        raise refused(path, f"this system cannot spell it ({error})") from None


def refused(path: str, why: str) -> PlaceTaken:
    """Make the error for a path that is not gone to."""
    return PlaceTaken(
        f"{path!r}: {why}; nothing was written", advice="Move away what is there, or rename it on the server."
    )


def called_otherwise(name: str, there: Iterable[str]) -> str:
    """Say what of a folder is in the way of a name on a disk that takes `A` and `a` for one."""
    mine = shown(name)
    other = next((each for each in sorted(map(shown, there)) if folded(each) == folded(mine)), "something")
    return f"{other!r} exists there, which this disk takes for the same name as {mine!r}"


def failed(root: Path, error: OSError, doing: str, operation: Operation | None = None) -> XnatsyncError:
    """Translate a failure in a tree: a tree that is not there any more is an unmounted disk.

    With an operation it is one of a single thing in its place, else of our own folder.
    """
    if error.errno in _GONE and not own_folder(root).is_dir():
        return FolderMissing(f"{root} is no longer there, or is no longer a tree of ours: {doing} was not possible")
    if error.errno in _UNWRITABLE:
        return NameHostile(f"{doing} failed: this disk cannot hold such a name ({os.strerror(error.errno)})")
    return our_disk(error, doing) if operation is None else one_thing(error, doing, operation)


def own_folder(root: Path) -> Path:
    """Return the folder in the tree that is ours."""
    return root / OWN_FOLDER


class Ways:
    """Finds places in trees; any thread may use it.

    Remembers which roots take `A` and `a` for one name, which folders of the trash are known to be on the disk, and the
    folders that were reached a moment ago.
    """

    def __init__(self) -> None:
        self._folding: dict[str, bool] = {}
        self._listed: dict[str, frozenset[str]] = {}
        self._settled: set[Path] = set()
        self._reached: dict[str, tuple[Opened | None, int, int, float]] = {}  # folder -> device, inode, when

    def find(self, root: Path, path: str) -> Spot:
        """Give the place of a path; PlaceTaken when a link is on the way, FileNotFoundError when a folder is gone."""
        return self._walk(root, str(root), steps(path), path, make=False)

    def make(self, root: Path, path: str) -> Spot:
        """Give the place of a path and make the folders on the way (`settle_folders` makes them durable).

        PlaceTaken when a link or a file is on the way, or a folder whose name differs in case alone.
        """
        return self._walk(root, str(root), steps(path), path, make=True)

    def own(self, root: Path, kind: str, path: str, *, make: bool = False) -> Spot:
        """Give a place in our own folder, which must be there: without it the tree is not ours (unmounted).

        LinkOnTheWay when one of our own folders is a link.
        """
        return self._walk(root, f"{root}{os.sep}{OWN_FOLDER}", [kind, *own_steps(path)], path, make=make, ours=True)

    def sync(self, root: Path, folders: Iterable[str], *, kind: str = "") -> None:
        """Bring the names in folders of a tree, or of a folder of our own, to the disk; the top is `.`.

        The deepest come first; one that is gone meanwhile is left out.
        """
        spots = []
        for folder in sorted(folders, key=lambda folder: folder.count("/") - (folder == "."), reverse=True):
            with suppress(FileNotFoundError, NotADirectoryError):
                path = f"{folder}/x".removeprefix("./")
                spots.append(self.own(root, kind, path) if kind else self.find(root, path))
        sync_folders(spots)

    def check_exact(self, root: Path, place: Spot, path: str) -> None:
        """Raise PlaceTaken when what lies at a place is called so in another spelling only."""
        if not self._folds(root):
            return
        folder, name = place.folder, place.name
        if name in self._listed.get(folder, ()) or not place.exists():
            return
        if len(self._listed) > FOLDERS_MAX:
            self._listed.clear()
        with os.scandir(folder) as found:
            listed = self._listed[folder] = frozenset(entry.name for entry in found)
        if name not in listed:
            raise refused(path, called_otherwise(name, listed))

    def is_settled(self, folder: Path) -> bool:
        """Return whether a folder's own name is known to be on the disk."""
        return folder in self._settled

    def settle(self, folders: Sequence[Path]) -> None:
        """Note that the names of folders are on the disk."""
        if len(self._settled) > FOLDERS_MAX:
            self._settled.clear()
        self._settled.update(folders)

    def forget(self) -> None:
        """Forget the folders that were reached: some were removed."""
        self._reached.clear()

    def unsettle(self) -> None:
        """Forget what is on the disk: folders were removed."""
        self._settled.clear()

    def _walk(self, root: Path, base: str, way: Sequence[str], path: str, *, make: bool, ours: bool = False) -> Spot:
        parent = os.sep.join((base, *way[:-1]))  # noqa: PTH118 one for each file: no object but a text
        reached = self._reached_before(parent)
        if reached is not None:
            return Spot(reached, parent, self._respelled(reached, parent, way[-1]))
        began = time.monotonic()
        spot = named(root, OWN_FOLDER) if ours else named(root, way[0])
        for step in way if ours else way[1:]:
            spot = self._respell(spot)
            try:
                opened = spot.enter("").opened
            except FileNotFoundError:
                if not make or (ours and spot.name == OWN_FOLDER):
                    raise
                _make_folder(spot)
                opened = spot.enter("").opened
            except NotADirectoryError:
                if make:
                    raise refused(path, "there is a file where a folder has to be") from None
                raise
            except LinkOnTheWay:
                if ours:
                    raise
                raise refused(path, "there is a link on the way, which is never followed") from None
            if self._folds(root):
                self.check_exact(root, spot, path)
            spot = Spot(opened, str(spot), step)
        spot = self._respell(spot)
        if spot.folder == parent:
            self._remember(spot, began)
        return spot

    def _respell(self, spot: Spot) -> Spot:
        name = self._respelled(spot.opened, spot.folder, spot.name)
        return spot if name == spot.name else Spot(spot.opened, spot.folder, name)

    @staticmethod
    def _respelled(opened: Opened | None, folder: str, name: str) -> str:
        return respelled(name, lambda other: Spot(opened, folder, other).exists())

    def _reached_before(self, folder: str) -> Opened | None:
        """Give the folder that was reached step by step a moment ago, if its path leads to it still.

        Thousands of files come to lie in one folder, and each step is a question to the disk.
        """
        known = self._reached.get(folder)
        if known is None or time.monotonic() - known[3] > LOOKED_AT_S:
            return None
        try:
            seen = os.lstat(folder)
        except OSError:
            return None
        return known[0] if (seen.st_dev, seen.st_ino) == known[1:3] else None

    def _remember(self, spot: Spot, began: float) -> None:
        if spot.opened is None:  # Windows
            return
        if len(self._reached) > OPEN_MAX:
            self._reached.clear()
        seen = os.fstat(spot.opened.fd)
        self._reached[spot.folder] = spot.opened, seen.st_dev, seen.st_ino, began

    def _folds(self, root: Path) -> bool:
        """Return whether the disk of a root takes `.xnatsync` and `.XNATSYNC` for one name."""
        known = self._folding.get(str(root))
        if known is None:
            own, other = own_folder(root), root / OWN_FOLDER.upper()
            try:
                known = os.path.samestat(own.lstat(), other.lstat())
            except FileNotFoundError:
                if not own.is_dir():
                    return False
                known = False
            self._folding[str(root)] = known
        return known


def _make_folder(spot: Spot) -> None:
    try:
        spot.mkdir()
    except FileExistsError:  # another thread was faster, or somebody put something else there
        if not stat.S_ISDIR(spot.lstat().st_mode):
            raise


def remove_empty(ways: Ways, root: Path, path: str, *, kind: str = "") -> str:
    """Remove empty folders from that of a path upwards, but not the top; give the lowest one left, the top as `.`.

    One that cannot be removed stays: an empty folder is no harm.  `kind` names a folder of our own, the top then.
    """
    way = path.split("/")[:-1]
    while way:
        folder = "/".join(way)
        try:
            (ways.own(root, kind, folder) if kind else ways.find(root, folder)).rmdir()
        except (FileNotFoundError, NotADirectoryError):
            pass
        except PlaceTaken:  # a link: what lies behind it is not ours
            pass
        except OSError as error:
            if error.errno == errno.EIO:
                raise
            return folder
        way.pop()
    return "."
