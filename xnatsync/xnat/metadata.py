"""Reads the XML of a project, subject or session, whole and of the one that was asked for (hierarchy.md §4.1)."""

from __future__ import annotations

from xml.parsers import expat

from xnatsync.core.errors import ReplyStrange
from xnatsync.core.inventory import Owner
from xnatsync.xnat import addresses
from xnatsync.xnat.client import Client


def metadata(client: Client, owner: Owner) -> bytes:
    """Return the document as the server wrote it; NotThere when the owner is gone.

    ReplyStrange when it is cut, declares a document type or is another item's.
    """
    reply = client.get(addresses.owner(owner.kind, owner.id, xml=True))
    if _root_id(reply.body, reply.call.what) != owner.id:
        raise ReplyStrange(f"{reply.call.what}: the answer is another item's")
    return reply.body


def _root_id(body: bytes, what: str) -> str:
    found: list[str] = []

    def start(_tag: str, attributes: dict[str, str]) -> None:
        if not found:
            found.append(attributes.get("ID", ""))

    def refuse(*_: object) -> None:
        raise ReplyStrange(f"{what}: the answer declares a document type, which no item does")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, LookupError, ValueError) as error:  # the last two: an encoding that nobody knows
        raise ReplyStrange(f"{what}: the answer is not XML, or only a part of it") from error
    return found[0]
