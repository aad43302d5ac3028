"""A downloaded session as a folder: what is there already, what is fetched, and how it comes to its place.

A file has its name only when all of it was proven and is on the disk.  What we put there is written down in the folder
`.xnatsync`, so that a later run knows a file of ours that the server has replaced from one that somebody edited.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from xnatsync.core.errors import FolderMissing, PlaceTaken, SourceError, TreeForeign, XnatsyncError
from xnatsync.core.fetching import Placed
from xnatsync.service.bringing import Check
from xnatsync.tree_ports import Content, TreeDisk

BATCH_FILES, BATCH_BYTES = 500, 256 << 20  # so much is flushed together
_KIND = "xnatsync download"


@dataclass(frozen=True, slots=True)
class Mine:
    """A file that we put into the folder."""

    size: int
    mtime_ns: int
    md5: str


@dataclass(slots=True)
class Standing:
    """What the folder holds of what is wanted."""

    fetch: list[Placed] = field(default_factory=list)
    same: list[Placed] = field(default_factory=list)
    foreign: list[Placed] = field(default_factory=list)  # another content, which we did not write: left as it is
    replaced: set[str] = field(default_factory=set)  # paths to fetch that may be overwritten
    doubtful: set[str] = field(default_factory=set)  # there, of the right size, and the server tells no digest


@dataclass(slots=True)
class Folder:
    """The folder of one session.  Any number of threads may store into it."""

    disk: TreeDisk
    root: Path
    name: str  # of this run, unique
    mine: dict[str, Mine] = field(default_factory=dict)
    replaced: set[str] = field(default_factory=set)
    doubtful: set[str] = field(default_factory=set)
    foreign: list[Placed] = field(default_factory=list)
    landed: int = 0
    landed_bytes: int = 0
    _waiting: list[tuple[Placed, str, Content]] = field(default_factory=list)
    _staged: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def standing(self, wanted: Sequence[Placed], *, force: bool) -> Standing:
        """Compares the folder with what is wanted.  Changes nothing.

        PlaceTaken when the folder is the tree of a mirror.
        """
        self.mine = _written_down(self.disk.sentinel(self.root), self.root)
        try:
            look = self.disk.look_tree(self.root)
        except FolderMissing:
            return Standing(fetch=list(wanted))
        odd = {problem.path for problem in look.problems}
        found = Standing()
        for each in wanted:
            there = look.files.get(each.path)
            if there is None:
                (found.foreign if each.path in odd else found.fetch).append(each)
            else:
                self._judge(each, there, found, force=force)
        self.replaced, self.doubtful = found.replaced, found.doubtful
        return found

    def _judge(self, each: Placed, there: tuple[int, int], found: Standing, *, force: bool) -> None:
        mine = self.mine.get(each.path)
        untouched = mine is not None and there == (mine.size, mine.mtime_ns)
        if untouched and mine is not None:
            content_is_same = _is(each, mine.size, mine.md5)
        elif each.file.size is not None and there[0] != each.file.size:
            content_is_same = False
        elif not each.file.digest:
            found.doubtful.add(each.path)
            found.fetch.append(each)
            if force:
                found.replaced.add(each.path)
            return
        else:
            content_is_same = self._holds(each)
        if content_is_same:
            found.same.append(each)
        elif untouched or force:
            found.fetch.append(each)
            found.replaced.add(each.path)
        else:
            found.foreign.append(each)

    def _holds(self, each: Placed) -> bool:
        try:
            content = self.disk.read(self.root, each.path)
        except SourceError:
            return False
        return _is(each, content.size, content.md5)

    def begin(self) -> None:
        """Makes the folder, and makes it ours."""
        self._mark(self.mine)

    def store(self, each: Placed, pieces: Iterator[bytes], check: Check) -> None:
        """Stages one file and, when many wait, brings them to the disk and to their places."""
        with self._lock:
            self._staged += 1
            staged = f"{self.name}/{self._staged}"
        content = self.disk.stage(self.root, staged, pieces)
        check(content.size, content.md5)
        with self._lock:
            self._waiting.append((each, staged, content))
            if len(self._waiting) >= BATCH_FILES or sum(part.size for _, _, part in self._waiting) >= BATCH_BYTES:
                self._land()

    def settle(self) -> None:
        """Brings what still waits to its place; to be called also when something went wrong: it was proven."""
        with self._lock:
            self._land()

    def note(self) -> None:
        """Writes down what we put there, beside what another run wrote down meanwhile."""
        if not self.mine:
            return
        self._mark(_written_down(self.disk.sentinel(self.root), self.root) | self.mine)

    def _mark(self, mine: dict[str, Mine]) -> None:
        told = {path: [part.size, part.mtime_ns, part.md5] for path, part in sorted(mine.items())}
        self.disk.mark(self.root, json.dumps({"kind": _KIND, "version": 1, "files": told}))

    def clear(self) -> None:
        """Removes what this run left in staging."""
        self.disk.clear_staging(self.root, f"{self.name}/")

    def _land(self) -> None:
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        self.disk.flush(self.root, [staged for _, staged, _ in waiting])
        for each, staged, content in waiting:
            mtime_ns = self._put(each, staged, content)
            if mtime_ns is not None:
                self.mine[each.path] = Mine(content.size, mtime_ns, content.md5)
        folders = sorted({each.path.rpartition("/")[0] for each, _, _ in waiting})
        self.disk.settle_folders(self.root, folders)

    def _put(self, each: Placed, staged: str, content: Content) -> int | None:
        """Gives a staged file its name and its time; None when something that is not ours lies there and stays."""
        if each.path in self.doubtful and self._holds_already(each, content):
            return None
        try:
            mtime_ns = self.disk.land(self.root, staged, each.path, replace=each.path in self.replaced)
        except PlaceTaken:
            if not self._holds_already(each, content):
                self.foreign.append(each)
            return None
        self.landed += 1
        self.landed_bytes += content.size
        return mtime_ns

    def _holds_already(self, each: Placed, content: Content) -> bool:
        try:
            return self.disk.read(self.root, each.path).sha256 == content.sha256
        except SourceError:
            return False


def foreign_error(each: Placed, root: Path) -> XnatsyncError:
    """Says that a file was left as it is."""
    return TreeForeign(
        f"{root / each.path} is not what the server holds and was not written by this program: it was left as it is",
        advice="Move it away, or give --force to overwrite it.",
    )


def _is(each: Placed, size: int, md5: str) -> bool:
    return (each.file.size is None or size == each.file.size) and (not each.file.digest or md5 == each.file.digest)


def _written_down(text: str, root: Path) -> dict[str, Mine]:
    if not text:
        return {}
    try:
        told = json.loads(text)
        files = told["files"] if told["kind"] == _KIND else None
        assert files is not None
        return {path: Mine(int(size), int(mtime_ns), str(md5)) for path, (size, mtime_ns, md5) in files.items()}
    except (ValueError, KeyError, TypeError, AssertionError):
        raise PlaceTaken(
            f"{root} belongs to a mirror (it has a mark of its own in .xnatsync)",
            advice="Download to another folder with --out or --name: a mirror's tree is kept by `xnatsync sync`.",
        ) from None
