"""What follows the pixel data of an object: a few elements, or padding; anything else nobody would ever look at.

A transfer that was resumed at the wrong place leaves two objects in one file, a proxy its page of an error.  The pixel
data alone proves nothing of them, and a server may drop them, so a person is asked.
"""

from __future__ import annotations

from xnatsync.dicom.content import ContentDigest, is_rewritten
from xnatsync.dicom.elements import UNDEFINED, Coding, Stop, is_vr, next_element, skip, skip_sequence
from xnatsync.dicom.source import ByteSource

_GROUP = 0x7FE0  # of pixel data
_MARK_AT, _MARK = 128, b"DICM"


def odd_behind_pixels(source: ByteSource, coding: Coding, content: ContentDigest | None) -> str:
    """Say what is odd about what follows the pixel data, "" when nothing is; never more than a stream's end is read.

    Elements there count as content as those before do: some scanners keep a whole volume in a private one.
    """
    try:
        while source.need(8):
            if not _begins_an_element(source, coding):
                return _rest(source)
            tag, vr, length = next_element(source, coding)
            if content is not None and not is_rewritten(tag):
                content.element(source, tag, vr, length, coding)
            elif length == UNDEFINED:
                skip_sequence(source, tag, Coding(explicit=False) if vr == b"UN" else coding)
            else:
                skip(source, tag, length)
    except Stop:
        return "what follows its pixel data is cut off"
    return _rest(source)


def _begins_an_element(source: ByteSource, coding: Coding) -> bool:
    start = source.data[source.pos : source.pos + 6]
    group = int.from_bytes(start[:2], coding.order)
    return _GROUP <= group <= 0xFFFC and (not coding.explicit or is_vr(start[4:6]))


def _rest(source: ByteSource) -> str:
    """Read what is no element: zeros are padding."""
    at = source.offset
    another = source.need(_MARK_AT + 4) and source.data[source.pos + _MARK_AT :].startswith(_MARK)
    zeros = True
    for piece in source.rest():
        zeros = zeros and piece.count(0) == len(piece)
    if another:
        return f"another object follows it in the same file, at byte {at}"
    return "" if zeros else f"something that is no part of it follows its pixel data, at byte {at}"
