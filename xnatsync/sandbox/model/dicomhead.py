"""The head of a DICOM object, element by element over its bytes: fast, and nothing is read that nobody asks for.

Only the places of the top-level elements are noted; values are decoded when somebody asks.  `parse` works on the
beginning of an object and says with `NeedMore` how much it must see; the pixel data is never looked at.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final

from xnatsync.sandbox.model import dicomtext

IMPLICIT: Final = "1.2.840.10008.1.2"
EXPLICIT: Final = "1.2.840.10008.1.2.1"
DEFLATED: Final = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN: Final = "1.2.840.10008.1.2.2"

STOP: Final = 0x00400255  # past the last element that a session is built from
_UNDEFINED: Final = 0xFFFFFFFF
_LONG: Final = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
_SHORT: Final = frozenset(
    b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split(),
)
_PLAIN: Final = frozenset(b"AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UR UT".split())  # texts
_ITEM: Final = 0xFFFEE000
_ITEM_END: Final = 0xFFFEE00D
_SEQUENCE_END: Final = 0xFFFEE0DD
_DEEPEST: Final = 64
_META: Final = struct.Struct("<H2sHL").unpack_from
_SYNTAX: Final = 0x0010  # of group 2


class NotDicomError(ValueError):
    """These bytes are no DICOM object, or its head is damaged."""


class NeedMore(Exception):
    """The head reaches at least to `until`, which is beyond the bytes seen so far."""

    def __init__(self, until: int) -> None:
        super().__init__(until)
        self.until = until


Span = tuple[int, int, int, bytes]
"""Where one top-level element lies: its start, its value, its end; then its VR, empty in implicit syntaxes."""


@dataclass(slots=True)
class Head:
    """A parsed head over `data`; deflated objects must have been inflated before."""

    data: bytes
    syntax: str
    explicit: bool
    little: bool
    dataset: int  # where the data set begins
    complete_meta: bool  # preamble and file meta are there and name the syntax
    spans: dict[int, Span] = field(default_factory=dict)
    end: int = 0  # where the walk stopped
    charset: str = ""  # the Specific Character Set as it stands in the object
    strict: list[int] = field(default_factory=list)  # group lengths, and sequences with explicit lengths inside
    _texts: dict[int, str] = field(default_factory=dict)  # what has been asked for: the same few, several times

    def raw(self, tag: int) -> bytes:
        """Return the bytes of a value; empty when the element is absent."""
        span = self.spans.get(tag)
        return b"" if span is None else self.data[span[1] : span[2]]

    def text(self, tag: int) -> str:
        """Return a value as text: numbers in decimal, several values separated by backslashes."""
        known = self._texts.get(tag)
        if known is None:
            known = self._texts[tag] = self._decoded(tag)
        return known

    def _decoded(self, tag: int) -> str:
        span = self.spans.get(tag)
        if span is None or span[1] == span[2]:
            return ""
        raw, vr = self.data[span[1] : span[2]], span[3]
        if vr in _PLAIN and raw.isascii() and b"\x1b" not in raw:
            return raw.decode("ascii").strip(" \0")
        return dicomtext.decode(tag, vr.decode("latin-1"), raw, self.charset, little=self.little)


def parse(data: bytes, *, final: bool, stop: int = STOP) -> Head:
    """Walk the head of an object up to the tag `stop`.

    `final` says that `data` is the whole object; else `NeedMore` is raised when the head is longer than `data`.
    """
    if len(data) < 132 and not final:
        raise NeedMore(132)
    preamble = data[128:132] == b"DICM"
    syntax, dataset = file_meta(data, 132 if preamble else 0, final=final)
    if dataset + 8 > len(data):
        raise NotDicomError("no data set") if final else NeedMore(dataset + 8)
    explicit, little = _encoding(data, dataset, syntax, trusted=preamble)
    complete = preamble and bool(syntax)
    if not syntax:
        syntax = EXPLICIT if explicit and little else IMPLICIT if little else BIG_ENDIAN
    head = Head(data, syntax, explicit, little, dataset, complete)
    _walk(head, stop, final=final)
    head.charset = head.raw(0x00080005).decode("latin-1").strip(" \0")
    return head


def file_meta(data: bytes, start: int, *, final: bool) -> tuple[str, int]:
    """Read the file meta information (group 2), always explicit little endian: the transfer syntax, and its end."""
    syntax, pos, size = b"", start, len(data)
    while data[pos : pos + 2] == b"\x02\x00":
        if pos + 12 > size:
            raise NotDicomError("file meta information is cut") if final else NeedMore(pos + 12)
        number, vr, length, long = _META(data, pos + 2)
        value = pos + 8
        if vr in _LONG:
            length, value = long, pos + 12
        elif vr not in _SHORT:  # some writers forget that the meta information is explicit
            length = int.from_bytes(vr, "little") | length << 16
        if value + length > size:
            raise NotDicomError("file meta information is cut") if final else NeedMore(value + length)
        pos = value + length
        if number == _SYNTAX:
            syntax = data[value:pos]
    return syntax.decode("latin-1").strip(" \0"), pos


def _encoding(data: bytes, pos: int, syntax: str, *, trusted: bool) -> tuple[bool, bool]:
    """Decide (explicit, little) from the first element; the declared syntax is not always the truth."""
    little = syntax != BIG_ENDIAN
    if not syntax and data[pos] == 0 and data[pos + 1] != 0:
        little = False
    group = int.from_bytes(data[pos : pos + 2], "little" if little else "big")
    explicit = data[pos + 4 : pos + 6] in _SHORT or data[pos + 4 : pos + 6] in _LONG
    if not trusted and not (group == 8 or (group < 8 and explicit)):
        raise NotDicomError("neither preamble nor a first element of group 8")
    return explicit, little


def _walk(head: Head, stop: int, *, final: bool) -> None:
    data, size, spans = head.data, len(head.data), head.spans
    order = "<" if head.little else ">"
    explicit = head.explicit
    unpack = struct.Struct(order + ("HH2sH" if explicit else "HHL")).unpack_from
    long = struct.Struct(order + "L").unpack_from
    walker = _Nested(head, final=final)
    short, long_vrs = _SHORT, _LONG
    pos, vr = head.dataset, b""
    while pos + 8 <= size:
        if explicit:
            group, number, vr, length = unpack(data, pos)
        else:
            group, number, length = unpack(data, pos)
        tag = group << 16 | number
        if tag >= stop:
            head.end = pos
            return
        value = pos + 8
        if explicit and vr not in short:
            if pos + 12 > size:
                break
            if vr in long_vrs:
                value = pos + 12
                length = long(data, pos + 8)[0]
            else:  # an implicit element among explicit ones: old private data
                vr = b""
                length = long(data, pos + 4)[0]
        if length == _UNDEFINED:
            walker.strict = False
            end = walker.sequence(value, implicit=vr != b"SQ", depth=0)
            if walker.strict and vr == b"SQ":
                head.strict.append(tag)
        else:
            end = value + length
            if not number or (vr == b"SQ" and length):
                head.strict.append(tag)
        spans[tag] = (pos, value, end, vr)
        pos = end
    head.end = pos
    if pos != size:
        if not final:
            raise NeedMore(max(pos, size) + 8)
        raise NotDicomError("the object ends inside an element")
    if not final:
        raise NeedMore(pos + 8)


class _Nested:
    """Finds the end of values of undefined length."""

    def __init__(self, head: Head, *, final: bool) -> None:
        self._head, self._data, self._final = head, head.data, final
        self.strict = False  # an explicit length was met
        order = "<" if head.little else ">"
        self._tag_length = struct.Struct(order + "HHL").unpack_from
        self._tag_vr = struct.Struct(order + "HH2sH").unpack_from
        self._long = struct.Struct(order + "L").unpack_from

    def sequence(self, pos: int, *, implicit: bool, depth: int) -> int:
        """Return the position after the sequence delimiter; `pos` is at the first item."""
        if depth > _DEEPEST:
            raise NotDicomError("sequences are nested too deeply")
        while True:
            tag, length = self._item(pos)
            pos += 8
            if tag == _SEQUENCE_END:
                return pos
            if tag != _ITEM:
                raise NotDicomError("a sequence holds something that is no item")
            if length == _UNDEFINED:
                pos = self._elements(pos, implicit=implicit, depth=depth)
            else:
                self.strict = self.strict or length > 0
                pos += length

    def _elements(self, pos: int, *, implicit: bool, depth: int) -> int:
        while True:
            tag, length = self._item(pos)
            if tag == _ITEM_END:
                return pos + 8
            value, vr = pos + 8, b""
            if self._head.explicit and not implicit:
                vr = self._tag_vr(self._data, pos)[2]
                if vr in _SHORT:
                    length = self._tag_vr(self._data, pos)[3]
                elif vr in _LONG:
                    self._see(pos + 12)
                    length, value = self._long(self._data, pos + 8)[0], pos + 12
            if length == _UNDEFINED:
                pos = self.sequence(value, implicit=implicit or vr == b"UN", depth=depth + 1)
            else:
                self.strict = self.strict or (vr == b"SQ" and length > 0)
                pos = value + length

    def _item(self, pos: int) -> tuple[int, int]:
        self._see(pos + 8)
        group, number, length = self._tag_length(self._data, pos)
        return group << 16 | number, length

    def _see(self, until: int) -> None:
        if until > len(self._data):
            raise NotDicomError("the object ends inside a sequence") if self._final else NeedMore(until)
