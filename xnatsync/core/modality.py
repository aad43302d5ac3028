"""The modality of a session: one code for it, whoever asks, and every word that people write for that code.

XNAT names a session by a type of its own (`xnat:petSessionData`), DICOM by a code (`PT`), people by either (`PET`).
Here the code is the one of DICOM; a pattern is matched against all the words.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Final

_SUFFIX: Final = "sessiondata"
_WORDS: Final[dict[str, tuple[str, ...]]] = {  # DICOM's code -> the other words for it: XNAT's types, and people's
    "PT": ("PET",),
    "PETMR": ("PET/MR", "PT", "PET", "MR"),  # XNAT's type for one scanner that does both: it is either
    "OT": ("OTHERDICOM", "OTHER"),
    "XC": ("XCV",),
    "XA": ("XA3D",),
    "DX": ("DX3DCRANIOFACIAL",),
    "AU": ("VOICEAUDIO",),
    "RTIMAGE": ("RT", "RTSTRUCT", "RTPLAN", "RTDOSE"),  # XNAT has one type for the session of all of them
}
_CODE: Final = {word: code for code, words in _WORDS.items() if code != "PETMR" for word in words} | {"PET/MR": "PETMR"}
_DICOM: Final = (  # defined terms of (0008,0060), with those that were retired and XNAT's types beyond them
    "ANN AR ASMT AU BDUS BI BMD CFM CR CT CTPROTOCOL DMS DG DOC DX ECG EEG EMG EOG EPS ES FID GM HC HD IO IOL "
    "IVOCT IVUS KER KO LEN LS MEG MG MR M3D NM OAM OCT OP OPM OPR OPT OPTBSV OPTENF OPV OSS OT PA PLAN PR PT "
    "PX REG RESP RF RG RTDOSE RTIMAGE RTINTENT RTPLAN RTRAD RTRECORD RTSEGANN RTSTRUCT RWV SC SEG SM SMR SR "
    "SRF STAIN TEXTUREMAP TG US VA XA XAPROTOCOL XC AS CD CF CP CS DD DF DM DS EC FA FS LP MA MS OPO SPECT ST "
    "VF ESV GMV "
)
KNOWN: Final = (
    frozenset(_DICOM.split()) | frozenset(_WORDS) | frozenset(word for words in _WORDS.values() for word in words)
)


def modality_of(xsi_type: str) -> str:
    """Return the DICOM code that a session's type stands for: `xnat:petSessionData` is PT; "" when it names none."""
    local = xsi_type.rpartition(":")[2]
    if not local.lower().endswith(_SUFFIX):
        return ""
    word = local[: -len(_SUFFIX)].upper()
    return "" if word == "IMAGE" else code_of(word)


def code_of(word: str) -> str:
    """Return the one code for a word: `PET` is PT; a word that nobody knows is its own code."""
    return _CODE.get(word, word)


def words_of(modality: str) -> tuple[str, ...]:
    """Return every word by which a modality goes, its code first: a pattern that matches one of them matches it."""
    code = code_of(modality)
    return (code, *(word for word in _WORDS.get(code, ()) if word != code), *((modality,) if modality != code else ()))


def is_called(modality: str, said: str) -> bool:
    """Tell whether a person who says this word, in whatever case, means this modality."""
    return said.upper() in words_of(modality.upper())


def check_pattern(pattern: str) -> None:
    """Raise ValueError for a pattern that can match no modality: codes are in upper case."""
    if is_known(pattern) or not any(letter.islower() for letter in pattern):
        return
    better = f': write "{pattern.upper()}"' if is_known(pattern.upper()) else ""
    raise ValueError(f"{pattern!r} matches nothing: modalities are in upper case{better}")


def is_known(pattern: str) -> bool:
    """Tell whether a pattern matches a modality that DICOM or XNAT knows; a site may have others."""
    return any(fnmatchcase(word, pattern) for word in KNOWN)
