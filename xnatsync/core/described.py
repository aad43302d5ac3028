"""What a server says of one thing and everything in it: the facts that a transfer carries and compares.

A description names nothing by the server's own keys: accession IDs, database keys, dates of insertion, users and the
places of files on the server's disk are left out, because they differ on every server (import.md §7).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

Side = Literal["", "in", "out"]


class ThingKind(Enum):
    """What is described."""

    PROJECT = "project"
    SUBJECT = "subject"
    RECORD = "record"  # an experiment of a subject that is no imaging session: a subject assessor
    SESSION = "session"
    SCAN = "scan"
    RECONSTRUCTION = "reconstruction"
    ASSESSOR = "assessor"  # of an imaging session


@dataclass(frozen=True, slots=True)
class Share:
    """A further project that shows a subject, a session, a record or an assessor, and the label it has there."""

    project: str
    label: str


@dataclass(frozen=True, slots=True)
class Stored:
    """A resource of a thing, as its document tells of it: what a new one is created with.  Its files are listed."""

    label: str
    side: Side = ""  # of an assessor or reconstruction
    format: str = ""
    content: str = ""


@dataclass(frozen=True, slots=True)
class Described:
    """One thing.

    `fields` are the texts of its document by path, in the order of the document: `date`, `demographics/yob`, `@UID`
    for an attribute, `fields/field[name=iq]` for the member of a list with that key.
    `custom` are the values of custom forms as JSON texts.
    """

    kind: ThingKind
    id: str  # project ID, accession ID, scan ID, or reconstruction ID
    label: str = ""  # "" for projects, scans and reconstructions
    xsi_type: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    custom: tuple[tuple[str, str], ...] = ()
    shares: tuple[Share, ...] = ()
    resources: tuple[Stored, ...] = ()  # of the thing itself, empty ones as well
    parts: tuple[Described, ...] = ()  # records of a subject; scans, reconstructions and assessors of a session
    stamp: str = ""  # of its last change, in the server's words: compared for equality alone
    root: str = ""  # the element that its own document begins with, such as `xnat:MRSession`

    @property
    def name(self) -> str:
        """What it is known by within its parent, on any server: the label, or the ID of what has none."""
        return self.label or self.id

    def walk(self) -> Iterator[Described]:
        """Yield it and everything in it."""
        yield self
        for part in self.parts:
            yield from part.walk()


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """Where in a project, a subject or a session a resource is; its text stands where a listing has the scan's ID.

    "" is the thing itself, a text without a slash a scan, so what mirrors and pushes wrote down means the same.
    """

    kind: ThingKind | None = None
    name: str = ""  # scan ID, reconstruction ID, or label
    side: Side = ""

    def __str__(self) -> str:
        """Write it down."""
        if self.kind is None:
            return ""
        if self.kind is ThingKind.SCAN:
            return self.name
        side = f"/{self.side}" if self.side else ""
        return f"{_WORDS[self.kind]}/{self.name}{side}"

    @classmethod
    def parse(cls, text: str) -> Part:
        """Read it back; no ID and no label holds a slash."""
        word, slash, rest = text.partition("/")
        if not slash:
            return cls(ThingKind.SCAN, text) if text else cls()
        name, _, side = rest.partition("/")
        kind = next(kind for kind, found in _WORDS.items() if found == word)
        return cls(kind, name, "in" if side == "in" else "out" if side == "out" else "")


_WORDS: Final = {
    ThingKind.RECORD: "records",
    ThingKind.RECONSTRUCTION: "reconstructions",
    ThingKind.ASSESSOR: "assessors",
}
