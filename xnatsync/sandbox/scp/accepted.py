"""What an XNAT's receiver agrees to in an association: one list of syntaxes for every class (import.md §5)."""

from __future__ import annotations

from typing import Final

from pynetdicom import AllStoragePresentationContexts, register_uid
from pynetdicom.service_class import StorageServiceClass

_SYNTAX: Final = "1.2.840.10008.1.2"
_JPEG: Final = (*range(50, 67), 70, 80, 81, 90, 91, 92, 93, 94, 100, 101)  # JPEG, JPEG-LS, JPEG 2000, JPIP, MPEG-2

# Deflated data sets, H.264 and HTJ2K are not among them.
SYNTAXES: Final = (
    f"{_SYNTAX}.1",
    _SYNTAX,
    f"{_SYNTAX}.2",
    *(f"{_SYNTAX}.4.{number}" for number in _JPEG),
    f"{_SYNTAX}.5",
)

# Makers' own classes that XNAT lists, and retired ones that old devices still send (which of these is a doubt).
_STORAGE: Final = "1.2.840.10008.5.1.4.1.1"
FURTHER_CLASSES: Final = (
    "1.3.12.2.1107.5.9.1",  # Siemens: CSA non-image
    *(f"1.3.46.670589.11.0.0.12.{number}" for number in (1, 2, 4)),  # Philips: MR spectra, series data, exam cards
    *(f"{_STORAGE}.{ending}" for ending in ("3", "5", "6", "8", "9", "10", "11", "12.3", "129")),
)


def classes() -> list[str]:
    """List the classes of objects that are taken; others are not negotiated.

    pynetdicom answers for a class only when it knows what to do with it: the further ones are made known to it.
    """
    standard = [str(context.abstract_syntax) for context in AllStoragePresentationContexts]
    further = [uid for uid in FURTHER_CLASSES if uid not in standard]
    for number, uid in enumerate(further):
        register_uid(uid, f"FurtherStorage{number}", StorageServiceClass)
    return [*standard, *further]
