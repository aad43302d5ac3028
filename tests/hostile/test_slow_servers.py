"""Servers that never come to an end, on raw sockets: every method of the client ends in its bound, holding little."""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest

from hostile.listening import listening
from hostile.oracle import Caught, judged, watchdog
from xnatsync.core.described import Described, Part, ThingKind
from xnatsync.core.errors import (
    ConnectionsTaken,
    Disposition,
    OutcomeUnknown,
    ReadFailed,
    ReplyStrange,
    ServerUnreachable,
    XnatsyncError,
)
from xnatsync.core.inventory import Owner, OwnerKind, ResourceKey
from xnatsync.core.manifest import Kind, ManifestFile
from xnatsync.core.remote import ImportTarget
from xnatsync.core.streams import closed_after
from xnatsync.ports.tree import SmallFile
from xnatsync.xnat import wire
from xnatsync.xnat.client import Retries
from xnatsync.xnat.pace import Timeouts
from xnatsync.xnat.server import XnatServer
from xnatsync.xnat.tarstream import tar_size

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


class Reset(Exception):
    """The connection is to be reset: what the other side sent or wants to send is lost to it."""


def reset_at_once(_: Say) -> None:
    raise Reset


def reset_in_the_head(say: Say) -> None:
    say(OK + b"Content-Le")
    time.sleep(0.05)
    raise Reset


def reset_in_the_body(say: Say) -> None:
    say(OK + PLAIN + b"Content-Length: 10000000\r\n\r\n" + b" " * 300_000)
    time.sleep(0.05)
    raise Reset


def member(name: str, content: bytes) -> bytes:
    """A member of a zip, stored."""
    raw = name.encode()
    sizes = struct.pack("<LLLHH", zlib.crc32(content), len(content), len(content), len(raw), 0)
    return struct.pack("<LHHHHH", 0x04034B50, 20, 0x800, 0, 0, 0x2821) + sizes + raw + content


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


PACKED = OK + b"Content-Type: application/zip\r\nTransfer-Encoding: chunked\r\n\r\n"
FOLDER = "E1/scans/4/resources/NIFTI/files/"


def endless_member(say: Say) -> None:
    """A file of which 5 bytes are listed, in a zip that does not say its size beforehand."""
    raw = f"{FOLDER}a".encode()
    head = struct.pack("<LHHHHHLLLHH", 0x04034B50, 20, 0x808, 8, 0, 0x2821, 0, 0, 0, len(raw), 0)
    say(PACKED + chunk(head + raw))
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    while True:
        if piece := packer.compress(os.urandom(1 << 18)):
            say(chunk(piece))


def members_without_end(say: Say) -> None:
    """Empty files that nobody listed, each with a name of its own."""
    say(PACKED)
    number = 0
    while True:
        names = range(number, number + 2000)
        say(chunk(b"".join(member(f"{FOLDER}{name}", b"") for name in names)))
        number += 2000


def members_that_nobody_asked_for(say: Say) -> None:
    """With names as long as a zip can hold: each must be remembered until its directory was read."""
    say(PACKED)
    for number in range(10_000_000):
        say(chunk(member(f"E1/scans/4/resources/NIFTI/files/{number}/{'x' * 60_000}", b"")))


MISBEHAVIOURS = [
    dripping_head, dripping_bytes_of_a_head, processing_for_ever, flooding_with_102, endless_header, dripping_body,
    dripping_chunks_with_long_extensions, endless_body, bomb, packed_twice, packed_twice_in_two_lines, too_short,
    silent, stalled_after_some, garbage, reset_at_once, reset_in_the_head, reset_in_the_body,
]  # fmt: skip


ENDLESS_ZIPS = [endless_member, members_without_end, members_that_nobody_asked_for]


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


