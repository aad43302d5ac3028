"""Stores single files in resources, byte for byte (hierarchy.md §6.1, §6.4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from xnatsync.core.errors import RequestRefused
from xnatsync.core.inventory import Owner, ResourceKey
from xnatsync.xnat import addresses, upload
from xnatsync.xnat.client import Client

_CATALOG: Final = "catalog.xml"
_MANY: Final = frozenset({"ALL", "*", "NULL"})


def put_resource_file(
    client: Client,
    owner: Owner,
    resource: ResourceKey,
    name: str,
    content: Iterator[bytes],
    *,
    size: int,
    overwrite: bool,
    request_id: str,
    timeout_s: float,
) -> None:
    """Store one file; ForeignContent when it is there and `overwrite` is not asked for.

    RequestRefused before anything is sent when XNAT would store it elsewhere or under another name.  It answers 200 to
    an account that may read but not edit, and stores nothing: only a listing proves it.
    """
    _check(resource, name)
    found = addresses.one_file(owner.kind, owner.id, resource.scan, resource.label, name)
    call = addresses.as_store(found, overwrite=overwrite)
    body = upload.body_of(name, content, size)
    upload.store(client, call, body, request_id=request_id, timeout_s=timeout_s)


def _check(resource: ResourceKey, name: str) -> None:
    if not addresses.is_plain(resource.label):
        raise RequestRefused(
            "XNAT would not find this resource again: its label holds characters other than letters, digits, `.`, `_`, "
            "`-`, or is a number",
            advice="Rename the resource's folder.",
        )
    if resource.scan in _MANY or "," in resource.scan or "[" in resource.scan:
        raise RequestRefused("XNAT would take this scan's ID for several scans", advice="Rename the scan.")
    if name.endswith("*"):
        raise RequestRefused("XNAT takes a name with a star at its end for a pattern", advice="Rename the file.")
    if name.lower().endswith(_CATALOG):
        raise RequestRefused(
            "XNAT keeps its own lists under names that end with `catalog.xml` and does not show files of such names",
            advice="Rename the file, or pack it in an archive.",
        )
