"""Stores files in resources, byte for byte: one by itself, or many small ones as one zip (hierarchy.md §6)."""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Iterator, Sequence
from typing import Final

from xnatsync.core.errors import OutcomeUnknown, ReplyStrange, SourceChanged
from xnatsync.core.inventory import Owner, ResourceKey
from xnatsync.core.manifest import Kind, ManifestFile
from xnatsync.ports.tree import SmallFile
from xnatsync.xnat import addresses, replies, upload
from xnatsync.xnat.client import Client
from xnatsync.xnat.exchange import Body
from xnatsync.xnat.resource_names import check_name, check_resource
from xnatsync.xnat.wire import Query
from xnatsync.xnat.zipstream import zip_pieces, zip_size

_STORED: Final = frozenset({200, 201})


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
    described: Query = (),
) -> None:
    """Store one file; ForeignContent when it is there and `overwrite` is not asked for.

    RequestRefused before anything is sent when XNAT would store it elsewhere or under another name.  It answers 200 to
    an account that may read but not edit, and stores nothing: only a listing proves it.
    """
    check_resource(resource)
    check_name(name)
    found = addresses.one_file(owner.kind, owner.id, resource.scan, resource.label, name)
    call = addresses.as_store(found, overwrite=overwrite, described=described)
    body = upload.body_of(name, content, size)
    upload.store(client, call, body, request_id=request_id, timeout_s=timeout_s)


def put_resource_files(
    client: Client,
    owner: Owner,
    resource: ResourceKey,
    files: Sequence[SmallFile],
    *,
    overwrite: bool,
    request_id: str,
    timeout_s: float,
    described: Query = (),
) -> frozenset[str]:
    """Store small files as one zip that XNAT unpacks at the resource's root; return those that were there already.

    What was there stays unless `overwrite` is asked for, and the rest is stored (§6.3).  The zip is written as it goes
    out, one file in memory at a time.  SourceChanged when a file has another length by then.
    """
    check_resource(resource)
    for file in files:
        check_name(file.name)
    name = f"xnatsync-{uuid.uuid4().hex}.zip"
    found = addresses.one_file(owner.kind, owner.id, resource.scan, resource.label, name)
    call = addresses.as_store(found, overwrite=overwrite, extract=True, described=described)
    body = Body(zip_pieces(_members(files)), zip_size((file.name, file.size) for file in files), "application/zip")
    reply = client.write(call, request_id=request_id, body=body, timeout_s=timeout_s, done=_STORED)
    try:
        left = frozenset(replies.duplicates(reply))
    except ReplyStrange as error:
        raise OutcomeUnknown(str(error), http=reply.status) from error
    if strange := left - {file.name for file in files}:
        raise OutcomeUnknown(f"{call.what}: the server left {len(strange)} files alone that were not sent")
    return left


def put_archive(
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
    described: Query = (),
) -> frozenset[str]:
    """Store the members of somebody's archive, which XNAT unpacks by its name; return those that were there already."""
    check_resource(resource)
    found = addresses.one_file(owner.kind, owner.id, resource.scan, resource.label, name)
    call = addresses.as_store(found, overwrite=overwrite, extract=True, described=described)
    body = upload.body_of(name, content, size)
    reply = client.write(call, request_id=request_id, body=body, timeout_s=timeout_s, done=_STORED)
    try:
        return frozenset(replies.duplicates(reply))
    except ReplyStrange as error:
        raise OutcomeUnknown(str(error), http=reply.status) from error


def _members(files: Sequence[SmallFile]) -> Iterator[tuple[str, ManifestFile, Iterator[bytes]]]:
    for file in files:
        content = file.read()
        if len(content) != file.size:
            raise SourceChanged(f"{file.name} has {len(content)} bytes now, and had {file.size}")
        facts = ManifestFile(file.name, file.size, 0, b"", zlib.crc32(content), b"", Kind.OTHER)
        yield file.name, facts, iter([content] if content else [])
