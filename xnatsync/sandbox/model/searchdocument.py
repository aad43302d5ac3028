"""The `xdat:stored_search` (or bundle) document: its root, fields and conditions (hierarchy.md §15.2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

from xnatsync.sandbox.model.schema import element

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


@dataclass(frozen=True, slots=True)
class SearchField:
    """One field of a search: a display field or a path of a type, with what the document says of its column."""

    element: str
    id: str  # with its value behind an equals sign, if it has one
    header: str = ""
    type: str = ""
    visible: bool = True


@dataclass(slots=True)
class StoredSearch:
    """A search as its document states it."""

    root: str
    fields: list[SearchField]
    where: Criterion
    id: str = ""
    description: str = ""
    document: str = ""


def parse_search(document: bytes) -> StoredSearch:
    """Read a search document; attributes and elements are one (hierarchy.md §15.2)."""
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
    conditions = [_criterion(node) for node in root.findall("{*}search_where")]
    search = StoredSearch(name, [_field(node, name) for node in nodes], Criterion("AND", conditions))
    search.id = _text(root, "ID")
    search.description = _text(root, "brief-description") or _text(root, "brief_description")
    search.description = search.description or _text(root, "description")
    search.document = document.decode("utf-8", "replace")
    return search


def _field(node: ET.Element, root: str) -> SearchField:
    identifier, value = _text(node, "field_ID"), _text(node, "value")
    whole = f"{identifier}={value}" if value and "=" not in identifier else identifier
    shown = _text(node, "visible") not in {"0", "false"}
    return SearchField(_text(node, "element_name") or root, whole, _text(node, "header"), _text(node, "type"), shown)


def _criterion(node: ET.Element) -> Criterion:
    if _local(node) == "criteria":
        comparison = _text(node, "comparison_type") or "="
        return Criterion("", [], _text(node, "schema_field"), comparison.strip().upper(), _text(node, "value"))
    below = [_criterion(child) for child in node if _local(child) in {"criteria", "child_set"}]
    return Criterion(node.get("method", "AND").upper(), below)


def _text(node: ET.Element, name: str) -> str:
    return (node.findtext(f"{{*}}{name}") or node.get(name) or "").strip()


def _local(node: ET.Element) -> str:
    return node.tag.rpartition("}")[2]


def _only(node: ET.Element, known: frozenset[str]) -> None:
    """Refuse what a search does not say: nothing is dropped."""
    said = [_local(child) for child in node] + [name for name in node.attrib if not name.startswith("{")]
    if unknown := sorted(set(said) - known):
        raise BadDocument(f"A search has no {', '.join(unknown)}.")
