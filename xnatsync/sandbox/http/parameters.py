"""Which parameters a write understands: one that it does not is refused before anything is done.

A real XNAT drops such a parameter with 200 (hierarchy.md §4.3): a client with a slip in a name sees nothing of it.  The
table is by the module that answers; a test holds it to what the modules read.
"""

from __future__ import annotations

from typing import Final

from xnatsync.sandbox.http.exchange import Refusal, Request

WITHOUT_EFFECT: Final = frozenset(  # understood, and nothing follows from it here: listed in docs/sandbox.md
    "XNAT_CSRF format method req_format event_reason event_type event_action event_comment event_id supressEmail "  # noqa: SIM905
    "triggerPipelines _lock concealHiddenFields populateFromDB loadExisting content_type async sendemail".split()
)
_VALUES = (
    "inbody xsiType ELEMENT_0 allowDataDeletion label"  # what `loading` and `writing` take, beside names of fields
)
_SHARE = "removeFiles primary moveAssessors"
OWN: Final[dict[str, str]] = {
    "accounts_routes": "CSRF username password",
    "anonymise_routes": "enable activate",
    "archive_routes": (
        "src dest overwrite overwrite_files quarantine redirect project subject session label visit protocol "
        "source timestamp folder auto-archive AA http-session-listener PREARC_TIMESTAMP PREARC_SESSION_FOLDER "
        "SUBJECT_ID EXPT_LABEL SOURCE TIMEZONE VISIT"
    ),
    "assessor_routes": f"{_VALUES} {_SHARE}",
    "config_routes": "accept-not-found action contents reason status unversioned version inbody",
    "customfield_routes": "",
    "direct_routes": "",
    "experiment_routes": (f"{_VALUES} {_SHARE} activate quarantine fixScanTypes pullDataFromHeaders subject_ID"),
    "file_routes": (
        "inbody overwrite extract label update-stats removeFiles content description tags recursive "
        "file_content file_format index locator compression structure"
    ),
    "import_routes": (
        "import-handler inbody dest src project PROJECT_ID subject SUBJECT_ID session EXPT_LABEL label overwrite "
        "overwrite_files prearchive_code prearchive AA auto-archive quarantine Ignore-Unparsable "
        "http-session-listener action rename Direct-Archive TIMEZONE SOURCE source prevent_anon "
        "prevent_auto_commit VISIT visit SUBTYPE PROTOCOL protocol PREARC_TIMESTAMP PREARC_SESSION_FOLDER timestamp "
        "import importer delete extract"
    ),
    "prearchive_routes": (
        "src newProject overrideLock action status AA auto-archive overwrite_files quarantine VISIT PROTOCOL TIMEZONE "
        "SOURCE tag"
    ),
    "project_routes": f"{_VALUES} {_SHARE} accessibility",
    "reconstruction_routes": f"{_VALUES} {_SHARE}",
    "group_routes": "",
    "header_routes": "fixScanTypes pullDataFromHeaders overwrite",
    "refresh_routes": "options resource append checksum delete populateStats",
    "resource_routes": "inbody label content description tags all includeRootPath removeFiles",
    "scan_routes": f"{_VALUES} {_SHARE} pullDataFromHeaders",
    "search_routes": "cache inbody refresh saveAs sortBy sortOrder limit offset",
    "subject_routes": f"{_VALUES} {_SHARE} activate quarantine",
    "workflow_routes": "id ID launch_time data_type pipeline_name",
    "container_routes": "project xsiType nonfinalized",
    "pipeline_routes": "project xsiType additional",
    "plugin_routes": "",
    "cache_routes": "inbody overwrite",
    "member_routes": "",
    "user_routes": "",
    "xmlupload_routes": "allowDataDeletion",
    "investigator_routes": "",
    "datatype_routes": "dataTypes dataType",
    "site_routes": "",
}
ITEMS: Final = frozenset(  # a name that is none of these is one of a field: `writing` knows it or refuses it
    {"assessor_routes", "experiment_routes", "project_routes", "reconstruction_routes", "scan_routes", "subject_routes"}
)
PATHS: Final = ITEMS | {"archive_routes", "group_routes", "import_routes", "prearchive_routes", "workflow_routes"}
SHARING: Final = frozenset(f"label {_SHARE}".split()) | WITHOUT_EFFECT
_WRITES = frozenset({"PUT", "POST", "DELETE"})
_KNOWN = {module: frozenset(names.split()) | WITHOUT_EFFECT for module, names in OWN.items()}
_SOMEWHERE = frozenset().union(*(_KNOWN[module] for module in ITEMS)) - {"subject_ID"}


def understood(module: str, method: str, name: str) -> bool:
    """Return whether the module that answers a write knows a parameter of this name."""
    if name in _KNOWN.get(module, WITHOUT_EFFECT) or (module in PATHS and "/" in name):
        return True
    return module in ITEMS and method != "DELETE" and name not in _SOMEWHERE


def only(request: Request, names: frozenset[str] = WITHOUT_EFFECT) -> None:
    """Refuse a write with any parameter but these."""
    for name, _ in request.query:
        if name not in names:
            raise Refusal(400, f"This request has no parameter {name}.")


def check_parameters(request: Request, module: str) -> None:
    """Refuse a write with a parameter that its module does not know: in the query now, in a form when it is read."""
    if request.method not in _WRITES:
        return

    def accepts(name: str) -> None:
        if not understood(module, request.method, name):
            raise Refusal(400, f"This request has no parameter {name}.")

    for name, _ in request.query:
        accepts(name)
    request.accepts = accepts
