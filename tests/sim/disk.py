"""The local disk as a dictionary: what is not yet on it may be lost or torn at a power cut, and it can be unmounted."""

from __future__ import annotations

import errno
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from sim import content
from xnatsync.core.errors import (
    DiskError,
    DiskUnwell,
    FolderMissing,
    PlaceTaken,
    SourceChanged,
    SourceDamaged,
    SourceUnreadable,
    Stopped,
)
from xnatsync.core.manifest import Kind, ManifestFile
from xnatsync.dicom.identity import study_in
from xnatsync.disk.failures import Operation, one_thing, our_disk
from xnatsync.disk.manifest import _mark_duplicates
from xnatsync.ports.drop import DropEntry, FileSeen, ItemLook, ProblemSeen

if TYPE_CHECKING:
    from sim.world import History

STUCK = (errno.EACCES, errno.EPERM, errno.EBUSY, errno.ENAMETOOLONG, errno.EXDEV)
FLUSH_MS = 30_000  # so long what a person wrote may not be on the disk yet


@dataclass(slots=True)
class File:
    """One file."""

    data: bytes
    mtime_ns: int
    written_ms: int  # when a person wrote it: it is on the disk a while later


class SimDisk:
    """All files of the machine, by their absolute path.  Folders exist as far as there are files in them."""

    def __init__(self, history: History, folder: Path, done: Path, grain_ns: int) -> None:
        self.history = history
        self.folder, self.done = folder, done
        self.grain_ns = grain_ns
        self.files: dict[str, File] = {}
        self.mounted = True
        self.leaves_mount_point = False
        self.done_elsewhere = False  # somebody mounted another disk over the done folder
        self.has_own_folder = False  # made with the first custody box, and never removed
        self.unsynced: list[tuple[str, str]] = []
        self.stuck: dict[str, int] = {}  # dropped things that cannot be renamed, and why, until a person mends it
        self.sick = (0, 0)  # until when the whole disk fails, and how
        self.marks: dict[str, str] = {}  # marks of ours, which nobody takes for files

    # --- what people do ------------------------------------------------------------------------------------------

    def put(self, path: Path, data: bytes, mtime_ns: int | None = None) -> None:
        """A person writes a file."""
        wall = self.history.clock.wall_ns if mtime_ns is None else mtime_ns
        self.files[str(path)] = File(data, wall // self.grain_ns * self.grain_ns, self.history.clock.ms)

    def below(self, path: Path) -> list[str]:
        """Every file at or below a path, whether the disk is mounted or not."""
        prefix = f"{path}/"
        return sorted(name for name in self.files if name == str(path) or name.startswith(prefix))

    def take_away(self, path: Path) -> None:
        """A person removes a file or a folder."""
        for name in self.below(path):
            del self.files[name]
        self.stuck.pop(str(path), None)

    def power_cut(self) -> None:
        """Loses or tears what was not on the disk yet, and forgets renames whose folders were not."""
        chance = self.history.faults.next("torn")
        for start, end in reversed(self.unsynced):
            if chance.random() < 0.5:
                for name in self.below(Path(end)):
                    self.files[start + name[len(end) :]] = self.files.pop(name)
        self.unsynced.clear()
        for name, file in sorted(self.files.items()):
            if self.history.clock.ms - file.written_ms < FLUSH_MS and chance.random() < 0.5:
                fate = chance.random()
                if fate < 0.4:
                    self.history.lose(file.data)
                    del self.files[name]
                elif fate < 0.8:
                    self.history.lose(file.data)
                    file.data = file.data[: chance.randrange(len(file.data) + 1)]
                    self.history.torn.add(content.sha(file.data))
                    self.history.known[content.sha(file.data)] = file.data

    # --- the port ------------------------------------------------------------------------------------------------

    def entries(self, folder: Path) -> list[DropEntry]:
        self._boundary("entries")
        if self._hidden(folder) and not self.leaves_mount_point:
            raise FolderMissing(f"{folder} is not there, or is not a folder")
        if self.history.faults.fires("unreadable", "disk.entries"):
            raise FolderMissing(f"{folder} cannot be listed: Input/output error")
        kinds = {".xnatsync": "folder"} if self.has_own_folder and not self._hidden(folder) else {}
        for name in self._seen(folder):
            first, _, rest = name[len(str(folder)) + 1 :].partition("/")
            kinds[first] = "folder" if rest else "archive" if first.endswith(".zip") else "file"
        return [self._entry(folder / name, kind) for name, kind in sorted(kinds.items())]

    def _entry(self, path: Path, kind: str) -> DropEntry:
        file = self.files[str(path)] if kind == "file" else None
        return DropEntry(path.name, kind, *((len(file.data), file.mtime_ns) if file is not None else ()))

    def look(self, path: Path) -> ItemLook | None:
        self._boundary("look")
        if self._seen(path) and self.history.faults.fires("unreadable", "disk.look"):
            return ItemLook((), (ProblemSeen(path.name, "it cannot be looked at: EIO", unreadable=True),))
        return self._look(path)

    def look_at(self, folder: Path, names: Sequence[str]) -> ItemLook:
        self._boundary("look_at")
        if names and self._seen(folder) and self.history.faults.fires("unreadable", "disk.look_at"):
            return ItemLook((), (ProblemSeen(names[0], "it cannot be looked at: EIO", unreadable=True),))
        return self._look_at(folder, names)

    def _look_at(self, folder: Path, names: Sequence[str]) -> ItemLook:
        here = [(name, self.files.get(str(folder / name))) for name in sorted(names) if not self._hidden(folder)]
        return ItemLook(tuple(FileSeen(name, len(file.data), file.mtime_ns) for name, file in here if file is not None))

    def study_of(self, path: Path) -> str:
        self._boundary("study_of")
        file = self.files.get(str(path)) if not self._hidden(path) else None
        if file is None or path.suffix == ".zip" or self.history.faults.fires("eio", "disk.study_of"):
            return ""
        return study_in(iter([file.data]))

    def _look(self, path: Path) -> ItemLook | None:
        names = self._seen(path)
        if not names:
            return None
        single = names == [str(path)]
        files = [
            FileSeen(path.name if single else name[len(str(path)) + 1 :], len(file.data), file.mtime_ns)
            for name in names
            for file in [self.files[name]]
        ]
        return ItemLook(tuple(sorted(files, key=lambda file: file.path)))

    def read_manifest(
        self,
        path: Path,
        *,
        tags: frozenset[str],
        pixels: bool,
        on_progress: Callable[[int, int], None] | None = None,
        stop: Callable[[], bool] = lambda: False,
        only: Sequence[str] | None = None,
    ) -> tuple[ManifestFile, ...]:
        self._boundary("read_manifest")
        before = self._look(path) if only is None else self._look_at(path, only)
        if before is None:
            raise SourceChanged(f"{path.name} is gone")
        found = []
        for seen in before.files:
            if stop():
                raise Stopped("reading was interrupted")
            if self.history.faults.fires("eio", "disk.read_manifest"):
                raise SourceUnreadable(f"{seen.path} cannot be read: Input/output error")
            place = path if str(path) in self.files else path / seen.path
            file = self.files.get(str(place)) if not self._hidden(place) else None
            if file is None or (len(file.data), file.mtime_ns) != (seen.size, seen.mtime_ns):
                raise SourceChanged(f"{seen.path} changed before it was read")
            for inner, data in self._members(place, file):
                found.append(content.manifest_file(inner or seen.path, file.mtime_ns, data, tags, pixels))
            if on_progress is not None:
                on_progress(len(found), 0)
            self._boundary("read_manifest, within")
        if (self._look(path) if only is None else self._look_at(path, only)) != before:
            raise SourceChanged(f"{path.name} changed while it was read")
        return _mark_duplicates(found)

    def _members(self, place: Path, file: File) -> list[tuple[str, bytes]]:
        if place.suffix != ".zip":
            return [("", file.data)]
        try:
            return list(content.members(file.data))
        except Exception as error:
            raise SourceDamaged(f"{place.name} is no zip file") from error

    def stream(self, path: Path, files: Sequence[ManifestFile]) -> Iterator[tuple[ManifestFile, Iterator[bytes]]]:
        self._boundary("stream")
        whole = self.files.get(str(path)) if not self._hidden(path) else None
        if whole is not None and path.suffix == ".zip":
            try:
                inside = dict(self._members(path, whole))
            except SourceDamaged as error:
                raise SourceChanged(f"{path.name} is no longer what it was") from error
            for file in files:
                if file.path not in inside:
                    raise SourceChanged(f"{path.name} no longer holds {file.path}")
                yield file, self._proved(file, lambda data=inside[file.path]: data)
            return
        for file in files:
            place = path if whole is not None else path / file.path
            yield file, self._proved(file, lambda place=place, file=file: self._read(place, file))

    def _read(self, place: Path, file: ManifestFile) -> bytes:
        if self.history.faults.fires("eio", "disk.stream"):
            raise SourceUnreadable(f"{file.path} cannot be read: Input/output error")
        found = self.files.get(str(place)) if not self._hidden(place) else None
        if found is None:
            raise SourceChanged(f"{file.path} is gone")
        return found.data

    def _proved(self, file: ManifestFile, read: Callable[[], bytes]) -> Iterator[bytes]:
        """In two pieces; the last is held back until size and CRC have proved right, like the real one's."""
        data = read()
        half = len(data) // 2
        if half:
            yield data[:half]
            self._boundary("stream, within")
            if len(read()) != len(data):
                raise SourceChanged(f"{file.path} changed while it was read")
        if len(data) != file.size or zlib.crc32(data) != file.crc32:
            raise SourceChanged(f"{file.path} is no longer what it was when the item had settled")
        if data:
            yield data[half:]

    def move(self, source: Path, target: Path) -> None:
        self._boundary("move")
        if not self._seen(source):
            raise SourceChanged(f"{source} is gone")
        self._may_fail("move", f"moving {source} to {target}")
        if source.parent == self.folder and (chance := self.history.faults.fires("stuck", "disk.move")):
            self.stuck[str(source)] = chance.choice(STUCK)
        if str(source) in self.stuck:
            self._refuse(self.stuck[str(source)], f"moving {source} to {target}")
        if self._device(source) != self._device(target):
            self._refuse(errno.EXDEV, f"moving {source} to {target}")
        if self._seen(target):
            raise PlaceTaken(f"{target} is already there: {source} was not moved over it")
        self.history.judge.before_move(source, target)
        for name in self._seen(source):
            self.files[str(target) + name[len(str(source)) :]] = self.files.pop(name)
        self.has_own_folder = True
        self.unsynced.append((str(source), str(target)))
        self._boundary("move, renamed")
        self.unsynced.clear()
        self._boundary("move, done")

    def gather(self, folder: Path, names: Sequence[str], target: Path) -> None:
        self._boundary("gather")
        self._may_fail("gather", f"moving files of {folder} to {target}")
        renamed: list[tuple[str, str]] = []
        failed: tuple[int, str] | None = None
        for name in names:
            source, goal = folder / name, target / name
            if chance := self.history.faults.fires("stuck", "disk.gather"):
                self.stuck[str(source)] = chance.choice(STUCK)
            if str(source) in self.stuck:
                failed = self.stuck[str(source)], f"moving {source} to {goal}"
                continue
            if str(source) in self.files and not self._hidden(source) and not self._seen(goal):
                self.history.judge.before_move(source, goal)
                self.files[str(goal)] = self.files.pop(str(source))
                self.has_own_folder = True
                renamed.append((str(source), str(goal)))
                self.unsynced.append(renamed[-1])
            self._boundary("gather, within")
        self.unsynced = [one for one in self.unsynced if one not in renamed]
        if failed is not None:
            self._refuse(*failed)
        self._boundary("gather, done")

    def read_mark(self, path: Path) -> str | None:
        self._boundary("read_mark")
        return self.marks.get(str(path)) if not self._hidden(path) else None

    def write_mark(self, path: Path, text: str) -> None:
        self._boundary("write_mark")
        self._may_fail("write_mark", f"writing {path}")
        if self._hidden(path):
            self._fail(errno.ENOENT, f"writing {path}")
        self.marks[str(path)] = text
        self.has_own_folder = True
        self._boundary("write_mark, done")

    def remove(self, path: Path) -> None:
        self._boundary("remove")
        self._may_fail("remove", f"removing {path}")
        if not self._hidden(path) and str(path) in self.files:
            self.history.judge.before_remove(path)
            del self.files[str(path)]
        self._boundary("remove, done")

    def prune(self, folder: Path) -> None:
        self._boundary("prune")
        self._may_fail("prune", f"removing empty folders of {folder}")
        self._boundary("prune, done")

    def settle(self, folder: Path) -> None:
        self._boundary("settle")
        self.unsynced = [(start, end) for start, end in self.unsynced if Path(end).parent != folder]
        self._boundary("settle, done")

    def exists(self, path: Path) -> bool:
        self._boundary("exists")
        if self.history.faults.fires("eio", "disk.exists"):
            self._fail(errno.EIO, f"looking at {path}")
        return bool(self._seen(path))

    def probe(self, folder: Path, done: Path | None) -> None:
        self._boundary("probe")
        if self._hidden(folder):
            raise FolderMissing(f"{folder} is not there, or is not a folder")
        if self.history.clock.ms < self.sick[0]:
            self._fail(self.sick[1], f"writing to {folder}")
        if done is not None and not self.same_device(folder, done):
            raise DiskUnwell(f"{done} is on another file system than {folder}")

    def same_device(self, one: Path, other: Path) -> bool:
        return self._device(one) == self._device(other)

    # --- inner parts ---------------------------------------------------------------------------------------------

    def _boundary(self, what: str) -> None:
        self.history.boundary(f"disk.{what}")

    def _hidden(self, path: Path) -> bool:
        return not self.mounted and path.is_relative_to(self.folder)

    def _seen(self, path: Path) -> list[str]:
        return [] if self._hidden(path) else self.below(path)

    def _device(self, path: Path) -> str:
        if path.is_relative_to(self.done) and self.done_elsewhere:
            return "other"
        return "mount point" if self._hidden(path) else "disk"

    def _may_fail(self, method: str, doing: str) -> None:
        if self.history.clock.ms < self.sick[0]:
            self._fail(self.sick[1], doing)
        for fault, number in (("enospc", errno.ENOSPC), ("eio", errno.EIO)):
            if chance := self.history.faults.fires(fault, f"disk.{method}"):
                if chance.random() < 0.5:
                    self.sick = self.history.clock.ms + chance.choice((1_000, 20_000, 600_000)), number
                self._fail(number, doing)
        if method == "move" and self.history.faults.fires("exdev", "disk.move"):
            self._refuse(errno.EXDEV, doing)

    def _refuse(self, number: int, doing: str) -> NoReturn:
        raise one_thing(OSError(number, os.strerror(number)), doing, Operation.RENAME)

    def _fail(self, number: int, doing: str) -> NoReturn:
        error: DiskError = our_disk(OSError(number, os.strerror(number)), doing)
        raise error


def is_object(data: bytes) -> bool:
    """Tells whether a file is one that must be delivered."""
    return content.manifest_file("x", 0, data, frozenset(), True).kind is Kind.DICOM
