"""The texts of a folder that a project travels in: read whole, and written so that a reader sees the old or the new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xnatsync.core.errors import FolderUnusable, SourceError
from xnatsync.ports.tree import TreeDisk

TEXT_MAX: Final = 1 << 30  # bytes of one text: a list of some millions of files


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of one folder."""

    disk: TreeDisk
    root: Path

    def read(self, path: str) -> str | None:
        """Return a text; None when it is not there."""
        try:
            seen = self.disk.stat(self.root, path)
            if seen is None:
                return None
            if seen[0] > TEXT_MAX:
                raise FolderUnusable(f"{path} is no text of ours: it has {seen[0]} bytes")
            return b"".join(self.disk.open(self.root, path, seen[0])).decode("utf-8")
        except SourceError as error:
            raise FolderUnusable(f"{path} cannot be read: {error}") from error
        except UnicodeDecodeError:
            raise FolderUnusable(f"{path} is damaged: it is no text") from None

    def write(self, path: str, text: str) -> None:
        """Write a text durably, in the place of what was there."""
        name = f"text-{path.replace('/', '-')}"[-200:]
        self.disk.stage(self.root, name, iter([text.encode("utf-8")]))
        self.land([(name, path)], replace=True)

    def land(self, staged: Sequence[tuple[str, str]], *, replace: bool) -> None:
        """Bring staged files to the disk and to their places."""
        self.disk.flush(self.root, [name for name, _ in staged])
        for name, path in staged:
            self.disk.land(self.root, name, path, replace=replace)
        self.disk.settle_folders(self.root, sorted({path.rpartition("/")[0] for _, path in staged}))
