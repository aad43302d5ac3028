"""A folder between two archives in memory: filled, carried and sent on by the production engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from transfer.engine_world import EngineWorld
from transfer.model import Archive
from xnatsync.core.folder_documents import FolderManifest, Origin
from xnatsync.disk.tree import LocalTree
from xnatsync.ports.tree import TreeDisk
from xnatsync.routes.transfer.folder import TransferFolder
from xnatsync.routes.transfer.folder_state import FolderState, open_folder
from xnatsync.routes.transfer.run import TransferRun

PROJECT = "P"
LEG = {"outcome": "complete", "differences": {}}


class Asked:
    """A folder whose calls can be counted as those of an archive."""

    def __init__(self, folder: TransferFolder) -> None:
        self.folder, self.calls = folder, list[str]()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.folder, name)
        if name != "state" and callable(found):
            self.calls.append(name)
        return found


class WatchedDisk:
    """A disk that tells before each change of the tree."""

    CHANGES = ("mark", "stage", "flush", "land", "settle_folders")

    def __init__(self, before: Callable[[str], None]) -> None:
        self.inner, self.before = LocalTree(), before

    def __getattr__(self, name: str) -> Any:
        if name in self.CHANGES:
            self.before(name)
        return getattr(self.inner, name)


def opened(root: Path, disk: TreeDisk | None = None) -> FolderState:
    """The folder at a place, or a new one."""
    disk = disk or LocalTree()
    new = FolderManifest("f" * 32, Origin("a", "https://a.example.org", PROJECT), "xnatsync 0")
    return open_folder(disk, root) or FolderState(disk, root, new)


class Road:
    """Two ledgers, one at each end of the way."""

    def __init__(self, folder: Path, source: Archive, there: Archive | None = None) -> None:
        self.source, self.there = source, there or Archive("b")
        self.disk = folder / "disk"
        self.first, self.second = EngineWorld(folder / "one"), EngineWorld(folder / "two")
        self.first.route = replace(self.first.route, project=PROJECT, to_project=PROJECT, to_folder=True, quiet_s=0.0)
        self.second.route = replace(self.second.route, project=PROJECT, to_project=PROJECT)

    def fill(self, disk: TreeDisk | None = None) -> TransferRun:
        """The first leg, without its seal."""
        self.first.source = self.source
        self.first.there = Asked(TransferFolder(opened(self.disk, disk), is_source=False))  # type: ignore[assignment]
        return self.first.run()

    def seal(self) -> str:
        """Its end."""
        return opened(self.disk).seal(LEG, "2026-03-01T00:00:00.000Z")

    def send(self) -> TransferRun:
        """The second leg."""
        self.second.source = Asked(TransferFolder(opened(self.disk), is_source=True))  # type: ignore[assignment]
        self.second.there = self.there
        return self.second.run()
