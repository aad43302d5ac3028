"""Servers that never come to an end, on raw sockets: every method of the client ends in its bound, holding little."""

from __future__ import annotations

import socket
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from hostile.oracle import judged
from xnatsync.core.errors import ConnectionsTaken, Disposition, OutcomeUnknown, ReadFailed, XnatsyncError
from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey
from xnatsync.core.remote import ImportTarget
from xnatsync.core.streams import closed_after
from xnatsync.xnat.client import Retries
from xnatsync.xnat.pace import Timeouts
from xnatsync.xnat.server import XnatServer

OK = b"HTTP/1.1 200 OK\r\n"
PLAIN = b"Content-Type: application/json\r\n"
TIMES = Timeouts(
    connect_s=1, pool_s=1, send_s=0.6, read_s=0.6, import_s=0.6, work_s=0.6, reply_s=1, window_s=0.4, leave_s=0.3
)
ONCE = Retries(tries=1)
BOUND_S = 8.0
HELD_MAX = 48 << 20
SESSION = Owner(OwnerKind.SESSION, "P1", "E1", subject="S", session="L")
KEY = ResourceKey("4", "NIFTI")
URI = "/prearchive/projects/P1/20240611_142301123/L"

Say = Callable[[bytes], None]


def dripping_head(say: Say) -> None:
    for number in range(10_000):
        say(OK if number == 0 else b"X-%d: y\r\n" % number)
        time.sleep(0.05)


def dripping_bytes_of_a_head(say: Say) -> None:
    for byte in OK * 100:
        say(bytes([byte]))
        time.sleep(0.05)


def processing_for_ever(say: Say) -> None:
    while True:
        say(b"HTTP/1.1 102 Processing\r\n\r\n")
        time.sleep(0.01)


def flooding_with_102(say: Say) -> None:
    while True:
        say(b"HTTP/1.1 102 Processing\r\n\r\n" * 1000)


def endless_header(say: Say) -> None:
    say(OK + b"X: ")
    while True:
        say(b"x" * 65536)


def dripping_body(say: Say) -> None:
    say(OK + PLAIN + b"Content-Length: 1000000\r\n\r\n")
    while True:
        say(b" ")
        time.sleep(0.05)


