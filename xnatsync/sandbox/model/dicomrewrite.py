"""Writing the head of a DICOM object again, as XNAT does with every object it receives (import.md §4.9).

Everything up to (0032,4000) is normalised by the rules of dcm4che2: no group lengths, sequences of undefined length, an
empty preamble, file meta information even where the sender had none.  A head that is like that already is not touched:
its very bytes are kept.  All other bytes, pixel data first of all, are copied as they are.
"""

from __future__ import annotations

import bisect
import functools
import struct
from collections.abc import Mapping
from typing import Final

from xnatsync.sandbox.model import dicomtext
from xnatsync.sandbox.model.dicomhead import IMPLICIT, Head, Span

_NORMAL_UNTIL: Final = 0x00324000
_LONG_VALUE: Final = 0xFFFFFFFF
_LONG_VRS: Final = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)
_ITEM: Final = (0xFFFE, 0xE000)
_ITEM_END: Final = (0xFFFE, 0xE00D)
_SEQUENCE_END: Final = (0xFFFE, 0xE0DD)
_IMPLEMENTATION: Final = "1.2.40.0.13.1.1"
_NO_PREAMBLE: Final = bytes(128)

Changes = Mapping[int, str | bytes | None]
"""New texts by tag; None removes an element, a new tag is put in its place, bytes are a whole element as it is."""


def rewrite(head: Head, changes: Changes) -> tuple[bytes, list[bytes | memoryview]]:
    """Return preamble and meta information, and the parts of the data set that `head.data` holds, in their new form."""
    view = memoryview(head.data)
    places = {tag for tag in head.strict if tag < _NORMAL_UNTIL} | changes.keys()
    parts: list[bytes | memoryview] = []
    copied = head.dataset
    sequences = _sequences(head.little)
    for tag in sorted(places):
        start, end, new = _replaced(head, tag, changes, sequences)
        if start < 0:
            continue
        parts += [view[copied:start], new]
        copied = end
    parts.append(view[copied:])
    return _prefix(head), [part for part in parts if len(part)]


def _replaced(head: Head, tag: int, changes: Changes, sequences: _Sequences) -> tuple[int, int, bytes]:
    """Return what an element is replaced with, and where; a negative start when it stays as it is."""
    span = head.spans.get(tag)
    if span is None:
        text = changes[tag]
        if text is None:
            return -1, -1, b""
        tags = list(head.spans)  # in the order of the object: ascending
        at = bisect.bisect_right(tags, tag)
        start = head.spans[tags[at]][0] if at < len(tags) else head.end
        return start, start, _element(head, tag, b"", text)
    if tag in changes:
        text = changes[tag]
        return span[0], span[2], b"" if text is None else _element(head, tag, span[3], text)
    if not tag & 0xFFFF:
        return span[0], span[2], b""
    try:
        return span[0], span[2], sequences.element(head.data, span)
    except (_UnwritableError, struct.error):
        return -1, -1, b""


