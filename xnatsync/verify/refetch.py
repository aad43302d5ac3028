"""Repair of a tree: what is missing or damaged in it comes again with the next run.

A damaged file goes to the trash first, as one that was edited would; what a person edited is left to the person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Lock

from xnatsync.core.errors import XnatsyncError
from xnatsync.core.removal_limit import max_delete
from xnatsync.core.verification import Finding, Looked, Repair, Verdict
from xnatsync.ledger.tree_rows import VersionRow
from xnatsync.ports.tree import TreeLook
from xnatsync.routes.tree.mirror_settings import MirrorRoute
from xnatsync.routes.tree.trash import into_trash
from xnatsync.verify.examiner import Looking


class Refetch:
    """Mends the tree of one route during one run."""

    def __init__(self, looking: Looking, route: MirrorRoute, tree: Callable[[], TreeLook]) -> None:
        self._looking, self._route, self._tree = looking, route, tree
        self._moved = 0  # to the trash so far: `max_delete` is for this too
        self._folders: set[str] | None = None  # those that hold files, once somebody asks
        self._lock = Lock()

    def mend(self, looked: Looked, *, rehearse: bool) -> list[Repair]:
        """Make one owner due where that mends something."""
        if not looked.target.ids:
            return []
        found = list(self._repairs(looked, rehearse))
        if not rehearse and any(repair.action == "fetch" for repair in found):
            self._looking.ledger.make_due(looked.target.ids[0])
        return found

    def _repairs(self, looked: Looked, rehearse: bool) -> Iterator[Repair]:
        lost = {found.key for found in looked.findings if found.side == "server" and found.verdict in _NOT_THERE}
        for found in looked.findings:
            if found.side == "server" and found.verdict in {Verdict.DIFFERS, Verdict.EXTRA}:
                yield self._due(
                    looked, found, "looked at file by file by the next sync, which does what its policy says", rehearse
                )
            elif found.side == "tree" and found.verdict is Verdict.MISSING:
                if found.key in lost or None in lost:
                    yield self._person(looked, found, "the server does not have it either, or could not be asked")
                elif (in_its_place := self._in_its_place(found.key)) is not None:
                    yield self._person(looked, found, f"move {in_its_place} away, which is in its place")
                else:
                    yield self._due(looked, found, "fetched again by the next sync", rehearse)
            elif found.side == "tree" and found.verdict is Verdict.DIFFERS:
                yield self._differing(looked, found, lost, rehearse)
            elif found.verdict is Verdict.UNREADABLE:
                yield self._person(looked, found, found.unreadable_advice)

    def _in_its_place(self, path: str | None) -> str | None:
        """Name what the next run would not put a file over: a folder of its name, or a file where its folder was."""
        if path is None:
            return None
        files = self._tree().files
        if self._folders is None:
            self._folders = {above for file in files for above in _above(file)}
        if path in self._folders:
            return f"the folder {path}"
        return next((f"the file {above}" for above in _above(path) if above in files), None)

    def _differing(self, looked: Looked, found: Finding, lost: set[str | None], rehearse: bool) -> Repair:
        assert found.key is not None
        version = self._looking.ledger.find_living(self._route.name, found.key)
        facts = self._looking.trees.stat(self._route.folder, found.key)
        if version is None or facts != (version.size, version.mtime_ns):
            return self._person(
                looked, found, "it was edited here; nothing of that is thrown away: `xnatsync status` shows more"
            )
        if found.key in lost or None in lost:
            return self._person(
                looked, found, "it is damaged, and the server does not have it either, or could not be asked"
            )
        if not self._may_move():
            return self._person(
                looked, found, "so much is damaged that `max_delete` forbids to move it away: look at the disk"
            )
        text = "the damaged file goes to the trash, and is fetched again by the next sync"
        if rehearse:
            return Repair(looked.target, found.key, "fetch", text)
        try:
            self._discard(version)
        except XnatsyncError as error:
            return self._person(looked, found, str(error))
        return Repair(looked.target, found.key, "fetch", text, done=True)

    def _may_move(self) -> bool:
        with self._lock:
            if not max_delete(self._moved + 1, len(self._tree().files), self._route.max_delete):
                return False
            self._moved += 1
            return True

    def _discard(self, version: VersionRow) -> None:
        """Announced first, as every move to the trash is: a crash in between leaves it in one of two known places."""
        looking = self._looking
        looking.ledger.make_due(version.owner_id)  # no other look would tell that it is not there any more
        bring = into_trash(looking.ledger, self._route.folder, looking.now(), {version.id: version.path})
        bring(version.id, looking.trees.discard)
        looking.ledger.change_versions([], [(version.id, "edited")], looking.now(), looking.run_id)

    def _due(self, looked: Looked, found: Finding, text: str, rehearse: bool) -> Repair:
        return Repair(looked.target, found.key, "fetch", text, done=not rehearse)

    def _person(self, looked: Looked, found: Finding, text: str) -> Repair:
        return Repair(looked.target, found.key, "person", text)


_NOT_THERE = frozenset({Verdict.MISSING, Verdict.DIFFERS, Verdict.UNVERIFIABLE})


def _above(path: str) -> Iterator[str]:
    """Give the folders that a path leads through."""
    while path := path.rpartition("/")[0]:
        yield path
