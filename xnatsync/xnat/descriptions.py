"""Documents of XNAT as descriptions of things, and descriptions as documents (hierarchy.md §4.1, import.md §7.2).

What a path says: `date` is an element of the document, `@UID` an attribute, `parameters/voxelRes/@x` one of an inner
element, `fields/field[name=iq]` the member of a list with that key, `a/b[2]` the second of members without one.
Characters that a path needs itself are encoded in keys (`%2F`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Final
from urllib.parse import quote, unquote

from xnatsync.core.described import Described, Share, Stored, ThingKind
from xnatsync.xnat.documents import NAMESPACES, OURS, Node

LEFT_OUT: Final = {  # elements and attributes of a thing that are no field of it, and why
    "@ID": "names it on its server",
    "@project": "the project it is in",
    "@label": "a part of the description of its own; changed through another address",
    "@xsi:type": "a part of the description of its own",
    "@xsi:schemaLocation": "where this server has its schemas",
    "subject_ID": "names its subject on this server",
    "imageSession_ID": "names its session on this server",
    "image_session_ID": "names its session on this server",
    "@image_session_ID": "names its session on this server",
    "prearchivePath": "a place on this server's disk",
    "sharing": "listed as shares",
    "custom_fields": "listed as values of custom forms",
    "resources": "files are listed and carried by themselves",
    "file": "files are listed and carried by themselves",
    "in": "files are listed and carried by themselves",
    "out": "files are listed and carried by themselves",
    "scans": "parts",
    "reconstructions": "parts",
    "assessors": "parts",
    "experiments": "parts, and sessions",
}
_KEYS: Final = ("name", "ID", "alias")  # what tells one member of a list from the next
_SEGMENT: Final = re.compile(r"(?P<name>[^\[\]/]+)(?:\[(?:(?P<key>[^=\]]+)=(?P<value>[^\]]*)|(?P<number>\d+))\])?")


def described(
    node: Node, kind: ThingKind, *, thing_id: str, xsi_type: str, parts: Iterable[Described] = ()
) -> Described:
    """Describe what an element holds; `thing_id` and `xsi_type` are those that the server names it by elsewhere."""
    return Described(
        kind, thing_id, node.attributes.get("label", "") if kind not in _NAMELESS else "",
        node.attributes.get("xsi:type", xsi_type), tuple(_fields(node)), shares=tuple(_shares(node)),
        parts=tuple(parts), resources=tuple(_stored(node)), root=node.tag,
    )  # fmt: skip


def document(thing: Described, project: str, paths: Collection[str] | None = None) -> Node:
    """Write the document of a thing, or only these paths of it; with no label and no ID (import.md §7.2).

    `project` is that of the place it goes to; "" for projects and for what is written inside another thing.
    """
    top = Node(thing.root, {"project": project} if project else {})
    fill(top, thing, paths)
    return top


def fill(node: Node, thing: Described, paths: Collection[str] | None = None) -> None:
    """Put fields into an element, in the order of the description: a schema wants its elements in their order.

    What a field stands in keeps its type: without it, XNAT takes the element for one of the general type.
    """
    above = {f"{path[:at]}/@xsi:type" for path in paths or () for at, sign in enumerate(path) if sign == "/"}
    for path, text in thing.fields:
        if paths is None or path in paths or path in above:
            _place(node, path, text)


_NAMELESS: Final = frozenset({ThingKind.PROJECT, ThingKind.SCAN, ThingKind.RECONSTRUCTION})


# --- reading -----------------------------------------------------------------------------------------------------


def _fields(node: Node) -> Iterator[tuple[str, str]]:
    for name, value in node.attributes.items():
        if f"@{name}" not in LEFT_OUT and not _is_known_space(name) and value:
            yield f"@{name}", value
    for segment, child in _numbered(child for child in node.children if child.name not in LEFT_OUT):
        yield from _below(segment, child)


def _below(path: str, node: Node) -> Iterator[tuple[str, str]]:
    key = _key_of(path)
    found = False
    for name, value in node.attributes.items():
        if name != key and value and not _is_known_space(name):
            found = True
            yield f"{path}/@{name}", value
    if node.text:
        found = True
        yield path, node.text
    for segment, child in _numbered(node.children):
        found = True
        yield from _below(f"{path}/{segment}", child)
    if key and not found:  # all that it says is that it is there
        yield f"{path}/@{key}", node.attributes[key]


def _numbered(children: Iterable[Node]) -> Iterator[tuple[str, Node]]:
    """Give each child its segment of a path."""
    named: dict[str, list[Node]] = {}
    there = list(children)
    for child in there:
        named.setdefault(child.name, []).append(child)
    places = {name: _places(nodes) for name, nodes in named.items()}
    for child in there:
        yield places[child.name].pop(0), child


def _places(nodes: list[Node]) -> list[str]:
    name = nodes[0].name
    for key in _KEYS:
        values = [node.attributes.get(key, "") for node in nodes]
        if all(values) and len(set(values)) == len(values):
            return [f"{name}[{key}={quote(value, safe=' ,.:;-_')}]" for value in values]
    return [name] if len(nodes) == 1 else [f"{name}[{number}]" for number in range(1, len(nodes) + 1)]


def _key_of(path: str) -> str:
    found = _SEGMENT.fullmatch(path.rpartition("/")[2])
    return found["key"] or "" if found is not None else ""


def _shares(node: Node) -> Iterator[Share]:
    sharing = node.first("sharing")
    for share in sharing.all("share") if sharing is not None else ():
        if share.attributes.get("project"):
            yield Share(share.attributes["project"], share.attributes.get("label", ""))


def _stored(node: Node) -> Iterator[Stored]:
    holders = [("", node), *(("in", each) for each in node.all("in")), *(("out", each) for each in node.all("out"))]
    for side, holder in holders:
        outer = holder.first("resources") if not side else None
        for one in [*(outer.all("resource") if outer is not None else ()), *holder.all("file")]:
            if one.attributes.get("label"):
                yield Stored(
                    one.attributes["label"], "in" if side == "in" else "out" if side == "out" else "",
                    one.attributes.get("format", ""), one.attributes.get("content", ""),
                )  # fmt: skip


def _is_known_space(name: str) -> bool:
    """Return whether an attribute declares a namespace that every XNAT knows."""
    return name == "xmlns" or name.removeprefix("xmlns:") in NAMESPACES


# --- writing -----------------------------------------------------------------------------------------------------


def _place(node: Node, path: str, text: str) -> None:
    for segment in path.split("/"):
        if segment.startswith("@"):
            node.attributes[segment[1:]] = text
            return
        node = _child(node, segment)
    node.texts = [text]


def _child(node: Node, segment: str) -> Node:
    found = _SEGMENT.fullmatch(segment)
    assert found is not None  # a path of ours
    tag = found["name"] if ":" in found["name"] else f"{OURS}{found['name']}"
    same = [child for child in node.children if child.tag == tag]
    if found["key"]:
        value = unquote(found["value"])
        known = next((child for child in same if child.attributes.get(found["key"]) == value), None)
        return known if known is not None else _added(node, Node(tag, {found["key"]: value}))
    number = int(found["number"] or 1)
    wanted = same[number - 1] if len(same) >= number else None
    return wanted if wanted is not None else _added(node, Node(tag))


def _added(node: Node, child: Node) -> Node:
    node.children.append(child)
    return child
