"""A tree on disk as the source of a transfer: a mirror that came by an air gap or in the post, with its manifest.

Every file is compared with the manifest while it is read: one that is not what it says is lost, never delivered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from xnatsync.core.described import Described
from xnatsync.core.errors import ContentDiffers, NotThere, ReadFailed, SourceChanged, SourceError, XnatsyncError
from xnatsync.core.inventory import Inventory, Owner, OwnerKind, ResourceKey
from xnatsync.core.remote import FileListing
from xnatsync.core.sent_tree import SentFile, SentTree
from xnatsync.ports.tree import TreeDisk


@dataclass(frozen=True, slots=True)
class TreeSource:
    """The reading half of a server, on a folder."""

    disk: TreeDisk
    folder: Path
    tree: SentTree
    read_document: Callable[[Owner, bytes], Described]  # the XML of an entity as a description

    def inventory(self, project: str, kinds: frozenset[OwnerKind]) -> Inventory:
        """List a project as the manifest names it; NotThere when it names nothing of it."""
        found = self.tree.inventory(project, frozenset(OwnerKind))
        if not found.owners:
            raise NotThere(f"the tree holds nothing of project {project}")
        return self.tree.inventory(project, kinds)

    def describe(self, owner: Owner) -> Described:
        """Describe an entity by the XML that lies beside its files."""
        return self.read_document(owner, self.metadata(owner))

    def all_files(self, owners: Sequence[Owner]) -> Mapping[Owner, FileListing]:
        """List the files of some entities as the manifest names them."""
        found = ((owner, self.tree.listing(owner)) for owner in owners)
        return {owner: listing for owner, listing in found if listing is not None}

    def object_uids(self, owner: Owner, resource: ResourceKey) -> Mapping[str, str]:
        """Return none: a tree has no catalogue, so the bytes tell."""
        return {}

    def part_stamps(self, project: str) -> Mapping[str, str]:
        """Say nothing more: the stamp of an entity changes with its files, and a tree has no other parts."""
        return {}

    def fetch_resources(
        self,
        owner: Owner,
        resources: Sequence[ResourceKey],
        *,
        sizes: Mapping[tuple[ResourceKey, str], int | None] | None = None,
    ) -> Iterator[tuple[ResourceKey, str, Iterator[bytes]]]:
        """Read every file of some resources; one that is not there is missing in what comes."""
        for file in self.tree.of(owner, frozenset(resources)):
            if self.disk.stat(self.folder, file.path) is not None:
                yield file.key, file.name, self._content(file)

    def fetch_file(self, owner: Owner, resource: ResourceKey, name: str, *, offset: int = 0) -> Iterator[bytes]:
        """Read one file from an offset on; it is compared with the manifest whole all the same."""
        file = self.tree.find(owner, resource, name)
        if file is None or self.disk.stat(self.folder, file.path) is None:
            raise NotThere("a file of the tree is not there")
        skip = offset
        for piece in self._content(file):
            yield piece[skip:] if skip else piece
            skip = max(skip - len(piece), 0)

    def metadata(self, owner: Owner) -> bytes:
        """Return the XML of an entity; NotThere when the mirror kept none."""
        file = self.tree.metadata(owner)
        if file is None or self.disk.stat(self.folder, file.path) is None:
            raise NotThere(f"the tree holds no metadata of {owner.kind.value} {owner.id}")
        return b"".join(self._content(file))

    def _content(self, file: SentFile) -> Iterator[bytes]:
        """Stream a file; its end is not reached unless it is what the manifest says."""
        digest = hashlib.sha256()
        try:
            for piece in self.disk.open(self.folder, file.path, file.size):
                digest.update(piece)
                yield piece
        except SourceError as error:
            raise _told(error) from error
        if digest.hexdigest() != file.sha256:
            raise ContentDiffers("a file of the tree is not what its manifest says")


def _told(error: SourceError) -> XnatsyncError:
    """Say it as a server would: another length is another content, anything else a read that failed."""
    if isinstance(error, SourceChanged):
        return ContentDiffers("a file of the tree has another length than its manifest says")
    return ReadFailed(f"a file of the tree cannot be read: {error}")
