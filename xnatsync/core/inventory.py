"""What an XNAT project holds, resource by resource, as a few joined listings show it (hierarchy.md §3.5).

An inventory says how many files a resource has and how large they are together, never which: it tells what has to be
looked at more closely.  A file replaced by one of the same size leaves no trace in it (§3.9).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class OwnerKind(Enum):
    """Who may own resources.  A scan's resources are listed and stepped with its session."""

    PROJECT = "project"
    SUBJECT = "subject"
    SESSION = "session"


@dataclass(frozen=True, slots=True)
class Owner:
    """A project, a subject or a session: what is listed, fetched and stepped as one.

    `id` is the project's ID or the accession ID, which stays when labels change; labels are as shown in this project.
    """

    kind: OwnerKind
    project: str
    id: str
    subject: str = ""  # label
    subject_id: str = ""
    session: str = ""  # label
    xsi_type: str = ""
    date: str = ""  # of the session, YYYY-MM-DD
    modality: str = ""
    stamp: str = ""  # insert and change times as the server wrote them: compared for equality alone, never with a clock
    home: str = ""  # the project that owns it, when it is shared into this one; "" = this one

    @property
    def key(self) -> tuple[str, str]:
        """What identifies it on its server, whatever it is called."""
        return self.kind.value, self.id


@dataclass(frozen=True, slots=True, order=True)
class ResourceKey:
    """A resource within its owner: the scan's ID ("" for the owner's own), and its label."""

    scan: str
    label: str


@dataclass(frozen=True, slots=True)
class ResourceSeen:
    """One resource, as a listing of resources shows it."""

    key: ResourceKey
    id: str = ""  # xnat_abstractresource_id; another one under the same label is another resource
    files: int | None = None  # None: the server never counted
    size: int | None = None
    scan_type: str = ""
    scan_description: str = ""
    quality: str = ""

    @property
    def stamp(self) -> str:
        """What changes when the server notes a change; "" when it says too little to conclude anything."""
        return f"{self.id}:{self.files}:{self.size}" if self.files is not None and self.size is not None else ""


@dataclass(frozen=True, slots=True)
class Inventory:
    """A whole project.  Incomplete: something could not be listed, so absence proves nothing."""

    project: str
    owners: dict[Owner, tuple[ResourceSeen, ...]]  # owners without resources are there with none
    complete: bool = True
    refused: tuple[tuple[str, str], ...] = ()  # (accession ID or "", why): names that nobody may write to a disk
