"""The searches that XNAT makes of itself, of the site and of a project; a type's display versions (§15.6)."""

from __future__ import annotations

from html import escape

from xnatsync.sandbox.model.display import Display
from xnatsync.sandbox.model.displayfields import display_fields, identifier_id, kind_of, own_fields
from xnatsync.sandbox.model.events import plural
from xnatsync.sandbox.model.schema import is_a, type_name
from xnatsync.sandbox.model.searchdocument import BadSearch, Criterion, SearchField, StoredSearch

_SUBJECT, _MR, _QC = "xnat:subjectData", "xnat:mrSessionData", "xnat:qcManualAssessorData"
_SCAN_FIRST = (  # of every scan; those of its type follow (T TestSearchGeneration.testSearchXmlGenerationMrScan)
    "PROJECT SESSION_LABEL ID NOTE QUALITY CONDITION SERIES_DESCRIPTION BODYPARTEXAMINED "
    "REQUESTEDPROCEDUREDESCRIPTION PROTOCOLNAME DOCUMENTATION SCANNER SCANNER_MANUFACTURER SCANNER_MODEL MODALITY "
    "FRAMES OPERATOR STARTTIME TYPE UID"
)
_OF_SUBJECTS = "SUBJECT_LABEL GENDER HANDEDNESS DOB EDUC SES MR_COUNT"
_OF_MR = f"LABEL PROJECT DATE {_SUBJECT}.SUBJECT_LABEL {_SUBJECT}.GENDER_TEXT AGE TYPE SCANNER MR_SCAN_COUNT_AGG"
_OF_PROJECTS = (
    "ID NAME DESCRIPTION SECONDARY_ID KEYWORDS PROJ_MR_COUNT PROJ_PET_COUNT PROJ_CT_COUNT "
    "USER_ROLE={XDAT_USER_ID} PROJECT_ACCESS"
)
_HIDDEN = frozenset({"USER_ROLE={XDAT_USER_ID}", "PROJECT_ACCESS"})
_UNLISTED = frozenset({"PARAMETERS_SUBJECTPOSITION"})
_DETAILED = {_MR: "MR_NOTES LABEL OPERATOR SCANNER MARKER STABILIZATION"}
_NAMESPACES = " ".join(
    f'xmlns:{prefix}="http://{where}"'
    for prefix, where in {
        "arc": "nrg.wustl.edu/arc",
        "val": "nrg.wustl.edu/val",
        "pipe": "nrg.wustl.edu/pipe",
        "wrk": "nrg.wustl.edu/workflow",
        "scr": "nrg.wustl.edu/scr",
        "xdat": "nrg.wustl.edu/security",
        "cat": "nrg.wustl.edu/catalog",
        "prov": "www.nbirn.net/prov",
        "xnat": "nrg.wustl.edu/xnat",
        "xnat_a": "nrg.wustl.edu/xnat_assessments",
        "xsi": "www.w3.org/2001/XMLSchema-instance",
    }.items()
)


def default_search(name: str, project: str = "", used: tuple[str, ...] = ()) -> StoredSearch:
    """Return the pseudo-search `@type`, of the site or limited to a project; its document can be posted back.

    `used` are the types of experiments that the project has: a listing of its subjects counts each of them.
    """
    name = type_name(name)
    kind_of(name)
    if project and not is_a(name, "xnat:projectData"):
        search = StoredSearch(name, _listed(name, _bundle(name, project, used)), Criterion("AND"), f"{project}_{name}")
        search.description = plural(name)
    else:
        search = StoredSearch(name, _listed(name, _listing(name)), Criterion("AND"), f"@{name}")
    search.document = document_of(search, project)
    return search


def document_of(search: StoredSearch, project: str = "") -> str:
    """Write the document of a search; of one within a project, with the conditions that limit it."""
    about = f'ID="{escape(search.id)}"'
    if search.description:
        stated = {"allow-diff-columns": "0", "secure": "0", "brief-description": search.description, "tag": project}
        about += "".join(f' {key}="{escape(value)}"' for key, value in stated.items())
    fields = "".join(_field(at, field) for at, field in enumerate(search.fields))
    where = _within(search.root, project) if project else ""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<xdat:bundle {about} {_NAMESPACES}>'
        f"<xdat:root_element_name>{search.root}</xdat:root_element_name>{fields}{where}</xdat:bundle>"
    )


def limited_to(search: StoredSearch, project: str) -> str:
    """Return the document of somebody's search within a project: its own things and those shared into it."""
    head, end, tail = search.document.rpartition("</")
    return f"{head}{_within(search.root, project)}{end}{tail}"


