"""The outside world, as the engine sees it: clock, names, disk and server, the only things a test may replace.

Every method that does something is one boundary: the process may die before or after it, and the engine must be able
to tell by looking.  All failures are raised as classes of `xnatsync.core.errors`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from xnatsync.core.manifest import ManifestFile
from xnatsync.core.remote import (
    FileListing,
    ImportReply,
    ImportTarget,
    PrearchiveSeen,
    ProjectSeen,
    ServerAbout,
    SessionSeen,
)


class Clock(Protocol):
    """Time.  `now` is wall time in UTC and may jump; `elapsed_s` never does; only `wait` lets time pass."""

    def now(self) -> datetime:
        """Return the current UTC time."""
        ...

    def elapsed_s(self) -> float:
        """Return the seconds since some fixed moment."""
        ...

    def wait(self, seconds: float) -> bool:
        """Wait; answer True when the wait was cut short because we are asked to stop."""
        ...


class Ids(Protocol):
    """Unique names."""

    def request_id(self) -> str:
        """Return a name for one request, unique for ever."""
        ...


# --- disk --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DropEntry:
    """A top-level entry of a drop folder."""

    name: str
    kind: str  # "folder", "file", "archive" (by its suffix), or "special": link, socket, device
    size: int = 0  # of a plain file
    mtime_ns: int = 0


@dataclass(frozen=True, slots=True)
class FileSeen:
    """A file as a cheap look shows it."""

    path: str  # relative, POSIX
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class ProblemSeen:
    """Something is there and could not be read, or is of a kind that is never followed.  Never means absent."""

    path: str
    reason: str
    unreadable: bool = False  # it may hold data: the item waits; False: a link or special file, never followed
    special: bool = False  # it is a link, a pipe or a device


@dataclass(frozen=True, slots=True)
class ItemLook:
    """A cheap look at an item: names, sizes and times of its files on disk (an archive counts as one file)."""

    files: tuple[FileSeen, ...]
    problems: tuple[ProblemSeen, ...] = ()


class Disk(Protocol):
    """The local disk."""

    def entries(self, folder: Path) -> list[DropEntry]:
        """List a folder's top level, sorted; FolderMissing when it is not there or not a folder."""
        ...

    def look(self, path: Path) -> ItemLook | None:
        """Look at a file or a folder of any depth without opening files; None when it is absent."""
        ...

    def look_at(self, folder: Path, names: Sequence[str]) -> ItemLook:
        """Look at some files of a folder without opening them; what is absent is not in it."""
        ...

    def study_of(self, path: Path) -> str:
        """Return the Study Instance UID in the head of a file; "" when it has none, is no object, or cannot be read."""
        ...

    def read_manifest(
        self,
        path: Path,
        *,
        tags: frozenset[str],
        pixels: bool,
        on_progress: Callable[[int, int], None] | None = None,
        stop: Callable[[], bool] = lambda: False,
        only: Sequence[str] | None = None,
    ) -> tuple[ManifestFile, ...]:
        """Read every file of an item (opening archives) once; `tags` are DICOM keywords wanted for templates.

        With `only`, the item is these files of a folder, whatever else lies there.
        `on_progress` is told files and bytes read so far; `stop` is asked between files.  Raises SourceUnreadable,
        SourceDamaged, or SourceChanged when the item changes meanwhile.
        """
        ...

    def stream(self, path: Path, files: Sequence[ManifestFile]) -> Iterator[tuple[ManifestFile, Iterator[bytes]]]:
        """Stream files of an item in the order given (which must be the manifest's order), without a copy.

        Raises SourceChanged as soon as a file's size or CRC is not the manifest's.
        """
        ...

    def move(self, source: Path, target: Path) -> None:
        """Rename within one file system, atomically and durably; never overwrites; create the target's folder."""
        ...

    def gather(self, folder: Path, names: Sequence[str], target: Path) -> None:
        """Rename files of one folder into another, each atomically, all durably; what is gone or taken stays out."""
        ...

    def read_mark(self, path: Path) -> str | None:
        """Return what a mark of ours says, None when there is none that can be read."""
        ...

    def write_mark(self, path: Path, text: str) -> None:
        """Write a mark of ours, durably."""
        ...

    def remove(self, path: Path) -> None:
        """Remove one file, durably."""
        ...

    def prune(self, folder: Path) -> None:
        """Remove the empty folders below, and the folder itself when it is empty then; never a file."""
        ...

    def settle(self, folder: Path) -> None:
        """Bring to the disk what came into a folder and what went out of it; one that is not there is as wanted."""
        ...

    def exists(self, path: Path) -> bool:
        """Return whether something is there (a dangling link counts)."""
        ...

    def probe(self, folder: Path, done: Path | None) -> None:
        """Prove that a route's folder can be written, and that what is filed can be renamed to `done`.

        FolderMissing, DiskFull or DiskUnwell when it cannot: then it is not one thing alone that fails there.
        """
        ...

    def same_device(self, one: Path, other: Path) -> bool:
        """Return whether a rename between two folders (or their nearest existing parents) can work."""
        ...


