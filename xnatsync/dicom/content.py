"""The digest of what an object says, whatever was done to the head that identifies it: for objects without pixel data.

It covers every element but those that servers and their anonymisation scripts rewrite as a matter of course (who, when,
for whom, UIDs): an SR's content, an RT structure, an encapsulated document, a waveform, a spectrum, the geometry.
Lengths of sequences do not count, because a writer chooses between defined and undefined ones.  Private elements do
count: for some objects they are all there is.  A second digest leaves them out, at any depth: scripts remove them.
Those that stand where data stand, from group 7FE0 on, are in both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from xnatsync.dicom.elements import (
    ITEM,
    ITEM_END,
    MAX_DEPTH,
    NARROW,
    SEQUENCE_END,
    UNDEFINED,
    WIDE,
    Coding,
    Stop,
    cut_off,
    next_element,
)
from xnatsync.dicom.source import ByteSource

# Identification, patient, trial, order, visit, signatures and audit trail, results.
_REWRITTEN_GROUPS = frozenset({0x0002, 0x0008, 0x0010, 0x0012, 0x0032, 0x0038, 0x0400, 0x4008, 0xFFFA, 0xFFFC})
_KEPT = frozenset({0x00080008, 0x00080016, 0x00080060})  # image type, SOP class, modality
_REWRITTEN = frozenset(
    {0x00181000, 0x00181030, 0x00184000}  # device serial number, protocol name, comments
    | {0x0020000D, 0x0020000E, 0x00200010, 0x00200052, 0x00204000}  # UIDs of study, series, frame; study ID, comments
    | {0x00880140}
)
_DATA = 0x7FE00000  # from here on elements are no head: some scanners keep a whole volume in a private one
_PROCEDURE = (range(0x00400001, 0x00400555), range(0x00401001, 0x00405000))  # steps, requests and orders


def is_rewritten(tag: int) -> bool:
    """Return whether servers rewrite an element of the top level as a matter of course."""
    if tag in _KEPT:
        return False
    return (
        tag >> 16 in _REWRITTEN_GROUPS
        or not tag & 0xFFFF  # the length of a group
        or tag in _REWRITTEN
        or any(tag in tags for tags in _PROCEDURE)
    )


class ContentDigest:
    """Takes in one element of the top level after the other."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._public = hashlib.sha256()
        self._inside_private = 0
        self._says_something = False
        self.has_private = False

    @property
    def value(self) -> bytes | None:
        """Return the digest; None when nothing but identification was taken in, which is no evidence."""
        return self._sha256.digest() if self._says_something else None

    @property
    def public(self) -> bytes | None:
        """Return the digest without private elements; None where there is no other either."""
        return self._public.digest() if self._says_something else None

    def element(self, source: ByteSource, tag: int, vr: bytes, length: int, coding: Coding) -> None:
        """Consume the value of an element."""
        self._says_something = self._says_something or tag not in _KEPT
        self._element(source, tag, vr, length, coding, 0)

    def small(self, tag: int, value: bytes) -> None:
        """Take in an element of which the value has been read already."""
        self._says_something = self._says_something or tag not in _KEPT
        with self._maybe_private(tag):
            self._head(tag)
            self._take(b"V" + len(value).to_bytes(8, "big") + value)

    # --- inner parts ---------------------------------------------------------------------------------------------

    def _take(self, piece: bytes | memoryview) -> None:
        self._sha256.update(piece)
        if not self._inside_private:
            self._public.update(piece)

    @contextmanager
    def _maybe_private(self, tag: int) -> Iterator[None]:
        if not tag >> 16 & 1 or tag >= _DATA:
            yield
            return
        self.has_private = True
        self._inside_private += 1
        yield
        self._inside_private -= 1

    def _head(self, tag: int) -> None:
        self._take(b"E" + tag.to_bytes(4, "big"))

    def _element(self, source: ByteSource, tag: int, vr: bytes, length: int, coding: Coding, depth: int) -> None:
        with self._maybe_private(tag):
            self._any_element(source, tag, vr, length, coding, depth)

    def _any_element(self, source: ByteSource, tag: int, vr: bytes, length: int, coding: Coding, depth: int) -> None:
        self._head(tag)
        if length == UNDEFINED and vr in {b"OB", b"OW"}:
            self._fragments(source, coding)
        elif length == UNDEFINED:
            self._sequence(source, coding, None, depth)
        elif vr == b"SQ" or (vr in {b"", b"UN"} and length >= 8 and _begins_with_an_item(source, coding)):
            self._bounded_by(source, tag, length, lambda end: self._sequence(source, coding, end, depth))
        else:
            self._take(b"V" + length.to_bytes(8, "big"))
            self._raw(source, tag, length)

    def _raw(self, source: ByteSource, tag: int, length: int) -> None:
        had = source.feed(length, self._take)
        if had < length:
            raise cut_off(tag, length, had)

    def _bounded_by(self, source: ByteSource, tag: int, length: int, read: Callable[[int], object]) -> None:
        """Take in a sequence or an item of defined length; what is none counts as it is stored from there on."""
        end = source.offset + length
        try:
            read(end)
            whole = source.offset == end
        except Stop:
            whole = False
        if whole:
            return
        if source.offset > end:
            raise Stop("damaged: what a sequence holds is longer than the sequence")
        self._take(b"X")
        left = end - source.offset
        had = source.feed(left, self._take)
        if had < left:
            raise cut_off(tag, length, length - left + had)

    def _sequence(self, source: ByteSource, coding: Coding, end: int | None, depth: int) -> None:
        if depth >= MAX_DEPTH:
            raise Stop(f"damaged: sequences are nested deeper than {MAX_DEPTH} levels")
        self._take(b"S")
        while end is None or source.offset < end:
            tag, _, length = next_element(source, coding)
            if tag == SEQUENCE_END and end is None:
                break
            if tag != ITEM:
                raise Stop("damaged: a sequence holds what is not an item")
            if self._item(source, _coding_of_item(source, coding), length, end, depth):
                break
        self._take(b"s")

    def _item(self, source: ByteSource, coding: Coding, length: int, outer: int | None, depth: int) -> bool:
        """Take in one item; True when its writer forgot to end it, and ended the sequence."""
        self._take(b"I")
        if length != UNDEFINED:
            if outer is not None and source.offset + length > outer:
                raise Stop("damaged: an item is longer than its sequence")
            self._bounded_by(source, ITEM, length, lambda end: self._elements(source, coding, end, depth))
            forgot = False
        else:
            forgot = self._elements(source, coding, None, depth)
        self._take(b"i")
        return forgot

    def _elements(self, source: ByteSource, coding: Coding, end: int | None, depth: int) -> bool:
        while end is None or source.offset < end:
            tag, vr, length = next_element(source, coding)
            if end is None and tag in {ITEM_END, SEQUENCE_END}:
                return tag == SEQUENCE_END
            self._inner(source, tag, vr, length, coding, depth)
        return False

    def _inner(self, source: ByteSource, tag: int, vr: bytes, length: int, coding: Coding, depth: int) -> None:
        if tag & 0xFFFF:
            self._element(source, tag, vr, length, coding, depth + 1)
        elif not source.skip(length):  # the length of a group: writers leave it out
            raise cut_off(tag, length, 0)

    def _fragments(self, source: ByteSource, coding: Coding) -> None:
        self._take(b"F")
        while True:
            tag, _, length = next_element(source, Coding(explicit=False, big=coding.big))
            if tag == SEQUENCE_END:
                break
            if tag != ITEM or length == UNDEFINED:
                raise Stop("damaged: fragments cannot be distinguished")
            self._take(b"V" + length.to_bytes(8, "big"))
            self._raw(source, tag, length)
        self._take(b"f")


def _begins_with_an_item(source: ByteSource, coding: Coding) -> bool:
    if not source.need(8):
        return False
    start = source.data[source.pos : source.pos + 4]
    return int.from_bytes(start[:2], coding.order) << 16 | int.from_bytes(start[2:], coding.order) == ITEM


def _coding_of_item(source: ByteSource, coding: Coding) -> Coding:
    """Tell by the first element of an item how it is written: what is unknown may hold the one or the other."""
    if not source.need(8):
        return coding
    vr = source.data[source.pos + 4 : source.pos + 6]
    return Coding(vr in NARROW or vr in WIDE, coding.big)
