"""Which names XNAT keeps as they are, and how a file of such a name has to travel (hierarchy.md §6.1, §6.3, §6.4).

Whatever it would store elsewhere, or under another name, is refused before a byte is sent.
"""

from __future__ import annotations

from typing import Final

from xnatsync.core.errors import NameRefused, ReplyStrange, RequestRefused
from xnatsync.core.inventory import ResourceKey
from xnatsync.core.packing import is_packed
from xnatsync.xnat import addresses, names, wire

_CATALOG: Final = "catalog.xml"
_MANY: Final = frozenset({"ALL", "*", "NULL"})
_PART_MAX: Final = 255  # bytes that a name on the server's disk may have


def check_resource(resource: ResourceKey) -> None:
    """Refuse a resource that nothing could be found in again."""
    if not addresses.is_plain(resource.label):
        raise NameRefused(
            "XNAT would not find this resource again: its label holds characters other than letters, digits, `.`, `_`, "
            "`-`, or is a number",
            advice="Rename the resource's folder.",
        )
    if len(resource.label) > _PART_MAX:
        raise NameRefused(
            f"a resource's label has at most {_PART_MAX} characters, and this one has {len(resource.label)}",
            advice="Give it a shorter label.",
        )
    if resource.scan in _MANY or "," in resource.scan or "[" in resource.scan:
        raise NameRefused("XNAT would take this scan's ID for several scans", advice="Rename the scan.")


def check_name(name: str) -> None:
    """Refuse a name that XNAT keeps for itself, or takes for a pattern."""
    if name.endswith("*"):
        raise NameRefused("XNAT takes a name with a star at its end for a pattern", advice="Rename the file.")
    if name.lower().endswith(_CATALOG):
        raise NameRefused(
            "XNAT keeps its own lists under names that end with `catalog.xml` and does not show files of such names",
            advice="Rename the file, or pack it in an archive.",
        )


def check_storable(resource: ResourceKey, name: str) -> None:
    """Refuse what could not be stored as a file of its own."""
    check_resource(resource)
    check_name(name)
    wire.file_path(name)


def has_address(name: str) -> bool:
    """Return whether a file of this name can be sent by itself: an address can say its name."""
    try:
        wire.file_path(name)
    except RequestRefused:
        return False
    return True


def may_travel_packed(name: str) -> bool:
    """Return whether a file of this name arrives as it is in a zip of ours, and by itself as well."""
    try:
        check_name(name)
    except RequestRefused:
        return False
    return has_address(name) and not is_packed(name)


def check_sendable(name: str) -> None:
    """Refuse a name that would not arrive as it is, by itself or in a zip of ours."""
    check_name(name)
    try:
        names.relative_path(name, "")
        long = any(len(part.encode()) > _PART_MAX for part in name.split("/"))
    except (ReplyStrange, UnicodeEncodeError):
        raise NameRefused(
            "no file on the server may have such a name: it holds control characters, or is no relative path",
            advice="Rename the file.",
        ) from None
    if long:
        raise NameRefused(f"a part of its name has more than {_PART_MAX} bytes", advice="Rename the file.")
    if is_packed(name):
        wire.file_path(name)  # it travels by itself, and an address must be able to say its name
