"""The local disk behind the port `Disk`: one door, and every room behind it is a module of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from xnatsync.core.manifest import ManifestFile
from xnatsync.disk import atomic, loose, manifest, marks, probing, scan, space
from xnatsync.disk import stream as streaming
from xnatsync.disk.anchors import Anchors
from xnatsync.disk.failures import LinkOnTheWay, our_disk
from xnatsync.disk.handles import reach
from xnatsync.ports.drop import DropEntry, ItemLook


class LocalDisk:
    """The disk of this machine.  Any number of threads may use it.

    `folders` are those that the configuration names: below them no link is followed.
    """

    def __init__(self, *folders: Path) -> None:
        self._anchors = Anchors(folders)

    def entries(self, folder: Path) -> list[DropEntry]:
        """List a folder's top level; see `scan.entries`."""
        return scan.entries(folder)

    def look(self, path: Path) -> ItemLook | None:
        """Look at an item without opening files; see `scan.look`."""
        return scan.look(path)

    def look_at(self, folder: Path, names: Sequence[str]) -> ItemLook:
        """Look at some files of a folder; see `scan.look_at`."""
        return scan.look_at(folder, names)

    def study_of(self, path: Path) -> str:
        """Read the head of a file; see `loose.study_of`."""
        return loose.study_of(path)

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
        """Read every file of an item once; see `manifest.read_manifest`."""
        return manifest.read_manifest(path, tags=tags, pixels=pixels, on_progress=on_progress, stop=stop, only=only)

    def stream(self, path: Path, files: Sequence[ManifestFile]) -> Iterator[tuple[ManifestFile, Iterator[bytes]]]:
        """Stream files of an item as the manifest froze them; see `stream.stream`."""
        return streaming.stream(path, files, top=path in self._anchors.folders)

    def move(self, source: Path, target: Path) -> None:
        """Rename durably and never over something; see `atomic.move`."""
        atomic.move(source, target, self._anchors)

    def gather(self, folder: Path, names: Sequence[str], target: Path) -> None:
        """Rename files of one folder into another; see `loose.gather`."""
        loose.gather(folder, names, target, self._anchors)

    def read_mark(self, path: Path) -> str | None:
        """Read a mark of ours; see `marks.read_mark`."""
        return marks.read_mark(path, self._anchors)

    def write_mark(self, path: Path, text: str) -> None:
        """Write a mark of ours; see `marks.write_mark`."""
        marks.write_mark(path, text, self._anchors)

    def remove(self, path: Path) -> None:
        """Remove one file durably; see `atomic.remove`."""
        atomic.remove(path, self._anchors)

    def prune(self, folder: Path) -> None:
        """Remove empty folders; see `atomic.prune`."""
        atomic.prune(folder, self._anchors)

    def settle(self, folder: Path) -> None:
        """Bring the names in a folder to the disk; see `atomic.settle`."""
        atomic.settle(folder, self._anchors)

    def exists(self, path: Path) -> bool:
        """Return whether something is there, a dangling link too; DiskUnwell when that cannot be known."""
        try:
            return reach(*self._anchors.steps(path)).exists()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except LinkOnTheWay as error:
            raise atomic.on_a_link(error) from error
        except OSError as error:
            raise our_disk(error, f"looking at {path}") from error

    def probe(self, folder: Path, done: Path | None) -> None:
        """Prove that a route's folder can be written, and things renamed to `done`; see `probing`."""
        probing.probe(folder)
        if done is not None:
            probing.probe_done(folder, done)

    def same_device(self, one: Path, other: Path) -> bool:
        """Return whether a rename between the two can work; see `space.same_device`."""
        return space.same_device(one, other)
