"""The display fields of a type: those that people wrote, and one for each field of the schema (hierarchy.md §15.5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from xnatsync.sandbox.model.display import FIELDS, Display, age, identifier, in_project, variable
from xnatsync.sandbox.model.events import plural
from xnatsync.sandbox.model.schema import document_types, element, field_of, is_a, type_name
from xnatsync.sandbox.model.searchdocument import BadSearch

_MR, _SCAN, _QC = "xnat:mrSessionData", "xnat:imageScanData", "xnat:qcManualAssessorData"
_SESSION_LINK = (
    ("HREF", "/app/action/DisplayItemAction/search_value/@Field1/search_element/{0}/search_field/{0}.ID", "{1}"),
    ("ONCLICK", "return rpt('@Field1','{0}','{0}.ID');", "{1}"),
    ("TITLE", "Inserted: @Field1 (@Field2)", "INSERT_DATE INSERT_USER"),
)
_SCAN_LINK = (("HREF", "/data/experiments/@Field3/scans/@Field4?format=html", "PROJECT SUBJECT_ID SESSION_ID ID"),)
_HEADERS: Mapping[str, Mapping[str, str]] = {  # what people wrote instead of the field's own name
    _MR: {name: name.title() for name in ("SCANNER", "OPERATOR", "MARKER", "STABILIZATION")},
    _QC: {"RATER": "Reviewer", "COMMENTS": "Comments", "PASS": "Pass/Fail"},
}
_STAMPS = {"meta/insert_date": "INSERT_DATE", "meta/insert_user/login": "INSERT_USER"}
_STANDS_FOR: Mapping[str, Mapping[str, str]] = {  # paths that are a display field as they stand, and nothing but one
    "project": {"id": "ID", "name": "NAME", "secondary_id": "SECONDARY_ID", "keywords": "KEYWORDS", **_STAMPS},
    "subject": {"id": "SUBJECTID", "project": "PROJECT", "group": "SUB_GROUP", **_STAMPS},
    "experiment": {"subject_id": "SUBJECT_ID", "project": "PROJECT", "date": "DATE", **_STAMPS},
    "assessor": {},
    "scan": {},
}
_TYPES = {"xs:anyURI": "string"}


def kind_of(name: str) -> str:
    """Say which kind of root a type is; raise `BadSearch` when it cannot be searched."""
    for kind, ancestor in (
        ("project", "xnat:projectData"),
        ("subject", "xnat:subjectData"),
        ("assessor", "xnat:imageAssessorData"),
        ("experiment", "xnat:experimentData"),
        ("scan", _SCAN),
    ):
        if is_a(name, ancestor):
            return kind
    raise BadSearch(f"{name} cannot be searched.")


@cache
def display_fields(name: str) -> Mapping[str, Display]:
    """Return the display fields of a type by their ids."""
    kind, name = kind_of(name), type_name(name)
    written = dict(FIELDS[kind])
    if kind in {"experiment", "assessor"}:
        written |= _of_experiments(name, kind)
    if kind in {"subject", "experiment", "assessor"}:
        written[f"{_formatted(name)}_FIELD_MAP"] = Display("string", variable, valued=True, header="Field")
    if kind == "subject":
        written |= {
            f"CNT_{_formatted(each.name)}": Display(
                "integer", in_project(each.name), valued=True, header=plural(each.name)
            )
            for each in document_types()
            if is_a(each.name, "xnat:subjectAssessorData")
        }
    generated = _generated(name)
    for each, shown in written.items():  # a written one keeps the header of its field unless it has one of its own
        if not shown.header and each in generated:
            written[each] = replace(shown, header=generated[each].header)
    headers = _HEADERS.get(name, {})
    found = generated | written
    return {each: replace(shown, header=headers.get(each, shown.header)) for each, shown in found.items()}


def own_fields(name: str) -> list[str]:
    """Return the ids of the fields that a type declares itself, in the order of the schema."""
    found = element(name)
    base = element(found.base) if found is not None and found.base else None
    inherited = base.fields if base is not None else {}
    return [_id(path) for path in found.fields if path not in inherited] if found is not None else []


def stands_for(path: str) -> str:
    """Return the display field that a path is; "" when it is a column of its own (§15.3)."""
    name, _, rest = path.partition("/")
    kind, rest = kind_of(name), rest.lower()
    if kind == "scan" and (found := field_of(name, rest)) is not None:
        return _id(found.path)
    if kind == "experiment" and rest == "id":
        return "SESSION_ID" if is_a(name, "xnat:imageSessionData") else "EXPT_ID"
    if kind == "experiment" and rest == "session_type" and is_a(name, "xnat:imageSessionData"):
        return "TYPE"
    return _STANDS_FOR[kind].get(rest, "")


def identifier_id(name: str) -> str:
    """Return the id of the field that tells a thing's label within a project."""
    if is_a(name, "xnat:subjectData"):
        return "SUB_PROJECT_IDENTIFIER"
    return "MR_PROJECT_IDENTIFIER" if name == _MR else f"{_formatted(name)}_PROJECT_IDENTIFIER"


def _of_experiments(name: str, kind: str) -> dict[str, Display]:
    header = "MR ID" if name == _MR else f"{_formatted(name)} ID"
    found = {
        identifier_id(name): Display("string", identifier, valued=True, header=header),
        "AGE": Display("float" if name == _MR else "integer", age, header="Age"),
    }
    key = "SESSION_ID" if is_a(name, "xnat:imageSessionData") else "EXPT_ID"
    links = tuple((each, text.format(name), inserts.format("", key)) for each, text, inserts in _SESSION_LINK)
    found["LABEL"] = replace(FIELDS[kind]["LABEL"], link=links)
    return found


@cache
def _generated(name: str) -> dict[str, Display]:
    found = element(name)
    if found is None:
        return {}
    shown = {
        _id(path): Display(
            _TYPES.get(each.type, each.type.removeprefix("xs:")), "", header=path.rpartition("/")[2], path=path
        )
        for path, each in found.fields.items()
    }
    if is_a(name, _SCAN):
        shown["ID"] = replace(shown["ID"], link=_SCAN_LINK)
    return shown


def _id(path: str) -> str:
    return path.replace("/", "_").upper()


def _formatted(name: str) -> str:
    return name.replace(":", "_").upper()
