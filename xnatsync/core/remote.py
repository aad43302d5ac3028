"""What a server said: sessions, prearchive rows, stored files.  Facts as seen, before any judgement."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class ServerAbout:
    """What a server says of itself."""

    version: str  # "" when it did not say
    clock: float | None  # its time, in seconds since 1970 UTC


@dataclass(frozen=True, slots=True)
class ProjectSeen:
    """A project this account can read."""

    id: str


@dataclass(frozen=True, slots=True)
class SessionSeen:
    """An imaging session in the archive."""

    id: str  # accession ID
    project: str
    label: str
    subject: str  # label of the subject
    study_uid: str  # "" when the server does not know it
    xsi_type: str = ""


class PrearchiveState(Enum):
    """The prearchive statuses, grouped by what a client may do (import.md §2.2)."""

    RECEIVING = "files arrive, or arrived and are not built"
    READY = "built, waits for a decision"
    WORKING = "queued or running: building, archiving, moving, deleting, locked"
    CONFLICT = "refused by the archive"
    ERROR = "building or archiving failed"


@dataclass(frozen=True, slots=True)
class PrearchiveSeen:
    """One row of the prearchive."""

    uri: str  # /prearchive/projects/P/TS/FOLDER, as the server writes it: the key for every action
    project: str  # "Unassigned" when there is none
    name: str  # session label
    subject: str
    study_uid: str  # column `tag`
    state: PrearchiveState
    status: str  # the server's own word
    uploaded: str = ""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One stored file.  `digest` is MD5 in lower-case hex, "" when the server did not say."""

    scan: str
    resource: str
    name: str  # path below the resource
    size: int | None
    digest: str = ""
    sop_uid: str = ""  # from a DICOM catalogue, "" when only the name is known


@dataclass(frozen=True, slots=True)
class FileListing:
    """Files of one session.  Incomplete: something could not be listed, so absence proves nothing."""

    files: tuple[RemoteFile, ...]
    complete: bool = True
    refused: tuple[tuple[str, str, str], ...] = ()  # (scan, resource, why): names nobody may write to a disk

    @property
    def is_of_unknown_place(self) -> bool:
        """Return whether something was refused of which nobody can tell the resource: then it may be in any."""
        return any(not resource for _, resource, _ in self.refused)


@dataclass(frozen=True, slots=True)
class ImportTarget:
    """Where an upload shall go."""

    project: str
    subject: str
    session: str


@dataclass(frozen=True, slots=True)
class ImportReply:
    """What the import service answered: the places it named; none: everything was rejected (import.md §1.5)."""

    uris: tuple[str, ...]
