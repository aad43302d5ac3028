"""Stored searches: the `xdat:stored_search` (or bundle) document, and the table it gives (hierarchy.md §3.7)."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from html import escape
from xml.etree import ElementTree as ET

from xnatsync.sandbox.model.accounts import User
from xnatsync.sandbox.model.columns import Column, Unjoinable, Value, column
from xnatsync.sandbox.model.display import FIELDS, Display, Scope
from xnatsync.sandbox.model.joins import Joined, Plan, joined_rows
from xnatsync.sandbox.model.listing import search_roots
from xnatsync.sandbox.model.schema import element, field_of, is_a, type_name
from xnatsync.sandbox.model.shortcuts import SHORTCUTS
from xnatsync.sandbox.model.site import Site

Test = Callable[[Joined], bool]

_STATED = frozenset(  # what a document may say about itself; all of it is kept with the text
    "root_element_name search_field search_where sort_by allowed_user allowed_groups ID description brief-description "  # noqa: SIM905
    "brief_description secure tag allow-diff-columns allow_diff_columns layeredSequence layered_sequence".split()
)
_STATED_OF_FIELD = frozenset("element_name field_ID sequence type header value visible format".split())  # noqa: SIM905


class BadSearch(ValueError):
    """A document that is no search, or searches what cannot be searched."""


class BadDocument(ValueError):
    """A document that is no search at all, or says what no search says."""


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
        ("scan", "xnat:imageScanData"),
    ):
        if is_a(name, ancestor):
            return kind
    raise BadSearch(f"{name} cannot be searched.")


def display_fields(name: str) -> dict[str, Display]:
    """Gives the display fields of a type by their ids."""
    return FIELDS[kind_of(name)]


def default_search(name: str) -> StoredSearch:
    """Gives the pseudo-search `@type`: the default listing of a type, with a document that can be posted back."""
    known = element(name)
    if known is None:
        raise BadSearch(f"Unknown type {name}")
    fields = [(name, each, each.title()) for each, shown in display_fields(name).items() if not shown.valued]
    search = StoredSearch(name, fields, Criterion("AND"), f"@{name}", f"All {name}")
    search.document = _document(search)
    return search


def limited_to(search: StoredSearch, project: str) -> StoredSearch:
    """Gives the document of a search within one project: its own things and those shared into it."""
    owned = "ID" if kind_of(search.root) == "project" else "project"
    where = (
        '<xdat:search_where method="OR"><xdat:criteria><xdat:schema_field>'
        f"{search.root}/{owned}</xdat:schema_field><xdat:comparison_type>=</xdat:comparison_type>"
        f"<xdat:value>{escape(project)}</xdat:value></xdat:criteria></xdat:search_where>"
    )
    head, end, tail = search.document.rpartition("</")
    return replace(search, document=f"{head}{where}{end}{tail}")


def _document(search: StoredSearch) -> str:
    fields = "".join(
        f"<xdat:search_field><xdat:element_name>{owner}</xdat:element_name><xdat:field_ID>{identifier}</xdat:field_ID>"
        f"<xdat:sequence>{at}</xdat:sequence><xdat:type>string</xdat:type><xdat:header>{escape(header)}</xdat:header>"
        "</xdat:search_field>"
        for at, (owner, identifier, header) in enumerate(search.fields)
    )
    return (
        f'<xdat:bundle ID="{search.id}" brief-description="{escape(search.description)}" '
        f'xmlns:xdat="http://nrg.wustl.edu/security"><xdat:root_element_name>{search.root}</xdat:root_element_name>'
        f"{fields}</xdat:bundle>"
    )


def parse_search(document: bytes) -> StoredSearch:
    """Reads a search document; attributes and elements are one (hierarchy.md §15.2)."""
    if b"<!DOCTYPE" in document:
        raise BadDocument("DOCTYPE is disallowed.")
    try:
        root = ET.fromstring(document)  # noqa: S314 - without a DOCTYPE there are no entities to expand
    except ET.ParseError as error:
        raise BadDocument(str(error)) from error
    if _local(root) not in {"stored_search", "bundle"}:
        raise BadDocument(f"{_local(root)} is no search.")
    _only(root, _STATED)
    name = _text(root, "root_element_name")
    if element(name) is None:
        raise BadSearch(f"Unknown root element {name!r}.")
    nodes = sorted(root.findall("{*}search_field"), key=lambda node: int(_text(node, "sequence") or 0))
    for node in nodes:
        _only(node, _STATED_OF_FIELD)
    fields = [(_text(node, "element_name") or name, _field_id(node), _text(node, "header")) for node in nodes]
    conditions = [_criterion(node) for node in root.findall("{*}search_where")]
    search = StoredSearch(name, fields, Criterion("AND", conditions), root.get("ID", ""))
    search.description = _text(root, "brief-description") or _text(root, "brief_description")
    search.description = search.description or _text(root, "description")
    search.document = document.decode("utf-8", "replace")
    return search


def _field_id(node: ET.Element) -> str:
    """Gives the id of a field, with its value behind an equals sign if it has one."""
    identifier, value = _text(node, "field_ID"), _text(node, "value")
    return f"{identifier}={value}" if value and "=" not in identifier else identifier


def run(site: Site, user: User, search: StoredSearch, *, keyed: bool = False) -> Found:
    """Runs a search for a user: only what the user may read is found; `keyed` adds the key of the root."""
    kind, plan = kind_of(search.root), Plan()
    with site.lock:
        scope = Scope(site, user)
        columns = [_column(scope, kind, search.root, owner, name, plan) for owner, name, _ in search.fields]
        test = _test(scope, kind, search.root, search.where, plan)
        primary = column(kind, "ID", plan)
        readers = [(each.key, each.value) for each in columns]
        readers.append(("quarantine_status", _status))
        if keyed and primary is not None:
            readers.append(("key", primary.value))
        rows = []
        for root in search_roots(site, user, search.root, plan):
            found = [
                (_date(row), {key: value(row) for key, value in readers})
                for row in joined_rows(root, plan)
                if test(row)
            ]
            if kind == "subject" and plan.sessions and found:  # one row for each subject: the latest session
                found = [max(found, key=lambda each: each[0])]
            rows += [row for _, row in found]
    described = [_described(each, *field) for each, field in zip(columns, search.fields, strict=True)]
    unique = {each["key"]: each for each in (*described, {"key": "quarantine_status"})}
    return Found(_distinct(rows), list(unique.values()))


def _described(found: Column, owner: str, identifier: str, header: str) -> dict[str, str]:
    name = f"XNAT_COL_{_joined(identifier)}".upper() if "/" in identifier else identifier.upper()
    kinds = {
        "xs:integer": "integer",
        "xs:float": "float",
        "xs:double": "float",
        "xs:date": "date",
        "xs:dateTime": "date",
    }
    return {
        "key": found.key,
        "type": kinds.get(found.type, "string"),
        "xPATH": f"{owner}.{name}",
        "element_name": owner,
        "header": header or name,
        "id": name,
    }


def _status(row: Joined) -> str:
    return row.experiment.status if row.experiment is not None else "active"


def _date(row: Joined) -> str:
    return row.experiment.fields.get("date", "") if row.experiment is not None else ""


def _distinct(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return list({tuple(row.items()): row for row in rows}.values())


def _joined(path: str) -> str:
    """Writes a path as XNAT names a generated column: its type and field without what parts them."""
    return re.sub(r"[^A-Za-z0-9]", "", path.partition(":")[2])


def _column(scope: Scope, kind: str, root: str, owner: str, identifier: str, plan: Plan) -> Column:
    """Finds the column of a search field: a display field by its id, also behind a slash, or a path (§15.3)."""
    head, slash, rest = identifier.partition("/")
    if slash and rest.upper() in display_fields(head) and field_of(head, rest) is None:
        return _column(scope, kind, root, head, rest, plan)
    try:
        if slash:
            found = column(kind, identifier, plan)
            key = f"xnat_col_{_joined(identifier)}".lower()
            return Column(key, *_required(found, identifier))
        name, _, value = identifier.partition("=")
        shown = display_fields(owner).get(name.upper())
        if shown is None:
            raise BadSearch(f"Unknown field {identifier}")
        key = re.sub(r"[^a-z0-9_]", "_", f"{name}_{value}".lower()) if value else name.lower()
        key = key if type_name(owner) == type_name(root) else f"{owner.replace(':', '_').lower()}_{key}"
        if isinstance(shown.source, str):
            here = kind_of(owner) == kind
            path = shown.source if here else SHORTCUTS[kind_of(owner)][shown.source]
            if not here and ("/ID" in path or "experimentData" in path):
                path = f"{owner}/{path.partition('/')[2]}"
            return Column(key, *_required(column(kind, path, plan), identifier))
        column(kind, f"{owner}/ID", plan)  # joins its table
        read = shown.source
        types = {"integer": "xs:integer", "date": "xs:date"}
        return Column(key, lambda row: read(scope, row, value), types.get(shown.type, "xs:string"))
    except (Unjoinable, KeyError) as error:
        raise BadSearch(f"Unknown field {identifier}") from error


def _required(found: Column | None, identifier: str) -> tuple[Value, str]:
    if found is None:
        raise BadSearch(f"Unknown field {identifier}")
    return found.value, found.type


def _criterion(node: ET.Element) -> Criterion:
    if node.tag.rpartition("}")[2] == "criteria":
        comparison = _text(node, "comparison_type") or "="
        return Criterion("", [], _text(node, "schema_field"), comparison.strip().upper(), _text(node, "value"))
    below = [_criterion(child) for child in node if child.tag.rpartition("}")[2] in {"criteria", "child_set"}]
    return Criterion(node.get("method", "AND").upper(), below)


def _test(scope: Scope, kind: str, root: str, criterion: Criterion, plan: Plan) -> Test:
    if criterion.method:
        tests = [_test(scope, kind, root, each, plan) for each in criterion.below]
        combine: Callable[[Iterator[bool]], bool] = any if criterion.method == "OR" and tests else all
        return lambda row: combine(test(row) for test in tests)
    owner, dot, identifier = criterion.path.partition(".")
    if dot and "/" not in owner:
        found = _column(scope, kind, root, owner, identifier, plan)
    else:
        found = _column(scope, kind, root, root, criterion.path, plan)
    compare = _comparison(criterion.comparison, criterion.value, found.type)
    if criterion.comparison == "!=" and found.key.startswith("xnat_col_"):  # SQL: NULL is unequal to nothing
        return lambda row: (value := found.value(row)) != "" and compare(value)
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
    return (node.findtext(f"{{*}}{name}") or node.get(name) or "").strip()


def _local(node: ET.Element) -> str:
    return node.tag.rpartition("}")[2]


def _only(node: ET.Element, known: frozenset[str]) -> None:
    """Refuses what a search does not say: nothing is dropped."""
    said = [_local(child) for child in node] + [name for name in node.attrib if not name.startswith("{")]
    if unknown := sorted(set(said) - known):
        raise BadDocument(f"A search has no {', '.join(unknown)}.")
