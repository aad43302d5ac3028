"""A tree that is only looked at, and shows what would be renamed as if it had been."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from xnatsync.core.errors import PlaceTaken, SourceChanged
from xnatsync.ports.tree import Content, TreeDisk, TreeLook


def rehearsed(disk: TreeDisk) -> TreeDisk:
    """A disk for planning: it is read, and remembers what it was asked to rename; it knows no other effect."""
    return cast("TreeDisk", _Rehearsal(disk))


class _Rehearsal:
    """The reading half of a `TreeDisk`, under the names that files would have."""

    def __init__(self, disk: TreeDisk) -> None:
        self._disk = disk
        self._renamed: list[tuple[str, str]] = []

    def sentinel(self, root: Path) -> str:
        """As it is."""
        return self._disk.sentinel(root)

    def remembers(self, root: Path, path: str, sha256: bytes) -> bool:
        """As it is."""
        return self._disk.remembers(root, path, sha256)

    def look_tree(self, root: Path, below: Sequence[str] | None = None) -> TreeLook:
        """Look where the files are, and say where they would be."""
        if not self._renamed:
            return self._disk.look_tree(root, below)
        folders = None if below is None else sorted({place for folder in below for place in self._places(folder)})
        look = self._disk.look_tree(root, folders)

        def there(path: str) -> bool:
            return below is None or any(_is_below(path, folder) for folder in below)

        files = {self._shown(path): facts for path, facts in look.files.items()}
        problems = (replace(problem, path=self._shown(problem.path)) for problem in look.problems)
        return TreeLook(
            {path: facts for path, facts in files.items() if there(path)},
            tuple(problem for problem in problems if there(problem.path)),
        )

    def stat(self, root: Path, path: str) -> tuple[int, int] | None:
        """Of the file that would lie there."""
        place = self._place(path)
        return self._disk.stat(root, place) if place is not None else None

    def obstacle(self, root: Path, path: str) -> PlaceTaken | None:
        """At the place where it is now."""
        place = self._place(path)
        return self._disk.obstacle(root, place) if place is not None else None

    def read(self, root: Path, path: str, *, stop: Callable[[], bool] = lambda: False) -> Content:
        """Of the file that would lie there; SourceChanged when none would."""
        place = self._place(path)
        if place is None:
            raise SourceChanged(f"{path} is gone")
        return self._disk.read(root, place, stop=stop)

    def rename(self, root: Path, source: str, target: str) -> None:
        """Only remembers it; PlaceTaken and SourceChanged as when it is done."""
        if _is_below(target, source):
            raise PlaceTaken(f"{source!r} cannot be moved into itself")
        if not self._is_there(root, source):
            raise SourceChanged(f"{source} is gone")
        above = (target[:end] for end, letter in enumerate(target) if letter == "/")
        if self._is_there(root, target) or any(self.stat(root, folder) is not None for folder in above):
            raise PlaceTaken(f"something is there already: {source!r} would not be moved over it")
        self._renamed.append((source, target))

    # --- names ---------------------------------------------------------------------------------------------------

    def _is_there(self, root: Path, path: str) -> bool:
        if self.stat(root, path) is not None:
            return True
        look = self.look_tree(root, [path])
        return bool(look.files or look.problems)

    def _shown(self, path: str) -> str:
        """Where a file would be that is at a path."""
        for source, target in self._renamed:
            if _is_below(path, source):
                path = target + path[len(source) :]
        return path

    def _place(self, path: str) -> str | None:
        """Where a file is that would be at a path; None when it would be elsewhere by now."""
        for source, target in reversed(self._renamed):
            if _is_below(path, target):
                path = source + path[len(target) :]
            elif _is_below(path, source):
                return None
        return path

    def _places(self, folder: str) -> set[str]:
        """Where everything is that would be in a folder: what was moved away is sorted out by its name."""
        found = {folder}
        for source, target in reversed(self._renamed):
            moved = {source + place[len(target) :] for place in found if _is_below(place, target)}
            found |= moved | {source for place in list(found) if _is_below(target, place)}
        return found


def _is_below(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(f"{folder}/")
