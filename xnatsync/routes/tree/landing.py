"""Puts staged files in their places, some at a time: flushed, renamed, then written down.

A reader sees the old or the new content at each path, never a part.  After a crash in between, the file in its place
is what the server holds and not what was agreed: the next look finds both sides equal and writes it down.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from xnatsync.core.errors import DiskRefused, NameHostile, PlaceTaken, XnatsyncError
from xnatsync.core.mirror_decision import Fetch, Trouble
from xnatsync.core.sides import ContentLike, ServerFile
from xnatsync.fetch.batches import in_batches
from xnatsync.fetch.store import Staged
from xnatsync.ledger.tree_rows import Ended, NewVersion
from xnatsync.routes.tree.mirror_settings import MirrorRoute
from xnatsync.routes.tree.trash import into_trash
from xnatsync.routes.tree.world import TreeWorld

# What keeps one file from its place; the others of its owner come to theirs.
OF_ONE_FILE = (PlaceTaken, DiskRefused, NameHostile)

Tree = Mapping[str, tuple[int, int]]  # path -> size in bytes and mtime in ns, as it was when it was decided


@dataclass(slots=True)
class Landed:
    """What came of some landings."""

    counts: Counter[str] = field(default_factory=Counter)  # "new", "restored", "replaced": files
    size: int = 0
    refused: list[tuple[Staged, XnatsyncError]] = field(default_factory=list)  # what could not come to its place

    @property
    def troubles(self) -> list[Trouble]:
        """What to tell of them when it does not go away."""
        return [Trouble(one.file.path, error.code, str(error), person=True) for one, error in self.refused]


class Landing:
    """Lands files of one owner, each as its `Fetch` says."""

    def __init__(self, world: TreeWorld, route: MirrorRoute, owner_id: int, tree: Tree) -> None:
        self._world, self._route, self._owner_id = world, route, owner_id
        self._tree = tree
        self._taken: dict[str, XnatsyncError] = {}  # what cannot make way: something lies where its copy goes
        self._lock = threading.Lock()
        self.done = Landed()

    def land(self, staged: Iterable[tuple[Fetch, Staged]]) -> None:
        """Land everything that comes, and what came before an error, before it goes on upwards.

        While some are brought to the disk and to their places, the next ones are fetched.
        """
        in_batches(staged, lambda one: one[1].content.size, self._batch, threads=self._world.threads)

    def _batch(self, batch: Sequence[tuple[Fetch, Staged]]) -> None:
        world, root = self._world, self._route.folder
        world.disk.flush(root, [one.name for _, one in batch])
        kept = self._keep_old([step for step, _ in batch if step.copy or step.why == "replaced"])
        begun: list[NewVersion] = []
        ended: list[tuple[int, Ended]] = []
        counts: Counter[str] = Counter()
        came = 0
        for step, one in batch:
            version = self._place(one, replace=step.file.path in kept)
            if version is not None:
                came += one.came
                begun.append(version)
                counts[step.why] += 1
                if step.base is not None:
                    ended.append((step.base.version_id, "edited" if step.copy else "replaced"))
        world.disk.settle_folders(root, _folders(version.path for version in begun))
        world.disk.remember(root, ((version.path, version.sha256) for version in begun))
        with world.ledger.write():
            ended += outlived(world, self._route.name, self._owner_id, begun)
            world.ledger.change_versions(begun, ended, world.now(), world.run_id)
        with self._lock:
            self.done.counts.update(counts)
            self.done.size += came

    def _keep_old(self, replacing: Sequence[Fetch]) -> frozenset[str]:
        """Return what is replaced its second name first: in the trash, announced; an edit beside its place.

        Gives the paths that may be replaced: not those at which something else lies than a moment ago.
        """
        world, root = self._world, self._route.folder
        same = [step for step in replacing if self._tree.get(step.file.path) == world.disk.stat(root, step.file.path)]
        replaced: dict[int, str] = {}
        for step in same:
            if step.copy:
                try:
                    world.disk.copy(root, step.file.path, step.copy)
                except OF_ONE_FILE as error:
                    self._taken[step.file.path] = error
            elif step.base is not None:
                replaced[step.base.version_id] = step.file.path
        bring = into_trash(world.ledger, root, world.now(), replaced) if replaced else None
        for step in same:
            if not step.copy and step.base is not None and bring is not None:
                try:
                    bring(step.base.version_id, world.disk.keep)
                except DiskRefused as error:
                    self._taken[step.file.path] = error
        return frozenset(step.file.path for step in same if step.file.path not in self._taken)

    def _place(self, one: Staged, *, replace: bool) -> NewVersion | None:
        path = one.file.path
        try:
            if path in self._taken:
                raise self._taken[path]
            mtime_ns = self._world.disk.land(
                self._route.folder, one.name, path, replace=replace, seen=self._tree.get(path) if replace else None
            )
        except OF_ONE_FILE as error:
            self.done.refused.append((one, error))  # of any thread
            return None
        return new_version(self._owner_id, self._route.name, one.file, one.content, mtime_ns)


def obstacles(world: TreeWorld, route: MirrorRoute, fetch: Iterable[Fetch], tree: Tree) -> dict[str, Trouble]:
    """Say which files could not come to their places, by path, before a byte of them is fetched.

    Only of those at whose places no file was seen: what is there otherwise is replaced, or was decided about.
    """
    found: dict[str, Trouble] = {}
    for step in fetch:
        path = step.file.path
        error = world.disk.obstacle(route.folder, path) if path not in tree else None
        if error is not None:
            found[path] = Trouble(path, error.code, str(error), person=True)
    return found


def settle(world: TreeWorld, route: MirrorRoute, paths: Iterable[str]) -> None:
    """Bring files that are there already to the disk, bytes and names, before anything is built on them.

    An earlier landing may have ended before it did that, or somebody may have written them a moment ago.
    """
    there = list(paths)
    if there:
        world.disk.settle_files(route.folder, there)
        world.disk.settle_folders(route.folder, _folders(there))


def _folders(paths: Iterable[str]) -> list[str]:
    return sorted({path.rpartition("/")[0] for path in paths})


def outlived(world: TreeWorld, route: str, owner_id: int, begun: Sequence[NewVersion]) -> list[tuple[int, Ended]]:
    """What other owners once had where something of this one lies now: an owner that is gone, its file taken away."""
    others = world.ledger.living_of_others(route, owner_id, [version.path for version in begun])
    return [(number, "removed") for number in others]


def new_version(owner_id: int, route: str, file: ServerFile, content: ContentLike, mtime_ns: int) -> NewVersion:
    """What the ledger remembers of a file that is in its place."""
    return NewVersion(
        owner_id=owner_id, scan=file.key.scan, label=file.key.label, name=file.name, route=route, path=file.path,
        size=content.size, sha256=content.sha256, md5=content.md5, mtime_ns=mtime_ns, origin="server",
    )  # fmt: skip
