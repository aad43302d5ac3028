"""Tells what a file is: an object that can be delivered, by content alone, or something else and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from xnatsync.core.clutter import recognise
from xnatsync.core.manifest import Doubt, Kind, ObjectIdentity, Reference
from xnatsync.dicom.directory import Unreadable, references_of
from xnatsync.dicom.fields import Field, field_named
from xnatsync.dicom.glance import Glance
from xnatsync.dicom.head import Head, read_head
from xnatsync.dicom.identity import IDENTITY_TAGS, SOP_CLASS, flaw, identity_of, oddity, value

INDEX = "DICOMDIR index: not an imaging object"
_MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"
_PIXELS_ELSEWHERE = 0x00287FE0  # Pixel Data Provider URL
_STORAGE = "1.2.840.10008.5.1.4.1.1."
# What follows in the SOP class of an image, which is nothing without pixel data: whatever the standard calls an image,
# and the volumes, segmentations, maps and analyses that its part 3 wants pixel data of.  A test compares with pydicom.
_IMAGES = (
    "1 1.1 1.1.1 1.2 1.2.1 1.3 1.3.1 2 2.1 2.2 3 3.1 4 4.1 4.3 4.4 5 6 6.1 6.2 6.3 7 7.1 7.2 7.3 7.4 12.1 "
    "12.1.1 12.2 12.2.1 12.3 13.1.1 13.1.2 13.1.3 13.1.4 13.1.5 14.1 14.2 20 30 66.4 66.7 66.8 77.1 77.2 77.1.1 "
    "77.1.1.1 77.1.2 77.1.2.1 77.1.3 77.1.4 77.1.4.1 77.1.5.1 77.1.5.2 77.1.5.4 77.1.5.5 77.1.5.6 77.1.5.7 "
    "77.1.5.8 77.1.6 77.1.7 77.1.8 77.1.9 81.1 82.1 128 128.1 130 481.1 481.23 481.24 501.1 501.2.1 501.2.2 601.1 601.2"
)
_IMAGE_CLASSES = frozenset(_STORAGE + ending for ending in _IMAGES.split())

# What other objects are nothing without: documents, waveforms, structure sets.
_WAVEFORMS = "1.1 1.2 1.3 1.4 2.1 2.2 3.1 4.1 4.2 5.1 6.1 6.2 7.1 7.2 7.3 7.4 8.1"
_CONTENTS = {
    **{f"{_STORAGE}104.{number}": (0x00420011, "document") for number in range(1, 6)},
    **{f"{_STORAGE}9.{ending}": (0x54000100, "waveform sequence") for ending in _WAVEFORMS.split()},
    f"{_STORAGE}481.3": (0x30060020, "structure set"),
}
_CONTENT_TAGS = frozenset(tag for tag, _ in _CONTENTS.values())


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file turned out to be."""

    kind: Kind
    reason: str = ""
    identity: ObjectIdentity | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    pixels: bytes | None = None
    pixel_bytes: int = 0
    doubt: Doubt = Doubt.NONE
    references: tuple[Reference, ...] = ()
    data_at: int = 0  # where the data set of an object begins
    fragments: int = 0  # of encapsulated pixel data


class Classifier:
    """Reads files for the fields that a route's templates want."""

    def __init__(self, names: Iterable[str], *, pixels: bool) -> None:
        self._fields: tuple[Field, ...] = tuple(field_named(name) for name in sorted(names))
        self._wanted = IDENTITY_TAGS | {_PIXELS_ELSEWHERE} | _CONTENT_TAGS | {field.tag for field in self._fields}
        self._pixels = pixels

    def read(self, chunks: Iterable[bytes], name: str = "") -> Reading:
        """Classify a stream and read it to its end; its name counts only for what is no object."""
        glance = Glance(chunks)
        stream = iter(glance)
        head = read_head(stream, self._wanted, hash_pixels=self._pixels)
        for _ in stream:
            pass
        if head is None:
            return _reading(*recognise(glance.seen(name)))
        if not head.preamble and (reason := flaw(head)):
            return Reading(Kind.BROKEN, f"it begins like a DICOM data set, but is not one ({reason})", doubt=Doubt.LOST)
        if head.media_class == _MEDIA_DIRECTORY:
            return _index(head, glance)
        if reason := _why_not_deliverable(head):
            return Reading(Kind.BROKEN, reason)
        odd = "; ".join(filter(None, (oddity(head), _without_content(head))))
        kind, doubt = (Kind.BROKEN, Doubt.ODD) if odd else (Kind.DICOM, Doubt.NONE)
        return Reading(
            kind,
            odd,
            identity_of(head),
            self._tags(head),
            head.pixels,
            head.pixel_bytes,
            doubt,
            data_at=head.data_at,
            fragments=head.fragments,
        )

    def _tags(self, head: Head) -> dict[str, str]:
        return {field.name: value(head, field.tag, field.vr) for field in self._fields if field.tag in head.values}


def _reading(doubt: Doubt, reason: str) -> Reading:
    return Reading(Kind.BROKEN if doubt is Doubt.LOST else Kind.OTHER, reason, doubt=doubt)


def _index(head: Head, glance: Glance) -> Reading:
    """Read what the index of a medium names; one that cannot be read says nothing of what should be there."""
    try:
        references = references_of(glance.kept)
    except Unreadable as error:
        return Reading(Kind.BROKEN, f"DICOMDIR index that cannot be read: {head.problem or error}", doubt=Doubt.LOST)
    return Reading(Kind.OTHER, INDEX, references=references)


def _without_content(head: Head) -> str:
    """Say that what an object of its class is made for has a place in it, and is empty."""
    tag, what = _CONTENTS.get(value(head, SOP_CLASS), (0, ""))
    return f"DICOM, but its {what} is empty" if head.values.get(tag, ("", b"x"))[1] == b"" else ""


def _why_not_deliverable(head: Head) -> str:
    if head.problem:
        return head.problem
    if reason := flaw(head):
        return reason
    if not head.pixel_bytes and value(head, SOP_CLASS) in _IMAGE_CLASSES and _PIXELS_ELSEWHERE not in head.values:
        return f"truncated: it is an image, and the pixel data is {'empty' if head.has_pixels else 'missing'}"
    return ""
