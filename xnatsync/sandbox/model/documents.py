"""Reading item documents: every element and attribute finds its place in the schema, or the document is refused."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from xnatsync.sandbox.model.creation import ModelError
from xnatsync.sandbox.model.fieldvalues import checked
from xnatsync.sandbox.model.objects import Part
from xnatsync.sandbox.model.schema import Element, element, is_a, type_name, type_of_document

_XSI = "{http://www.w3.org/2001/XMLSchema-instance}type"


def read_document(document: bytes) -> Part:
    """Read a document whole; what is no XML, or of no type that the site has, is 422, a bad value 400."""
    if b"<!DOCTYPE" in document[:4096]:
        raise ModelError(422, "DOCTYPE is disallowed.")
    try:
        builder = ET.TreeBuilder(insert_comments=True)  # they part the texts around them
        root = ET.fromstring(document, ET.XMLParser(target=builder))  # noqa: S314 - without a DOCTYPE no entities
    except ET.ParseError as error:
        raise ModelError(422, f"Unable to parse the XML document: {error}") from error
    kind = type_of_document(_local(root.tag))
    described = element(kind)
    if described is None:
        raise ModelError(422, f"Unknown document type {_local(root.tag)}")
    return _read(root, described)


def _read(node: ET.Element, described: Element) -> Part:
    """Read an item; an empty value is as good as none (official: `ID=""` of a new one)."""
    part = Part(described.name)
    _attributes(part, node, described, "")
    if described.text and (text := _text(node, described, described.text)):
        part.values[described.text] = checked(described, described.text, text)
    for child in _elements(node):
        _child(part, child, described, "")
    return part


def _child(part: Part, node: ET.Element, described: Element, prefix: str) -> None:
    path = f"{prefix}{_local(node.tag)}"
    if path in described.members:
        part.parts.setdefault(path, []).append(_read(node, _actual(node, described.members[path])))
        return
    if (declared := element(described.parts.get(path, ""))) is not None and node.get(_XSI):
        inner = _read(node, _actual(node, declared))  # demographics, metadata: of a type of its own
        part.values |= {f"{path}/{key}": value for key, value in inner.values.items()}
        return
    below = f"{path}/"
    inside = any(known.startswith(below) for known in (*described.fields, *described.members))
    if path not in described.fields and not inside:
        raise ModelError(422, f"{described.name} has no element {path}.")
    text = _text(node, described, path)
    if text and path not in described.fields:
        raise ModelError(422, f"The element {path} of {described.name} holds no text.")
    if text:
        part.values[path] = checked(described, path, text)
    _attributes(part, node, described, below)
    for child in _elements(node):
        _child(part, child, described, below)


def _elements(node: ET.Element) -> list[ET.Element]:
    """Return the children without comments, whose tag is a function."""
    return [child for child in node if not callable(child.tag)]


def _text(node: ET.Element, described: Element, path: str) -> str:
    """Return the text of an element as XNAT takes it: pieces that are blank are left out, the others kept whole.

    Comments part the pieces (`SAXReader.characters`); numbers and dates lose the white space around them.
    """
    comments = (child for child in node if callable(child.tag))
    pieces = [node.text or "", *(comment.tail or "" for comment in comments)]
    text = "".join(piece for piece in pieces if piece.strip())
    found = described.fields.get(path)
    return text if found is not None and found.type == "xs:string" and not found.choices else text.strip()


def _attributes(part: Part, node: ET.Element, described: Element, prefix: str) -> None:
    for name, text in node.attrib.items():
        if name.startswith("{"):
            continue  # xsi:type, xsi:schemaLocation
        found = described.fields.get(f"{prefix}{name}")
        if found is None or not (found.attribute or not prefix):
            raise ModelError(422, f"{described.name} has no attribute {prefix}{name}.")
        if text.strip():
            part.values[found.path] = checked(described, found.path, text.strip())


def _actual(node: ET.Element, declared: Element) -> Element:
    """Find the type of a part: what `xsi:type` says, if it is the declared one or extends it."""
    named = node.get(_XSI, "")
    if not named:
        return declared
    found = element(named)
    if found is None or not is_a(type_name(named), declared.name):
        raise ModelError(422, f"{named} is no type of this site that extends {declared.name}.")
    return found


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
