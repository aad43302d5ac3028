"""Ways into a tree: every step is looked at, so that nothing outside the tree is ever read or written.

A link on the way is never followed, even one that leads back into the tree: whoever may write to the tree could let it
lead anywhere.  The root itself may be a link; it is what the configuration says.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Sequence
from pathlib import Path

from xnatsync.core.errors import FolderMissing, NameHostile, PlaceTaken, XnatsyncError
from xnatsync.core.treenames import OWN_FOLDER, HostileName, check_segment
from xnatsync.disk.failures import Operation, one_thing, our_disk
from xnatsync.disk.scan import special
from xnatsync.disk.spelling import respelled

WINDOWS = os.name == "nt"
FOLDERS_MAX = 1000  # whose names are remembered, on disks that take `A` and `a` for one
LOOKED_AT_S = 1.0  # how long ago the steps to a folder were looked at, at most, when only its end is looked at again
SENTINEL, STAGING, TRASH = "sentinel", "staging", "trash"
_UNWRITABLE = frozenset({errno.ENAMETOOLONG, errno.EILSEQ})
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ESTALE})


def steps(path: str) -> list[str]:
    """Parts a relative POSIX path; PlaceTaken when it leaves the tree, is ours, or means something else here."""
    found = path.split("/")
    if "\0" in path or not {"", ".", ".."}.isdisjoint(found):
        raise refused(path, "it is no path within the tree")
    if found[0].casefold() == OWN_FOLDER:
        raise refused(path, f"{OWN_FOLDER} belongs to xnatsync")
    _check_spelling(path, found)
    return found


def own_steps(path: str) -> list[str]:
    """Parts a path within a folder of our own, which never begins with somebody else's name."""
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
    """Makes the error for a path that is not gone to."""
    return PlaceTaken(
        f"{path!r}: {why}; nothing was written", advice="Move away what lies there, or rename it on the server."
    )


def failed(root: Path, error: OSError, doing: str, operation: Operation | None = None) -> XnatsyncError:
    """Translates a failure in a tree: a tree that is not there any more is an unmounted disk.

    With an operation it is one of a single thing in its place, else of our own folder.
    """
    if error.errno in _GONE and not own_folder(root).is_dir():
        return FolderMissing(f"{root} is no longer there, or is no longer a tree of ours: {doing} was not possible")
    if error.errno in _UNWRITABLE:
        return NameHostile(f"{doing} failed: this disk cannot hold such a name ({os.strerror(error.errno)})")
    return our_disk(error, doing) if operation is None else one_thing(error, doing, operation)


def own_folder(root: Path) -> Path:
    """Gives the folder in the tree that is ours."""
    return root / OWN_FOLDER


