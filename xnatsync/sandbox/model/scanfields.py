"""The fields of sessions and scans, from DICOM (import.md §4.8); names are those of XNAT's schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_DATE: Final = re.compile(r"(\d{4})[.:-]?(\d{2})[.:-]?(\d{2})")
_TIME: Final = re.compile(r"(\d{2}):?(\d{2})?:?(\d{2})?")

Facts = Mapping[str, str]

_MR: Final = {
    "coil": "coil",
    "field_strength": "fieldStrength",
    "tr": "parameters/tr",
    "te": "parameters/te",
    "ti": "parameters/ti",
    "flip": "parameters/flip",
    "sequence_name": "parameters/sequence",
    "image_type": "parameters/imageType",
    "scanning_sequence": "parameters/scanSequence",
    "sequence_variant": "parameters/seqVariant",
    "scan_options": "parameters/scanOptions",
    "acquisition_type": "parameters/acqType",
    "pixel_bandwidth": "parameters/pixelBandwidth",
}

_CT: Final = {
    "image_type": "parameters/imageType",
    "scan_options": "parameters/options",
    "rotation_direction": "parameters/rotationDirection",
    "filter": "parameters/filter",
    "kernel": "parameters/convolutionKernel",
    "dose_modulation": "parameters/estimatedDoseSaving/modulation",
    "derivation": "parameters/derivation",
    "acquisition_number": "parameters/acquisitionNumber",
    "intercept": "parameters/rescale/intercept",
    "slope": "parameters/rescale/slope",
}
_CT_NUMBERS: Final = {
    "kvp": "parameters/kvp",
    "collection_diameter": "parameters/collectionDiameter",
    "distance_to_detector": "parameters/distanceSourceToDetector",
    "distance_to_patient": "parameters/distanceSourceToPatient",
    "gantry_tilt": "parameters/gantryTilt",
    "table_height": "parameters/tableHeight",
    "exposure_time": "parameters/exposureTime",
    "tube_current": "parameters/xrayTubeCurrent",
    "exposure": "parameters/exposure",
    "generator_power": "parameters/generatorPower",
    "single_collimation": "parameters/collimationWidth/single",
    "total_collimation": "parameters/collimationWidth/total",
    "table_speed": "parameters/tableSpeed",
    "table_feed": "parameters/tableFeedPerRotation",
    "pitch": "parameters/pitchFactor",
    "dose_saving": "parameters/estimatedDoseSaving",
    "dose_index": "parameters/ctDIvol",
}
"""T: `TestDicomDataExtraction`; the elements by their names in the standard."""


def date(text: str) -> str:
    """Return a DICOM date as XNAT writes it: 2018-09-18; nothing for what is no date."""
    match = _DATE.match(text)
    return "-".join(match.groups()) if match else ""


def time(text: str) -> str:
    """Return a DICOM time as XNAT writes it: 12:05:03."""
    match = _TIME.match(text)
    return ":".join(part or "00" for part in match.groups()) if match else ""


_PARTED: Final = ("imageType", "scanSequence", "seqVariant", "scanOptions", "options")
_SEVERAL: Final = tuple(f"parameters/{name}" for name in _PARTED)


def session_fields(facts: Facts) -> dict[str, str]:
    """Return a session's fields from the facts of its first series."""
    fields = {
        "date": date(facts.get("study_date", "")),
        "time": time(facts.get("study_time", "")),
        "UID": facts.get("study_uid", ""),
        "acquisition_site": facts.get("institution", ""),
        "session_type": facts.get("study_description", ""),
        "scanner": facts.get("station", ""),
        "scanner/manufacturer": facts.get("manufacturer", ""),
        "scanner/model": facts.get("model", ""),
        "operator": facts.get("operator", ""),
        "dcmAccessionNumber": facts.get("accession", ""),
        "study_id": facts.get("study_id", ""),
        "dcmPatientId": facts.get("patient_id", ""),
        "dcmPatientName": facts.get("patient_name", ""),
        "dcmPatientBirthDate": date(facts.get("birth_date", "")),
        "dcmPatientWeight": facts.get("weight", ""),
        "fieldStrength": _number(facts.get("field_strength", "")),  # T:`TestDicomDataExtraction`
    }
    return {name: value for name, value in fields.items() if value}


