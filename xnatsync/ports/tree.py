"""The outside world, as mirrors and pushes see it: an archive of resources, and a tree of files.

Like `ports`, which they complete: every method that does something is a boundary, all failures are errors of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from xnatsync.core.errors import PlaceTaken
from xnatsync.core.inventory import Inventory, Owner, OwnerKind, ResourceKey
from xnatsync.core.remote import FileListing
from xnatsync.ports.drop import ProblemSeen, Xnat


@dataclass(frozen=True, slots=True)
class SmallFile:
    """A file that fits into memory and travels with others.  `read` returns all of it, when its turn has come."""

    name: str  # the path in the resource
    size: int
    read: Callable[[], bytes]


class Archive(Protocol):
    """The archive of one XNAT server, resource by resource: what mirrors and pushes read and write.

    Owners are addressed by accession ID or project ID, so that nothing falls through to a parent (hierarchy.md §3.8).
    """

    def inventory(self, project: str, kinds: frozenset[OwnerKind]) -> Inventory:
        """List a project with the sessions shared into it in a few requests, whatever its size (§3.5).

        NotThere when the project is absent or hidden.
        """
        ...

    def owner_files(self, owners: Sequence[Owner]) -> Mapping[Owner, FileListing]:
        """List the files of all resources of some owners, batched (§3.6 E′); the owner's own have scan "".

        An owner that is gone is missing in the answer.  Names are as stored; a hostile one makes its listing incomplete
        and is told in `FileListing.refused`, never raised.
        """
        ...

    def fetch_resources(
        self,
        owner: Owner,
        resources: Sequence[ResourceKey],
        *,
        sizes: Mapping[tuple[ResourceKey, str], int | None] | None = None,
    ) -> Iterator[tuple[ResourceKey, str, Iterator[bytes]]]:
        """Stream every file of some resources as few zips, unpacked on the fly: (resource, name, content).

        Each content is read in turn; none comes to its end unless its CRC was right.  ReadFailed when a stream is cut
        or damaged.  A file that the server lists and does not send is missing in what comes.  `sizes` are those
        listed: ReplyStrange when more comes of a file.  Whoever does not read to the end closes it.
        """
        ...

    def fetch_file(self, owner: Owner, resource: ResourceKey, name: str, *, offset: int = 0) -> Iterator[bytes]:
        """Stream one file from an offset on; NotThere when it is gone, ReadFailed when it is cut.

        ReplyStrange when the server ignores the range: the caller begins anew at 0.
        """
        ...

    def put_resource_file(
        self,
        owner: Owner,
        resource: ResourceKey,
        name: str,
        content: Iterator[bytes],
        *,
        size: int,
        overwrite: bool,
        request_id: str,
    ) -> None:
        """Store one file byte-exact; PlaceTaken when it is there and `overwrite` is not asked for.

        OutcomeUnknown when no usable answer came.  A 200 proves nothing (§6.1): list it afterwards.
        """
        ...

    def put_resource_files(
        self,
        owner: Owner,
        resource: ResourceKey,
        files: Sequence[SmallFile],
        *,
        overwrite: bool,
        request_id: str,
    ) -> frozenset[str]:
        """Store small files in one request; return those that were there, which stay unless `overwrite` is asked for.

        OutcomeUnknown when no usable answer came: any number of them may be there then, the last one in part, and
        listed or not (§6.1).  A 200 proves nothing: list them afterwards.
        """
        ...

    def metadata(self, owner: Owner) -> bytes:
        """Return the XML of a project, subject or session (§4.1)."""
        ...


class Server(Xnat, Archive, Protocol):
    """One server with everything that any route asks of it."""


# --- the tree of a mirror ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds, read once from its beginning to its end."""

    size: int
    sha256: bytes
    md5: str  # lower-case hex
    mtime_ns: int = 0


@dataclass(frozen=True, slots=True)
class TreeLook:
    """A cheap look at a tree or a part of it.  Our own folder `.xnatsync` is left out."""

    files: dict[str, tuple[int, int]]  # path relative to the root, POSIX -> size in bytes, mtime in ns
    problems: tuple[ProblemSeen, ...] = ()