class Ways:
    """Finds places in trees; any thread may use it.

    Remembers which roots take `A` and `a` for one name, and which folders of the trash are known to be on the disk.
    """

    def __init__(self) -> None:
        self._folding: dict[str, bool] = {}
        self._listed: dict[str, frozenset[str]] = {}
        self._settled: set[Path] = set()
        self._walked: dict[str, tuple[int, int, float]] = {}  # folder -> device, inode, when its steps were looked at

    def find(self, root: Path, path: str) -> Path:
        """Gives the place of a path; PlaceTaken when a link is on the way.  Nothing needs to be there."""
        return Path(self._walk(root, str(root), steps(path), path, make=False))

    def make(self, root: Path, path: str) -> Path:
        """Gives the place of a path and makes the folders on the way (`settle_folders` makes them durable).

        PlaceTaken when a link or a file is on the way, or a folder whose name differs in case alone.
        """
        return Path(self._walk(root, str(root), steps(path), path, make=True))

    def own(self, root: Path, kind: str, path: str, *, make: bool = False) -> Path:
        """Gives a place in our own folder, which must be there: without it the tree is not ours (unmounted)."""
        return Path(self._own(root, kind, path, make=make))

    def staged(self, root: Path, name: str, *, make: bool = False) -> str:
        """Gives a place in staging as text: it is asked for several times for each file."""
        return self._own(root, STAGING, name, make=make)

    def check_exact(self, root: Path, place: Path, path: str) -> None:
        """Raises PlaceTaken when what lies at a place is called so in another spelling only."""
        if not self._folds(root):
            return
        folder, name = str(place.parent), place.name
        if name in self._listed.get(folder, ()) or not os.path.lexists(place):
            return
        if len(self._listed) > FOLDERS_MAX:
            self._listed.clear()
        with os.scandir(folder) as found:
            listed = self._listed[folder] = frozenset(entry.name for entry in found)
        if name not in listed:
            raise refused(path, "something lies there whose name differs in case or accents alone")

    def is_settled(self, folder: Path) -> bool:
        """Tells whether a folder's own name is known to be on the disk."""
        return folder in self._settled

    def settle(self, folders: Sequence[Path]) -> None:
        """Notes that the names of folders are on the disk."""
        if len(self._settled) > FOLDERS_MAX:
            self._settled.clear()
        self._settled.update(folders)

    def unsettle(self) -> None:
        """Forgets what is on the disk: folders were removed."""
        self._settled.clear()

    def _own(self, root: Path, kind: str, path: str, *, make: bool) -> str:
        return self._walk(root, f"{root}{os.sep}{OWN_FOLDER}", [kind, *own_steps(path)], path, make=make, ours=True)

    def _walk(self, root: Path, base: str, way: Sequence[str], path: str, *, make: bool, ours: bool = False) -> str:
        parent = os.sep.join((base, *way[:-1]))  # noqa: PTH118 one for each file: no object but a text
        if self._was_walked(parent):
            return f"{parent}{os.sep}{respelled(parent, way[-1])}"
        place = base
        if ours:
            _look(place, path, must=True)
        there = True
        for step in way[:-1]:
            place = f"{place}{os.sep}{respelled(place, step)}"
            there = there and _look(place, path, must=make)
            if there:
                self._check_folder(root, place, path)
            elif make:
                _make_folder(place)
                there = True
        if there and place == parent:
            self._remember(place)
        return f"{place}{os.sep}{respelled(place, way[-1])}"

    def _was_walked(self, folder: str) -> bool:
        """Tells whether a way was looked at step by step a moment ago and ends at the same folder still.

        Thousands of files come to lie in one folder, and each step is a question to the disk.
        """
        known = self._walked.get(folder)
        if known is None or time.monotonic() - known[2] > LOOKED_AT_S:
            return False
        try:
            seen = os.lstat(folder)
        except OSError:
            return False
        return (seen.st_dev, seen.st_ino) == known[:2] and bool(seen.st_ino) and not special(seen)

    def _remember(self, folder: str) -> None:
        """Only after the steps: what lies at its end now is what they led to, or it is walked to again."""
        if len(self._walked) > FOLDERS_MAX:
            self._walked.clear()
        began = time.monotonic()
        try:
            seen = os.lstat(folder)
        except OSError:
            return
        self._walked[folder] = seen.st_dev, seen.st_ino, began

    def _check_folder(self, root: Path, place: str, path: str) -> None:
        if self._folds(root):
            self.check_exact(root, Path(place), path)

    def _folds(self, root: Path) -> bool:
        """Tells whether the disk of a root takes `.xnatsync` and `.XNATSYNC` for one name."""
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


def _look(place: str, path: str, *, must: bool) -> bool:
    """Tells whether a folder is there; a link is refused, and a file too where a folder must be."""
    try:
        seen = os.lstat(place)
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(seen.st_mode) and os.name != "nt":  # where a junction is no folder
        return True
    if special(seen) == "a link":
        raise refused(path, "there is a link on the way, which is never followed")
    if must and not stat.S_ISDIR(seen.st_mode):
        raise refused(path, "there is a file where a folder has to be")
    return stat.S_ISDIR(seen.st_mode)


def _make_folder(place: str) -> None:
    try:
        Path(place).mkdir()
    except FileExistsError:  # another thread was faster, or somebody put something else there
        if not stat.S_ISDIR(os.lstat(place).st_mode):
            raise


def remove_empty(folder: Path, top: Path) -> Path:
    """Removes empty folders upwards, but not the top; gives the lowest one that stays.

    One that cannot be removed stays: an empty folder is no harm.
    """
    while top in folder.parents:
        try:
            folder.rmdir()
        except FileNotFoundError:
            pass
        except OSError as error:
            if error.errno == errno.EIO:
                raise
            return folder
        folder = folder.parent
    return folder
