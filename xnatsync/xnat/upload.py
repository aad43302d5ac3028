"""Sends: one streamed zip into the prearchive, or one file into a resource.  Each is sent once."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from xnatsync.core.errors import Bug, ForeignContent, OutcomeUnknown, ReplyStrange, SourceChanged
from xnatsync.core.manifest import ManifestFile
from xnatsync.core.remote import ImportReply, ImportTarget
from xnatsync.xnat import replies, wire
from xnatsync.xnat.client import Client
from xnatsync.xnat.exchange import Body
from xnatsync.xnat.tarstream import tar_pieces
from xnatsync.xnat.wire import Call
from xnatsync.xnat.zipstream import exactly, zip_pieces

_OK: Final = frozenset({200})
_STORED: Final = frozenset({200, 201})


def import_zip(
    client: Client,
    target: ImportTarget,
    members: Iterable[tuple[str, ManifestFile, Iterator[bytes]]],
    *,
    size: int,
    request_id: str,
    timeout_s: float,
) -> ImportReply:
    """Upload one zip by the DICOM-zip importer (import.md §1) and return the places it names.

    LoginLost means that nothing was stored.  An answer of 200 that cannot be understood is OutcomeUnknown: it happened.
    """
    body = Body(_promised(zip_pieces(members), size), size, "application/zip")
    return _imported(client, wire.import_archive(target), body, request_id=request_id, timeout_s=timeout_s)


def import_tar(
    client: Client,
    target: ImportTarget,
    members: Iterable[tuple[str, ManifestFile, Iterator[bytes]]],
    *,
    size: int,
    request_id: str,
    timeout_s: float,
) -> ImportReply:
    """Upload one tar by the same importer, which tells it by its type (import.md §1.4)."""
    body = Body(_promised(tar_pieces(members), size), size, "application/x-tar")
    return _imported(client, wire.import_archive(target), body, request_id=request_id, timeout_s=timeout_s)


def import_object(
    client: Client,
    target: ImportTarget,
    name: str,
    file: ManifestFile,
    content: Iterator[bytes],
    *,
    request_id: str,
    timeout_s: float,
) -> ImportReply:
    """Upload one object by the importer gradual-DICOM, under a file name that XNAT keeps (import.md §4.6).

    It travels in a form, because only that gives it a name in every version (§1.4).
    """
    mark = f"xnatsync-{uuid.uuid4().hex}"
    head = (
        f'--{mark}\r\nContent-Disposition: form-data; name="object"; filename="{name}"\r\n'
        "Content-Type: application/dicom\r\n\r\n"
    ).encode("ascii")
    tail = f"\r\n--{mark}--\r\n".encode("ascii")
    size = len(head) + file.size + len(tail)
    body = Body(chain([head], exactly(file, content), [tail]), size, f"multipart/form-data; boundary={mark}")
    return _imported(client, wire.import_object(target), body, request_id=request_id, timeout_s=timeout_s)


def _imported(client: Client, call: Call, body: Body, *, request_id: str, timeout_s: float) -> ImportReply:
    reply = client.write(call, request_id=request_id, body=body, timeout_s=timeout_s, done=_OK)
    try:
        return ImportReply(replies.destinations(reply))
    except ReplyStrange as error:
        raise OutcomeUnknown(str(error), http=reply.status) from error


def put_file(
    client: Client,
    session_id: str,
    resource: str,
    name: str,
    content: Iterator[bytes],
    *,
    size: int,
    overwrite: bool = False,
    request_id: str,
    timeout_s: float,
) -> None:
    """Store one file; ForeignContent when one of that name is there, unless `overwrite` is asked for (§6.1).

    XNAT answers 200 to an account that may read but not edit, and stores nothing: only a listing proves it.
    """
    call = wire.stored_file(session_id, resource, name, overwrite=overwrite)
    body = body_of(name, content, size)
    store(client, call, body, request_id=request_id, timeout_s=timeout_s)


def store(client: Client, call: Call, body: Body, *, request_id: str, timeout_s: float) -> None:
    """Send one file; ForeignContent when the answer, a 200, says that one of that name is there."""
    reply = client.write(call, request_id=request_id, body=body, timeout_s=timeout_s, done=_STORED)
    try:
        taken = replies.duplicates(reply)
    except ReplyStrange as error:
        raise OutcomeUnknown(str(error), http=reply.status) from error
    if taken:
        raise ForeignContent(f"{call.what}: a file of this name is already there")


def body_of(name: str, content: Iterator[bytes], size: int) -> Body:
    """Make the body that stores one file; SourceChanged while it is sent, when the content has another length."""
    return _raw(name, content, size) if size else _empty(name, content)


def _raw(name: str, content: Iterator[bytes], size: int) -> Body:
    def counted() -> Iterator[bytes]:
        left = size
        for piece in content:
            left -= len(piece)
            if left < 0:
                raise SourceChanged(f"{name} grew while it was sent")
            yield piece
        if left:
            raise SourceChanged(f"{name} is {left} bytes shorter than it was")

    return Body(counted(), size, "application/octet-stream")


def _empty(name: str, content: Iterator[bytes]) -> Body:
    """An empty file travels only in a form: XNAT takes an empty body for a missing one (hierarchy.md §6.1)."""
    if any(content):
        raise SourceChanged(f"{name} grew while it was sent")
    mark = f"xnatsync-{uuid.uuid4().hex}"
    form = (
        f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="empty"\r\n'
        f"Content-Type: application/octet-stream\r\n\r\n\r\n--{mark}--\r\n"
    ).encode("ascii")
    return Body(iter([form]), len(form), f"multipart/form-data; boundary={mark}")


def _promised(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    left = size
    for piece in pieces:
        left -= len(piece)
        if left < 0:
            raise Bug("a zip came out longer than was computed")
        yield piece
    if left:
        raise Bug("a zip came out shorter than was computed")
