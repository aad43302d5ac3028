"""The type of session that XNAT makes of a set of objects (import.md §4.2): known before they are sent.

XNAT refuses to archive a session of one type into one of another while its setting `preventCrossModalityMerge` is on.
A part that comes late is a session of its own until it is archived, so its type is that of its own objects.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_STORAGE: Final = "1.2.840.10008.5.1.4.1.1."
# SOP classes that tell a kind whatever the modality says.
_CLASSES: Final = {
    "128": "pet", "128.1": "pet", "130": "pet", "4": "mr", "4.1": "mr", "4.2": "mr", "4.3": "mr", "4.4": "mr",
    "2": "ct", "2.1": "ct", "2.2": "ct", "12.1": "xa", "12.1.1": "xa", "3": "us", "3.1": "us", "6": "us",
    "6.1": "us", "6.2": "us", "481.1": "rt", "481.2": "rt", "481.3": "rt", "481.4": "rt", "481.5": "rt", "1": "cr",
    "13.1.1": "xa",
    "77.1.5.4": "opt", "1.2": "mg", "1.2.1": "mg", "13.1.3": "mg", "1.1": "dx", "1.1.1": "dx", "20": "nm",
    "88.11": "sr", "88.22": "sr", "88.33": "sr", "88.34": "sr", "88.40": "sr", "88.50": "sr", "88.65": "sr",
    "88.67": "sr", "77.1.3": "sm", "77.1.6": "sm",
}  # fmt: skip
_MODALITIES: Final = {
    "PT": "pet", "MR": "mr", "CT": "ct", "XA": "xa", "US": "us", "RTIMAGE": "rt", "RTDOSE": "rt", "RTSTRUCT": "rt",
    "RTPLAN": "rt", "CR": "cr", "OPT": "opt", "MG": "mg", "DX": "dx", "NM": "nm", "SR": "sr", "SM": "sm",
}  # fmt: skip
_LEADS: Final = ("pet", "mr", "ct", "xa", "us", "rt", "cr", "opt", "mg", "dx", "nm", "sr", "sm")


def session_type(objects: Iterable[tuple[str, str]]) -> str:
    """Return the xsiType that (SOP class, modality) of all objects make; "" where that is not certain beforehand."""
    kinds = set[str]()
    for sop_class, modality in objects:
        kinds |= {_CLASSES.get(sop_class.removeprefix(_STORAGE), ""), _MODALITIES.get(modality, "")}
    if {"pet", "mr"} <= kinds:
        return "xnat:petmrSessionData"
    lead = next((kind for kind in _LEADS if kind in kinds), "")
    return f"xnat:{lead}SessionData" if lead else ""


def is_refused(part: str, whole: str) -> bool:
    """Tell whether XNAT would not merge a part of one type into a session of another, by default.

    Of what is not certain (segmentations, presentation states and the like have no type of their own in the list) it is
    known that it is not the type of what has one.
    """
    return bool(whole) and part != whole and whole != "xnat:imageSessionData"
