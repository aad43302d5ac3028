"""The data types of the site, read from its own schema: what extends what, which fields a type has, of which kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from xml.etree import ElementTree as ET

_XS = "{http://www.w3.org/2001/XMLSchema}"
_XDAT = "{http://nrg.wustl.edu/xdat}"
SCHEMAS = ("xnat", "xdat", "catalog")


@dataclass(frozen=True, slots=True)
class Field:
    """One value of a type: its path below the item, whether XML shows it as an attribute, and its xs: type."""

    path: str
    attribute: bool
    type: str


@dataclass(slots=True)
class Element:
    """A type of the schema with everything it inherits."""

    name: str  # xnat:mrSessionData
    base: str = ""
    root: str = ""  # MRSession: the document element; "" = the type has no documents and no trigger (§3.9)
    abstract: bool = False
    fields: dict[str, Field] = field(default_factory=dict)  # by path, in document order, inherited ones first
    parts: dict[str, str] = field(default_factory=dict)  # top-level element -> its named type, in document order


def schema_text(name: str) -> bytes | None:
    """Gives one of the schema documents the site serves, or None."""
    if name not in SCHEMAS:
        return None
    return resources.files("xnatsync.sandbox").joinpath(f"schemas/{name}.xsd").read_bytes()


def element(name: str) -> Element | None:
    """Finds a type by its name, in any case (XNAT compares element names without case)."""
    return _elements().get(name.lower())


def type_name(name: str) -> str:
    """Gives the type's name in its own spelling; unknown names are returned as they are."""
    found = element(name)
    return found.name if found else name


@cache
def is_a(name: str, ancestor: str) -> bool:
    """Tells whether a type is another one or extends it; unknown types are only themselves."""
    wanted = ancestor.lower()
    current = name.lower()
    while current:
        if current == wanted:
            return True
        found = _elements().get(current)
        current = found.base.lower() if found else ""
    return False


def document_types() -> list[Element]:
    """Gives the types that have documents of their own, in the order of the schema."""
    return [found for found in _elements().values() if found.root]


def type_of_document(root: str) -> str:
    """Gives the type of an XML document by the local name of its root element; "" when there is none."""
    return next((found.name for found in _elements().values() if found.root == root), "")


def field_of(name: str, path: str) -> Field | None:
    """Finds a field of a type by its path, in any case."""
    found = element(name)
    if found is None:
        return None
    return found.fields.get(path) or next((item for key, item in found.fields.items() if key.lower() == path), None)


@cache
def _elements() -> dict[str, Element]:
    tree = ET.fromstring(schema_text("xnat") or b"")  # noqa: S314 - our own document, not a client's
    nodes = {f"xnat:{node.get('name')}": node for node in tree.findall(f"{_XS}complexType")}
    found: dict[str, Element] = {}
    for name in nodes:
        _read(name, nodes, found)
    for node in tree.findall(f"{_XS}element"):
        found[str(node.get("type")).lower()].root = str(node.get("name"))
    return found


def _read(name: str, nodes: dict[str, ET.Element], found: dict[str, Element]) -> Element:
    if name.lower() in found:
        return found[name.lower()]
    node = nodes[name]
    result = Element(name)
    mark = node.find(f"{_XS}annotation/{_XS}appinfo/{_XDAT}element")
    result.abstract = mark is not None and mark.get("abstract") == "true"
    extension = node.find(f"{_XS}complexContent/{_XS}extension")
    if extension is not None:
        result.base = str(extension.get("base"))
        base = _read(result.base, nodes, found)
        result.fields.update(base.fields)
        result.parts.update(base.parts)
    content = extension if extension is not None else node
    for child in content.findall(f"{_XS}sequence/{_XS}element"):
        result.parts[str(child.get("name"))] = str(child.get("type") or "")
    result.fields.update({item.path: item for item in _fields(content, "", nodes)})
    found[name.lower()] = result
    return result


def _fields(content: ET.Element, prefix: str, nodes: dict[str, ET.Element]) -> Iterator[Field]:
    for child in content.findall(f"{_XS}attribute"):
        yield Field(f"{prefix}{child.get('name')}", True, str(child.get("type")))
    for child in content.findall(f"{_XS}sequence/{_XS}element"):
        if child.get("maxOccurs") == "unbounded":
            continue  # members of a collection are items of their own
        yield from _element_fields(child, f"{prefix}{child.get('name')}", nodes)


def _element_fields(child: ET.Element, path: str, nodes: dict[str, ET.Element]) -> Iterator[Field]:
    named = child.get("type")
    inner = child.find(f"{_XS}complexType")
    simple = child.find(f"{_XS}complexType/{_XS}simpleContent/{_XS}extension")
    if named in nodes:
        yield from _fields(nodes[str(named)], f"{path}/", nodes)
    elif simple is not None:
        yield Field(path, False, str(simple.get("base")))
        yield from _fields(simple, f"{path}/", nodes)
    elif inner is not None:
        yield from _fields(inner, f"{path}/", nodes)
    else:
        restriction = child.find(f"{_XS}simpleType/{_XS}restriction")
        yield Field(path, False, str(named or (restriction.get("base") if restriction is not None else "xs:string")))
