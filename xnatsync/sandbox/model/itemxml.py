"""Items as XML documents (hierarchy.md §4.1); `writing.from_xml` reads them."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from xnatsync.sandbox.model.items import Item
from xnatsync.sandbox.model.schema import Element, element

NAMESPACE = "http://nrg.wustl.edu/xnat"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_TEXT_OF = {"addParam": "addField"}  # members whose text is a field of another name than their own
_PROVENANCE = "http://www.nbirn.net/prov"  # its elements are of a schema of their own


def item_xml(item: Item, site_url: str, *, hidden: bool = True) -> bytes:
    """Write the document of an item: attributes first, then parts in the order of the schema.

    `hidden` adds XNAT's `hidden_fields` comments with the database keys.
    """
    described = element(item.xsi_type)
    root = ET.Element(f"xnat:{described.root}" if described and described.root else item.xsi_type)
    _fill(root, item, described, hidden=hidden)
    attributes = dict(root.attrib)
    root.attrib.clear()
    root.attrib |= attributes | {
        "xmlns:xnat": NAMESPACE,
        "xmlns:cat": "http://nrg.wustl.edu/catalog",
        "xmlns:prov": _PROVENANCE,
        "xmlns:xdat": "http://nrg.wustl.edu/xdat",
        "xmlns:xsi": _XSI,
        "xsi:schemaLocation": f"{NAMESPACE} {site_url}/schemas/xnat/xnat.xsd",
    }
    text: str = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()


def _fill(node: ET.Element, item: Item, described: Element | None, *, hidden: bool) -> None:
    known = described.fields if described else {}
    for path, one in known.items():
        if one.attribute and "/" not in path and path in item.values:
            node.set(path, item.values[path])
    if hidden and item.keys:
        keys = ",".join(f'{name}="{key}"' for name, key in item.keys.items())
        node.append(ET.Comment(f"hidden_fields[{keys}]"))
    below = dict(item.children)
    for part in described.parts if described else {}:
        for path, one in known.items():
            if path.partition("/")[0] == part and path in item.values:
                _place(node, path.split("/"), item.values[path], attribute=one.attribute)
        for name in [name for name in below if name.split("/")[0] == part]:
            _add_children(node, name.split("/"), below[name], hidden=hidden)


def _place(node: ET.Element, path: list[str], text: str, *, attribute: bool) -> None:
    parents, last = path[:-1], path[-1]
    for name in parents:
        node = _child(node, name)
    if attribute:
        node.set(last, text)
    else:
        _child(node, last).text = text


def _child(node: ET.Element, name: str) -> ET.Element:
    tag = _tag(node, name)
    found = next((child for child in node if child.tag == tag), None)
    return found if found is not None else ET.SubElement(node, tag)


def _tag(node: ET.Element, name: str) -> str:
    return f"prov:{name}" if node.tag == "xnat:provenance" or str(node.tag).startswith("prov:") else f"xnat:{name}"


def _add_children(node: ET.Element, path: list[str], items: list[Item], *, hidden: bool) -> None:
    for name in path[:-1]:
        node = _child(node, name)
    last = path[-1]
    for item in items:
        child = ET.SubElement(node, _tag(node, last))
        described = element(item.xsi_type)
        if described is None:
            _fill_unnamed(child, item, last, hidden=hidden)
            continue
        _fill(child, item, described, hidden=hidden)
        child.set("xsi:type", item.xsi_type)


def _fill_unnamed(node: ET.Element, item: Item, name: str, *, hidden: bool) -> None:
    """Fill a member whose type has no name: its text, attributes or, in provenance, elements."""
    text = _TEXT_OF.get(name, name)
    for key, value in item.values.items():
        if key == text and hidden:  # the comment with the keys of the member comes first, in a line of its own (§19)
            node.text = "\n"
            comment = ET.Comment(f'hidden_fields[{item.xsi_type.replace(":", "_").lower()}_id="null"]')
            comment.tail = value
            node.append(comment)
        elif key == text:
            node.text = value
        elif "/" in key or str(node.tag).startswith("prov:"):
            _place(node, key.split("/"), value, attribute="/" in key)
        else:
            node.set(key, value)
    for path, below in item.children:
        _add_children(node, path.split("/"), below, hidden=hidden)
