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

_FILES: Final = "files are listed and carried by themselves"
_THERE: Final = "names another thing by this server's own key"
LEFT_OUT: Final[dict[str, str]] = {  # what is no field of any thing, and why
    "@ID": "names it on its server",
    "@project": "the project it is in",
    "@label": "a part of the description of its own; changed through another address",
    "@xsi:type": "a part of the description of its own",
    "@xsi:schemaLocation": "where this server has its schemas",
    "subject_ID": _THERE,
    "imageSession_ID": _THERE,
    "image_session_ID": _THERE,
    "@image_session_ID": _THERE,
    "prearchivePath": "a place on this server's disk",
    "sharing": "listed as shares",
    "custom_fields": "listed as values of custom forms",
}
LEFT_OUT_OF: Final[dict[ThingKind, dict[str, str]]] = {  # an assessor's own `scans` are ratings of scans: fields of it
    ThingKind.PROJECT: {"resources": _FILES},
    ThingKind.SUBJECT: {"resources": _FILES, "experiments": "records, and sessions by themselves"},
    ThingKind.RECORD: {"resources": _FILES},
    ThingKind.SESSION: {"resources": _FILES, "scans": "parts", "reconstructions": "parts", "assessors": "parts"},
    ThingKind.SCAN: {"file": _FILES},
    ThingKind.RECONSTRUCTION: {"resources": _FILES, "file": _FILES, "in": _FILES, "out": _FILES},
    ThingKind.ASSESSOR: {"resources": _FILES, "file": _FILES, "in": _FILES, "out": _FILES},
}
_OF_PROJECT: Final = ":project"  # stands in the ID of a protocol for the project it begins with (hierarchy.md §17)
_KEYS: Final = ("ID", "name", "alias")  # what tells one member of a list from the next
_NUMBERED: Final = re.compile(r"\[\d+\]$")
_SEGMENT: Final = re.compile(r"(?P<name>[^\[\]/]+)(?:\[(?:(?P<key>[^=\]]+)=(?P<value>[^\]]*)|(?P<number>\d+))\])?")


def described(
    node: Node, kind: ThingKind, *, thing_id: str, xsi_type: str, parts: Iterable[Described] = ()
) -> Described:
    """Describe what an element holds; `thing_id` and `xsi_type` are those that the server names it by elsewhere."""
    if kind is ThingKind.PROJECT:
        node = _of_no_project(node, thing_id)
    return Described(
        kind, thing_id, node.attributes.get("label", "") if kind not in _NAMELESS else "",
        node.attributes.get("xsi:type", xsi_type), tuple(_fields(node, {**LEFT_OUT, **LEFT_OUT_OF[kind]})),
        shares=tuple(shares(node, thing_id if kind is ThingKind.SCAN else "")),
        parts=tuple(parts), resources=tuple(_stored(node)), root=node.tag,
    )  # fmt: skip


def document(thing: Described, project: str, paths: Collection[str] | None = None) -> Node:
    """Write the document of a thing, or only these paths of it; with no label and no ID (import.md §7.2).

    `project` is that of the place it goes to; "" for what is written inside another thing or overlaid.
    """
    top = Node(thing.root, {"project": project} if project else {})
    fill(top, thing, paths)
    return top


def of_project(thing: Described, project: str, paths: Collection[str] | None = None) -> Node:
    """Write the document of a project, with an ID that it is to have or has."""
    top = document(thing, "", paths)
    top.attributes = {"ID": project, **top.attributes}
    for protocol in top.all("studyProtocol"):
        _renamed(protocol, _OF_PROJECT, project)
    return top


def fill(node: Node, thing: Described, paths: Collection[str] | None = None) -> None:
    """Put fields into an element, in the order of the description: a schema wants its elements in their order.

    What a field stands in keeps its type: without it, XNAT takes the element for one of the general type.
    """
    chosen = [field for field in thing.fields if paths is None or field[0] in paths]
    if paths is not None:
        whole = _whole_members(thing, paths)
        chosen = [field for field in chosen if _numbered_in(field[0]) <= whole]
        above = {f"{path[:at]}/@xsi:type" for path, _ in chosen for at, sign in enumerate(path) if sign == "/"}
        wanted = {path for path, _ in chosen} | above
        chosen = [field for field in thing.fields if field[0] in wanted]
    made: dict[str, Node] = {}
    for path, text in chosen:
        _place(node, path, text, made)


def _whole_members(thing: Described, paths: Collection[str]) -> set[str]:
    """Return the members without a key that are to be written as a whole.

    XNAT tells them by nothing but their values: a part of one would be added beside it, so that it is left alone and
    stays a difference that is named.
    """
    found = {member for path, _ in thing.fields for member in _numbered_in(path)}
    return found - {member for path, _ in thing.fields if path not in paths for member in _numbered_in(path)}


def _numbered_in(path: str) -> set[str]:
    """Return the members without a key that a path leads through."""
    segments = path.split("/")
    return {"/".join(segments[: at + 1]) for at, segment in enumerate(segments) if _NUMBERED.search(segment)}


_NAMELESS: Final = frozenset({ThingKind.PROJECT, ThingKind.SCAN, ThingKind.RECONSTRUCTION})


# --- reading -----------------------------------------------------------------------------------------------------


def _of_no_project(node: Node, project: str) -> Node:
    """Return a project's document without what repeats its ID: another project has another one there."""
    attributes = {name: value for name, value in node.attributes.items() if (name, value) != ("secondary_ID", project)}
    children = [child for child in node.children if child.name != "name" or child.text != project]
    for protocol in (child for child in children if child.name == "studyProtocol"):
        _renamed(protocol, project, _OF_PROJECT)
    return Node(node.tag, attributes, children, node.texts)


def _renamed(protocol: Node, old: str, new: str) -> None:
    number = protocol.attributes.get("ID", "")
    if number.startswith(f"{old}_"):
        protocol.attributes["ID"] = new + number.removeprefix(old)


def _fields(node: Node, left_out: Collection[str]) -> Iterator[tuple[str, str]]:
    for name, value in node.attributes.items():
        if f"@{name}" not in left_out and not _is_known_space(name) and value:
            yield f"@{name}", value
    for segment, child in _numbered(child for child in node.children if child.name not in left_out):
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


def shares(node: Node, number: str = "") -> Iterator[Share]:
    """Yield where it is shown; a scan has no label there, only its ID."""
    sharing = node.first("sharing")
    for share in sharing.all("share") if sharing is not None else ():
        if share.attributes.get("project"):
            yield Share(share.attributes["project"], share.attributes.get("label", "") or number)


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


def _place(node: Node, path: str, text: str, made: dict[str, Node]) -> None:
    """Put a text where its path says; `made` are the elements that there are by now."""
    below = ""
    for segment in path.split("/"):
        if segment.startswith("@"):
            node.attributes[segment[1:]] = text
            return
        below = f"{below}/{segment}"
        if below not in made:
            made[below] = _element(segment)
            node.children.append(made[below])
        node = made[below]
    node.texts = [text]


def _element(segment: str) -> Node:
    found = _SEGMENT.fullmatch(segment)
    assert found is not None  # a path of ours
    tag = found["name"] if ":" in found["name"] else f"{OURS}{found['name']}"
    return Node(tag, {found["key"]: unquote(found["value"])} if found["key"] else {})
