"""Item documents as trees: read with nothing that XML offers an attacker, and written as XNAT reads them (§4.1).

Prefixes stay as they are written: XNAT always writes `xnat:`, and schemas of plug-ins have theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from xnatsync.core.errors import ReplyStrange

NAMESPACES: Final = {  # those that every XNAT knows
    "xnat": "http://nrg.wustl.edu/xnat",
    "xsi": "http://www.w3.org/2001/XMLSchema-instance",
    "arc": "http://nrg.wustl.edu/arc",
    "cat": "http://nrg.wustl.edu/catalog",
    "pipe": "http://nrg.wustl.edu/pipe",
    "prov": "http://www.nbirn.net/prov",
    "scr": "http://nrg.wustl.edu/scr",
    "val": "http://nrg.wustl.edu/val",
    "wrk": "http://nrg.wustl.edu/workflow",
    "xdat": "http://nrg.wustl.edu/xdat",
}
OURS: Final = "xnat:"
TEXT_BYTES: Final = 1 << 20  # of one piece of a text: a long one is joined of few
DEPTH_MAX: Final = 60  # elements within elements; items have a dozen


@dataclass(slots=True)
class Node:
    """One element.  `texts` are its pieces of text, between elements and comments; blank ones are left out."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Node] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Return its text: pieces that are blank are no part of it (hierarchy.md §4.3)."""
        return "".join(piece for piece in self.texts if piece.strip())

    @property
    def name(self) -> str:
        """Return its tag without XNAT's own prefix."""
        return self.tag.removeprefix(OURS)

    def all(self, name: str) -> Iterator[Node]:
        """Yield the children of a name."""
        return (child for child in self.children if child.name == name)

    def first(self, name: str) -> Node | None:
        """Return the first child of a name."""
        return next(self.all(name), None)


def read(body: bytes, what: str) -> Node:
    """Read a document; ReplyStrange when it is cut, no XML, or declares a document type."""
    top: list[Node] = []
    open_: list[Node] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        node = Node(tag, dict(attributes))
        if len(open_) >= DEPTH_MAX:
            raise ReplyStrange(f"{what}: the answer is nested too deeply for an item")
        (open_[-1].children if open_ else top).append(node)
        if open_:
            open_[-1].texts.append("")
        node.texts.append("")
        open_.append(node)

    def end(_tag: str) -> None:
        open_.pop()

    def text(piece: str) -> None:
        open_[-1].texts[-1] += piece

    def comment(_text: str) -> None:
        if open_:
            open_[-1].texts.append("")

    def refuse(*_: object) -> None:
        raise ReplyStrange(f"{what}: the answer declares a document type, which no item does")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.buffer_size = TEXT_BYTES
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.CommentHandler = comment
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, LookupError, ValueError) as error:  # the last two: an encoding that nobody knows
        raise ReplyStrange(f"{what}: the answer is not XML, or only a part of it") from error
    return top[0]


def write(root: Node) -> bytes:
    """Write a document with the namespaces that every XNAT knows, and those that the root declares itself."""
    spaces = {f"xmlns:{prefix}": address for prefix, address in NAMESPACES.items() if prefix in {"xnat", "xsi"}}
    used = {prefix for prefix in _prefixes(root) if prefix in NAMESPACES}
    spaces |= {f"xmlns:{prefix}": NAMESPACES[prefix] for prefix in sorted(used)}
    top = Node(root.tag, root.attributes | spaces, root.children, root.texts)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + "".join(_written(top)).encode()


def _prefixes(node: Node) -> Iterator[str]:
    for name in (node.tag, node.attributes.get("xsi:type", ""), *node.attributes):
        prefix, colon, _ = name.partition(":")
        if colon:
            yield prefix
    for child in node.children:
        yield from _prefixes(child)


def _written(node: Node) -> Iterator[str]:
    attributes = "".join(f" {name}={quoteattr(value)}" for name, value in node.attributes.items())
    if not (node.children or node.text):
        yield f"<{node.tag}{attributes}/>"
        return
    yield f"<{node.tag}{attributes}>"
    yield escape(node.text, {"\r": "&#13;"})  # else it would be read as a line end
    for child in node.children:
        yield from _written(child)
    yield f"</{node.tag}>"
