"""The short names of columns and filters, per root, the paths they stand for, and back (hierarchy.md §3.2, §3.4)."""

from __future__ import annotations

_EXPERIMENT = "xnat:experimentData"
_SESSION = "xnat:imageSessionData"
_SCAN = "xnat:imageScanData"
_SUBJECT = "xnat:subjectData"
_PROJECT = "xnat:projectData"
_RECONSTRUCTION = "xnat:reconstructedImageData"

_META = {
    "insert_date": "meta/insert_date",
    "insert_user": "meta/insert_user/login",
    "last_modified": "meta/last_modified",
}
_TYPE = {"xsiType": "extension_item/element_name"}
_INVESTIGATOR = {"pi_firstname": "investigator/firstname", "pi_lastname": "investigator/lastname"}
_DEMOGRAPHICS = (
    *("dob", "yob", "age", "gender", "handedness", "ses", "education", "educationDesc", "race", "ethnicity"),
    *("weight", "height", "gestational_age", "post_menstrual_age", "birth_weight"),
)
_VALIDATION = {f"validation_{name}": f"validation/{name}" for name in ("method", "status", "date", "notes")}


def _under(element: str, *maps: dict[str, str], names: str = "") -> dict[str, str]:
    paths = {name: name for name in names.split()}
    for each in maps:
        paths |= each
    return {name: f"{element}/{path}" for name, path in paths.items()}


SHORTCUTS: dict[str, dict[str, str]] = {
    "experiment": {
        **_under(_EXPERIMENT, _INVESTIGATOR, _VALIDATION, _META, names="ID visit_id visit protocol date time note"),
        **_under(_EXPERIMENT, _TYPE, names="project label"),
        "subject_ID": "xnat:subjectAssessorData/subject_ID",
        "subject_label": f"{_SUBJECT}/label",
        "subject_project": f"{_SUBJECT}/project",
        "session_ID": f"{_SESSION}/ID",
        "session_label": f"{_SESSION}/label",
        "session_project": f"{_SESSION}/project",
        **_under(
            _SESSION, names="scanner operator dcmAccessionNumber dcmPatientId dcmPatientName session_type modality UID"
        ),
        "studyInstanceUID": f"{_SESSION}/UID",
        **_under("xnat:mrSessionData", names="coil fieldStrength marker stabilization"),
        **_under("xnat:petSessionData", names="studyType patientID patientName"),
        **{f"tracer_{name}": f"xnat:petSessionData/tracer/{name}" for name in ("name", "startTime", "dose", "isotope")},
    },
    "subject": {
        **_under(_SUBJECT, _INVESTIGATOR, _META, names="ID project label group src"),
        **{name: f"{_SUBJECT}/demographics[@xsi:type=xnat:demographicData]/{name}" for name in _DEMOGRAPHICS},
    },
    "scan": {
        **_under(
            _SCAN,
            _VALIDATION,
            _META,
            _TYPE,
            names="ID type UID note quality condition series_description documentation",
        ),
        **_under(_SCAN, names="scanner modality frames xnat_imagescandata_id"),
        "scanTime": f"{_SCAN}/startTime",
        **_under("xnat:mrScanData", names="coil fieldStrength marker stabilization"),
    },
    "project": {
        **_under(_PROJECT, _META, names="ID secondary_ID name description keywords"),
        "alias": f"{_PROJECT}/aliases/alias/alias",
        "pi_firstname": f"{_PROJECT}/PI/firstname",
        "pi_lastname": f"{_PROJECT}/PI/lastname",
        "note": f"{_PROJECT}/fields/field[name=note]/field",
    },
}
SHORTCUTS["reconstruction"] = _under(
    _RECONSTRUCTION, _META, names="xnat_reconstructedimagedata_id ID type baseScanType"
)
SHORTCUTS["assessor"] = SHORTCUTS["experiment"]
SHORTCUTS["derived"] = {  # the assessors of one session: fewer names
    **_under(_EXPERIMENT, _INVESTIGATOR, _VALIDATION, _META, _TYPE, names="ID visit_id date time note project label"),
    **{f"session_{name}": f"{_SESSION}/{name}" for name in ("ID", "label", "project")},
}

ROOT_ELEMENTS = {
    "project": _PROJECT,
    "subject": _SUBJECT,
    "experiment": _EXPERIMENT,
    "scan": _SCAN,
    "reconstruction": _RECONSTRUCTION,
    "assessor": "xnat:imageAssessorData",
    "derived": "xnat:imageAssessorData",
}

READ_ONLY = frozenset(
    "insert_date insert_user last_modified xsiType xnat_imagescandata_id subject_label subject_project session_ID "  # noqa: SIM905
    "session_label session_project".split()
)

_NAMES = {kind: {path.lower(): name for name, path in reversed(paths.items())} for kind, paths in SHORTCUTS.items()}


def answer_name(root: str, path: str) -> str:
    """Return the key a path answers under: the shortcut that stands for it, else the path in lower case (§3.4, 4)."""
    lowered = path.lower()
    return _NAMES[root].get(lowered, lowered)
