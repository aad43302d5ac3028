"""Receivers for the tests: pynetdicom's, which keeps what it is sent, and raw ones that behave as none should."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pynetdicom import AE, AllStoragePresentationContexts, evt, register_uid
from pynetdicom.service_class import StorageServiceClass
from pynetdicom.sop_class import Verification

from dicomnet.objects import BIG, CSA, EXPLICIT, IMPLICIT, JPEG, JPEG_2000, JPEG_LOSSLESS, RLE

SYNTAXES = [EXPLICIT, IMPLICIT, BIG, JPEG, JPEG_LOSSLESS, JPEG_2000, RLE]


register_uid(CSA, "CSAStorage", StorageServiceClass)


@dataclass
class Keeper:
    """What a receiver was sent, in order: SOP Instance UID, syntax and data set."""

    port: int = 0
    held: list[tuple[str, str, bytes]] = field(default_factory=list)
    associations: int = 0
    answer: Callable[[int, evt.Event], int] = lambda number, event: 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    die: Callable[[], None] = lambda: None  # from then on nothing listens there

    @property
    def uids(self) -> list[str]:
        return [uid for uid, _, _ in self.held]

    def store(self, event: evt.Event) -> int:
        request = event.request
        with self.lock:
            number = len(self.held) + 1
            status = self.answer(number, event)
            if status == 0 or status >> 12 == 0xB:
                uid, syntax = str(request.AffectedSOPInstanceUID), str(event.context.transfer_syntax)  # type: ignore[union-attr]
                self.held.append((uid, syntax, request.DataSet.getvalue()))  # type: ignore[union-attr]
            return status


@contextmanager
def keeping(
    answer: Callable[[int, evt.Event], int] = lambda number, event: 0,
    *,
    title: str = "KEEPER",
    calling: list[str] | None = None,
    tls: ssl.SSLContext | None = None,
    syntaxes: list[str] | None = None,
    room: int = 16382,
    at_most: int = 30,
) -> Iterator[Keeper]:
    """A receiver that answers as it is told: `answer(which object, event)` gives the status."""
    entity = AE(title)
    entity.require_called_aet = True
    entity.require_calling_aet = calling or []
    entity.maximum_pdu_size = room
    entity.maximum_associations = at_most
    entity.add_supported_context(Verification)
    for context in AllStoragePresentationContexts:
        entity.add_supported_context(context.abstract_syntax or "", syntaxes or SYNTAXES)
    entity.add_supported_context(CSA, syntaxes or SYNTAXES)
    keeper = Keeper(answer=answer)

    def opened(event: evt.Event) -> None:
        keeper.associations += 1

    server = entity.start_server(
        ("127.0.0.1", 0), block=False, ssl_context=tls,
        evt_handlers=[(evt.EVT_C_STORE, keeper.store), (evt.EVT_C_ECHO, lambda e: 0), (evt.EVT_ACCEPTED, opened)],
    )  # fmt: skip
    assert server is not None
    keeper.port = int(server.server_address[1])
    living = server

    def die() -> None:
        if living in entity._servers:
            living.shutdown()

    keeper.die = die
    try:
        yield keeper
    finally:
        for association in server.active_associations:
            if association.is_established:
                association.abort()
        die()


@contextmanager
def raw_peer(behave: Callable[[socket.socket], None]) -> Iterator[int]:
    """A listener that lets a function do with each connection what it likes; gives its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    open_: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            open_.append(connection)
            with contextlib.suppress(OSError):
                behave(connection)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in open_:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        thread.join(5)


def read_unit(connection: socket.socket) -> tuple[int, bytes]:
    """Reads one protocol data unit."""
    head = _exactly(connection, 6)
    return head[0], _exactly(connection, int.from_bytes(head[2:6], "big"))


def _exactly(connection: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        piece = connection.recv(count - len(found))
        if not piece:
            raise ConnectionResetError
        found += piece
    return found


def acceptance(request: bytes) -> bytes:
    """The acceptance of every context of a request (its content), in the first syntax of each."""
    items, at = b"", 68
    while at + 4 <= len(request):
        kind, length = request[at], int.from_bytes(request[at + 2 : at + 4], "big")
        content = request[at + 4 : at + 4 + length]
        if kind == 0x10:
            items += request[at : at + 4 + length]
        elif kind == 0x20:
            inner = 4
            while content[inner] != 0x40:
                inner += 4 + int.from_bytes(content[inner + 2 : inner + 4], "big")
            syntax = content[inner : inner + 4 + int.from_bytes(content[inner + 2 : inner + 4], "big")]
            answer = content[:1] + b"\0\0\0" + syntax
            items += b"\x21\0" + len(answer).to_bytes(2, "big") + answer
        at += 4 + length
    user = b"\x51\0\0\4\0\0\x40\0" + b"\x52\0\0\x05" + b"1.2.3"
    items += b"\x50\0" + len(user).to_bytes(2, "big") + user
    body = request[:68] + items
    return b"\2\0" + len(body).to_bytes(4, "big") + body
