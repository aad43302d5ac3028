"""Files of a resource: storing with the catalogue's race, deleting by prefix, refreshing (hierarchy.md §6)."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_plus

from xnatsync.sandbox.model.accounts import User
from xnatsync.sandbox.model.creation import ModelError
from xnatsync.sandbox.model.objects import FileEntry, Resource
from xnatsync.sandbox.model.resources import Place, describe
from xnatsync.sandbox.model.site import Site
from xnatsync.sandbox.model.store import UnsafePathError, safe
from xnatsync.sandbox.model.unpack import BrokenArchiveError, FormatError, format_of, members

_CATALOG = "_catalog.xml"


def file_path(tail: str) -> str:
    """Turn what stands behind `/files` in a URL into a file's path.

    It is kept as it is unless it holds %20 or %2B; then it is decoded as a whole, and a plus is a blank (§6.4).
    """
    path = tail.lstrip("/")
    return unquote_plus(path) if "%20" in path or "%2B" in path.upper() else path


@dataclass(slots=True)
class Upload:
    """One request that brings files into one resource.

    The catalogue is read when it begins and written when it ends; in between nobody else may have written it (§6.1).
    """

    site: Site
    place: Place
    resource: Resource
    user: User
    attributes: Mapping[str, str]
    overwrite: bool = False
    update_stats: bool = True
    duplicates: list[str] = field(default_factory=list)
    _stored: list[FileEntry] = field(default_factory=list)
    _version: int = -1

    def __post_init__(self) -> None:
        self._version = self.resource.version

    def store(self, path: str, chunks: Iterable[bytes]) -> bool:
        """Stream one file to its final place, uncatalogued for the moment; False when it is a duplicate."""
        try:
            target = safe(f"{self.resource.folder}/{safe(path)}")
        except UnsafePathError as error:
            raise ModelError(500, str(error)) from error
        known = path in self.resource.entries or self.site.store.size(target) is not None
        if known and path.endswith(_CATALOG):
            raise ModelError(500, f"XNAT cannot catalog {path}")
        if known and not self.overwrite:
            self.duplicates.append(path)
            return False
        size, digest = self.site.store.write(target, chunks, digest=self.site.settings.flag("checksums"))
        self._stored.append(FileEntry(path, size, digest))
        return True

    def extract(self, name: str, chunks: Iterable[bytes]) -> None:
        """Stream the members of an archive to the resource's root; the archive's kind is told by its name (§6.3)."""
        kind = format_of(name)
        if kind == "gz":
            self.store(name.rpartition("/")[2].removesuffix(".gz"), _gunzip(chunks))
            return
        try:
            for member in members(name, chunks, nested=False):
                stored = self.store(member.name.removeprefix("./"), member.content)
                if not stored:
                    for _ in member.content:
                        pass  # the next member comes behind this one's content
        except (BrokenArchiveError, FormatError) as error:
            raise ModelError(500, f"Unable to extract {name}: {error}") from error
        self._stored = [entry for entry in self._stored if not entry.path.endswith(_CATALOG)]

    def finish(self) -> None:
        """Write the catalogue and the counts; refuse when another upload has written it meanwhile.

        The files are then on disk but not in the catalogue: a retry without `overwrite` calls them duplicates.
        """
        if not self._stored:
            return
        site, resource = self.site, self.resource
        with site.lock:
            if resource.version != self._version:
                raise ModelError(500, f"Another thread or process modified the catalog of {resource.label}")
            now = site.now_text()
            for entry in self._stored:
                before = resource.entries.get(entry.path)
                self._describe(entry, before, now)
                resource.entries[entry.path] = entry
            resource.version += 1
            changed = describe(resource, self.attributes)
            if self.update_stats:
                changed |= count(resource)
            self.place.saved(site, changed=changed)

    def _describe(self, entry: FileEntry, before: FileEntry | None, now: str) -> None:
        for name in ("format", "content", "tags", "description"):
            setattr(entry, name, self.attributes.get(name) or (getattr(before, name) if before else ""))
        if before is None:
            entry.created_by, entry.created_time = self.user.login, now
        else:
            entry.created_by, entry.created_time = before.created_by, before.created_time
            entry.modified_by, entry.modified_time = self.user.login, now


def count(resource: Resource) -> bool:
    """Write the counts of the catalogue into the database; say whether they changed."""
    counted = [entry for entry in resource.entries.values() if not entry.path.endswith("catalog.xml")]
    before = (resource.file_count, resource.file_size)
    resource.file_count, resource.file_size = len(counted), sum(entry.size for entry in counted)
    return before != (resource.file_count, resource.file_size)


def entries_within(resource: Resource, path: str) -> list[FileEntry]:
    """Find entries as DELETE does: `1` means `1`, `1.dcm` and `10.dcm`, and an empty path means all (§6.6).

    With a trailing `*` the path is a pattern.
    """
    if path.endswith("*"):
        try:
            pattern = re.compile(path[:-1] + ".*")
        except re.error:
            return []
        return [entry for entry in resource.entries.values() if pattern.fullmatch(entry.path)]
    return [entry for entry in resource.entries.values() if entry.path.startswith(path)]


def delete_files(site: Site, place: Place, resource: Resource, entries: Iterable[FileEntry], *, remove: bool) -> None:
    """Take entries out of the catalogue, and their files from disk unless told otherwise."""
    gone = list(entries)
    for entry in gone:
        resource.entries.pop(entry.path, None)
    resource.version += 1
    place.saved(site, changed=count(resource))
    if remove:
        for entry in gone:
            site.store.delete(f"{resource.folder}/{entry.path}")


def refresh(site: Site, place: Place, resource: Resource, operations: set[str]) -> None:
    """Bring catalogue and disk together: append, delete, checksum, populateStats (import.md §6.1)."""
    on_disk = dict(site.store.list(resource.folder))
    digests: dict[str, str] = {}
    if "checksum" in operations:
        lacking = [path for path in on_disk if path not in resource.entries or not resource.entries[path].digest]
        digests = {path: _digest(site, f"{resource.folder}/{path}") for path in lacking}
    with site.lock:
        now = site.now_text()
        if "append" in operations:
            for path, size in on_disk.items():
                if path not in resource.entries and not path.endswith(_CATALOG):
                    resource.entries[path] = FileEntry(path, size, created_time=now)
        if "delete" in operations:
            for path in [path for path in resource.entries if path not in on_disk]:
                del resource.entries[path]
        for path, digest in digests.items():
            if path in resource.entries:
                resource.entries[path].digest = digest
        resource.version += 1
        changed = count(resource) if "populateStats" in operations else False
        place.saved(site, changed=changed)


def _digest(site: Site, path: str) -> str:
    import hashlib

    hasher = hashlib.md5(usedforsecurity=False)
    with site.store.open(path) as file:
        while piece := file.read(1 << 20):
            hasher.update(piece)
    return hasher.hexdigest()


def _gunzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
    for chunk in chunks:
        try:
            yield inflater.decompress(chunk)
        except zlib.error as error:
            raise ModelError(500, f"Not in GZIP format: {error}") from error
    yield inflater.flush()
