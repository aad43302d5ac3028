"""The proof of what was carried: the destination is listed again; what it states no digest of is fetched back.

An answer of 200 proves nothing (hierarchy.md §6.1).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from xnatsync.core.errors import NotThere, ReadFailed
from xnatsync.core.inventory import Owner, ResourceKey
from xnatsync.core.remote import FileListing, RemoteFile
from xnatsync.core.streams import closed_after
from xnatsync.ports.transfer import Readable
from xnatsync.routes.transfer.limits import UNLIMITED, Line
from xnatsync.routes.transfer.load import Arrived
from xnatsync.routes.transfer.reading import SINGLE_MAX


@dataclass(frozen=True, slots=True)
class Proof:
    """What the destination shows of files that it took."""

    proven: tuple[Arrived, ...] = ()
    missing: tuple[Arrived, ...] = ()
    differs: tuple[Arrived, ...] = ()
    fetched: int = 0  # of all: no digest is listed of them, so they were fetched back

    @property
    def complete(self) -> bool:
        """Return whether everything is there as it was sent."""
        return not (self.missing or self.differs)


def prove(
    destination: Readable,
    owner: Owner,
    key: ResourceKey,
    sent: Sequence[Arrived],
    *,
    listing: FileListing | None = None,
    line: Line = UNLIMITED,
) -> Proof:
    """Compare what the destination took with what it lists now; ReadFailed when it cannot be listed.

    A `listing` that was made after the last store saves a request.
    """
    if not sent:
        return Proof()
    there = _named(listing if listing is not None else _listed(destination, owner), key)
    missing = [one for one in sent if one.name not in there]
    differs, open_ = list[Arrived](), list[Arrived]()
    proven = list[Arrived]()
    for one in sent:
        if (seen := there.get(one.name)) is None:
            continue
        if seen.size not in {None, one.size} or seen.digest not in {"", one.md5}:
            differs.append(one)
        elif seen.digest and seen.size is not None:
            proven.append(one)
        else:
            open_.append(one)
    if open_:
        found = _fetched(destination, owner, key, open_, line)
        proven += [one for one in open_ if found.get(one.name) == (one.size, one.sha256)]
        differs += [one for one in open_ if found.get(one.name) != (one.size, one.sha256)]
    return Proof(tuple(proven), tuple(missing), tuple(differs), len(open_))


def _listed(destination: Readable, owner: Owner) -> FileListing:
    listing = destination.all_files([owner]).get(owner)
    if listing is None:
        raise NotThere(f"{owner.kind.value} {owner.id} is gone from the destination")
    if not listing.complete:
        raise ReadFailed(f"the files of {owner.kind.value} {owner.id} could not be listed completely")
    return listing


def _named(listing: FileListing, key: ResourceKey) -> dict[str, RemoteFile]:
    return {file.name: file for file in listing.files if (file.scan, file.resource) == (key.scan, key.label)}


def _fetched(
    destination: Readable, owner: Owner, key: ResourceKey, files: Sequence[Arrived], line: Line
) -> dict[str, tuple[int, bytes]]:
    """Fetch files back and return what they hold by name; what does not come is missing in it."""
    wanted = {one.name for one in files}
    found: dict[str, tuple[int, bytes]] = {}
    if len(files) > SINGLE_MAX:
        with line.stream(), closed_after(destination.fetch_resources(owner, [key])) as came:
            for _, name, content in came:
                if name in wanted:
                    found[name] = _digest(content, line)
        return found
    for name in sorted(wanted):
        with line.stream(), closed_after(destination.fetch_file(owner, key, name)) as pieces:
            found[name] = _digest(pieces, line)
    return found


def _digest(pieces: Iterator[bytes], line: Line) -> tuple[int, bytes]:
    digest, size = hashlib.sha256(), 0
    for piece in pieces:
        digest.update(piece)
        size += len(piece)
    return size, digest.digest()
