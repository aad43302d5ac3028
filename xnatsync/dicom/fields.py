"""Header fields by name, and their values as text, as templates and rules want them.

The names that people use most, and all that we ask for ourselves, are known here, because pydicom's dictionary takes
longer to import than a study to read; for every other name, and for every character set but ASCII, pydicom is asked.
"""

from __future__ import annotations

import re
import threading
import warnings
from dataclasses import dataclass
from functools import lru_cache
from struct import unpack

from xnatsync.dicom.elements import Coding

CHARACTER_SET = 0x00080005

_KNOWN = {
    "SOPClassUID": (0x00080016, "UI"),
    "SOPInstanceUID": (0x00080018, "UI"),
    "StudyDate": (0x00080020, "DA"),
    "SeriesDate": (0x00080021, "DA"),
    "StudyTime": (0x00080030, "TM"),
    "AccessionNumber": (0x00080050, "SH"),
    "Modality": (0x00080060, "CS"),
    "Manufacturer": (0x00080070, "LO"),
    "InstitutionName": (0x00080080, "LO"),
    "ReferringPhysicianName": (0x00080090, "PN"),
    "StationName": (0x00081010, "SH"),
    "StudyDescription": (0x00081030, "LO"),
    "SeriesDescription": (0x0008103E, "LO"),
    "ManufacturerModelName": (0x00081090, "LO"),
    "PatientName": (0x00100010, "PN"),
    "PatientID": (0x00100020, "LO"),
    "AdditionalPatientHistory": (0x001021B0, "LT"),
    "PatientBirthDate": (0x00100030, "DA"),
    "PatientSex": (0x00100040, "CS"),
    "PatientComments": (0x00104000, "LT"),
    "DeviceSerialNumber": (0x00181000, "LO"),
    "ProtocolName": (0x00181030, "LO"),
    "StudyInstanceUID": (0x0020000D, "UI"),
    "SeriesInstanceUID": (0x0020000E, "UI"),
    "StudyID": (0x00200010, "SH"),
    "SeriesNumber": (0x00200011, "IS"),
    "StudyComments": (0x00324000, "LT"),
}
_PRIVATE = re.compile(r"\(([0-9A-Fa-f]{4}),([0-9A-Fa-f]{4})\)")
_NUMBERS = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "UV": "Q", "SV": "q", "FL": "f", "FD": "d"}
_IN_CHARACTER_SET = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_SINGLE = frozenset({"LT", "ST", "UR", "UT"})  # a backslash in these is a backslash
_OPAQUE = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ"})
_REMEMBERED_MAX = 256  # bytes of a value
_warnings = threading.Lock()  # filters of warnings belong to the whole process


@dataclass(frozen=True, slots=True)
class Field:
    """A header field: the name it was asked for by, its tag, and its VR where the object does not say it."""

    name: str
    tag: int
    vr: str


def field_named(name: str) -> Field:
    """Find a field by DICOM keyword or `(gggg,eeee)`; ValueError when there is no such keyword."""
    if name in _KNOWN:
        return Field(name, *_KNOWN[name])
    from pydicom.datadict import dictionary_VR, tag_for_keyword

    if (numbers := _PRIVATE.fullmatch(name)) is not None:
        tag = int(numbers[1] + numbers[2], 16)
    elif (found := tag_for_keyword(name)) is not None:
        tag = found
    else:
        raise ValueError(f"{name!r} is not a DICOM keyword")
    try:
        return Field(name, tag, str(dictionary_VR(tag))[:2])
    except KeyError:
        return Field(name, tag, "UN")


def text_of(raw: bytes, vr: str, coding: Coding, character_set: bytes = b"") -> str:
    r"""Return a stored value as text: several values are joined by `\`, a name is `Family^Given`, padding is left out.

    A value that is not text or numbers gives "".
    """
    if len(raw) > _REMEMBERED_MAX:
        return _text.__wrapped__(raw, vr, coding.big, character_set)
    return _text(raw, vr, coding.big, character_set)


@lru_cache(maxsize=1024)
def _text(raw: bytes, vr: str, big: bool, character_set: bytes) -> str:
    """Is remembered, because the objects of a session say the same again and again."""
    if vr in _NUMBERS:
        return _numbers(raw, _NUMBERS[vr], big)
    if vr == "AT":
        pairs = unpack(f"{'>' if big else '<'}{len(raw) // 4 * 2}H", raw[: len(raw) // 4 * 4])
        return "\\".join(f"({group:04X},{element:04X})" for group, element in zip(pairs[::2], pairs[1::2], strict=True))
    if vr in _OPAQUE:
        return ""
    if vr == "UN" and not (raw.isascii() and raw.decode("ascii").strip(" \0").isprintable()):
        return ""
    text = _decode(raw, vr, character_set)
    if vr in _SINGLE:
        return text.rstrip(" \0")
    padding = " \0=" if vr == "PN" else " \0"  # a name may end in empty groups of components
    return "\\".join(part.rstrip(padding) for part in text.split("\\"))


def _numbers(raw: bytes, code: str, big: bool) -> str:
    width = {"H": 2, "h": 2, "L": 4, "l": 4, "f": 4, "Q": 8, "q": 8, "d": 8}[code]
    count = len(raw) // width
    return "\\".join(map(str, unpack(f"{'>' if big else '<'}{count}{code}", raw[: count * width])))


def _decode(raw: bytes, vr: str, character_set: bytes) -> str:
    if raw.isascii() and b"\x1b" not in raw:
        return raw.decode("ascii")
    if vr not in _IN_CHARACTER_SET:
        return raw.decode("latin-1")
    from pydicom import charset, valuerep

    terms = [term.strip(" \0") for term in character_set.decode("latin-1").split("\\")]
    with _warnings, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what cannot be decoded comes out as U+FFFD, and no label is made of that
        try:
            return charset.decode_bytes(raw, charset.convert_encodings(terms), valuerep.TEXT_VR_DELIMS)
        except (LookupError, ValueError):  # a name that Python knows, and not as a character set: `zip`, `punycode`
            return raw.decode("ascii", "replace")
