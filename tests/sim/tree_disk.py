"""The tree of a mirror as a dictionary behind the port `TreeDisk`, with what a disk may lose when the power is cut.

A file is an inode with names: a second name is the same file, as links are.  Bytes that nobody flushed may be lost or
torn; names whose folder nobody flushed may be undone, the newest first, as a journal does it.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from xnatsync.core.errors import FolderMissing, PlaceTaken, SourceChanged, SourceUnreadable, Stopped
from xnatsync.core.moment import parse
from xnatsync.core.paths import OWN_FOLDER, folded
from xnatsync.disk.failures import Operation, our_disk
from xnatsync.disk.tree_paths import called_otherwise, failed, own_steps, refused, steps
from xnatsync.ports.drop import ProblemSeen
from xnatsync.ports.tree import Content, TreeLook

if TYPE_CHECKING:
    from sim.tree_world import TreeHistory

STUCK = (errno.EACCES, errno.EPERM, errno.EBUSY)
FLUSH_MS = 30_000  # so long the system may keep to itself what was written
SENTINEL = f"{OWN_FOLDER}/sentinel"
STAGING = f"{OWN_FOLDER}/staging/"
TRASH = f"{OWN_FOLDER}/trash/"


@dataclass(slots=True, eq=False)
class Inode:
    """One file, whatever it is called."""

    data: bytes
    mtime_ns: int
    written_ms: int
    flushed: bool = False
    ours: bool = False  # written by the product


@dataclass(slots=True)
class Renaming:
    """Names that changed together and are not yet on the disk: path -> what it stood for before."""

    before: dict[str, Inode | None]
    at_ms: int
    by_people: bool = False


@dataclass(slots=True)
class Disk:
    """What is on the disk, for whoever can see it."""

    names: dict[str, Inode] = field(default_factory=dict)


class SimTreeDisk:
    """The disk of one tree.  Folders are there as far as there are files in them.

    A `folding` one takes `A` and `a` for one name, as those of Windows and macOS do.
    """

    def __init__(self, history: TreeHistory, root: Path, grain_ns: int, *, folding: bool = False) -> None:
        self.history = history
        self.root = root
        self.grain_ns = grain_ns
        self.folding = folding
        self.names: dict[str, Inode] = {}
        self.mounted = True
        self.leaves_mount_point = False
        self.own_away: dict[str, Inode] | None = None  # what somebody took away with the folder .xnatsync
        self.unsynced: list[Renaming] = []
        self.stamps: dict[tuple[str, int, int], bytes] = {}
        self.remembered: dict[tuple[str, bytes], int] = {}  # what we wrote where, and when first
        self.stuck: dict[str, int] = {}  # what cannot be renamed, linked or removed, and why, until a person mends it

    # --- what people see and do ----------------------------------------------------------------------------------

    def spelled(self, path: str) -> str:
        """How the disk spells a path: as it was first written, where it takes two spellings for one."""
        if not self.folding or path in self.names:
            return path
        parts, done = path.split("/"), ""
        for number, part in enumerate(parts):
            there = {name[len(done) :].partition("/")[0] for name in self.names if name.startswith(done)}
            same = [part] if part in there else sorted(name for name in there if folded(name) == folded(part))
            if not same:
                break
            parts[number] = same[0]
            done += f"{same[0]}/"
        return "/".join(parts)

    def shown(self) -> dict[str, Inode]:
        """What lies in the tree for readers, mounted or not."""
        return {path: inode for path, inode in self.names.items() if not path.startswith(f"{OWN_FOLDER}/")}

    def trashed(self) -> dict[str, Inode]:
        """What lies in the trash, also where somebody took it away."""
        return {
            path: inode for path, inode in {**(self.own_away or {}), **self.names}.items() if path.startswith(TRASH)
        }

    def kept(self) -> set[bytes]:
        """Every content that a person would find: in the tree or in the trash."""
        return {inode.data for inode in (*self.shown().values(), *self.trashed().values())}

    def write(self, path: str, data: bytes, *, in_place: bool, mtime_ns: int | None = None) -> None:
        """A person writes a file, over the bytes that are there or as a new file of that name.

        The time is never one that the same path had with another content of that size: what nobody can see is not
        promised.
        """
        wall = self.history.clock.wall_ns if mtime_ns is None else mtime_ns
        wall = wall // self.grain_ns * self.grain_ns
        there = self.names.get(path)
        if there is not None:  # it may have come here by a renaming
            self.stamps.setdefault((path, len(there.data), there.mtime_ns), there.data)
        while self.stamps.setdefault((path, len(data), wall), data) != data:
            wall += self.grain_ns
        now = self.history.clock.ms
        if there is not None and in_place:
            there.data, there.mtime_ns, there.written_ms, there.flushed, there.ours = data, wall, now, False, False
            return
        self._rename({path: Inode(data, wall, now)}, by_people=True)

    def drop(self, path: str) -> None:
        """A person removes a file."""
        self._rename({path: None}, by_people=True)

    def move(self, source: str, target: str) -> None:
        """A person renames a file."""
        self._rename({source: None, target: self.names[source]}, by_people=True)

    def power_cut(self) -> None:
        """Loses or tears what was not on the disk yet, and undoes the newest names."""
        chance = self.history.faults.next("torn")
        self._write_back()
        keep = chance.randrange(len(self.unsynced) + 1)
        for change in reversed(self.unsynced[keep:]):
            for path, before in change.before.items():
                there = self.names.get(path)
                if there is not None and (change.by_people or not (there.ours or there.flushed)):
                    self.history.judge.forget(there.data)  # what people wrote was not on the disk yet
                if before is None:
                    self.names.pop(path, None)
                else:
                    self.names[path] = before
        self.unsynced.clear()
        seen: set[int] = set()
        for _, inode in sorted({**(self.own_away or {}), **self.names}.items()):
            if inode.flushed or id(inode) in seen:
                continue
            seen.add(id(inode))
            fate = chance.random()
            if fate < 0.6:
                whole = inode.data
                inode.data = whole[: chance.randrange(len(whole) + 1)] if fate < 0.4 else bytes(len(whole))
                if not inode.ours:
                    self.history.judge.torn_by_power(whole, inode.data)
            inode.flushed = True
        self.history.judge.after_power_cut()

    def _write_back(self) -> None:
        """The system has written by itself what is old enough."""
        old = self.history.clock.ms - FLUSH_MS
        self.unsynced = [change for change in self.unsynced if change.at_ms > old]
        for inode in (*self.names.values(), *(self.own_away or {}).values()):
            if inode.written_ms <= old:
                inode.flushed = True

    # --- the port ------------------------------------------------------------------------------------------------

    def sentinel(self, root: Path) -> str:
        self._reads("sentinel")
        found = self.names.get(SENTINEL) if self.mounted else None
        return found.data.decode() if found is not None else ""

    def mark(self, root: Path, text: str) -> None:
        self._boundary("mark")
        self.history.judge.before_mark()
        if not self.mounted:
            raise our_disk(
                OSError(errno.EACCES, os.strerror(errno.EACCES)), "marking the tree"
            )  # a mount point of root's
        self._may_fail("mark")
        self.names[SENTINEL] = Inode(text.encode(), 0, self.history.clock.ms, flushed=True, ours=True)
        self._boundary("mark, done")

    def remember(self, root: Path, written: Iterable[tuple[str, bytes]]) -> None:
        for one in written if self.mounted else ():
            self.remembered.setdefault(one, self.history.clock.ms)

    def remembers(self, root: Path, path: str, sha256: bytes) -> bool:
        return self.mounted and (path, sha256) in self.remembered

    def look_tree(self, root: Path, below: Sequence[str] | None = None) -> TreeLook:
        self._boundary("look_tree")
        if not self.mounted:
            if self.leaves_mount_point:
                return TreeLook({})
            raise FolderMissing("the tree is not there, or is not a folder")
        tops = [top for top in (below if below is not None else ("",)) if self.spelled(top) == top]
        files = {
            path: (len(inode.data), inode.mtime_ns)
            for path, inode in self.shown().items()
            if any(not top or path == top or path.startswith(f"{top}/") for top in tops)
        }
        if files and (chance := self.history.faults.fires("eio", "disk.look_tree")):
            folder = chance.choice(sorted(files)).rpartition("/")[0]
            problem = ProblemSeen(folder or ".", "it cannot be looked at: EIO", unreadable=True)
            return TreeLook({p: f for p, f in files.items() if not p.startswith(f"{folder}/")}, (problem,))
        return TreeLook(files)

    def stat(self, root: Path, path: str) -> tuple[int, int] | None:
        self.history.at_hand = path
        self._boundary("stat")
        if self.history.faults.fires("eio", "disk.stat"):
            raise SourceUnreadable(f"{path} cannot be read: Input/output error")
        found = self._found(self._place(path))
        return None if found is None else (len(found.data), found.mtime_ns)

    def read(self, root: Path, path: str, *, stop: Callable[[], bool] = lambda: False) -> Content:
        found = self._file(path)
        expected = found.data, found.mtime_ns
        self._boundary("read")
        if stop():
            raise Stopped("reading was interrupted")
        if self.history.faults.fires("eio", "disk.read"):
            raise SourceUnreadable(f"{path} cannot be read: Input/output error")
        if (found.data, found.mtime_ns) != expected:
            raise SourceChanged(f"{path} changed while it was read")
        return _content(*expected)

    def open(self, root: Path, path: str, size: int) -> Iterator[bytes]:
        found = self._file(path)
        if len(found.data) != size:
            raise SourceChanged(f"{path} has another size")
        return self._pieces(path, found.data, found.mtime_ns)

    def _pieces(self, path: str, data: bytes, mtime_ns: int) -> Iterator[bytes]:
        found = self._file(path)
        if (found.data, found.mtime_ns) != (data, mtime_ns):
            raise SourceChanged(f"{path} changed before it was read")
        yield data[: len(data) // 2]
        self._boundary("open, within")
        if self.history.faults.fires("eio", "disk.open"):
            raise SourceUnreadable(f"{path} cannot be read: Input/output error")
        if (found.data, found.mtime_ns) != (data, mtime_ns):
            raise SourceChanged(f"{path} changed while it was read")
        yield data[len(data) // 2 :]

    def staged_size(self, root: Path, name: str) -> int:
        own_steps(name)
        found = self._found(STAGING + name)
        return 0 if found is None or self._has_other_name(found, STAGING + name) else len(found.data)

    def stage(self, root: Path, name: str, pieces: Iterator[bytes], *, append: bool = False) -> Content:
        self._ours("stage")
        own_steps(name)
        path = STAGING + name
        found = self.names.get(path)
        if found is None or not append or self._has_other_name(found, path):
            found = self.names[path] = Inode(b"", 0, self.history.clock.ms, ours=True)
        for piece in pieces:
            self._ours("stage, within")
            found.data += piece
            found.written_ms, found.flushed = self.history.clock.ms, False
        found.mtime_ns = self.history.clock.wall_ns // self.grain_ns * self.grain_ns
        return _content(found.data, found.mtime_ns)

    def flush(self, root: Path, names: Sequence[str]) -> None:
        self._ours("flush")
        for name in names:
            own_steps(name)
            found = self._found(STAGING + name)
            if found is None:
                self._fail(errno.ENOENT, "flushing")
            found.flushed = True
            self._boundary("flush, one of them")

    def land(self, root: Path, name: str, path: str, *, replace: bool, seen: tuple[int, int] | None = None) -> int:
        self.history.judge.before_naming(path)
        self.history.at_hand = path
        self._ours("land")
        own_steps(name)
        self._place(path, exact=True)
        staged = self._found(STAGING + name)
        if staged is None:
            self._fail(errno.ENOENT, f"putting {path} in its place")
        self._way(path)
        if path in self.names and not replace:
            raise refused(path, "something is there already")
        self._may_be_stuck("land", path)
        there = self.names.get(path)
        if there is not None and seen is not None and seen != (len(there.data), there.mtime_ns):
            raise refused(path, "it was changed just now")
        self.history.judge.before_land(path, staged)
        self.stamps.setdefault((path, len(staged.data), staged.mtime_ns), staged.data)
        mtime_ns = staged.mtime_ns
        self._rename({path: staged, STAGING + name: None})
        self._boundary("land, done")
        return mtime_ns

    def obstacle(self, root: Path, path: str) -> PlaceTaken | None:
        try:
            self._place(path, exact=True)
            self._way(path)
        except PlaceTaken as error:
            return error
        return refused(path, "something is there already") if self._found(path) is not None else None

    def keep(self, root: Path, path: str, trash: str) -> bool:
        own_steps(trash)
        return self._second_name("keep", path, TRASH + trash)

    def copy(self, root: Path, path: str, target: str) -> None:
        self.history.judge.before_naming(target)
        if not self._second_name("copy", path, self._place(target)):
            raise refused(target, "another file is there")

    def _second_name(self, method: str, path: str, second: str) -> bool:
        self.history.at_hand = path
        self._ours(method)
        found = self._file(path)
        self._may_be_stuck(method, path)
        there = self.names.get(second)
        if there is not None and there is not found and there.data != found.data:
            return False
        if there is None:
            self._rename({second: found})
        self._boundary(f"{method}, named")
        self._sync(second)
        self.history.judge.trash_holds(second)
        self._boundary(f"{method}, done")
        return True

    def discard(self, root: Path, path: str, trash: str) -> bool:
        self.history.at_hand = path
        self._ours("discard")
        own_steps(trash)
        path, second = self._place(path), TRASH + trash
        if path not in self.names and second in self.names:
            return True
        found, there = self._file(path), self.names.get(second)
        self._may_be_stuck("discard", path)
        if there is not None and there is not found and there.data != found.data:
            return False
        self.history.judge.before_discard(path)
        self._rename({second: there or found, path: None})
        self.history.judge.trash_holds(second)
        self._boundary("discard, renamed")
        self._sync(second)
        self._boundary("discard, done")
        return True

    def rename(self, root: Path, source: str, target: str) -> None:
        self.history.judge.before_naming(target)
        self._ours("rename")
        if f"{target}/".startswith(f"{source}/"):
            raise refused(target, "it cannot be moved into itself")
        names = self._below(self._place(source, exact=True))
        held = self._place(target)
        if not names:
            raise SourceChanged(f"{source} is gone")
        self._way(target)
        if held != source and self._below(held):  # only the case of its name changes, where both are one
            raise refused(target, "something is there already")
        self._may_be_stuck("rename", source)
        changed: dict[str, Inode | None] = {target + name[len(source) :]: self.names[name] for name in names}
        self._rename({**dict.fromkeys(names), **changed})
        self._boundary("rename, renamed")
        self._sync(next(iter(changed)))
        self._boundary("rename, done")

    def settle_files(self, root: Path, paths: Sequence[str]) -> None:
        self._ours("settle_files")
        for path in paths:
            if (found := self.names.get(path)) is not None:
                found.flushed = True

    def settle_folders(self, root: Path, folders: Sequence[str]) -> None:
        self._ours("settle_folders")
        for folder in folders:
            self._sync(f"{folder}/x" if folder else "x")
        self._boundary("settle_folders, done")

    def clear_staging(self, root: Path, prefix: str = "") -> None:
        self._boundary("clear_staging")
        if self.history.faults.fires("eio", "disk.clear_staging"):
            self._fail(errno.EIO, "clearing staging")
        if self.mounted:
            for path in [path for path in self.names if path.startswith(STAGING + prefix)]:
                del self.names[path]

    def open_trash(self, root: Path, trash: str, size: int) -> Iterator[bytes]:
        found = self._file(TRASH + trash)
        if len(found.data) != size:
            raise SourceChanged(f"{trash} has another size")
        return self._pieces(TRASH + trash, found.data, found.mtime_ns)

    def old_trash(self, root: Path, moment: str) -> list[str]:
        self._boundary("old_trash")
        places = (path.removeprefix(TRASH) for path in self.names if path.startswith(TRASH)) if self.mounted else ()
        came = self.history.judge.trashed_at
        before_ns = int(parse(moment).timestamp() * 1e9)
        return sorted(place for place in places if came.get(TRASH + place, before_ns) < before_ns)

    def empty_trash(self, root: Path, trash: Sequence[str]) -> list[str]:
        self._ours("empty_trash")
        stay = [name for name in trash if TRASH + name in self.names and self._is_stuck("empty_trash", TRASH + name)]
        for name in trash:
            own_steps(name)
            if TRASH + name in self.names and name not in stay:
                self.history.judge.before_empty(TRASH + name)
                self._rename({TRASH + name: None})
                self._boundary("empty_trash, one of them")
        for name in trash:
            self._sync(TRASH + name)
        return stay

    def free_bytes(self, root: Path) -> int:
        return 1 << 40

    # --- inner parts ---------------------------------------------------------------------------------------------

    def probe(self, root: Path) -> None:
        self._boundary("probe")
        if not self.mounted or SENTINEL not in self.names:
            raise FolderMissing("the tree is no longer there, or is no longer ours")

    def _boundary(self, what: str) -> None:
        self.history.boundary(f"disk.{what}")

    def _reads(self, method: str) -> None:
        self._boundary(method)
        if self.history.faults.fires("eio", f"disk.{method}"):
            self._fail(errno.EIO, "reading")

    def _ours(self, method: str) -> None:
        """Before anything is written: our own folder must be there, or the tree is not ours."""
        self._boundary(method)
        if not self.mounted or SENTINEL not in self.names:
            raise FolderMissing("the tree is no longer there, or is no longer ours")
        self._may_fail(method.partition(",")[0])

    def _may_fail(self, method: str) -> None:
        if method != "empty_trash" and self.history.faults.fires("enospc", f"disk.{method}"):
            self._fail(errno.ENOSPC, method)
        if self.history.faults.fires("eio", f"disk.{method}"):
            self._fail(errno.EIO, method)

    def _is_stuck(self, method: str, path: str) -> bool:
        if chance := self.history.faults.fires("stuck", f"disk.{method}"):
            self.stuck[path] = chance.choice(STUCK)
        return path in self.stuck

    def _may_be_stuck(self, method: str, path: str) -> None:
        """One file or folder refuses, until a person mends it: everything else goes on."""
        if self._is_stuck(method, path):
            number = self.stuck[path]
            raise failed(self.root, OSError(number, os.strerror(number)), f"{method} {path}", Operation.RENAME)

    def _fail(self, number: int, doing: str) -> NoReturn:
        raise our_disk(OSError(number, os.strerror(number)), doing)

    def _found(self, path: str) -> Inode | None:
        return self.names.get(path) if self.mounted else None

    def _place(self, path: str, *, exact: bool = False) -> str:
        """How the disk spells a path; PlaceTaken when it leaves the tree, or is spelled otherwise on the way to it."""
        steps(path)
        held = self.spelled(path)
        if held != path and (exact or held.rpartition("/")[0] != path.rpartition("/")[0]):
            mine, there = next(
                pair for pair in zip(path.split("/"), held.split("/"), strict=True) if pair[0] != pair[1]
            )
            raise refused(path, called_otherwise(mine, [there]))
        return held

    def _file(self, path: str) -> Inode:
        found = self._found(path if path.startswith(TRASH) else self._place(path))
        if found is None:
            raise SourceChanged(f"{path} is gone, or is no longer a file")
        return found

    def _has_other_name(self, found: Inode, path: str) -> bool:
        return any(inode is found and name != path for name, inode in self.names.items())

    def _below(self, path: str) -> list[str]:
        return sorted(name for name in self.names if name == path or name.startswith(f"{path}/"))

    def _way(self, path: str) -> None:
        """A file where a folder has to be, or a folder where a file has to be."""
        parts = path.split("/")
        if any("/".join(parts[:n]) in self.names for n in range(1, len(parts))) or (
            path not in self.names and any(name.startswith(f"{path}/") for name in self.names)
        ):
            raise PlaceTaken(f"{path}: there is a file where a folder has to be, or a folder where a file has to be")

    def _rename(self, changed: dict[str, Inode | None], *, by_people: bool = False) -> None:
        before = {path: self.names.get(path) for path in changed}
        for path, inode in changed.items():
            if inode is None:
                self.names.pop(path, None)
            else:
                self.names[path] = inode
        self.unsynced.append(Renaming(before, self.history.clock.ms, by_people))

    def _sync(self, path: str) -> None:
        """Brings the names in a path's folder to the disk, and those on the way to it."""
        self._write_back()
        folders = {path.rpartition("/")[0]}
        while path := path.rpartition("/")[0]:
            folders.add(path.rpartition("/")[0])
        self.unsynced = [
            change for change in self.unsynced if folders.isdisjoint(name.rpartition("/")[0] for name in change.before)
        ]

    def is_durable(self, path: str) -> bool:
        """Tells whether a power cut would leave a path as it is."""
        self._write_back()
        inode = self.names.get(path)
        return inode is not None and inode.flushed and all(path not in change.before for change in self.unsynced)


def _content(data: bytes, mtime_ns: int) -> Content:
    return Content(
        len(data), hashlib.sha256(data).digest(), hashlib.md5(data, usedforsecurity=False).hexdigest(), mtime_ns
    )
