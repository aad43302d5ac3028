"""The list of a tree for a paper: what lay where at a moment, with digests and origin; the same bytes each time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xnatsync import __version__
from xnatsync.app.history import history, moment_of, tree_config
from xnatsync.core.errors import NothingFound, Usage
from xnatsync.disk.handing_out import write_whole
from xnatsync.ledger.tree_rows import OwnerRow, VersionRow

if TYPE_CHECKING:
    from xnatsync.config.model import Config
    from xnatsync.core.layout import Layout


@dataclass(frozen=True, slots=True)
class ListedFile:
    """One file of the list, in the order of its columns."""

    path: str
    size: int
    sha256: str
    md5: str
    project: str
    subject: str  # labels as the path says them, else as last agreed
    session: str
    accession: str  # of the session, or the subject; "" for a project's own
    scan: str
    resource: str  # "" for the metadata of an owner
    name: str
    since: str


@dataclass(frozen=True, slots=True)
class TreeList:
    """The whole list with its head."""

    tool: str
    server: str
    route: str
    moment: str
    files: tuple[ListedFile, ...]  # by path, as its bytes sort

    @property
    def bytes(self) -> int:
        """The size of all files."""
        return sum(file.size for file in self.files)

    @property
    def digest(self) -> str:
        """One digest over the list: SHA-256 of what `sha256sum` writes for the files, by path."""
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(f"{file.sha256}  {file.path}\n".encode("utf-8", "surrogatepass"))
        return f"sha256:{digest.hexdigest()}"


def tree_list(config: Config, route: str, at: str | None = None) -> TreeList:
    """List what lay in a tree at a moment; without one, since it last changed.

    The same ledger gives the same list, down to the byte.  NothingFound when nothing had ever lain in it.
    """
    settings = tree_config(config, route)
    with history(config, route) as ledger:
        now = moment_of("now")
        moment = moment_of(at) if at is not None else ledger.last_change(route, now)
        if moment is None:
            raise NothingFound(f"nothing was ever kept in the tree of {route}")
        owners = {owner.id: owner for owner in ledger.owners(route)}
        found = [placed.version for placed in ledger.versions_at(route, moment, now=now)]
    files = tuple(_files(found, owners, settings.tree_layout))
    return TreeList(f"xnatsync {__version__}", config.servers[settings.server].base_url, route, moment, files)


def write_list(config: Config, file: Path, text: str) -> bool:
    """Write a list to a new file; False when exactly this lies there already.

    PlaceTaken when something else does; Usage when it would lie in the folder of a route.
    """
    place = file.expanduser().resolve()
    for name, folder in config.folders.items():
        if place.is_relative_to(folder.resolve()):
            raise Usage(f"--file {file}: it is inside the folder of route {name}", advice="Write it beside the folder.")
    return write_whole(file.expanduser(), text.encode("utf-8", "surrogatepass"))


def _files(found: Sequence[VersionRow], owners: dict[int, OwnerRow], layout: Layout) -> Iterator[ListedFile]:
    labels = _Labels(layout)
    for version in sorted(found, key=lambda version: version.path.encode("utf-8", "surrogatepass")):
        owner = owners[version.owner_id]
        subject, session = labels.of(version)
        yield ListedFile(
            version.path,
            version.size,
            version.sha256.hex(),
            version.md5,
            owner.project,
            subject or owner.subject,
            session or owner.session,
            owner.server_id if owner.kind != "project" else "",
            version.scan,
            version.label,
            version.name,
            version.since,
        )


class _Labels:
    """Reads the labels of subject and session from paths, once for each folder: a file's own name tells none."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._known: dict[str, tuple[str, str]] = {}

    def of(self, version: VersionRow) -> tuple[str, str]:
        """Return both, "" for what the path does not tell."""
        if not version.label:  # metadata, which lie among other folders
            return self._read(version.path)
        folder = version.path.rpartition("/")[0]
        if folder not in self._known:
            self._known[folder] = self._read(version.path)
        return self._known[folder]

    def _read(self, path: str) -> tuple[str, str]:
        place = self._layout.locate(path)
        return (place.subject, place.session) if place is not None else ("", "")