# --- XNAT --------------------------------------------------------------------------------------------------------


class Xnat(Protocol):
    """One XNAT server, seen as one user.  Addresses sessions by accession ID, so that nothing falls through."""

    def close(self) -> None:
        """Log out; may be called twice."""
        ...

    def whoami(self) -> str:
        """Return the user name the server knows us by; CredentialsRefused when it knows none."""
        ...

    def about(self) -> ServerAbout:
        """Return the server's version and its clock."""
        ...

    def project(self, project: str) -> ProjectSeen | None:
        """Look a project up; None when it is absent or hidden from us."""
        ...

    def may_edit(self, project: str) -> bool | None:
        """Return whether we may edit a project (else an import lands elsewhere); None when the server does not say."""
        ...

    def site_setting(self, name: str) -> str | None:
        """Return a setting of the site as text; None when the server does not say."""
        ...

    def sessions(
        self, project: str, *, label: str | None = None, study_uid: str | None = None
    ) -> tuple[SessionSeen, ...]:
        """List imaging sessions of a project (shared ones included), by label or by Study Instance UID."""
        ...

    def session_files(self, session_id: str) -> FileListing:
        """List every file of every scan of a session, with SOP Instance UIDs where a name does not tell them."""
        ...

    def resource_files(self, session_id: str, resource: str) -> FileListing:
        """List the files of a session-level resource; none when there is no such resource."""
        ...

    def prearchive(self, project: str) -> tuple[PrearchiveSeen, ...]:
        """List a project's prearchive rows."""
        ...

    def prearchive_files(self, uri: str) -> FileListing:
        """List the files of a built prearchive session."""
        ...

    def prearchive_log(self, uri: str) -> str:
        """Return the newest log entry of a prearchive session, "" when there is none."""
        ...

    def import_zip(
        self,
        target: ImportTarget,
        members: Iterable[tuple[str, ManifestFile, Iterator[bytes]]],
        *,
        size: int,
        request_id: str,
    ) -> ImportReply:
        """Upload one streamed zip into the prearchive without letting the server build or archive it.

        `members` are (member name, file, content) in order; `size` is the exact size of the zip in bytes.
        OutcomeUnknown when no usable answer came.
        """
        ...

    def import_tar(
        self,
        target: ImportTarget,
        members: Iterable[tuple[str, ManifestFile, Iterator[bytes]]],
        *,
        size: int,
        request_id: str,
    ) -> ImportReply:
        """Upload one streamed tar of exactly `size` bytes, as `import_zip` does."""
        ...

    def import_object(
        self, target: ImportTarget, name: str, file: ManifestFile, content: Iterator[bytes], *, request_id: str
    ) -> ImportReply:
        """Upload one object under a file name, beside those that came before, as `import_zip` does."""
        ...

    def build(self, uri: str, *, request_id: str) -> None:
        """Let the server build a prearchive session, so that it can be listed."""
        ...

    def commit(self, uri: str, *, request_id: str) -> str:
        """Archive a prearchive session, merging what is missing; return the archive URI, "" when it stayed."""
        ...

    def delete_prearchive(self, uri: str, *, request_id: str) -> None:
        """Delete a prearchive session that we made."""
        ...

    def fetch_scans(self, session_id: str, scans: Sequence[str]) -> Iterator[tuple[str, str, str, Iterator[bytes]]]:
        """Stream every file of the scans back: (scan, resource, name, content), each to be read in turn."""
        ...

    def put_file(
        self,
        session_id: str,
        resource: str,
        name: str,
        content: Iterator[bytes],
        *,
        size: int,
        request_id: str,
        overwrite: bool = False,
    ) -> None:
        """Store one file in a session-level resource; never over one that is there unless that is asked for."""
        ...
