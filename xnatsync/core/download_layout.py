"""What of a session is wanted, and where each file of it comes to lie: in a folder, or in a zip.

The folder is the one that xnatctl's manual promises: `scans/{scan}/resources/{label}/files/{path}`, and
`resources_{label}/{path}` for the session's own.  In a zip lies what lies in the server's own: everything under the
session's label, scans by their ID alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from xnatsync.core.inventory import ResourceKey
from xnatsync.core.paths import HostileName, check_path, clashes
from xnatsync.core.remote import RemoteFile
from xnatsync.core.sides import ServerFile


@dataclass(frozen=True, slots=True)
class Wish:
    """Which files of a session are wanted."""

    scans: frozenset[str] | None = None  # None: every scan
    own: bool = False  # the session's own resources too
    only_own: bool = False
    label: str | None = None  # only resources of this label
    pattern: str | None = None  # only files of such a name, or path in their resource

    def wants(self, scan: str, label: str) -> bool:
        """Return whether a resource is wanted."""
        if self.label is not None and label != self.label:
            return False
        if not scan:
            return self.own or self.only_own
        return not self.only_own and (self.scans is None or scan in self.scans)

    def takes(self, name: str) -> bool:
        """Return whether a file of a wanted resource is wanted."""
        tail = name.rpartition("/")[2]
        return self.pattern is None or fnmatchcase(name, self.pattern) or fnmatchcase(tail, self.pattern)


@dataclass(frozen=True, slots=True)
class Placement:
    """All files that are wanted, and those that no disk may hold, each with the reason."""

    placed: tuple[ServerFile, ...]
    hostile: tuple[tuple[str, str], ...]  # (which file, why); the name itself may be hostile to a terminal
    clashing: tuple[tuple[str, ...], ...]  # paths that some disk takes for one


def place(files: Iterable[RemoteFile], wish: Wish) -> Placement:
    """Return each wanted file its path; nothing that clashes or climbs is among them."""
    placed, hostile = [], []
    for file in files:
        if wish.wants(file.scan, file.resource) and wish.takes(file.name):
            try:
                path = check_path(tree_path(file))
                placed.append(
                    ServerFile(ResourceKey(file.scan, file.resource), file.name, path, file.size, file.digest)
                )
            except HostileName as error:
                hostile.append((of_resource(file.scan, file.resource), str(error)))
    clashing = clashes(each.path for each in placed)
    bad = {path for group in clashing for path in group}
    good = tuple(each for each in placed if each.path not in bad)
    return Placement(good, tuple(hostile), clashing)


def tree_path(file: RemoteFile) -> str:
    """Say where a file lies in the folder of its session."""
    if not file.scan:
        return f"resources_{file.resource}/{file.name}"
    return f"scans/{file.scan}/resources/{file.resource}/files/{file.name}"


def member_path(label: str, file: ServerFile) -> str:
    """Say what a file is called in a zip."""
    scan = f"scans/{file.key.scan}/" if file.key.scan else ""
    return f"{label}/{scan}resources/{file.key.label}/files/{file.name}"


def of_resource(scan: str, label: str) -> str:
    """Name a resource for people, "" being one that the server did not name."""
    if not label:
        return f"a resource of scan {scan}" if scan else "some resource"
    return f"resource {label} of scan {scan}" if scan else f"resource {label}"


def listing_digest(files: Sequence[ServerFile]) -> str:
    """Digest what the server lists: the same digest means that nothing it tells of has changed."""
    digest = hashlib.sha256()
    for line in sorted(f"{each.path}\0{each.size}\0{each.md5}\n" for each in files):
        digest.update(line.encode())
    return digest.hexdigest()
