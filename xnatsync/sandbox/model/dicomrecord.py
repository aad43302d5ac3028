"""The record in (0012,0064) of the scripts that ran on an object (T:`TestAnonymizerLegacy`).

The code is the script's `id` in the config service; the scheme is XNAT's own, the meaning names the language
(src BaseMizerServiceTest).
"""

from __future__ import annotations

import functools
import struct
from typing import Final

from xnatsync.sandbox.model.dicomhead import Head
from xnatsync.sandbox.model.dicomrewrite import sequence_items

TAG: Final = 0x00120064
_UNDEFINED: Final = 0xFFFFFFFF
_SCHEME: Final = ((0x0102, "XNAT"), (0x0103, "1.0"))


def element(head: Head, script_id: str, language: int) -> bytes:
    """Return the element with one more item, in the object's own encoding."""
    start, item, end = _around(head.explicit, head.little, script_id, language)
    return start + sequence_items(head, TAG) + item + end


@functools.lru_cache(maxsize=64)
def _around(explicit: bool, little: bool, script_id: str, language: int) -> tuple[bytes, bytes, bytes]:
    """Return the beginning of the element, the new item and the end: the same for every object of an encoding."""
    order = "<" if little else ">"
    tagged = struct.Struct(order + "HHL")
    start = tagged.pack(0x0012, 0x0064, _UNDEFINED)
    if explicit:
        start = struct.pack(order + "HH2sHL", 0x0012, 0x0064, b"SQ", 0, _UNDEFINED)
    item = tagged.pack(0xFFFE, 0xE000, _UNDEFINED)
    for number, text in ((0x0100, script_id), *_SCHEME, (0x0104, f"XNAT DicomEdit {language} Script")):
        raw = text.encode("ascii", "replace")
        raw += b" " * (len(raw) % 2)
        vr = b"LO" if number == 0x0104 else b"SH"
        if explicit:
            item += struct.pack(order + "HH2sH", 0x0008, number, vr, len(raw)) + raw
        else:
            item += tagged.pack(0x0008, number, len(raw)) + raw
    return start, item + tagged.pack(0xFFFE, 0xE00D, 0), tagged.pack(0xFFFE, 0xE0DD, 0)
