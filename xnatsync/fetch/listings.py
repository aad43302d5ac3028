"""The file listings of the owners that are due, asked for in batches and kept for one run."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Final

from xnatsync.core.errors import ReadFailed
from xnatsync.core.inventory import Owner, OwnerKind
from xnatsync.core.remote import FileListing
from xnatsync.ports.tree import Archive

OWNERS_MAX: Final = 25  # listed with one request: enough to be few, and still fresh when they are stepped
FILES_MAX: Final = 20_000  # likewise: what is listed and not yet stepped lies in memory


class Listings:
    """Lists owners in the order in which they will be stepped: whoever asks first asks for those that follow, too."""

    def __init__(self, archive: Archive, owners: Mapping[Owner, int]) -> None:
        """`owners` are those that are due, each with about how many files it has."""
        self._archive = archive
        self._waiting = {owner.key: (owner, files) for owner, files in owners.items()}
        self._listed: dict[tuple[str, str], FileListing | None] = {}
        self._lock = threading.Lock()

    def take(self, owner: Owner) -> FileListing:
        """Return an owner's listing once: who needs it again gets a fresh one.  ReadFailed when the owner is gone."""
        with self._lock:
            if owner.key not in self._listed:
                self._ask(owner)
            listing = self._listed.pop(owner.key)
        if listing is None:
            raise ReadFailed("it was there just now and is gone: looked at again in the next run")
        return listing

    def _ask(self, first: Owner) -> None:
        _, total = self._waiting.pop(first.key, (first, 0))
        batch = [first]
        for owner, files in list(self._waiting.values()):
            if len(batch) == OWNERS_MAX or total + files > FILES_MAX or first.kind is not OwnerKind.SESSION:
                break
            if owner.kind is OwnerKind.SESSION and owner.project == first.project:
                batch.append(owner)
                total += files
                del self._waiting[owner.key]
        found = self._archive.owner_files(batch)
        for owner in batch:
            self._listed[owner.key] = found.get(owner)
