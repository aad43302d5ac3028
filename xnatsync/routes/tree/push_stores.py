"""The stores of a push: small files of one resource together in one request, the others each in its own.

Each file has a deed of its own, whatever it travelled with.  What could not be stored in company, twice, goes alone:
one file that the server cannot take stops no other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from xnatsync.core.errors import (
    ForeignContent,
    NotThere,
    PlaceTaken,
    RequestRefused,
    SourceChanged,
    SourceError,
    Stopped,
    XnatsyncError,
)
from xnatsync.core.inventory import Owner, ResourceKey
from xnatsync.core.mirror_decision import Trouble
from xnatsync.core.packing import may_be_packed, packs
from xnatsync.engine.attempts import Attempt, Deeds, OnFile, OnFiles
from xnatsync.ledger.tree_rows import DeedRow, OwnerRow
from xnatsync.ports.tree import Content, SmallFile
from xnatsync.routes.tree.push_settings import PushRoute
from xnatsync.routes.tree.push_survey import LocalFile
from xnatsync.routes.tree.world import TreeWorld
from xnatsync.xnat.resource_names import may_travel_packed

REFUSALS: Final = (ForeignContent, PlaceTaken, RequestRefused, NotThere, SourceError)  # these concern one file alone
_COMPANY_MAX: Final = 2  # stores that failed: from then on a file goes alone
_TAKEN: Final = "a file of this name is already there"


@dataclass(frozen=True, slots=True)
class Sent:
    """A file that is to be stored, as it was read."""

    file: LocalFile
    here: Content
    overwrite: bool

    @property
    def name(self) -> str:
        """Its path in the resource."""
        return self.file.name

    @property
    def size(self) -> int:
        """Its length."""
        return self.here.size


@dataclass(frozen=True, slots=True)
class PushStores:
    """Stores files of one owner."""

    world: TreeWorld
    route: PushRoute

    def store(self, row: OwnerRow, owner: Owner, due: Sequence[Sent]) -> tuple[list[Sent], list[Trouble]]:
        """Store them; return those that the server took, and the reasons why others were not."""
        sent: list[Sent] = []
        troubles: list[Trouble] = []
        for pack in self._packs(row, due):
            if self.world.stopping():
                raise Stopped("asked to stop")
            changed = [one for one in pack if len(pack) > 1 and not self._is_as_read(one)]
            troubles += [
                refusal(one.file, SourceChanged(f"{one.file.path} changed before it was sent")) for one in changed
            ]
            if not (pack := [one for one in pack if one not in changed]):
                continue
            try:
                left = self._alone(row, owner, pack[0]) if len(pack) == 1 else self._together(row, owner, pack)
            except REFUSALS as error:
                troubles += [refusal(one.file, error) for one in pack]
                continue
            troubles += [refusal(one.file, ForeignContent(_TAKEN)) for one in pack if one.name in left]
            stored = [one for one in pack if one.name not in left]
            sent += stored
            self.world.progress.fetched(sum(one.size for one in stored))
            self.world.tally(self.route.name).add("sent", len(stored))
            self.world.tally(self.route.name).add("bytes", sum(one.size for one in stored))
        return sent, troubles

    def _packs(self, row: OwnerRow, due: Sequence[Sent]) -> Iterator[list[Sent]]:
        """Share the files out to requests, those of a pack first; a request has one resource and one meaning."""
        groups: dict[tuple[ResourceKey, bool], list[Sent]] = {}
        alone: list[Sent] = []
        for one in due:
            if self._may_travel_packed(row, one):
                groups.setdefault((one.file.key, one.overwrite), []).append(one)
            else:
                alone.append(one)
        for group in groups.values():
            yield from packs(group)
        for one in alone:
            yield [one]

    def _may_travel_packed(self, row: OwnerRow, one: Sent) -> bool:
        if not may_be_packed(one) or not may_travel_packed(one.name):
            return False
        return self.world.ledger.failed_stores(row.id, one.file.key, one.name) < _COMPANY_MAX

    def _alone(self, row: OwnerRow, owner: Owner, one: Sent) -> frozenset[str]:
        """Announce the store, do it once, and note how it ended."""
        world, file, here = self.world, one.file, one.here

        def act(deed: DeedRow) -> list[XnatsyncError]:
            world.progress.goal(here.size)
            content = world.disk.open(self.route.folder, file.path, here.size)
            world.archive(self.route.server).put_resource_file(
                owner, file.key, file.name, content, size=here.size, overwrite=one.overwrite,
                request_id=deed.request_id,
            )  # fmt: skip
            return []

        Attempt(world, OnFile(row.id, file.key, file.name, here.sha256), self.route.quiet_s).carry_out(act)
        return frozenset()

    def _together(self, row: OwnerRow, owner: Owner, pack: Sequence[Sent]) -> frozenset[str]:
        """Likewise of several at once; return the names of those that were there and were left alone."""
        world, key = self.world, pack[0].file.key
        effect = OnFiles(row.id, key, [(one.name, one.here.sha256) for one in pack])

        def act(deeds: Deeds) -> list[XnatsyncError]:
            world.progress.goal(sum(one.size for one in pack))
            effect.left.update(
                world.archive(self.route.server).put_resource_files(
                    owner, key, list(self._small(pack)), overwrite=pack[0].overwrite, request_id=deeds[0].request_id
                )
            )
            return []

        Attempt(world, effect, self.route.quiet_s).carry_out(act)
        return frozenset(effect.left)

    def _is_as_read(self, one: Sent) -> bool:
        """Tell before a request whether it could come to its end: a file that changes breaks it for all of them."""
        return self.world.disk.stat(self.route.folder, one.file.path) == (one.size, one.here.mtime_ns)

    def _small(self, pack: Iterable[Sent]) -> Iterator[SmallFile]:
        folder, disk = self.route.folder, self.world.disk
        for one in pack:
            path, size = one.file.path, one.size
            yield SmallFile(
                one.name,
                size,
                lambda path=path, size=size: b"".join(disk.open(folder, path, size)),  # type: ignore[misc]
            )


def refusal(file: LocalFile, error: XnatsyncError) -> Trouble:
    """Say why one file was not stored; what is wrong with it here mends itself."""
    return Trouble(file.path, error.code, str(error), person=not isinstance(error, SourceError))
