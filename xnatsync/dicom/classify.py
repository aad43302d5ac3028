"""Tells by content, never by name, what a file is: an object that can be delivered, or something else and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from xnatsync.core.manifest import Kind, ObjectIdentity
from xnatsync.dicom.fields import Field, field_named
from xnatsync.dicom.head import COLUMNS, ROWS, Head, read_head
from xnatsync.dicom.identity import IDENTITY_TAGS, SOP_CLASS, flaw, identity_of, value

_MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"
_PIXELS_ELSEWHERE = 0x00287FE0  # Pixel Data Provider URL
_STORAGE = "1.2.840.10008.5.1.4.1.1."
# What follows in the SOP class of an image, which is nothing without pixel data: computed and digital radiography,
# mammography, CT, ultrasound, MR, secondary capture, angiography, nuclear medicine, visible light, PET, RT image.
_IMAGES = (
    "1 1.1 1.1.1 1.2 1.2.1 1.3 1.3.1 2 2.1 2.2 3.1 4 4.1 4.3 4.4 6.1 6.2 7 7.1 7.2 7.3 7.4 12.1 12.1.1 12.2 12.2.1"
)
_IMAGES += (
    " 13.1.1 13.1.2 13.1.3 20 77.1.1 77.1.1.1 77.1.2 77.1.2.1 77.1.4 77.1.4.1 77.1.5.1 77.1.6 128 128.1 130 481.1"
)
_IMAGE_CLASSES = frozenset(_STORAGE + ending for ending in _IMAGES.split())


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file turned out to be."""

    kind: Kind
    reason: str = ""
    identity: ObjectIdentity | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    pixels: bytes | None = None
    pixel_bytes: int = 0


class Classifier:
    """Reads files for the fields that a route's templates want."""

    def __init__(self, names: Iterable[str], *, pixels: bool) -> None:
        self._fields: tuple[Field, ...] = tuple(field_named(name) for name in sorted(names))
        self._wanted = IDENTITY_TAGS | {_PIXELS_ELSEWHERE} | {field.tag for field in self._fields}
        self._pixels = pixels

    def read(self, chunks: Iterable[bytes]) -> Reading:
        """Classifies a stream and reads it to its end."""
        stream = iter(chunks)
        first = next((chunk for chunk in stream if chunk), None)
        if first is None:
            return Reading(Kind.OTHER, "empty file")
        head = read_head(_again(first, stream), self._wanted, hash_pixels=self._pixels)
        for _ in stream:
            pass
        if head is None or not (head.preamble or not flaw(head)):
            return Reading(Kind.OTHER, "not DICOM")
        if head.media_class == _MEDIA_DIRECTORY:
            return Reading(Kind.OTHER, "DICOMDIR index: not an imaging object")
        if reason := _why_not_deliverable(head):
            return Reading(Kind.BROKEN, reason)
        return Reading(Kind.DICOM, "", identity_of(head), self._tags(head), head.pixels, head.pixel_bytes)

    def _tags(self, head: Head) -> dict[str, str]:
        return {field.name: value(head, field.tag, field.vr) for field in self._fields if field.tag in head.values}


def _again(first: bytes, rest: Iterable[bytes]) -> Iterable[bytes]:
    yield first
    yield from rest


def _why_not_deliverable(head: Head) -> str:
    if head.problem:
        return head.problem
    if reason := flaw(head):
        return reason
    if not head.has_pixels and _is_image(head) and _PIXELS_ELSEWHERE not in head.values:
        return "truncated: it is an image, and the pixel data is missing"
    return ""


def _is_image(head: Head) -> bool:
    """A file that was cut between two elements looks whole; that an image has no pixel data gives it away."""
    return value(head, SOP_CLASS) in _IMAGE_CLASSES or bool(head.number(ROWS) and head.number(COLUMNS))