def _element(head: Head, tag: int, vr: bytes, text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else _encoded(tag, vr, text, head.charset, head.explicit, head.little)


@functools.lru_cache(maxsize=256)
def _encoded(tag: int, vr: bytes, text: str, charset: str, explicit: bool, little: bool) -> bytes:
    """Return a whole element: a script gives most objects of a session the same ones."""
    vr = vr or vr_of(tag) or (b"UN" if explicit else b"")
    value = dicomtext.encode(text, vr.decode("latin-1"), charset)
    order = "<" if little else ">"
    if not explicit:
        return struct.pack(order + "HHL", tag >> 16, tag & 0xFFFF, len(value)) + value
    if vr in _LONG_VRS:
        return struct.pack(order + "HH2sHL", tag >> 16, tag & 0xFFFF, vr, 0, len(value)) + value
    value = value[:0xFFFE]
    return struct.pack(order + "HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def sequence_items(head: Head, tag: int) -> bytes:
    """Return the items of a top-level sequence without the sequence around them; nothing when it is absent."""
    span = head.spans.get(tag)
    if span is None:
        return b""
    raw = head.data[span[1] : span[2]]
    if head.explicit:
        try:
            raw = _sequences(head.little).element(head.data, span)[12:]
        except (_UnwritableError, struct.error):
            pass
        else:
            return raw[:-8]
    return raw[:-8] if raw.endswith(struct.pack("<HHL" if head.little else ">HHL", *_SEQUENCE_END, 0)) else raw


def vr_of(tag: int) -> bytes:
    """Return the representation that the dictionary has for an element; nothing when it does not know it."""
    known = {0x00100010: b"PN", 0x00100020: b"LO", 0x00081030: b"LO"}.get(tag)
    if known is not None:
        return known
    from pydicom.datadict import dictionary_VR

    try:
        return dictionary_VR(tag)[:2].encode()
    except KeyError:
        return b""


def _prefix(head: Head) -> bytes:
    if head.complete_meta:
        return _NO_PREAMBLE + head.data[128 : head.dataset]
    return _NO_PREAMBLE + b"DICM" + _new_meta(head)


def _new_meta(head: Head) -> bytes:
    """Make the meta information of an object that came without, as XNAT does (import.md §4.9)."""
    values = {
        0x0002: head.text(0x00080016),
        0x0003: head.text(0x00080018),
        0x0010: head.syntax or IMPLICIT,
        0x0012: _IMPLEMENTATION,
    }
    body = struct.pack("<HH2sHL2s", 2, 1, b"OB", 0, 2, b"\x00\x01")
    for number, text in values.items():
        raw = dicomtext.encode(text, "UI", "")
        body += struct.pack("<HH2sH", 2, number, b"UI", len(raw)) + raw
    return struct.pack("<HH2sHL", 2, 0, b"UL", 4, len(body)) + body


class _Sequences:
    """Writes explicit sequences of one byte order with undefined lengths, however deep."""

    def __init__(self, order: str) -> None:
        self._short = struct.Struct(order + "HH2sH").unpack_from
        self._long = struct.Struct(order + "L").unpack_from
        self._tagged = struct.Struct(order + "HHL").unpack_from
        pack = struct.Struct(order + "HHL").pack
        self._undefined = struct.pack(order + "L", _LONG_VALUE)
        self._item = pack(*_ITEM, _LONG_VALUE)
        self._item_end = pack(*_ITEM_END, 0)
        self._end = pack(*_SEQUENCE_END, 0)

    def element(self, data: bytes, span: Span) -> bytes:
        """Write one top-level sequence."""
        undefined = self._long(data, span[0] + 8)[0] == _LONG_VALUE
        return self._sequence(data, span[1], span[2], undefined=undefined)[0]

    def _sequence(self, data: bytes, pos: int, end: int, *, undefined: bool) -> tuple[bytes, int]:
        """Write the sequence whose value begins at `pos`, and say where the next element begins."""
        parts = [data[pos - 12 : pos - 6], b"\0\0", self._undefined]
        while undefined or pos < end:
            group, number, length = self._tagged(data, pos)
            pos += 8
            if (group, number) == _SEQUENCE_END:
                break
            content, pos = self._elements(data, pos, pos + length if length != _LONG_VALUE else None)
            parts += [self._item, content, self._item_end]
        parts.append(self._end)
        return b"".join(parts), pos if undefined else end

    def _elements(self, data: bytes, pos: int, end: int | None) -> tuple[bytes, int]:
        """Copy what is no sequence in runs, and say where the item's elements end."""
        parts: list[bytes] = []
        copied = pos
        while end is None or pos < end:
            group, number, vr, length = self._short(data, pos)
            if (group, number) == _ITEM_END:
                return b"".join([*parts, data[copied:pos]]), pos + 8
            value = pos + 8
            if vr in _LONG_VRS:
                value, length = pos + 12, self._long(data, pos + 8)[0]
            if vr == b"SQ" and length:
                content, after = self._sequence(data, value, value + length, undefined=length == _LONG_VALUE)
                parts += [data[copied:pos], content]
                copied = pos = after
            elif length == _LONG_VALUE:  # fragments or an unknown sequence: not ours to judge
                raise _UnwritableError("a nested value of undefined length that is no sequence")
            else:
                pos = value + length
        return b"".join([*parts, data[copied:pos]]), pos


_LITTLE: Final = _Sequences("<")
_BIG: Final = _Sequences(">")


def _sequences(little: bool) -> _Sequences:
    return _LITTLE if little else _BIG


class _UnwritableError(ValueError):
    """A sequence that cannot be written again; it stays as it is."""
