"""The data types of the site, read from its own schema: what extends what, which fields a type has, of which kind."""

from __future__ import annotations

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
    longest: int = 0  # characters; 0 = no limit
    choices: tuple[str, ...] = ()


@dataclass(slots=True)
class Element:
    """A type of the schema with everything it inherits."""

    name: str  # xnat:mrSessionData
    base: str = ""
    root: str = ""  # MRSession: the document element; "" = the type has no documents and no trigger (§3.9)
    abstract: bool = False
    fields: dict[str, Field] = field(default_factory=dict)  # by path, in document order, inherited ones first
    parts: dict[str, str] = field(default_factory=dict)  # top-level element -> its named type, in document order
    members: dict[str, Element] = field(default_factory=dict)  # what may repeat, by path: scans/scan -> its type
    text: str = ""  # the field that a member's own text is


def schema_text(name: str) -> bytes | None:
    """Return one of the schema documents the site serves, or None."""
    if name not in SCHEMAS:
        return None
    return resources.files("xnatsync.sandbox").joinpath(f"schemas/{name}.xsd").read_bytes()


def element(name: str) -> Element | None:
    """Find a type by its name, in any case (XNAT compares element names without case)."""
    return _elements().get(name.lower())


def type_name(name: str) -> str:
    """Return the type's name in its own spelling; unknown names are returned as they are."""
    found = element(name)
    return found.name if found else name


@cache
def is_a(name: str, ancestor: str) -> bool:
    """Return whether a type is another one or extends it; unknown types are only themselves."""
    wanted = ancestor.lower()
    current = name.lower()
    while current:
        if current == wanted:
            return True
        found = _elements().get(current)
        current = found.base.lower() if found else ""
    return False


def named_type(name: str) -> str:
    """Return the type that a name means: its own, or that of its documents (`xnat:ReconstructedImage`)."""
    if element(name) is not None:
        return type_name(name)
    return next((found.name for found in _elements().values() if found.root and f"xnat:{found.root}" == name), name)


def elements() -> list[Element]:
    """Return all types, in the order of the schema."""
    return list(_elements().values())


def document_types() -> list[Element]:
    """Return the types that have documents of their own, in the order of the schema."""
    return [found for found in _elements().values() if found.root]


def type_of_document(root: str) -> str:
    """Return the type of an XML document by the local name of its root element; "" when there is none.

    Types without a root of their own are documents under their name (`xnat:mrAssessorData`).
    """
    known = next((found.name for found in _elements().values() if found.root == root), "")
    return known or next((found.name for found in _elements().values() if found.name == f"xnat:{root}"), "")


def field_of(name: str, path: str) -> Field | None:
    """Find a field of a type by its path, in any case."""
    found = element(name)
    if found is None:
        return None
    return found.fields.get(path) or next((item for key, item in found.fields.items() if key.lower() == path), None)


@cache
def _elements() -> dict[str, Element]:
    tree = ET.fromstring(schema_text("xnat") or b"")  # noqa: S314 - our own document, not a client's
    reader = _Reader({f"xnat:{node.get('name')}": node for node in tree.findall(f"{_XS}complexType")})
    for name in reader.nodes:
        reader.read(name)
    for node in tree.findall(f"{_XS}element"):
        reader.found[str(node.get("type")).lower()].root = str(node.get("name"))
    return reader.found


_TEXTS = {"addParam": "addField"}  # members whose text has another name than the member


@dataclass(slots=True)
class _Reader:
    """Reads the types of the schema; members of a type may be of a type that is being read."""

    nodes: dict[str, ET.Element]
    found: dict[str, Element] = field(default_factory=dict)

    def read(self, name: str) -> Element:
        """Return a type by its name."""
        if name.lower() in self.found:
            return self.found[name.lower()]
        node = self.nodes[name]
        result = self.found[name.lower()] = Element(name)
        mark = node.find(f"{_XS}annotation/{_XS}appinfo/{_XDAT}element")
        result.abstract = mark is not None and mark.get("abstract") == "true"
        extension = node.find(f"{_XS}complexContent/{_XS}extension")
        if extension is not None:
            result.base = str(extension.get("base"))
            base = self.read(result.base)
            result.fields.update(base.fields)
            result.parts.update(base.parts)
            result.members.update(base.members)
        self._content(result, extension if extension is not None else node, "")
        return result

    def _content(self, into: Element, content: ET.Element, prefix: str) -> None:
        for child in content.findall(f"{_XS}attribute"):
            self._field(into, f"{prefix}{child.get('name')}", str(child.get("type")), attribute=True)
        for child in content.findall(f"{_XS}sequence/{_XS}element"):
            name = str(child.get("name"))
            if not prefix:
                into.parts[name] = str(child.get("type") or "")
            if child.get("maxOccurs") == "unbounded":
                into.members[f"{prefix}{name}"] = self._member(into, name, child)
            else:
                self._element(into, child, f"{prefix}{name}")

    def _element(self, into: Element, child: ET.Element, path: str) -> None:
        named = str(child.get("type") or "")
        simple = child.find(f"{_XS}complexType/{_XS}simpleContent/{_XS}extension")
        inner = child.find(f"{_XS}complexType")
        if named in self.nodes:
            self._content(into, self.nodes[named], f"{path}/")
        elif simple is not None:
            self._field(into, path, str(simple.get("base")))
            self._content(into, simple, f"{path}/")
        elif inner is not None:
            self._content(into, inner, f"{path}/")
        else:
            restriction = child.find(f"{_XS}simpleType/{_XS}restriction")
            base = str(restriction.get("base")) if restriction is not None else "xs:string"
            self._field(into, path, named or base, restriction)

    def _field(
        self, into: Element, path: str, kind: str, rules: ET.Element | None = None, *, attribute: bool = False
    ) -> None:
        longest = 255 if kind == "xs:string" else 0  # what a column of XNAT's takes unless the schema says otherwise
        choices: tuple[str, ...] = ()
        if rules is not None:
            choices = tuple(str(node.get("value")) for node in rules.findall(f"{_XS}enumeration"))
            longest = next((int(str(node.get("value"))) for node in rules.findall(f"{_XS}maxLength")), longest)
        into.fields[path] = Field(path, attribute, kind, longest, choices)

    def _member(self, owner: Element, name: str, child: ET.Element) -> Element:
        named = str(child.get("type") or "")
        if named in self.nodes:
            return self.read(named)
        result = Element(f"{owner.name}_{name}")
        simple = child.find(f"{_XS}complexType/{_XS}simpleContent/{_XS}extension")
        inner = child.find(f"{_XS}complexType")
        if simple is not None:
            result.text = _TEXTS.get(name, name)
            kind = str(simple.get("base"))
            result.fields[result.text] = Field(result.text, False, kind)  # custom values may be as long as they like
        content = simple if simple is not None else inner
        if content is not None:
            self._content(result, content, "")
        return result
