"""The index of a medium, DICOMDIR: which files should be there."""

from __future__ import annotations

from collections.abc import Iterator

from xnatsync.core.manifest import Reference
from xnatsync.dicom.elements import (
    ITEM,
    ITEM_END,
    SEQUENCE_END,
    UNDEFINED,
    Coding,
    Stop,
    next_element,
    skip,
    skip_sequence,
    take,
)
from xnatsync.dicom.source import ByteSource

_RECORDS, _FILE_ID, _SOP_UID, _IN_USE = 0x00041220, 0x00041500, 0x00041511, 0x00041410
_WANTED = frozenset({_FILE_ID, _SOP_UID, _IN_USE})
_VALUE_MAX = 4096  # bytes: eight parts of eight characters, in all that anybody ever wrote
_INACTIVE = b"\0\0"


class Unreadable(Exception):
    """The index cannot be read to its end; the text says why."""


def references_of(data: bytes | None) -> tuple[Reference, ...]:
    """List the files that an index names, in its order, without the records that are no longer in use.

    Unreadable when it is too large, cut off or damaged: what it would have named is not known.
    """
    if data is None:
        raise Unreadable("it is too large")
    source = ByteSource([data])
    source.skip(132)
    try:
        return tuple(_records(source))
    except Stop as stop:
        raise Unreadable(str(stop)) from None


def _records(source: ByteSource) -> Iterator[Reference]:
    coding = Coding(explicit=True)
    in_meta = True
    while source.need(8):
        start = source.data[source.pos : source.pos + 6]
        if in_meta and start[:2] != b"\x02\0":
            in_meta, coding = False, Coding(start[4:6].isalpha(), big=start[:2] == b"\0\x04")
        tag, vr, length = next_element(source, coding)
        if tag == _RECORDS and not in_meta:
            yield from _items(source, coding, length)
        elif length == UNDEFINED:
            skip_sequence(source, tag, Coding(explicit=False) if vr == b"UN" else coding)
        else:
            skip(source, tag, length)


def _items(source: ByteSource, coding: Coding, length: int) -> Iterator[Reference]:
    end = source.offset + length if length != UNDEFINED else None
    while end is None or source.offset < end:
        tag, _, size = next_element(source, coding)
        if tag == SEQUENCE_END:
            return
        if tag != ITEM:
            raise Stop("damaged: its list of records holds what is not a record")
        found = _record(source, coding, size)
        if (name := _text(found.get(_FILE_ID, b""))) and found.get(_IN_USE) != _INACTIVE:
            parts = [part.strip() for part in name.split("\\")]
            yield Reference("/".join(part for part in parts if part), _text(found.get(_SOP_UID, b"")))


def _record(source: ByteSource, coding: Coding, size: int) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    end = source.offset + size if size != UNDEFINED else None
    while end is None or source.offset < end:
        tag, vr, length = next_element(source, coding)
        if tag == ITEM_END and end is None:
            break
        if length == UNDEFINED:
            skip_sequence(source, tag, Coding(explicit=False) if vr == b"UN" else coding)
        elif tag in _WANTED and length <= _VALUE_MAX:
            found[tag] = take(source, tag, length)
        else:
            skip(source, tag, length)
    return found


def _text(raw: bytes) -> str:
    return raw.decode("latin-1").strip(" \0")
