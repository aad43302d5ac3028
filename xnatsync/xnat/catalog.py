"""Reads XNAT's catalogue XML: which SOP Instance UID lies in which file (hierarchy.md §5.2, §9)."""

from __future__ import annotations

from typing import Final
from xml.parsers import expat

from xnatsync.core.errors import ReplyStrange
from xnatsync.xnat import names
from xnatsync.xnat.replies import Reply

_ENTRY: Final = "http://nrg.wustl.edu/catalog entry"
_ROOTS: Final = "http://nrg.wustl.edu/catalog "


def sop_uids(reply: Reply) -> dict[str, str]:
    """Return the SOP Instance UID by file path below the resource; entries without UID are left out.

    Document types and entities are refused: a catalogue has none, and they are how XML attacks its reader.
    """
    what = reply.call.what
    by_uri: dict[str, str] = {}
    by_id: dict[str, str] = {}
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth == 1 and not tag.startswith(_ROOTS):
            raise ReplyStrange(f"{what}: the answer is not a catalogue")
        uid = attributes.get("UID", "")
        if tag == _ENTRY and names.is_uid(uid):
            by_uri[names.text(attributes.get("URI", ""), what)] = uid
            by_id[names.text(attributes.get("ID", ""), what)] = uid

    def end(_tag: str) -> None:
        nonlocal depth
        depth -= 1

    def refuse(*_: object) -> None:
        raise ReplyStrange(f"{what}: the answer declares a document type, which no catalogue does")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(reply.body, True)
    except (expat.ExpatError, LookupError, ValueError) as error:  # the last two: an encoding that nobody knows
        raise ReplyStrange(f"{what}: the answer is not XML, or only a part of it") from error
    return by_id | by_uri  # the URI may be an absolute path of the server: then the ID is the relative one
