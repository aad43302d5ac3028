"""A downloaded session as a folder: what is there already, what is fetched, and how it comes to its place.

A file has its name only when all of it was proven and is on the disk.  What we put there is written down in the folder
`.xnatsync`, so that a later run knows a file of ours that the server has replaced from one that somebody edited.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from xnatsync.core.errors import (
    DiskRefused,
    FolderMissing,
    LoginLost,
    NameHostile,
    PlaceTaken,
    ServerError,
    SourceError,
    Stopped,
    TreeForeign,
    XnatsyncError,
)
from xnatsync.core.sides import ServerFile
from xnatsync.disk import locks
from xnatsync.disk.failures import our_disk
from xnatsync.fetch.batches import in_batches
from xnatsync.fetch.store import Staged, Staging
from xnatsync.ports.tree import TreeDisk

_KIND = "xnatsync download"
_PREFIX = "download-"  # of what waits in staging
_BESIDE = "beside-"  # of what waits there for a run beside another


@dataclass(frozen=True, slots=True)
class Mine:
    """A file that we put into the folder."""

    size: int
    mtime_ns: int
    md5: str


@dataclass(slots=True)
class Standing:
    """What the folder holds of what is wanted."""

    fetch: list[ServerFile] = field(default_factory=list)
    same: list[ServerFile] = field(default_factory=list)
    foreign: list[ServerFile] = field(default_factory=list)  # another content, which we did not write: left as it is
    replaced: set[str] = field(default_factory=set)  # paths to fetch that may be overwritten
    doubtful: set[str] = field(default_factory=set)  # there, of the right size, and the server tells no digest


@dataclass(slots=True)
class Folder:
    """The folder of one session.  Any number of threads may store into it."""

    disk: TreeDisk
    root: Path
    session_id: str
    mine: dict[str, Mine] = field(default_factory=dict)
    replaced: set[str] = field(default_factory=set)
    doubtful: set[str] = field(default_factory=set)
    foreign: list[ServerFile] = field(default_factory=list)
    refused: list[XnatsyncError] = field(default_factory=list)  # what the disk does not take at its place
    landed: int = 0
    landed_bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def standing(self, wanted: Sequence[ServerFile], *, force: bool) -> Standing:
        """Compare the folder with what is wanted.  Changes nothing.

        PlaceTaken when the folder is the tree of a mirror, or holds another session.
        """
        self.mine = self._written_down(force=force)
        try:
            look = self.disk.look_tree(self.root)
        except FolderMissing:
            return Standing(fetch=list(wanted))
        odd = {problem.path for problem in look.problems}
        found = Standing()
        for each in wanted:
            there = look.files.get(each.path)
            if there is None:
                in_the_way = any(above in odd or above in look.files for above in _upwards(each.path))
                (found.foreign if in_the_way else found.fetch).append(each)
            else:
                self._judge(each, there, found, force=force)
        self.replaced, self.doubtful = found.replaced, found.doubtful
        return found

    def _judge(self, each: ServerFile, there: tuple[int, int], found: Standing, *, force: bool) -> None:
        mine = self.mine.get(each.path)
        untouched = mine is not None and there == (mine.size, mine.mtime_ns)
        if untouched and mine is not None:
            content_is_same = _is(each, mine.size, mine.md5)
        elif each.size is not None and there[0] != each.size:
            content_is_same = False
        elif not each.md5:
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

    def _holds(self, each: ServerFile) -> bool:
        try:
            content = self.disk.read(self.root, each.path)
        except SourceError:
            return False
        return _is(each, content.size, content.md5)

    @contextmanager
    def staging(self) -> Iterator[Staging]:
        """Make the folder ours, and return the place where files wait in it.

        A later run goes on with what an interrupted one left there; two runs at once keep out of each other's way.
        """
        self._mark(self.mine)
        with ExitStack() as held:
            prefix = self._place(held)
            resumable = False
            try:
                yield Staging(self.disk, self.root, prefix)
            except (Stopped, ServerError, LoginLost):
                resumable = prefix == _PREFIX
                raise
            finally:
                if not resumable:
                    self.disk.clear_staging(self.root, prefix)

    def begun(self, files: Sequence[ServerFile]) -> int:
        """Count the bytes that an interrupted run left of files, with which this one would go on."""
        place = Staging(self.disk, self.root, _PREFIX)
        sizes = [(place.begun(file), file.size or 0) for file in files]
        return sum(begun for begun, size in sizes if begun < size)

    def _place(self, held: ExitStack) -> str:
        """Give the prefix of what is staged: the one that is gone on with, or one of our own while another has that.

        What others beside it left when they were killed is removed.
        """
        try:
            if held.enter_context(locks.alone_in(self.root, "download")):
                for mark in locks.dead_marks(self.root, _BESIDE):
                    self.disk.clear_staging(self.root, f"{mark}-")
                return _PREFIX
            beside = f"{_BESIDE}{uuid.uuid4().hex[:12]}"
            held.enter_context(locks.marked(self.root, beside))
        except OSError as error:
            raise our_disk(error, f"locking {self.root}") from error
        return f"{beside}-"

    def take(self, staged: Iterable[Staged]) -> None:
        """Bring what was fetched to the disk and to its place, many at a time; of any number of threads."""
        in_batches(staged, lambda one: one.content.size, self._land, threads=True)

    def note(self) -> None:
        """Write down what we put there, beside what another run wrote down meanwhile."""
        if not self.mine:
            return
        self._mark(self._written_down(force=True) | self.mine)

    def _mark(self, mine: dict[str, Mine]) -> None:
        told = {path: [part.size, part.mtime_ns, part.md5] for path, part in sorted(mine.items())}
        told_of = {"kind": _KIND, "version": 1, "session": self.session_id, "files": told}
        self.disk.mark(self.root, json.dumps(told_of))

    def _written_down(self, *, force: bool) -> dict[str, Mine]:
        """Read what an earlier run put there; nothing of another session counts as ours."""
        session_id, mine = _written_down(self.disk.sentinel(self.root), self.root)
        if session_id in {"", self.session_id}:
            return mine
        if not force:
            raise PlaceTaken(
                f"{self.root} holds session {session_id}, and this is {self.session_id}: nothing was changed there",
                advice="Download to another folder with --out or --name.",
            )
        return {}

    def _land(self, batch: Sequence[Staged]) -> None:
        self.disk.flush(self.root, [one.name for one in batch])
        folders: set[str] = set()  # of what is in its place: on the way to the rest something else may be
        for one in batch:
            mtime_ns = self._put(one)
            if mtime_ns is not None:
                folders.add(one.file.path.rpartition("/")[0])
                with self._lock:
                    self.mine[one.file.path] = Mine(one.content.size, mtime_ns, one.content.md5)
                    self.landed += 1
                    self.landed_bytes += one.came
        self.disk.settle_folders(self.root, sorted(folders))

    def _put(self, one: Staged) -> int | None:
        """Return a staged file its name and its time; None when something that is not ours lies there and stays."""
        path = one.file.path
        if path in self.doubtful and self._holds_already(one):
            return None
        try:
            return self.disk.land(self.root, one.name, path, replace=path in self.replaced)
        except PlaceTaken:
            if not self._holds_already(one):
                self.foreign.append(one.file)
            return None
        except (DiskRefused, NameHostile) as error:  # this one alone: the others' places may take them
            self.refused.append(error)
            return None

    def _holds_already(self, one: Staged) -> bool:
        try:
            return self.disk.read(self.root, one.file.path).sha256 == one.content.sha256
        except SourceError:
            return False


def foreign_error(each: ServerFile, root: Path) -> XnatsyncError:
    """Say that a file was left as it is."""
    return TreeForeign(
        f"{root / each.path} is not what the server holds and was not written by this program: it was left as it is",
        advice="Move it away, or give --force to overwrite it.",
    )


def _upwards(path: str) -> Iterator[str]:
    """Give a path, and the folders that it leads through."""
    while path:
        yield path
        path = path.rpartition("/")[0]


def _is(each: ServerFile, size: int, md5: str) -> bool:
    return (each.size is None or size == each.size) and (not each.md5 or md5 == each.md5)


def _written_down(text: str, root: Path) -> tuple[str, dict[str, Mine]]:
    """Read the mark of a folder: which session it holds ("" when it does not say), and what was put there."""
    if not text:
        return "", {}
    try:
        told = json.loads(text)
        files = told["files"] if told["kind"] == _KIND else None
        assert files is not None
        mine = {path: Mine(int(size), int(mtime_ns), str(md5)) for path, (size, mtime_ns, md5) in files.items()}
        return str(told.get("session", "")), mine
    except (ValueError, KeyError, TypeError, AssertionError):
        raise PlaceTaken(
            f"{root} belongs to a mirror (it has a mark of its own in .xnatsync)",
            advice="Download to another folder with --out or --name: a mirror's tree is kept by `xnatsync sync`.",
        ) from None
