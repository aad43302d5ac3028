"""The grammar of a DICOM data set: heads of elements, values, sequences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from xnatsync.dicom.source import ByteSource

UNDEFINED = 0xFFFFFFFF
MAX_DEPTH = 64  # sequences inside sequences

PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})  # float, double float, and plain pixel data
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD

NARROW = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())  # length in 2 bytes
WIDE = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())  # 2 bytes reserved, length in 4


@dataclass(frozen=True, slots=True)
class Coding:
    """How the elements of a data set are written."""

    explicit: bool
    big: bool = False

    @property
    def order(self) -> Literal["big", "little"]:
        """Name the byte order as Python does."""
        return "big" if self.big else "little"


class Stop(Exception):
    """The walk cannot go on; the text says why."""


def is_vr(text: bytes) -> bool:
    """Tell a VR, known or not, from the length that stands in its place in implicit VR."""
    return text.isalpha() and text.isupper()


def next_element(source: ByteSource, coding: Coding) -> tuple[int, bytes, int]:
    """Read one element's head: tag, VR (b"" when implicit), length of the value."""
    raw = source.take(8)
    if raw is None:
        raise Stop("truncated: it ends inside an element")
    order = coding.order
    tag = int.from_bytes(raw[:2], order) << 16 | int.from_bytes(raw[2:4], order)
    vr = raw[4:6]
    if not coding.explicit or tag >> 16 == 0xFFFE or not is_vr(vr):
        return tag, b"", int.from_bytes(raw[4:], order)
    if vr not in WIDE:
        return tag, vr, int.from_bytes(raw[6:], order)
    wide = source.take(4)
    if wide is None:
        raise Stop("truncated: it ends inside an element")
    return tag, vr, int.from_bytes(wide, order)


def cut_off(tag: int, length: int, had: int) -> Stop:
    """Say that a value is longer than what is left of the stream."""
    name = "the pixel data" if tag in PIXELS else f"element ({tag >> 16:04x},{tag & 0xFFFF:04x})"
    return Stop(f"truncated: {name} should have {length} bytes, and only {had} are there")


def take(source: ByteSource, tag: int, length: int) -> bytes:
    """Consume and return a value."""
    value = source.take(length)
    if value is None:
        raise cut_off(tag, length, len(source.data) - source.pos)
    return value


def skip(source: ByteSource, tag: int, length: int) -> None:
    """Pass over a value."""
    had = source.feed(length, None)
    if had < length:
        raise cut_off(tag, length, had)


def skip_sequence(source: ByteSource, tag: int, coding: Coding) -> None:
    """Pass over a value of undefined length: items in a sequence, elements in an item, to any reasonable depth.

    What a writer did not know (UN) is implicit VR, little endian; some write it explicit all the same, so the first
    element of each item is asked.
    """
    levels = [(False, coding)]  # (inside an item?, coding): innermost last
    while levels:
        in_item, coding = levels[-1]
        inner, vr, length = next_element(source, coding)
        if inner == (ITEM_END if in_item else SEQUENCE_END):
            levels.pop()
        elif in_item and inner == SEQUENCE_END:  # a writer that forgets to end its items
            del levels[-2:]
        elif inner < 0x00010000:
            raise Stop(f"damaged: the sequence ({tag >> 16:04x},{tag & 0xFFFF:04x}) holds zeros")
        elif in_item or inner == ITEM:
            if length != UNDEFINED:
                skip(source, inner, length)
            elif len(levels) < MAX_DEPTH:
                found = Coding(explicit=False) if vr == b"UN" else coding
                levels.append((not in_item, found if in_item else _coding_of_item(source, found)))
            else:
                raise Stop(f"damaged: sequences are nested deeper than {MAX_DEPTH} levels")
        else:
            raise Stop(f"damaged: the sequence ({tag >> 16:04x},{tag & 0xFFFF:04x}) holds what is not an item")


def _coding_of_item(source: ByteSource, coding: Coding) -> Coding:
    """Look at the first element of an item that should be implicit: does a VR stand where its length should?"""
    if coding.explicit or not source.need(8):
        return coding
    start = source.data[source.pos : source.pos + 8]
    if start[4:6] in NARROW or (start[4:6] in WIDE and start[6:] == b"\0\0"):
        return Coding(explicit=True, big=coding.big)
    return coding