TARGET = ImportTarget("P1", "S", "L")
OBJECT = ManifestFile("a.dcm", 1, 0, b"", 0, b"", Kind.DICOM)
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
    "import_zip": lambda server: server.import_zip(TARGET, [], size=22, request_id="r"),
    "import_tar": lambda server: server.import_tar(TARGET, [], size=tar_size([]), request_id="r"),
    "import_object": lambda server: server.import_object(TARGET, "a.dcm", OBJECT, iter([b"x"]), request_id="r"),
    "put_file": lambda server: server.put_file("E1", "R", "a", iter([b"x"]), size=1, request_id="r"),
    "put_resource_file": lambda server: server.put_resource_file(
        SESSION, KEY, "a", iter([b"x"]), size=1, overwrite=False, request_id="r"
    ),
    "put_resource_files": lambda server: server.put_resource_files(
        SESSION, KEY, [SmallFile("a", 1, lambda: b"x")], overwrite=False, request_id="r"
    ),
    "whoami": lambda server: server.client.get(wire.projects()),  # whose own address must answer before
    "about": lambda server: server.about(),
    "may_edit": lambda server: server.may_edit("P1"),
    "site_setting": lambda server: server.site_setting("x"),
    "sessions": lambda server: server.sessions("P1"),
    "session_files": lambda server: server.session_files("E2"),
    "resource_files": lambda server: server.resource_files("E1", "R"),
    "prearchive_files": lambda server: server.prearchive_files(URI),
    "fetch_scans": lambda server: all_of(server.fetch_scans("E1", ["4"])),
}
THING = Described(ThingKind.SUBJECT, "X1", "N1", "xnat:subjectData", root="xnat:Subject")
SUBJECT = Owner(OwnerKind.SUBJECT, "P1", "XS1", subject="S")
READS_OF_TRANSFERS: dict[str, Callable[[XnatServer], object]] = {
    "describe": lambda server: server.describe(SESSION),
    "all_files": lambda server: server.all_files([SUBJECT]),
    "part_stamps": lambda server: server.part_stamps("P1"),
    "object_uids": lambda server: server.object_uids(SESSION, KEY),
    "rules": lambda server: server.rules("P1"),
}
WRITES_OF_TRANSFERS: dict[str, Callable[[XnatServer], object]] = {
    "create_project": lambda server: server.create_project(THING, "P1"),
    "create_subject": lambda server: server.create_subject("P1", THING),
    "create_experiment": lambda server: server.create_experiment("P1", "XS1", THING),
    "create_part": lambda server: server.create_part("E1", replace(THING, kind=ThingKind.ASSESSOR)),
    "overlay": lambda server: server.overlay(SUBJECT, Part(), THING, frozenset()),
    "set_custom": lambda server: server.set_custom(SUBJECT, Part(), {"a": "1"}),
    "share": lambda server: server.share(SESSION, Part(), "P2", "L"),
    "create_resource": lambda server: server.create_resource(SESSION, Part(), "N", format_="", content=""),
    "catalogue": lambda server: server.catalogue(SESSION, Part(), "N"),
}
WRITES = {
    *("build", "commit", "delete_prearchive", "import_object", "import_tar", "import_zip"),
    *("put_file", "put_resource_file", "put_resource_files"),
}
STREAMS = {"fetch_file", "fetch_resources", "fetch_scans"}
LISTED = json.dumps({"ResultSet": {"Result": [{
    "Name": "a", "Size": "5", "URI": "/data/experiments/E1/scans/4/resources/1/files/a", "collection": "NIFTI",
    "digest": ""}]}}).encode()  # fmt: skip


ITEM = b'{"items": [{"data_fields": {"ID": "E1", "project": "P1", "subject_ID": "XS1"}}]}'
NOTHING = b'{"ResultSet": {"Result": []}}'
READ_BEFORE = {  # the first words of a request -> its answer; what is looked up by its label is not there
    b"GET /data/experiments/E1?": ITEM, b"GET /data/experiments/E1/assessors?": NOTHING,
    b"GET /data/experiments/E1/projects?": NOTHING, b"GET /data/projects/P1": None,
}  # fmt: skip


@contextmanager
def misbehaving(act: Callable[[Say], None], reads: dict[bytes, bytes | None] | None = None) -> Iterator[str]:
    """Lets everybody in, answers some reads, None with 404, and misbehaves at every other request."""

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
                elif known := [said for words, said in (reads or {}).items() if first.startswith(words)]:
                    said = known[0] or b""
                    status = OK if known[0] is not None else b"HTTP/1.1 404 Not Found\r\n"
                    connection.sendall(status + PLAIN + b"Content-Length: %d\r\n\r\n%s" % (len(said), said))
                elif b"/experiments/E1/scans/ALL/files" in first:
                    connection.sendall(OK + PLAIN + b"Content-Length: %d\r\n\r\n%s" % (len(LISTED), LISTED))
                else:
                    try:
                        act(connection.sendall)
                    except Reset:
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return

    with listening(serve) as port:
        yield f"http://127.0.0.1:{port}"


