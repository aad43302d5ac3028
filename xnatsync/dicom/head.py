"""Walks over a DICOM object once and takes out the few values that matter, up to and including the pixel data.

pydicom builds every element, which costs a millisecond on a scanner's header; this skips what nobody asked for.  It
knows explicit and implicit VR, both byte orders, deflated data sets, sequences of undefined length, files without
preamble or meta group, and it notices a stream that ends before its own lengths say.  Tests compare it with pydicom.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from struct import Struct

from xnatsync.dicom.behind import odd_behind_pixels
from xnatsync.dicom.content import ContentDigest, is_rewritten
from xnatsync.dicom.elements import (
    ITEM,
    NARROW,
    PIXELS,
    SEQUENCE_END,
    UNDEFINED,
    WIDE,
    Coding,
    Stop,
    cut_off,
    is_vr,
    next_element,
    skip,
    skip_sequence,
    take,
)
from xnatsync.dicom.source import ByteSource, Inflated

MAX_VALUE = 1 << 16  # bytes: no field for a label is longer; a longer value is passed over
_DIGITS_MAX = 12  # as many as an IS may have; Python refuses to read thousands

TRANSFER_SYNTAX, MEDIA_CLASS = 0x00020010, 0x00020002
ROWS, COLUMNS, SAMPLES, FRAMES, BITS = 0x00280010, 0x00280011, 0x00280002, 0x00280008, 0x00280100
COMMANDS = 0x0000FFFF  # up to here: elements of commands, which are never in a file
DEIDENTIFIED = 0x00120064  # where a script that ran leaves its name
_GEOMETRY = frozenset({ROWS, COLUMNS, SAMPLES, FRAMES, BITS})

_IMPLICIT_LITTLE, _EXPLICIT_LITTLE, _EXPLICIT_BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
_META_ELEMENT = Struct("<HH2sH")
_SENDERS = frozenset({0x00020016, 0x00020017, 0x00020018})  # AE titles that receivers write down
_META_WANTED = frozenset({TRANSFER_SYNTAX & 0xFFFF, MEDIA_CLASS & 0xFFFF} | {tag & 0xFFFF for tag in _SENDERS})
_SYNTAX = "1.2.840.10008.1.2."
# JPEG, JPEG-LS, JPEG 2000, JPEG XL, HTJ2K, RLE, encapsulated plain and deflated frames; not films, which are one
# stream, nor JPEG 2000 part 2 and JPIP.
_BY_FRAME = frozenset(
    {f"{_SYNTAX}4.{number}" for number in (*range(50, 67), 70, 80, 81, 90, 91, 110, 111, 112, 201, 202, 203)}
    | {f"{_SYNTAX}5", f"{_SYNTAX}1.98", f"{_SYNTAX}8.1"}
)
_DEFLATED = frozenset({"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"})


@dataclass(slots=True)
class Head:
    """What the walk found.  `values` holds (VR or "", bytes as stored) of the wanted top-level elements."""

    preamble: bool
    transfer_syntax: str = ""
    media_class: str = ""  # SOP class according to the meta group
    coding: Coding = field(default_factory=lambda: Coding(explicit=False))
    values: dict[int, tuple[str, bytes]] = field(default_factory=dict)
    problem: str = ""  # why the stream is not one whole object
    odd: str = ""  # what is not as it should be in an object that may be whole all the same
    has_pixels: bool = False
    pixels: bytes | None = None  # sha256 of the pixel data, when it was asked for and there is any
    fragments: int = 0  # of encapsulated pixel data, those that hold anything
    pixel_bytes: int = 0  # its length as stored, without item headers and offset table
    content: bytes | None = None  # sha256 of what is neither pixel data nor rewritten by servers, when it was asked for
    public: bytes | None = None  # the same without private elements
    has_private: bool = False  # there are some among what counts as content
    record: bytes | None = None  # sha256 of what it says of how it was de-identified, when that was asked for
    data_at: int = 0  # where the data set begins: behind preamble and meta group

    def number(self, tag: int) -> int | None:
        """Return a small unsigned number (US or IS), None when it is absent or is none."""
        vr, raw = self.values.get(tag, ("", b""))
        if tag != FRAMES and vr != "IS" and len(raw) == 2:
            return int.from_bytes(raw, self.coding.order)
        text = raw.strip(b" \0")
        return int(text) if text.isdigit() and len(text) <= _DIGITS_MAX else None


def read_head(
    chunks: Iterable[bytes], wanted: Collection[int], *, hash_pixels: bool, hash_content: bool = False
) -> Head | None:
    """Walk over a stream; None when nothing in it looks like DICOM.

    Reads to the end of an object, or as far as what follows its pixel data can be understood; the caller reads on.
    """
    source = ByteSource(chunks)
    preamble = source.need(132) and source.data[128:132] == b"DICM"
    if preamble:
        source.skip(132)
    elif not _begins_like_a_data_set(source):
        return None
    head = Head(preamble)
    try:
        _read_meta(source, head)
        head.values = {tag: stored for tag, stored in head.values.items() if tag in wanted}
        head.data_at = source.offset
        if source.need(1):
            content = ContentDigest() if hash_content else None
            _read_data_set(source, head, _GEOMETRY.union(wanted), hash_pixels, content)
    except Stop as stop:
        head.problem = str(stop)
    return head


def _begins_like_a_data_set(source: ByteSource) -> bool:
    """Without a preamble an object begins with group 2 or 8 and a first element of modest size."""
    if not source.need(8):
        return False
    start = source.data[:8]
    if start[:2] == b"\x00\x08":  # big endian, always explicit
        return start[4:6] in NARROW or start[4:6] in WIDE
    if start[:2] not in {b"\x08\x00", b"\x02\x00"}:
        return False
    return is_vr(start[4:6]) or int.from_bytes(start[4:8], "little") <= MAX_VALUE


# --- the two parts of an object ----------------------------------------------------------------------------------


def _read_meta(source: ByteSource, head: Head) -> None:
    """Read group 2: always little endian, and explicit but for a few wrong writers."""
    found: dict[int, str] = {}
    while source.need(8) and source.data[source.pos : source.pos + 2] == b"\x02\x00":
        data, pos = source.data, source.pos
        _, number, vr, length = _META_ELEMENT.unpack_from(data, pos)
        if vr in NARROW and number not in _META_WANTED and pos + 8 + length <= len(data):
            source.pos = pos + 8 + length  # most of it
            continue
        explicit = is_vr(source.data[source.pos + 4 : source.pos + 6])
        tag, _, length = next_element(source, Coding(explicit))
        if length > MAX_VALUE:
            raise Stop(f"damaged: the meta group claims an element of {length} bytes")
        found[tag] = take(source, tag, length).strip(b" \0").decode("ascii", "replace")
    head.transfer_syntax = found.get(TRANSFER_SYNTAX, "")
    head.media_class = found.get(MEDIA_CLASS, "")
    head.values.update({tag: ("AE", found[tag].encode("ascii", "replace")) for tag in _SENDERS & found.keys()})


def _read_data_set(
    source: ByteSource, head: Head, wanted: Collection[int], hash_pixels: bool, content: ContentDigest | None
) -> None:
    if head.transfer_syntax not in _DEFLATED:
        head.coding = _coding(source, head)
        _go_over(source, head, wanted, hash_pixels, content)
        return
    inflated = Inflated(source.rest())
    inner = ByteSource(inflated)
    head.coding = _coding(inner, head)
    _go_over(inner, head, wanted, hash_pixels, content)
    inner.drain()
    if not inflated.whole:
        raise Stop("truncated: the deflated data set is cut off")


def _go_over(
    source: ByteSource, head: Head, wanted: Collection[int], hash_pixels: bool, content: ContentDigest | None
) -> None:
    if content is None:
        _walk(source, head, wanted, hash_pixels)
        return
    while source.need(8):
        if _one_digested(source, head, wanted, hash_pixels, content):
            break
    else:
        _end(source)
    head.content, head.public, head.has_private = content.value, content.public, content.has_private


def _coding(source: ByteSource, head: Head) -> Coding:
    """Trust the first element more than the transfer syntax, because some writers mix them up."""
    if not source.need(6):
        raise Stop("truncated: there is no data set")
    start = source.data[source.pos : source.pos + 6]
    explicit = is_vr(start[4:6])
    if head.transfer_syntax:
        return Coding(explicit, big=explicit and head.transfer_syntax == _EXPLICIT_BIG)
    big = explicit and int.from_bytes(start[:2], "little") >= 0x0400
    head.transfer_syntax = _EXPLICIT_BIG if big else _EXPLICIT_LITTLE if explicit else _IMPLICIT_LITTLE
    return Coding(explicit, big)


def _walk(source: ByteSource, head: Head, wanted: Collection[int], hash_pixels: bool) -> None:
    """Go over the top level.  This loop is the hot one: an element inside the window costs one unpacking."""
    explicit, order = head.coding.explicit, ">" if head.coding.big else "<"
    unpack = Struct(order + ("HH2sH" if explicit else "HH2xH")).unpack_from
    unpack_length = Struct(order + "L").unpack_from
    narrow, values = NARROW, head.values
    while True:
        data, pos, end = source.data, source.pos, len(source.data)
        while pos + 12 <= end:
            if explicit:
                group, number, vr, length = unpack(data, pos)
                if vr in narrow:
                    start = pos + 8
                elif vr in WIDE:
                    length, start = unpack_length(data, pos + 8)[0], pos + 12
                else:
                    break
            else:
                group, number, _ = unpack(data, pos)
                vr, length, start = b"", unpack_length(data, pos + 4)[0], pos + 8
            tag = group << 16 | number
            if length > end - start or tag >= 0x7FE00000 or not group:
                break
            if tag in wanted and length <= MAX_VALUE:
                values[tag] = (vr.decode("ascii"), data[start : start + length])
            pos = start + length
        source.pos = pos
        if not source.need(8):
            return _end(source)
        if _one_element(source, head, wanted, hash_pixels):
            return None


def _one_element(source: ByteSource, head: Head, wanted: Collection[int], hash_pixels: bool) -> bool:
    """Handle one element the slow way: whatever is large, nested, odd, or across the window; True after pixel data."""
    at = source.offset
    tag, vr, length = next_element(source, head.coding)
    if tag <= COMMANDS:  # zeros, where an element should begin
        head.odd = _zeros_to_the_end(source, tag or length, at)
        return True
    if tag in PIXELS:
        head.has_pixels = True
        _read_pixels(source, head, length, hash_pixels)
        head.odd = _too_few_pixels(head, length) or odd_behind_pixels(source, head.coding, None)
        return True
    if length == UNDEFINED:
        skip_sequence(source, tag, Coding(explicit=False) if vr == b"UN" else head.coding)
    elif tag in wanted and length <= MAX_VALUE:
        head.values[tag] = (vr.decode("ascii", "replace"), take(source, tag, length))
    else:
        skip(source, tag, length)
    return False


def _one_digested(
    source: ByteSource, head: Head, wanted: Collection[int], hash_pixels: bool, content: ContentDigest
) -> bool:
    """Handle one element and take its value into the digest of the content; True after pixel data."""
    at = source.offset
    tag, vr, length = next_element(source, head.coding)
    if tag <= COMMANDS:
        head.odd = _zeros_to_the_end(source, tag or length, at)
        return True
    if tag in PIXELS:
        head.has_pixels = True
        _read_pixels(source, head, length, hash_pixels)
        head.odd = _too_few_pixels(head, length) or odd_behind_pixels(source, head.coding, content)
        return True
    if tag in wanted and length <= MAX_VALUE:
        value = take(source, tag, length)
        head.values[tag] = (vr.decode("ascii", "replace"), value)
        if not is_rewritten(tag):
            content.small(tag, value)
    elif tag == DEIDENTIFIED:
        record = ContentDigest()
        record.element(source, tag, vr, length, head.coding)
        head.record = record.value
    elif not is_rewritten(tag):
        content.element(source, tag, vr, length, head.coding)
    elif length == UNDEFINED:
        skip_sequence(source, tag, Coding(explicit=False) if vr == b"UN" else head.coding)
    else:
        skip(source, tag, length)
    return False


def _zeros_to_the_end(source: ByteSource, first: int, at: int) -> str:
    """Read what follows an element of zeros: more of them may be padding, and anything else is damage."""
    size, rest = source.offset - at, first == 0
    for piece in source.rest():
        size += len(piece)
        rest = rest and piece.count(0) == len(piece)
    if not rest:
        raise Stop(f"damaged: there is no element where one should begin, at byte {at}")
    return f"it ends in {size} zero bytes: they may be padding, or what was lost"


def _end(source: ByteSource) -> None:
    """A few zero bytes at the end are padding; anything else is the beginning of an element that was cut off."""
    if source.data[source.pos :].strip(b"\0"):
        raise Stop("truncated: it ends inside an element")


# --- pixel data --------------------------------------------------------------------------------------------------


def _read_pixels(source: ByteSource, head: Head, length: int, hash_pixels: bool) -> None:
    digest = hashlib.sha256()
    sink = digest.update if hash_pixels else None
    if length != UNDEFINED:
        wanted = _unpadded(head, length)
        had = source.feed(wanted, sink)
        had += source.feed(length - wanted, None)
        if had < length:
            raise cut_off(0x7FE00010, length, had)
        head.pixel_bytes = wanted
    else:
        _read_fragments(source, head, sink)
    if hash_pixels and head.pixel_bytes:  # an empty value equals every other empty value, and proves nothing
        head.pixels = digest.digest()


def _too_few_pixels(head: Head, length: int) -> str:
    """Say that native pixel data are shorter than the picture: its writer may have stopped, and counted what was there.

    Colours may be stored with half of their samples (YBR_FULL_422, YBR_PARTIAL_420).
    """
    if length == UNDEFINED:
        return _too_few_fragments(head)
    rows, columns, bits = head.number(ROWS), head.number(COLUMNS), head.number(BITS)
    if not head.pixel_bytes or rows is None or columns is None or bits is None:
        return ""
    samples, frames = head.number(SAMPLES) or 1, head.number(FRAMES) or 1
    due = (rows * columns * samples * frames * bits + 7) // 8
    least = due // 2 if samples > 1 else due
    if head.pixel_bytes >= least:
        return ""
    return f"its pixel data have {head.pixel_bytes} bytes, and its picture needs {least}"


def _too_few_fragments(head: Head) -> str:
    """Say that encapsulated pixel data have fewer fragments than frames, where each frame has at least one."""
    frames = head.number(FRAMES) or 1
    if head.transfer_syntax not in _BY_FRAME or not head.fragments or head.fragments >= frames:
        return ""
    return f"its pixel data have {head.fragments} fragments, and its {frames} frames need one each"


def _unpadded(head: Head, length: int) -> int:
    """Leave out the byte that makes an odd number of samples even: one writer adds it, another does not."""
    rows, columns, bits = head.number(ROWS), head.number(COLUMNS), head.number(BITS)
    if rows is None or columns is None or bits is None:
        return length
    samples = rows * columns * (head.number(SAMPLES) or 1) * (head.number(FRAMES) or 1)
    expected = (samples * bits + 7) // 8
    return expected if expected == length - 1 else length


def _read_fragments(source: ByteSource, head: Head, sink: Callable[[memoryview], object] | None) -> None:
    """Join the fragments of encapsulated pixel data; the first item is the offset table, which servers may rewrite."""
    first = True
    while True:
        if not source.need(8):
            raise Stop("truncated: the pixel data has no end")
        tag, _, length = next_element(source, Coding(explicit=False, big=head.coding.big))
        if tag == SEQUENCE_END:
            return
        if tag != ITEM or length == UNDEFINED:
            raise Stop("damaged: the fragments of the pixel data cannot be distinguished")
        had = source.feed(length, None if first else sink)
        if had < length:
            raise Stop(f"truncated: a fragment of the pixel data should have {length} bytes, and only {had} are there")
        if not first:
            head.pixel_bytes += length
            head.fragments += bool(length)
        first = False