def session_variables(facts: Facts) -> dict[str, str]:
    """Return the custom variables a session gets from DICOM."""
    comments = facts.get("study_comments", "")
    return {"studyComments": comments} if comments else {}


def scan_fields(facts: Facts, xsi_type: str, frames: int) -> dict[str, str]:
    """Return a scan's fields from the facts of its series and the sum of its frames."""
    description = facts.get("series_description", "")
    fields = {
        "type": description,
        "quality": "usable",
        "UID": facts.get("series_uid", ""),
        "series_description": description,
        "modality": facts.get("modality", ""),
        "frames": str(frames),
        "scanner": facts.get("station", ""),
        "scanner/manufacturer": facts.get("manufacturer", ""),
        "scanner/model": facts.get("model", ""),
        "operator": facts.get("operator", ""),
        "startTime": time(facts.get("series_time", "") or facts.get("acquisition_time", "")),
        "start_date": date(facts.get("series_date", "") or facts.get("acquisition_date", "")),
        "requestedProcedureDescription": facts.get("requested_procedure", ""),
        "protocolName": facts.get("protocol", ""),
        "bodyPartExamined": facts.get("body_part", ""),
    }
    if xsi_type == "xnat:mrScanData":
        fields |= _mr_fields(facts)
    elif xsi_type == "xnat:ctScanData":
        fields |= {name: facts.get(fact, "") for fact, name in _CT.items()} | _geometry(facts)
        fields |= {name: _number(facts.get(fact, "")) for fact, name in _CT_NUMBERS.items()}
    for name in _SEVERAL:  # the values of one attribute are parted by two backslashes (recorded by xnatpy, §4.8)
        fields[name] = fields.get(name, "").replace("\\", "\\\\")
    return {name: value for name, value in fields.items() if value}


def _mr_fields(facts: Facts) -> dict[str, str]:
    fields = {name: facts.get(fact, "") for fact, name in _MR.items()} | _geometry(facts)
    for name in ("parameters/tr", "parameters/te", "parameters/ti", "parameters/flip", "fieldStrength"):
        fields[name] = _number(fields.get(name, ""))
    return fields


def _geometry(facts: Facts) -> dict[str, str]:
    fields: dict[str, str] = {}
    spacing = facts.get("pixel_spacing", "").split("\\")
    if len(spacing) > 1:
        fields["parameters/voxelRes/x"], fields["parameters/voxelRes/y"] = _number(spacing[0]), _number(spacing[1])
        fields["parameters/voxelRes/z"] = _number(facts.get("slice_thickness", ""))
    fields["parameters/fov/x"], fields["parameters/fov/y"] = facts.get("columns", ""), facts.get("rows", "")
    fields["parameters/orientation"] = _orientation(facts.get("orientation", ""))
    return fields


def _number(text: str) -> str:
    """Return a decimal string as a Java double prints it: 2300.0."""
    try:
        return str(float(text.split("\\", maxsplit=1)[0]))
    except ValueError:
        return ""


def _orientation(cosines: str) -> str:
    """Name the plane whose normal is nearest: Sag, Cor or Tra."""
    try:
        row, column = (tuple(map(float, cosines.split("\\")[at : at + 3])) for at in (0, 3))
        normal = [abs(row[at - 2] * column[at - 1] - row[at - 1] * column[at - 2]) for at in (0, 1, 2)]
    except (ValueError, IndexError):
        return ""
    return ("Sag", "Cor", "Tra")[normal.index(max(normal))]
