"""What exactly an item was when it settled: the frozen intent that everything later is compared with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What a file in an item is."""

    DICOM = "dicom"  # an imaging object with its UIDs: it is delivered
    OTHER = "other"  # anything else: travels by the route's `other` policy
    BROKEN = "broken"  # cannot be delivered, or nobody knows what it is: its item is not filed, a person must see it
    DUPLICATE = "duplicate"  # the same bytes as another object of this item: delivered once


class Doubt(StrEnum):
    """Why a file needs a person, or needed one; "" for all that is accounted for by itself."""

    NONE = ""
    ODD = "odd"  # an object that can be delivered as it is, and is not as the standard wants it
    LOST = "lost"  # empty, zeroed, cut off, a link, or missing: an object may have been lost here
    CLOSED = "closed"  # a container that is not opened here: objects may be in it
    STRANGE = "strange"  # neither DICOM nor anything known to be harmless
    ACCEPTED = "accepted"  # a person said that it need not be delivered


class Level(StrEnum):
    """How strongly a target is known to hold something; each level includes the ones before it."""

    COUNTS = "counts"
    NAMES = "names"
    PIXELS = "pixels"
    BYTES = "bytes"

    @property
    def rank(self) -> int:
        """Order the levels."""
        return list(Level).index(self)


class Compared(StrEnum):
    """What of one object was compared when it was proven: the evidence there is, the weakest first."""

    NAMES = "names"  # it is listed, under its name and with a size that can be
    LISTED = "listed"  # the digest that the server lists is ours; what it stores was not read
    PIXELS = "pixels"  # fetched back: its pixel data
    CONTENT = "content"  # fetched back: all that servers do not rewrite as a matter of course, with its pixel data
    BYTES = "bytes"  # fetched back: the whole file


@dataclass(frozen=True, slots=True)
class ObjectIdentity:
    """What a DICOM object says of itself; no name or identifier of the patient is in it."""

    sop_uid: str
    sop_class: str
    study_uid: str
    series_uid: str
    series_number: str = ""
    modality: str = ""
    transfer_syntax: str = ""
    description: str = ""  # of the series


@dataclass(frozen=True, slots=True)
class Reference:
    """One file that the index of a medium (DICOMDIR) names."""

    path: str  # relative to the index, as it is written there, its parts joined by slashes
    sop_uid: str = ""


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """One file of an item.  `path` is relative and POSIX; a member of an archive is named by its path in it."""

    path: str
    size: int
    mtime_ns: int
    sha256: bytes
    crc32: int
    md5: bytes  # b"" for imaging objects: XNAT rewrites their heads, so it would never be compared
    kind: Kind
    reason: str = ""  # why it is not delivered, for people; "" for DICOM
    identity: ObjectIdentity | None = None
    pixels: bytes | None = (
        None  # sha256 of the pixel data element's value; None when there is none or it was not asked for
    )
    pixel_bytes: int = 0  # length of that value as stored: no faithful copy of the object can be shorter
    tags: Mapping[str, str] = field(default_factory=dict)  # header fields for templates and rules; never stored
    left_by: str = ""  # the key of the route's selection that left it out: then it is OTHER, whatever is in it
    doubt: Doubt = Doubt.NONE
    packed: int | None = None  # bytes on disk of an object that lies there compressed; all other facts are its own
    references: tuple[Reference, ...] = ()  # what the index of a medium names; never stored

    @property
    def key(self) -> str:
        """Return the key in the three trees: the SOP Instance UID of an object, else the path."""
        return self.identity.sop_uid if self.identity is not None else self.path


def manifest_digest(entries: Iterable[tuple[str, bytes]]) -> bytes:
    """Digest (path, sha256) pairs, whatever their order: what a receipt vouches for."""
    digest = hashlib.sha256()
    for path, sha256 in sorted(entries):
        digest.update(path.encode("utf-8", "surrogateescape") + b"\0" + sha256)
    return digest.digest()
