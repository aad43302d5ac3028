"""A cheap look at a whole tree: names, sizes and times of its files, none of them opened.

This is done in every run over everything there is, so it is plain: no objects but the names and the numbers.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from xnatsync.core.errors import FolderMissing, PlaceTaken
from xnatsync.core.paths import OWN_FOLDER
from xnatsync.disk.failures import why
from xnatsync.disk.scan import MOST_NS, changed_ns, special
from xnatsync.disk.spelling import is_odd, told
from xnatsync.disk.tree_paths import Ways
from xnatsync.ports.drop import ProblemSeen
from xnatsync.ports.tree import TreeLook


def look_tree(ways: Ways, root: Path, below: Sequence[str] | None) -> TreeLook:
    """Look at all files of a tree, or at those of some folders; see `tree_ports.TreeDisk.look_tree`."""
    _refuse_missing(root)
    look = _Look()
    if below is None:
        look.go(str(root), "")
    for path in sorted(set(below or ())):
        look.enter(ways, root, path)
    return TreeLook(look.files, tuple(sorted(look.problems, key=lambda problem: problem.path)))


def _refuse_missing(root: Path) -> None:
    try:
        with os.scandir(root):
            return
    except (FileNotFoundError, NotADirectoryError):
        raise FolderMissing(f"{root} is not there, or is not a folder") from None
    except OSError as error:
        raise FolderMissing(
            f"{root} cannot be listed: {why(error)}", advice="Give this account the right to list the folder."
        ) from error


class _Look:
    def __init__(self) -> None:
        self.files: dict[str, tuple[int, int]] = {}
        self.problems: list[ProblemSeen] = []
        self._odd: set[str] = set()

    def enter(self, ways: Ways, root: Path, path: str) -> None:
        """Look at one folder (or file) of the tree; what is not there has no files."""
        try:
            place = ways.find(root, path)
            ways.check_exact(root, place, path)  # else what is called otherwise would be seen under this name
            seen = place.lstat()
        except PlaceTaken as error:
            self.problems.append(ProblemSeen(path, str(error)))
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            self._unreadable(path, error)
        else:
            if special(seen):
                self._special(path, seen)
            elif stat.S_ISDIR(seen.st_mode):
                self.go(str(place), f"{path}/")
            else:
                self.files[path] = seen.st_size, changed_ns(seen)

    def go(self, top: str, start: str) -> None:
        """Look at everything below a folder."""
        files = self.files
        regular = stat.S_IFREG
        folders = [(top, start)]
        while folders:
            folder, prefix = folders.pop()
            try:
                with os.scandir(folder) as found:
                    for entry in found:
                        name = entry.name
                        path = prefix + name if name.isascii() else self._spelled(prefix, name)
                        try:
                            if entry.is_dir(follow_symlinks=False) and not _is_junction(entry):
                                if prefix or name != OWN_FOLDER:
                                    folders.append((entry.path, f"{path}/"))
                                continue
                            seen = entry.stat(follow_symlinks=False)
                        except FileNotFoundError:
                            continue
                        except OSError as error:
                            self._unreadable(path, error)
                            continue
                        mtime_ns = seen.st_mtime_ns
                        if seen.st_mode & 0o170000 != regular:
                            self._special(path, seen)
                        elif -MOST_NS <= mtime_ns <= MOST_NS:
                            files[path] = (seen.st_size, mtime_ns)
                        else:
                            files[path] = (seen.st_size, changed_ns(seen))
            except FileNotFoundError:
                continue
            except OSError as error:
                self._unreadable(prefix.rstrip("/") or ".", error)

    def _spelled(self, prefix: str, name: str) -> str:
        """Spell a name that may be no text; two that would be spelled alike cannot both be told."""
        spelled = told(name)
        path = prefix + spelled
        if is_odd(spelled):
            if path in self._odd:
                self.problems.append(ProblemSeen(path, "two files here have names that cannot be distinguished"))
            self._odd.add(path)
        return path

    def _special(self, path: str, seen: os.stat_result) -> None:
        what = special(seen) or "neither a file nor a folder"
        self.problems.append(ProblemSeen(path, f"it is {what}, which is never followed or read", special=True))

    def _unreadable(self, path: str, error: OSError) -> None:
        self.problems.append(ProblemSeen(path, f"it cannot be looked at: {why(error)}", unreadable=True))


def _is_junction(entry: os.DirEntry[str]) -> bool:
    """Return whether a folder is a link of Windows' second kind."""
    return os.name == "nt" and bool(special(entry.stat(follow_symlinks=False)))
