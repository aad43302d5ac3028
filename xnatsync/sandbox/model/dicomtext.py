"""Values of DICOM elements as text, and text as values."""

from __future__ import annotations

import struct
from typing import Final

_NUMBERS: Final = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}
_BINARY: Final = {  # of the elements that are asked for in implicit objects
    0x00280002: "US",
    0x00280010: "US",
    0x00280011: "US",
    0x00280100: "US",
    0x00280101: "US",
    0x00280102: "US",
    0x00280103: "US",
    0x00189087: "FD",
}
_OPAQUE: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ"})
_CODECS: Final = {
    "": "latin-1",
    "ISO_IR 6": "latin-1",
    "ISO_IR 100": "latin-1",
    "ISO_IR 101": "iso8859-2",
    "ISO_IR 109": "iso8859-3",
    "ISO_IR 110": "iso8859-4",
    "ISO_IR 144": "iso8859-5",
    "ISO_IR 127": "iso8859-6",
    "ISO_IR 126": "iso8859-7",
    "ISO_IR 138": "iso8859-8",
    "ISO_IR 148": "iso8859-9",
    "ISO_IR 166": "iso8859-11",
    "ISO_IR 13": "shift_jis",
    "ISO_IR 192": "utf-8",
    "GB18030": "gb18030",
    "GBK": "gbk",
}


def decode(tag: int, vr: str, raw: bytes, charset: str, *, little: bool) -> str:
    """Return a value as text; values without a textual form give the empty text."""
    kind = _BINARY.get(tag, "") if vr in {"", "UN"} else vr
    code = _NUMBERS.get(kind)
    if code is not None:
        count = len(raw) // struct.calcsize(f"<{code}")
        numbers = struct.unpack_from(f"{'<' if little else '>'}{count}{code}", raw)
        return "\\".join(f"{number:g}" if isinstance(number, float) else str(number) for number in numbers)
    if kind == "AT" or kind in _OPAQUE:
        return ""
    return _text(raw, charset).strip(" \0")


def _text(raw: bytes, charset: str) -> str:
    if raw.isascii() and b"\x1b" not in raw:
        return raw.decode("ascii")
    codec = _CODECS.get(charset)
    if codec is not None:
        return raw.decode(codec, "replace")
    from pydicom import charset as pydicom_charset

    encodings = pydicom_charset.convert_encodings([part.strip() for part in charset.split("\\")])
    return pydicom_charset.decode_bytes(raw, encodings, set())


def encode(text: str, vr: str, charset: str) -> bytes:
    """Return the bytes of a text in the object's character set, padded to an even length."""
    raw = text.encode(_CODECS.get(charset.split("\\", maxsplit=1)[0].strip(), "latin-1"), "replace")
    if len(raw) % 2:
        raw += b"\0" if vr == "UI" else b" "
    return raw
