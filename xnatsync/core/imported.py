"""What a DICOM import makes by itself: which files go by it, and which fields the server fills in from the headers.

A field that the server fills in is never written over: the destination's anonymisation may have made it.  The names
are those of import.md §4.8 and hierarchy.md §19, as a description has them; those marked with a doubt are no more than
what the schema of XNAT has for values of headers, which no section says to be filled in.
"""

from __future__ import annotations

from typing import Final

from xnatsync.core.described import Part, ThingKind

RESOURCES: Final = frozenset({"DICOM", "secondary"})  # import.md §4.7
FORMAT: Final = "DICOM"  # of a resource, in words

# What says who the patient is, or which study of which hospital: no transfer by import writes it, whatever there is.
IDENTITY: Final = frozenset(
    {"dcmPatientId", "dcmPatientName", "dcmPatientBirthDate", "dcmPatientWeight", "dcmAccessionNumber"}  # §4.8
    | {"@UID", "@dcmAccessionNumber", "@study_id", "study_id"}
    | {"patientID", "patientName", "@patientID", "@patientName"}  # doubt: of the schema
)
_SESSION: Final = IDENTITY | frozenset(
    "@session_type @modality date time acquisition_site scanner operator session_type modality "  # noqa: SIM905
    "fieldStrength tracer start_time start_date "  # doubt: what MR and PET sessions have of their scans
    "stabilization marker coil".split()  # doubt
)
_SCAN: Final = frozenset(
    "@UID series_description scanner modality frames startTime start_date requestedProcedureDescription protocolName "  # noqa: SIM905
    "bodyPartExamined operator parameters fieldStrength coil "
    "dicom sopInstanceUID series_class dcmValidation".split()  # doubt
)
_COMMENTS: Final = "fields/field[name=studycomments]"
# Filled in, and a person's all the same: they travel, over what the import made of them (import.md §4.3, §4.8).
MENDED: Final = frozenset({"@type", "quality"})


def goes_by_import(part: Part, label: str) -> bool:
    """Return whether the files of a resource go by import: those of scans that hold DICOM."""
    return part.kind is ThingKind.SCAN and label in RESOURCES


def passes_by(part: Part, label: str, format_: str) -> bool:
    """Return whether a resource says that it holds DICOM, and lies where no import takes it from."""
    return not goes_by_import(part, label) and (label in RESOURCES or format_.upper() == FORMAT)


def is_filled_in(kind: ThingKind, path: str) -> bool:
    """Return whether an import fills in a field of a session or a scan."""
    root = path.partition("/")[0]
    if kind is ThingKind.SESSION:
        return root in _SESSION or path.lower() == _COMMENTS
    return kind is ThingKind.SCAN and root in _SCAN


def identifies(kind: ThingKind, path: str) -> bool:
    """Return whether a field of a session or a scan says who the patient is, or which study it is."""
    if kind is ThingKind.SCAN:
        return path == "@UID"
    return kind is ThingKind.SESSION and path.partition("/")[0] in IDENTITY
