"""Stored searches: the `xdat:stored_search` (or bundle) document, and the table it gives (hierarchy.md §3.7)."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

from xnatsync.sandbox.model.accounts import User
from xnatsync.sandbox.model.columns import Column, Unjoinable, column
from xnatsync.sandbox.model.joins import Joined, Plan, joined_rows
from xnatsync.sandbox.model.listing import search_roots
from xnatsync.sandbox.model.schema import element, is_a
from xnatsync.sandbox.model.shortcuts import SHORTCUTS
from xnatsync.sandbox.model.site import Site

Test = Callable[[Joined], bool]

_DISPLAY = {
    "project": {"ID": "ID", "NAME": "name", "DESCRIPTION": "description", "SECONDARY_ID": "secondary_ID"},
    "subject": {
        "SUBJECTID": "ID",
        "SUBJECT_ID": "ID",
        "SUBJECT_LABEL": "label",
        "PROJECT": "project",
        "GENDER_TEXT": "gender",
        "HANDEDNESS_TEXT": "handedness",
        "DOB": "yob",
        "GROUP": "group",
    },
    "experiment": {
        "SESSION_ID": "ID",
        "LABEL": "label",
        "PROJECT": "project",
        "DATE": "date",
        "SUBJECT_ID": "subject_ID",
        "SUBJECT_LABEL": "subject_label",
        "MODALITY": "modality",
        "SCANNER": "scanner",
        "SESSION_UID": "UID",
    },
}
_DISPLAY["assessor"] = {**_DISPLAY["experiment"], "EXPT_ID": "ID"}
_STAMPS = {"INSERT_DATE": "insert_date", "INSERT_USER": "insert_user"}
_KEYS = {"project": "id", "subject": "subjectid", "experiment": "session_id", "assessor": "expt_id"}


class BadSearch(ValueError):
    """A document that is no search, or searches what cannot be searched."""


@dataclass(slots=True)
class Criterion:
    """One condition, or a set of them joined by AND or OR."""

    method: str = ""  # AND, OR; "" = a single condition
    below: list[Criterion] = field(default_factory=list)
    path: str = ""
    comparison: str = "="
    value: str = ""


@dataclass(slots=True)
class StoredSearch:
    """A search as its document states it."""

    root: str
    fields: list[tuple[str, str, str]]  # element, field id, header
    where: Criterion
    id: str = ""
    description: str = ""
    document: str = ""


@dataclass(slots=True)
class Found:
    """The table a search gave."""

    rows: list[dict[str, str]]
    columns: list[dict[str, str]]


def kind_of(name: str) -> str:
    """Tells which kind of root a type is; raises `BadSearch` when it cannot be searched."""
    for kind, ancestor in (
        ("project", "xnat:projectData"),
        ("subject", "xnat:subjectData"),
        ("assessor", "xnat:imageAssessorData"),
        ("experiment", "xnat:experimentData"),
    ):
        if is_a(name, ancestor):
            return kind
    raise BadSearch(f"{name} cannot be searched.")


def display_fields(name: str) -> dict[str, str]:
    """Gives the display fields of a type: their ids and the shortcuts they stand for."""
    return {**_DISPLAY[kind_of(name)], **_STAMPS}


def default_search(name: str) -> StoredSearch:
    """Gives the pseudo-search `@type`: the default listing of a type."""
    fields = [(name, identifier, identifier.title()) for identifier in display_fields(name)]
    return StoredSearch(name, fields, Criterion("AND"), f"@{name}", f"All {name}")


def parse_search(document: bytes) -> StoredSearch:
    """Reads a search document."""
    if b"<!DOCTYPE" in document:
        raise BadSearch("DOCTYPE is disallowed.")
    try:
        root = ET.fromstring(document)  # noqa: S314 - without a DOCTYPE there are no entities to expand
    except ET.ParseError as error:
        raise BadSearch(str(error)) from error
    name = _text(root, "root_element_name")
    if element(name) is None:
        raise BadSearch(f"Unknown root element {name!r}.")
    fields = [
        (_text(node, "element_name") or name, _text(node, "field_ID"), _text(node, "header"))
        for node in sorted(root.findall("{*}search_field"), key=lambda node: int(_text(node, "sequence") or 0))
    ]
    conditions = [_criterion(node) for node in root.findall("{*}search_where")]
    search = StoredSearch(name, fields, Criterion("AND", conditions), root.get("ID", ""))
    search.description = root.get("brief-description", "") or root.get("description", "")
    search.document = document.decode("utf-8", "replace")
    return search


def run(site: Site, user: User, search: StoredSearch) -> Found:
    """Runs a search for a user: only what the user may read is found."""
    kind = kind_of(search.root)
    plan = Plan()
    columns = [_column(kind, owner, identifier, plan) for owner, identifier, _ in search.fields]
    primary = column(kind, "ID", plan)
    if primary is not None:
        columns = [Column(_KEYS[kind], primary.value, primary.type), *columns]
    test = _test(kind, search.where, plan)
    heads = {item.key: header for item, (_, _, header) in zip(columns[1:], search.fields, strict=True)}
    rows = []
    with site.lock:
        for root in search_roots(site, user, search.root, plan):
            rows += [{item.key: item.value(row) for item in columns} for row in joined_rows(root, plan) if test(row)]
    unique = {item.key: item for item in columns}
    described = [{"key": key, "element_name": search.root, "header": heads.get(key, key)} for key in unique]
    return Found(_distinct(rows), described)


def _distinct(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return list({tuple(row.items()): row for row in rows}.values())


def _column(kind: str, owner: str, identifier: str, plan: Plan) -> Column:
    """Finds the column of a search field: a path, or a display field by its id."""
    try:
        if "/" in identifier:
            found = column(kind, identifier, plan)
            key = identifier.rpartition("/")[2].lower()
        else:
            shortcut = display_fields(owner).get(identifier.upper(), "")
            path = SHORTCUTS[kind_of(owner)].get(shortcut, "")
            found = column(kind, shortcut if kind_of(owner) == kind else path or identifier, plan)
            key = identifier.lower()
    except Unjoinable as error:
        raise BadSearch(f"Unknown field {identifier}") from error
    if found is None:
        raise BadSearch(f"Unknown field {identifier}")
    return Column(key, found.value, found.type)


def _criterion(node: ET.Element) -> Criterion:
    if node.tag.rpartition("}")[2] == "criteria":
        comparison = _text(node, "comparison_type") or "="
        return Criterion("", [], _text(node, "schema_field"), comparison.strip().upper(), _text(node, "value"))
    below = [_criterion(child) for child in node if child.tag.rpartition("}")[2] in {"criteria", "child_set"}]
    return Criterion(node.get("method", "AND").upper(), below)


def _test(kind: str, criterion: Criterion, plan: Plan) -> Test:
    if criterion.method:
        tests = [_test(kind, each, plan) for each in criterion.below]
        combine: Callable[[Iterator[bool]], bool] = any if criterion.method == "OR" and tests else all
        return lambda row: combine(test(row) for test in tests)
    owner, dot, identifier = criterion.path.partition(".")
    found = _column(kind, owner, identifier, plan) if dot else _column(kind, "", criterion.path, plan)
    compare = _comparison(criterion.comparison, criterion.value, found.type)
    return lambda row: compare(found.value(row))


_Ordered = tuple[int, float, str]
_ORDER: dict[str, Callable[[_Ordered, _Ordered], bool]] = {
    ">": lambda left, right: left > right,
    "<": lambda left, right: left < right,
    ">=": lambda left, right: left >= right,
    "<=": lambda left, right: left <= right,
}


def _comparison(name: str, wanted: str, kind: str) -> Callable[[str], bool]:
    if name in {"IS NULL", "IS"}:
        return lambda value: value == ""
    if name in {"IS NOT NULL", "IS NOT"}:
        return lambda value: value != ""
    if name == "LIKE":
        pattern = "".join(".*" if char in "*%" else re.escape(char) for char in wanted)
        like = re.compile(pattern, re.IGNORECASE | re.DOTALL)
        return lambda value: like.fullmatch(value) is not None
    if name == "IN":
        members = {part.strip() for part in wanted.split(",")}
        return lambda value: value in members
    right = _ordered(wanted, kind)
    if name in {"=", "!="}:
        return lambda value: (_ordered(value, kind) == right) == (name == "=")
    if name not in _ORDER:
        raise BadSearch(f"Unknown comparison {name}")
    order = _ORDER[name]
    return lambda value: value != "" and order(_ordered(value, kind), right)


def _ordered(value: str, kind: str) -> _Ordered:
    """Brings a value into an order: numbers as numbers, American dates as ISO."""
    if kind in {"xs:integer", "xs:float", "xs:double", "xs:long"}:
        with contextlib.suppress(ValueError):
            return (0, float(value), "")
    if match := re.fullmatch(r"(\d{2})/(\d{2})/(\d{4})", value):
        return (1, 0.0, f"{match[3]}-{match[1]}-{match[2]}")
    return (1, 0.0, value[:10] if kind == "xs:dateTime" else value)


def _text(node: ET.Element, name: str) -> str:
    return (node.findtext(f"{{*}}{name}") or "").strip()
