"""Types of scans and sessions by SOP class and modality (import.md §4.2, §4.3, §4.7)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from xnatsync.sandbox.model.objects import Experiment
    from xnatsync.sandbox.model.site import Site

_STORAGE: Final = "1.2.840.10008.5.1.4.1.1."
_CLASSES: Final = {
    "1": "cr",
    "1.1": "dx",
    "1.1.1": "dx",
    "1.2": "mg",
    "1.2.1": "mg",
    "1.3": "io",
    "1.3.1": "io",
    "2": "ct",
    "2.1": "ct",
    "2.2": "ct",
    "3": "us",
    "3.1": "us",
    "4": "mr",
    "4.1": "mr",
    "4.2": "mr",
    "4.3": "mr",
    "4.4": "mr",
    "6": "us",
    "6.1": "us",
    "6.2": "us",
    "7": "sc",
    "7.1": "sc",
    "7.2": "sc",
    "7.3": "sc",
    "7.4": "sc",
    "9.1.1": "ecg",
    "9.1.2": "ecg",
    "9.1.3": "ecg",
    "9.2.1": "hd",
    "9.3.1": "eps",
    "12.1": "xa",
    "12.1.1": "xa",
    "12.2": "rf",
    "12.2.1": "rf",
    "13.1.1": "xa",
    "13.1.3": "mg",
    "20": "nm",
    "66.4": "seg",
    "77.1.1": "es",
    "77.1.1.1": "esv",
    "77.1.2": "gm",
    "77.1.2.1": "gmv",
    "77.1.3": "sm",
    "77.1.4": "xc",
    "77.1.4.1": "xcv",
    "77.1.5.1": "op",
    "77.1.5.2": "op",
    "77.1.5.4": "opt",
    "77.1.6": "sm",
    "88.11": "sr",
    "88.22": "sr",
    "88.33": "sr",
    "88.34": "sr",
    "88.40": "sr",
    "88.50": "sr",
    "88.65": "sr",
    "88.67": "sr",
    "128": "pet",
    "128.1": "pet",
    "130": "pet",
    "481.1": "rtImage",
    "481.2": "rtImage",
    "481.3": "rtImage",
    "481.4": "rtImage",
    "481.5": "rtImage",
}
_NOT_PRIMARY: Final = frozenset({"sc", "sr", "seg", ""})
_LEADS: Final = ("pet", "mr", "ct", "xa", "us", "rt", "cr", "opt", "mg", "dx", "nm", "sr", "sm")
_LATER: Final = ("es", "esv", "op", "xc", "xcv", "gm", "gmv", "io", "ecg", "eps", "hd", "rf", "xa3D")
_MODALITIES: Final = {
    "PT": "pet",
    "MR": "mr",
    "CT": "ct",
    "XA": "xa",
    "US": "us",
    "RTIMAGE": "rt",
    "RTDOSE": "rt",
    "RTSTRUCT": "rt",
    "RTPLAN": "rt",
    "CR": "cr",
    "OPT": "opt",
    "MG": "mg",
    "DX": "dx",
    "NM": "nm",
    "SR": "sr",
    "SM": "sm",
    "ES": "es",
    "OP": "op",
    "XC": "xc",
    "GM": "gm",
    "IO": "io",
    "ECG": "ecg",
    "EPS": "eps",
    "HD": "hd",
    "RF": "rf",
}


def _code(sop_class: str) -> str:
    return _CLASSES.get(sop_class.removeprefix(_STORAGE), "") if sop_class.startswith(_STORAGE) else ""


def primary(sop_class: str) -> bool:
    """Return whether objects of a class are images of the scan itself; all others go to the resource `secondary`."""
    code = _code(sop_class)
    return code not in _NOT_PRIMARY and not sop_class.endswith((".481.3", ".481.5"))


def scan_type(sop_classes: Iterable[str]) -> str:
    """Return the xsiType of a scan by its SOP classes; an image class decides before all others."""
    codes = sorted(
        {_code(sop_class) for sop_class in sop_classes}, key=lambda code: (code in _NOT_PRIMARY, code == "", code)
    )
    return f"xnat:{codes[0]}ScanData" if codes and codes[0] else "xnat:otherDicomScanData"


def session_type(sop_classes: Iterable[str], modalities: Iterable[str], *, petmr: str = "") -> str:
    """Return the xsiType of a session by the leading one of its kinds; PET with MR has one, unless it is `pet`."""
    kinds = {("rt" if code == "rtImage" else code) for code in map(_code, sop_classes)}
    kinds |= {_MODALITIES.get(modality, "") for modality in modalities}
    if {"pet", "mr"} <= kinds and petmr != "pet":
        return "xnat:petmrSessionData"
    lead = next((kind for kind in (*_LEADS, *_LATER) if kind in kinds), "otherDicom")
    return f"xnat:{lead}SessionData"


def session_modality(xsi_type: str, modalities: Iterable[str]) -> str:
    """Return the modality shown for a session: the one its type stands for, else the first."""
    found = sorted(set(modalities) - {""})
    kind = xsi_type.removeprefix("xnat:").removesuffix("SessionData")
    if kind == "petmr":
        return "PET/MR"
    return next((modality for modality in found if _MODALITIES.get(modality) == kind), found[0] if found else "")


def merge_code(xsi_type: str) -> str:
    """Return the two letters of renamed scans at merge: the type's first two, PE written as PT (import.md §4.5)."""
    letters = xsi_type.removeprefix("xnat:")[:2].upper()
    return "PT" if letters == "PE" else letters


def apply_history(site: Site, session: Experiment) -> None:
    """Return new scans the type that scans of their description have had in the project, else the description.

    Descriptions that differ in case, blanks, `_`, `-` and `*` are the same; of several types the one with as many
    frames counts, else the first (S `AbstractScanTypeMapping`, `ImageScanTypeMapping`).
    """
    known = _history(site, session)
    for scan in session.scans.values():
        described = scan.fields.get("series_description", "")
        if scan.fields.get("type", "") not in {"", described}:
            continue
        types = known.get(_standard(described), []) if described.removeprefix("INVALID: ") else []
        frames = scan.fields.get("frames", "")
        same = [kind for kind, count in types if count == frames]
        chosen = (same or [kind for kind, _ in types] or [described.removeprefix("INVALID: ")])[0]
        scan.fields["type"] = chosen or "unknown"


def _history(site: Site, session: Experiment) -> dict[str, list[tuple[str, str]]]:
    """Return the types and numbers of frames that scans of a description have in the project."""
    known: dict[str, list[tuple[str, str]]] = {}
    project = site.projects.get(session.project)
    if project is None or project.fields.get("scan_type_mapping", "").lower() == "false":
        return known
    for other in site.experiments.values():
        if other.project == session.project and other is not session:
            for scan in other.scans.values():
                described, kind = scan.fields.get("series_description", ""), scan.fields.get("type", "")
                if described and kind:
                    known.setdefault(_standard(described), []).append((kind, scan.fields.get("frames", "")))
    return known


def _standard(description: str) -> str:
    return re.sub(r"[ _\-*]", "", description).upper()
