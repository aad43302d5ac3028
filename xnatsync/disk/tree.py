"""The tree of a mirror behind the port `TreeDisk`: one door, and every room behind it is a module of its own."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from xnatsync.core.errors import PlaceTaken, SourceChanged, Stopped
from xnatsync.core.paths import OWN_FOLDER
from xnatsync.disk import locks, probing, space, staging, tree_look
from xnatsync.disk import trash as _trash
from xnatsync.disk.atomic import make_folder
from xnatsync.disk.digests import Digests
from xnatsync.disk.durable import sync_files
from xnatsync.disk.failures import Operation, our_disk, their_file
from xnatsync.disk.handing_out import write_new
from xnatsync.disk.handles import Spot, reach, refuse_link
from xnatsync.disk.item import pieces_at
from xnatsync.disk.memory import Memory
from xnatsync.disk.scan import changed_ns
from xnatsync.disk.tree_paths import SENTINEL, STAGING, Ways, failed, own_folder, refused
from xnatsync.ports.tree import Content, TreeLook

_RACES_MAX = 10  # folders that another thread removed because they were empty are made again


class LocalTree:
    """Trees on this machine's disks.  Any number of threads may use it."""

    def __init__(self) -> None:
        self._ways = Ways()
        self._memory = Memory()

    # --- is it ours? ---------------------------------------------------------------------------------------------

    def sentinel(self, root: Path) -> str:
        """Return what `mark` wrote; "" when it is not there."""
        try:
            with reach(root, (OWN_FOLDER, SENTINEL)).reading() as handle:
                return b"".join(iter(lambda: os.read(handle, 1 << 20), b"")).decode("utf-8", "replace")
        except (FileNotFoundError, NotADirectoryError):
            return ""
        except OSError as error:
            raise our_disk(error, f"reading the sentinel of {root}") from error

    def mark(self, root: Path, text: str) -> None:
        """Make the folder, and make it ours, durably."""
        try:
            make_folder(root)
            with locks.turn_in(root):  # two at once would rename each other's half
                begun = reach(root, (OWN_FOLDER, f"{SENTINEL}.new"), make=True)
                refuse_link(begun.beside(SENTINEL))
                write_new(begun, [text.encode()], 0o600)
                begun.replace(begun.beside(SENTINEL))
                begun.sync()
        except OSError as error:
            raise our_disk(error, f"marking {root}") from error

    def remember(self, root: Path, written: Iterable[tuple[str, bytes]]) -> None:
        """Note what was written there; see `memory`."""
        self._memory.add(root, written)

    def remembers(self, root: Path, path: str, sha256: bytes) -> bool:
        """Return whether we once wrote this there; see `memory`."""
        return self._memory.holds(root, path, sha256)

    # --- looking and reading -------------------------------------------------------------------------------------

    def look_tree(self, root: Path, below: Sequence[str] | None = None) -> TreeLook:
        """Look at all files, or at those of some folders; see `tree_look.look_tree`."""
        return tree_look.look_tree(self._ways, root, below)

    def stat(self, root: Path, path: str) -> tuple[int, int] | None:
        """Return size and mtime in ns of one file; None when no plain file is there."""
        try:
            seen = self._ways.find(root, path).lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise their_file(error, path) from error
        return (seen.st_size, changed_ns(seen)) if stat.S_ISREG(seen.st_mode) else None

    def read(self, root: Path, path: str, *, stop: Callable[[], bool] = lambda: False) -> Content:
        """Read one file through; SourceChanged, SourceUnreadable; Stopped when `stop` says so."""
        place, seen = self._file(root, path)
        expected = seen.st_size, changed_ns(seen)
        with Digests() as digests:
            for piece in pieces_at(lambda: place, path, expected):
                if stop():
                    raise Stopped(f"reading {path} was interrupted")
                digests.update(piece)
            sha256, md5 = digests.finish()
        return Content(digests.size, sha256, md5, expected[1])

    def open(self, root: Path, path: str, size: int) -> Iterator[bytes]:
        """Stream one file of exactly this size; SourceChanged otherwise."""
        return _sized(*self._file(root, path), path, size)

    # --- staging -------------------------------------------------------------------------------------------------

    def staged_size(self, root: Path, name: str) -> int:
        """Say how many bytes of an interrupted staging are there."""
        return staging.staged_size(self._ways, root, name)

    def stage(self, root: Path, name: str, pieces: Iterator[bytes], *, append: bool = False) -> Content:
        """Write a new file into staging, or go on with one; see `staging.stage`."""
        return staging.stage(self._ways, root, name, pieces, append=append)

    def flush(self, root: Path, names: Sequence[str]) -> None:
        """Bring staged files to the disk."""
        staging.flush(self._ways, root, names)

    def clear_staging(self, root: Path, prefix: str = "") -> None:
        """Remove what an interrupted run left in staging."""
        staging.clear_staging(self._ways, root, prefix)

    # --- places --------------------------------------------------------------------------------------------------

    def land(self, root: Path, name: str, path: str, *, replace: bool, seen: tuple[int, int] | None = None) -> int:
        """Rename a staged file to its place, atomically; return its mtime in ns."""
        try:
            staged = self._ways.own(root, STAGING, name)
            mtime_ns = changed_ns(staged.lstat())
            place = self._making_way(
                root, path, lambda place: self._put(root, staged, place, path, replace=replace, seen=seen)
            )
            return changed_ns(place.lstat()) if os.name == "nt" else mtime_ns
        except FileExistsError:
            raise refused(path, "something is there already") from None
        except (IsADirectoryError, NotADirectoryError):
            raise refused(path, "a folder is where a file has to be, or a file where a folder has to be") from None
        except OSError as error:
            raise failed(root, error, f"putting {path} in its place", Operation.RENAME) from error

    def obstacle(self, root: Path, path: str) -> PlaceTaken | None:
        """Return what keeps a file from its place now; None also where that cannot be seen."""
        try:
            place = self._ways.find(root, path)
            self._ways.check_exact(root, place, path)
            is_folder = stat.S_ISDIR(place.lstat().st_mode)
        except PlaceTaken as error:
            return error
        except NotADirectoryError:
            return refused(path, "there is a file where a folder has to be")
        except OSError:  # nothing is there, or the landing says what is
            return None
        return refused(path, "a folder is where a file has to be" if is_folder else "something is there already")

    def rename(self, root: Path, source: str, target: str) -> None:
        """Move a file or folder within the tree; PlaceTaken when something is there; SourceChanged when it is gone."""
        if f"{target}/".startswith(f"{source}/"):
            raise refused(target, f"{source!r} cannot be moved into itself")
        try:
            start = self._still_there(root, source)
            self._ways.check_exact(root, start, source)
            self._making_way(root, target, lambda end: _rename(start, end))
            self._settle(root, [target.rpartition("/")[0]])
            _trash.prune_above(self._ways, root, source)
        except FileExistsError:
            raise refused(target, f"something is there already: {source!r} was not moved over it") from None
        except OSError as error:
            raise failed(root, error, f"moving {source} to {target}", Operation.RENAME) from error

    def _still_there(self, root: Path, path: str) -> Spot:
        """Find what lies there; SourceChanged when it is gone, or a folder on its way is, or has become a file."""
        try:
            spot = self._ways.find(root, path)
            if spot.exists():
                return spot
        except (FileNotFoundError, NotADirectoryError):
            if not own_folder(root).is_dir():  # the disk is gone, and nothing is known of the file
                raise
        raise SourceChanged(f"{path} is gone")

    def settle_files(self, root: Path, paths: Sequence[str]) -> None:
        """Bring the bytes of files in their places to the disk; one that is gone is left out."""
        try:
            places = [self._ways.find(root, path) for path in paths]
            plain = [place for place in places if stat.S_ISREG(place.lstat().st_mode)]
            sync_files(plain, len(plain))
        except (FileNotFoundError, NotADirectoryError):
            return  # taken away in this moment: the next look sees it
        except OSError as error:
            raise failed(root, error, "flushing files") from error

    def settle_folders(self, root: Path, folders: Sequence[str]) -> None:
        """Bring the names in some folders to the disk, and the names of these folders, which may be new."""
        try:
            self._settle(root, folders)
        except OSError as error:
            raise failed(root, error, "flushing folders") from error

    # --- the trash -----------------------------------------------------------------------------------------------

    def keep(self, root: Path, path: str, trash: str) -> bool:
        """Return a file a second name in the trash; see `trash.keep`."""
        return _trash.keep(self._ways, root, path, trash)

    def copy(self, root: Path, path: str, target: str) -> None:
        """Return a file a second name in the tree; see `trash.copy`."""
        _trash.copy(self._ways, root, path, target)

    def discard(self, root: Path, path: str, trash: str) -> bool:
        """Move a file to the trash; see `trash.discard`."""
        return _trash.discard(self._ways, root, path, trash)

    def open_trash(self, root: Path, trash: str, size: int) -> Iterator[bytes]:
        """Stream a file of the trash of exactly this size; SourceChanged otherwise."""
        return _sized(*_trash.find(self._ways, root, trash), trash, size)

    def old_trash(self, root: Path, moment: str) -> list[str]:
        """List what came into the trash before a moment; see `trash.old_trash`."""
        return _trash.old_trash(self._ways, root, moment)

    def empty_trash(self, root: Path, trash: Sequence[str]) -> list[str]:
        """Remove some files from the trash for good; see `trash.empty_trash`."""
        return _trash.empty_trash(self._ways, root, trash)

    def probe(self, root: Path) -> None:
        """Prove that the folder can be written; see `probing.probe`."""
        probing.probe(root)

    def free_bytes(self, root: Path) -> int:
        """Say how much may still be written."""
        return space.free_bytes(root)

    # --- inner parts ---------------------------------------------------------------------------------------------

    def _file(self, root: Path, path: str) -> tuple[Spot, os.stat_result]:
        try:
            place = self._ways.find(root, path)
            seen = place.lstat()
        except OSError as error:
            raise their_file(error, path) from error
        if not stat.S_ISREG(seen.st_mode):
            raise SourceChanged(f"{path} is no longer a file")
        return place, seen

    def _making_way(self, root: Path, path: str, act: Callable[[Spot], None]) -> Spot:
        """Do something at a place whose folders are made for it, though another thread may be tidying them up."""
        for left in reversed(range(_RACES_MAX)):
            try:
                place = self._ways.make(root, path)
                act(place)
            except FileNotFoundError:
                if not left or not own_folder(root).is_dir():
                    raise
            else:
                return place
        raise AssertionError("the last try returns or raises")

    def _put(
        self, root: Path, staged: Spot, place: Spot, path: str, *, replace: bool, seen: tuple[int, int] | None
    ) -> None:
        self._ways.check_exact(root, place, path)
        if not replace:
            staged.rename_exclusively(place)
            return
        try:
            there = place.lstat()
            if not stat.S_ISREG(there.st_mode):
                raise refused(path, "what is there is no plain file")
            if seen is not None and seen != (there.st_size, changed_ns(there)):
                raise refused(path, "it was changed just now")
        except FileNotFoundError:
            pass
        staged.replace(place)

    def _settle(self, root: Path, folders: Iterable[str]) -> None:
        every = {"."}
        for folder in filter(None, folders):
            self._ways.find(root, f"{folder}/x")
            every.update(map(str, PurePosixPath(folder, "x").parents))
        self._ways.sync(root, every)


def _sized(place: Spot, seen: os.stat_result, path: str, size: int) -> Iterator[bytes]:
    if seen.st_size != size:
        raise SourceChanged(f"{path} has {seen.st_size} bytes and no longer {size}")
    return pieces_at(lambda: place, path, (size, changed_ns(seen)))


def _rename(start: Spot, end: Spot) -> None:
    try:
        start.rename_exclusively(end)
    except FileExistsError:
        if not os.path.samestat(start.lstat(), end.lstat()) or start.name == end.name:
            raise
        start.replace(end)  # only the case of its name changes, on a disk that takes both for one