def versions(name: str) -> dict[str, object]:
    """Tell the display versions of a type as the listing of its fields does (src ElementDisplay.getVersionsJSON)."""
    name = type_name(name)
    named = {
        "listing": _listing(name),
        "detailed": _DETAILED.get(name, " ".join(own_fields(name))),
        "project_bundle": _bundle(name, "", ()),
    }
    found: list[dict[str, object]] = [
        {
            "name": each,
            "orderBy": "DATE",
            "darkColor": "9999CC",
            "lightColor": "CCCCFF",
            "defaultSortOrder": "DESC",
            "fields": [_reference(field) for field in _listed(name, fields)],
        }
        for each, fields in named.items()
    ]
    every = [SearchField(name, each, shown.header, shown.type) for each, shown in _plain(name).items()]
    found.append({"name": "all", "fields": [_reference(field) for field in every]})
    return {"DisplayVersions": {"element_name": name, "versions": found}}


def _plain(name: str) -> dict[str, Display]:
    return {each: shown for each, shown in sorted(display_fields(name).items()) if not shown.valued}


def _listing(name: str) -> str:
    if is_a(name, "xnat:projectData"):
        return _OF_PROJECTS
    if is_a(name, _SUBJECT):
        return _OF_SUBJECTS
    if is_a(name, "xnat:imageScanData"):
        return f"{_SCAN_FIRST} {' '.join(each for each in own_fields(name) if each not in _UNLISTED)}"
    own = " ".join(own_fields(name))
    if name == _MR:
        return _OF_MR
    if is_a(name, "xnat:imageAssessorData"):
        return f"RPT PROJECT LABEL DATE {own}"
    return f"RPT LABEL {_SUBJECT}.SUBJECT_LABEL DATE {_SUBJECT}.GENDER AGE {own}"


def _bundle(name: str, project: str, used: tuple[str, ...]) -> str:
    if is_a(name, _SUBJECT):
        counted = " ".join(f"CNT_{each.replace(':', '_').upper()}={project}" for each in used)
        return f"SUB_PROJECT_IDENTIFIER={project} GENDER_TEXT HANDEDNESS_TEXT DOB {counted}"
    if is_a(name, "xnat:projectData") or is_a(name, "xnat:imageScanData"):
        return _listing(name)
    itself, person = f"{identifier_id(name)}={project}", f"{_SUBJECT}.SUB_PROJECT_IDENTIFIER={project}"
    if name == _MR:
        return f"{itself} DATE {person} AGE SCANNER MR_SCAN_COUNT_AGG"
    own = " ".join(own_fields(name))
    return f"{itself} DATE {own}" if is_a(name, "xnat:imageAssessorData") else f"{itself} {person} DATE AGE {own}"


def _listed(name: str, text: str) -> list[SearchField]:
    found = []
    for word in text.split():
        owner, dot, identifier = word.partition(".")
        owner, identifier = (owner, identifier) if dot and owner == _SUBJECT else (name, word)
        bare = identifier.partition("=")[0]
        shown = display_fields(owner).get(bare)
        if shown is None:
            raise BadSearch(f"Unknown field {word}")
        found.append(SearchField(owner, identifier, shown.header, shown.type, identifier not in _HIDDEN))
    return found


def _field(at: int, field: SearchField) -> str:
    value = field.id.partition("=")[2]
    stated = {
        "element_name": field.element,
        "field_ID": "USER_ROLE" if value == "{XDAT_USER_ID}" else field.id,
        "sequence": str(at),
        "type": field.type,
        "header": field.header,
        **({"value": value} if value else {}),
    }
    text = "".join(f"<xdat:{key}>{escape(each)}</xdat:{key}>" for key, each in stated.items())
    hidden = "" if field.visible else ' visible="0"'
    return f"<xdat:search_field{hidden}>{text}</xdat:search_field>"


def _within(root: str, project: str) -> str:
    if is_a(root, "xnat:projectData"):
        criteria = _criterion(f"{root}/ID", project)
    else:
        criteria = _criterion(f"{root}/sharing/share/project", project) + _criterion(f"{root}/PROJECT", project)
    return (
        f'<xdat:search_where method="AND"><xdat:child_set method="OR">{criteria}</xdat:child_set></xdat:search_where>'
    )


def _criterion(path: str, value: str) -> str:
    return (
        f'<xdat:criteria override_value_formatting="0"><xdat:schema_field>{path}</xdat:schema_field>'
        f"<xdat:comparison_type>=</xdat:comparison_type><xdat:value>{escape(value)}</xdat:value></xdat:criteria>"
    )


def _reference(field: SearchField) -> dict[str, str]:
    bare, _, value = field.id.partition("=")
    found = {"id": bare, "element_name": field.element, "header": field.header, "type": field.type}
    if value:
        found["value"] = value
    return {**found, "visible": "true"} if field.visible else found