def let_in(server: XnatServer) -> None:
    """Log in: the server is quick until then, and a busy machine may not be."""
    for _ in range(5):
        with suppress(ReadFailed, ServerUnreachable):
            server.whoami()
            return
    server.whoami()


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
        let_in(server)
        tracemalloc.start()
        began = time.monotonic()
        try:
            ended = judged(lambda: METHODS[method](server), seconds=BOUND_S)
            left_open = server.client.exchanges.streams
            with watchdog(BOUND_S):
                server.close()
            took, (_, peak) = time.monotonic() - began, tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert isinstance(ended, XnatsyncError), ended
    assert took < BOUND_S
    assert peak < (HELD_MAX if method in STREAMS else 400 << 20)
    assert left_open == 0
    if method in WRITES:
        assert isinstance(ended, OutcomeUnknown) or ended.disposition is Disposition.BUG


def ends(method: Callable[[XnatServer], object], url: str) -> tuple[object, float]:
    """Says how a call ended, after how long, with no connection left open."""
    server = XnatServer(url, "u", "p", server_name="x", timeouts=TIMES, retries=ONCE, pool=1)
    let_in(server)
    began = time.monotonic()
    ended = judged(lambda: method(server), seconds=BOUND_S)
    took = time.monotonic() - began
    assert server.client.exchanges.streams == 0
    server.close()
    return ended, took


# Each stands for its kind: they ask by the same two ways as the methods above.
KINDS = [dripping_head, endless_header, too_short, garbage, reset_in_the_head]


@pytest.mark.parametrize("act", KINDS, ids=lambda act: act.__name__)
@pytest.mark.parametrize("method", READS_OF_TRANSFERS)
def test_a_read_of_a_transfer_ends_within_its_bound(method: str, act: Callable[[Say], None]) -> None:
    """As an error of ours: never as nothing being there."""
    with misbehaving(act) as url:
        ended, took = ends(READS_OF_TRANSFERS[method], url)
    assert isinstance(ended, XnatsyncError), ended
    assert took < BOUND_S


@pytest.mark.parametrize("act", KINDS, ids=lambda act: act.__name__)
@pytest.mark.parametrize("method", WRITES_OF_TRANSFERS)
def test_a_write_of_a_transfer_ends_within_its_bound_and_is_unknown(method: str, act: Callable[[Say], None]) -> None:
    """What is read before it is answered properly, so that it is the write that gets no answer."""
    with misbehaving(act, reads=READ_BEFORE) as url:
        ended, took = ends(WRITES_OF_TRANSFERS[method], url)
    assert isinstance(ended, OutcomeUnknown), ended
    assert took < BOUND_S


def test_the_table_has_every_method_of_a_server() -> None:
    """Of all ports: none can be added without its way to end."""
    methods = {name for name in vars(XnatServer) if not name.startswith("_")}
    assert methods - {"close"} == METHODS.keys() | READS_OF_TRANSFERS.keys() | WRITES_OF_TRANSFERS.keys()


@pytest.mark.parametrize("act", ENDLESS_ZIPS, ids=lambda act: act.__name__)
@pytest.mark.parametrize("method", sorted(STREAMS - {"fetch_file"}))
def test_a_zip_without_end_ends_with_what_was_listed(method: str, act: Callable[[Say], None]) -> None:
    """As many members and bytes as were listed, and a stated amount of what nobody asked for."""
    with misbehaving(act) as url, watchdog(60):
        server = XnatServer(url, "u", "p", server_name="x", timeouts=TIMES, retries=ONCE, pool=1)
        ended = judged(lambda: METHODS[method](server), seconds=45, growth_bytes=300 << 20)
        assert server.client.exchanges.streams == 0
        server.close()
    assert isinstance(ended, ReplyStrange)


@pytest.mark.parametrize("method", ["project", "fetch_file", "build"])
@pytest.mark.parametrize("act", [silent, dripping_head, processing_for_ever], ids=lambda act: act.__name__)
def test_a_request_to_stop_ends_a_wait_within_seconds(method: str, act: Callable[[Say], None]) -> None:
    """With the patience of production: a read after a second, the answer to a write after ten."""
    asked = threading.Event()
    with misbehaving(act) as url:
        server = XnatServer(url, "u", "p", server_name="x", retries=ONCE, stop=asked.is_set)
        let_in(server)
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
        let_in(server)
        began = time.monotonic()
        with watchdog(BOUND_S), pytest.raises(ReadFailed, match="bytes moved in"):
            all_of(server.fetch_file(SESSION, KEY, "a"))
        server.close()
    assert time.monotonic() - began < BOUND_S


def test_the_watchdog_ends_what_hangs() -> None:
    """Its own negative test: in the call, and in what cleans up after it; an outer one goes on."""
    began = time.monotonic()

    def hang() -> None:
        try:
            time.sleep(30)
        finally:
            time.sleep(30)

    with pytest.raises(Caught, match="hangs"), watchdog(20), watchdog(0.2):
        hang()
    assert time.monotonic() - began < 10