class TreeDisk(Protocol):
    """The local tree of a mirror or a push.  `root` is the route's folder; all paths are relative to it, POSIX.

    A path that would leave the root, by `..`, by a link on the way or by a name this system gives another meaning, is
    refused with PlaceTaken before anything is written.
    """

    def sentinel(self, root: Path) -> str:
        """Return what `mark` wrote, "" when it is not there (a new folder, or an unmounted disk)."""
        ...

    def mark(self, root: Path, text: str) -> None:
        """Make the folder ours, durably: writes the sentinel into `.xnatsync/`."""
        ...

    def remember(self, root: Path, written: Iterable[tuple[str, bytes]]) -> None:
        """Note in our own folder what was written at which path, by its SHA-256.  Never fails, promises nothing."""
        ...

    def remembers(self, root: Path, path: str, sha256: bytes) -> bool:
        """Return whether such a note is there, of this ledger or an earlier one."""
        ...

    def look_tree(self, root: Path, below: Sequence[str] | None = None) -> TreeLook:
        """Look at all files of the tree, or of some folders of it, without opening any.

        FolderMissing when the root is not there.
        """
        ...

    def stat(self, root: Path, path: str) -> tuple[int, int] | None:
        """Return size in bytes and mtime in ns of one file; None when no plain file is there."""
        ...

    def read(self, root: Path, path: str, *, stop: Callable[[], bool] = lambda: False) -> Content:
        """Read one file through; SourceChanged when it changes meanwhile or is gone, SourceUnreadable."""
        ...

    def open(self, root: Path, path: str, size: int) -> Iterator[bytes]:
        """Stream one file of exactly this size; SourceChanged otherwise."""
        ...

    def staged_size(self, root: Path, name: str) -> int:
        """Say how many bytes of an interrupted staging are there; 0 when none."""
        ...

    def stage(self, root: Path, name: str, pieces: Iterator[bytes], *, append: bool = False) -> Content:
        """Write a new file into staging (or goes on where an interrupted one ended) and say what it holds.

        DiskFull, DiskUnwell; what was written so far stays for a later `append`, or is thrown away by `clear_staging`.
        """
        ...

    def flush(self, root: Path, names: Sequence[str]) -> None:
        """Bring staged files to the disk, so that a rename can never show a part after a power cut."""
        ...

    def land(self, root: Path, name: str, path: str, *, replace: bool, seen: tuple[int, int] | None = None) -> int:
        """Rename a staged file to its place, atomically; return its mtime in ns as `look_tree` will show it.

        `seen` is what is replaced, as `stat` gave it: PlaceTaken when something else lies there in the last moment.
        PlaceTaken when something is there and `replace` is not asked for, or when its name differs only in case.
        """
        ...

    def obstacle(self, root: Path, path: str) -> PlaceTaken | None:
        """Return what `land` would raise now for a file that may replace nothing; None when nothing is in its way."""
        ...

    def keep(self, root: Path, path: str, trash: str) -> bool:
        """Return a file a second name in the trash (a link, or a copy where there are none); it stays in its place.

        May be repeated: a trash place that holds the same file already is as wanted.  False, and nothing done, when it
        holds another file.
        """
        ...

    def copy(self, root: Path, path: str, target: str) -> None:
        """Return a file a second name in the tree, as `keep` does in the trash: an edit that must make way is kept so.

        PlaceTaken when something else is there.
        """
        ...

    def probe(self, root: Path) -> None:
        """Prove that the folder can be written; FolderMissing, DiskFull or DiskUnwell when it cannot."""
        ...

    def discard(self, root: Path, path: str, trash: str) -> bool:
        """Move a file from its place to the trash, and remove folders that are empty then, durably.

        False, and nothing done, when the trash holds another file there.
        """
        ...

    def rename(self, root: Path, source: str, target: str) -> None:
        """Move a file or folder within the tree; PlaceTaken when something is there; remove emptied folders."""
        ...

    def settle_files(self, root: Path, paths: Sequence[str]) -> None:
        """Bring the bytes of files that lie in their places to the disk; one that is gone is left out."""
        ...

    def settle_folders(self, root: Path, folders: Sequence[str]) -> None:
        """Bring the names in some folders to the disk."""
        ...

    def clear_staging(self, root: Path, prefix: str = "") -> None:
        """Remove what an interrupted run left in staging."""
        ...

    def open_trash(self, root: Path, trash: str, size: int) -> Iterator[bytes]:
        """Stream a file of the trash, as `open` does one of the tree; SourceChanged when it is not there."""
        ...

    def old_trash(self, root: Path, moment: str) -> list[str]:
        """List the files in the trash that came there before a moment, as far as the dates on the disk tell."""
        ...

    def empty_trash(self, root: Path, trash: Sequence[str]) -> list[str]:
        """Remove some files from the trash for good; return those that cannot be removed, each for itself."""
        ...

    def free_bytes(self, root: Path) -> int:
        """Say how much may still be written."""
        ...