def dripping_chunks_with_long_extensions(say: Say) -> None:
    say(OK + PLAIN + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        say(b"1;" + b"x" * 60_000 + b"\r\n \r\n")


def endless_body(say: Say) -> None:
    say(OK + PLAIN + b"Transfer-Encoding: chunked\r\n\r\n")
    piece = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
    while True:
        say(piece)


def bomb(say: Say) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    say(OK + PLAIN + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        piece = packer.compress(bytes(16 << 20))
        if piece:
            say(b"%x\r\n%s\r\n" % (len(piece), piece))


def packed_twice(say: Say) -> None:
    body = zlib.compress(zlib.compress(bytes(1 << 20)))
    say(OK + PLAIN + b"Content-Encoding: deflate, deflate\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


def packed_twice_in_two_lines(say: Say) -> None:
    body = zlib.compress(zlib.compress(bytes(1 << 20)))
    say(OK + b"Content-Encoding: gzip\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


def too_short(say: Say) -> None:
    say(OK + PLAIN + b"Content-Length: 1000\r\n\r\n{}")


def silent(say: Say) -> None:
    time.sleep(20)


def stalled_after_some(say: Say) -> None:
    say(OK + PLAIN + b"Content-Length: 10000000\r\n\r\n" + b" " * 300_000)
    time.sleep(20)


def garbage(say: Say) -> None:
    say(b"\x00\x01 no http at all\r\n\r\n")


MISBEHAVIOURS = [
    dripping_head, dripping_bytes_of_a_head, processing_for_ever, flooding_with_102, endless_header, dripping_body,
    dripping_chunks_with_long_extensions, endless_body, bomb, packed_twice, packed_twice_in_two_lines, too_short,
    silent, stalled_after_some, garbage,
]  # fmt: skip


def all_of(stream: Iterator[Any]) -> None:
    """Reads everything, as whoever compares does: at most what was announced."""
    with closed_after(stream) as opened:
        for one in opened:
            for _ in one[-1] if isinstance(one, tuple) else ():
                pass


def bounded(server: XnatServer) -> None:
    """Reads one file of which 5 bytes are listed."""
    from xnatsync.core.errors import ContentDiffers
    from xnatsync.core.streams import at_most

    with closed_after(server.fetch_file(SESSION, KEY, "a")) as pieces:
        for _ in at_most(pieces, 5, lambda came: ContentDiffers(f"{came} bytes came")):
            pass


METHODS: dict[str, Callable[[XnatServer], object]] = {
    "project": lambda server: server.project("P1"),
    "prearchive": lambda server: server.prearchive("P1"),
    "inventory": lambda server: server.inventory("P1", frozenset(OwnerKind)),
    "owner_files": lambda server: server.owner_files([SESSION]),
    "metadata": lambda server: server.metadata(SESSION),
    "prearchive_log": lambda server: server.prearchive_log(URI),
    "fetch_file": bounded,
    "fetch_resources": lambda server: all_of(server.fetch_resources(SESSION, [KEY], sizes={(KEY, "a"): 5})),
    "build": lambda server: server.build(URI, request_id="r"),
    "commit": lambda server: server.commit(URI, request_id="r"),
    "delete_prearchive": lambda server: server.delete_prearchive(URI, request_id="r"),
    "import_zip": lambda server: server.import_zip(ImportTarget("P1", "S", "L"), [], size=22, request_id="r"),
    "put_file": lambda server: server.put_file("E1", "R", "a", iter([b"x"]), size=1, request_id="r"),
}
WRITES = {"build", "commit", "delete_prearchive", "import_zip", "put_file"}


@contextmanager
def misbehaving(act: Callable[[Say], None]) -> Iterator[str]:
    """Lets everybody in, and misbehaves at every other request."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            while request := _request(connection):
                first = request.split(b"\r\n", 1)[0]
                if b"/data/JSESSION" in first:
                    head = OK + b"Set-Cookie: JSESSIONID=S1\r\nContent-Length: 2\r\n\r\nS1"
                    connection.sendall(head)
                elif b"/data/auth" in first:
                    said = b"User 'u' is logged in"
                    connection.sendall(OK + b"Content-Length: %d\r\n\r\n%s" % (len(said), said))
                else:
                    act(connection.sendall)
                    return

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()


def _request(connection: socket.socket) -> bytes:
    """Reads one request with its body."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head


@pytest.mark.parametrize("act", MISBEHAVIOURS, ids=lambda act: act.__name__)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_ends_within_its_bound_whatever_the_server_does(method: str, act: Callable[[Say], None]) -> None:
    """In time, in memory, as an error of ours; a write leaves its outcome unknown, and no connection stays open."""
    with misbehaving(act) as url:
        server = XnatServer(url, "u", "p", server_name="x", timeouts=TIMES, retries=ONCE, pool=1)
        server.whoami()
        tracemalloc.start()
        began = time.monotonic()
        try:
            ended = judged(lambda: METHODS[method](server), seconds=BOUND_S)
            server.close()
            took, (_, peak) = time.monotonic() - began, tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert isinstance(ended, XnatsyncError), ended
    assert took < BOUND_S
    assert peak < (HELD_MAX if method in {"fetch_file", "fetch_resources"} else 400 << 20)
    assert server.client.exchanges.streams == 0
    if method in WRITES:
        assert isinstance(ended, OutcomeUnknown) or ended.disposition is Disposition.BUG


@pytest.mark.parametrize("method", ["project", "fetch_file", "build"])
@pytest.mark.parametrize("act", [silent, dripping_head, processing_for_ever], ids=lambda act: act.__name__)
def test_a_request_to_stop_ends_a_wait_within_seconds(method: str, act: Callable[[Say], None]) -> None:
    """With the patience of production: a read after a second, the answer to a write after ten."""
    asked = threading.Event()
    with misbehaving(act) as url:
        server = XnatServer(url, "u", "p", server_name="x", retries=ONCE, stop=asked.is_set)
        server.whoami()
        threading.Timer(0.3, asked.set).start()
        began = time.monotonic()
        with pytest.raises(XnatsyncError, match="stop"):
            METHODS[method](server)
        took = time.monotonic() - began
        server.client.exchanges.close()
    assert took < (13 if method == "build" else 4)


def test_a_connection_of_ours_that_is_in_use_is_not_the_servers_fault() -> None:
    """It is called by its name and no try is counted."""
    with misbehaving(stalled_after_some) as url:
        server = XnatServer(url, "u", "p", server_name="x", timeouts=TIMES, retries=ONCE, pool=1)
        stream = server.fetch_file(SESSION, KEY, "a")
        next(stream)
        with pytest.raises(ConnectionsTaken, match="all 1 connections of ours"):
            server.whoami()
        assert ConnectionsTaken.disposition is Disposition.PAUSE
        server.close()


@pytest.mark.parametrize("act", [dripping_body, dripping_chunks_with_long_extensions], ids=lambda act: act.__name__)
def test_a_stream_below_the_floor_of_speed_is_given_up(act: Callable[[Say], None]) -> None:
    """Each byte comes in time, and all of them together would take years: the window of a stream is judged."""
    with misbehaving(act) as url:
        server = XnatServer(url, "u", "p", server_name="x", timeouts=TIMES, retries=ONCE, pool=1)
        server.whoami()
        began = time.monotonic()
        with pytest.raises(ReadFailed, match="bytes moved in"):
            all_of(server.fetch_file(SESSION, KEY, "a"))
        server.close()
    assert time.monotonic() - began < BOUND_S
