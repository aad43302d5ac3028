"""TLS that stops in its handshake or in the middle of a record: every method of the client ends in its bound."""

from __future__ import annotations

import gc
import os
import socket
import ssl
import struct
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from hostile.listening import listening
from hostile.oracle import judged, watchdog
from hostile.test_slow_servers import BOUND_S, METHODS, OK, ONCE, TIMES, WRITES, _request, let_in
from unit.test_xnat_certificates import certificate
from xnatsync.core.errors import OutcomeUnknown, ServerUnreachable, XnatsyncError
from xnatsync.xnat.client import Retries
from xnatsync.xnat.server import XnatServer

RECORD = b"\x17\x03\x03"  # application data; its length follows, and then what nobody can decipher
SERVER_HELLO = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc"

Act = Callable[[socket.socket], None]


def silent(_: socket.socket) -> None:
    time.sleep(20)


def closed(_: socket.socket) -> None:
    return


def reset(raw: socket.socket) -> None:
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def stopped_in_the_hello(raw: socket.socket) -> None:
    raw.recv(65536)
    raw.sendall(SERVER_HELLO)
    time.sleep(20)


def dripping_hello(raw: socket.socket) -> None:
    raw.recv(65536)
    for byte in SERVER_HELLO + bytes(16_000):
        raw.sendall(bytes([byte]))
        time.sleep(0.05)


def plain_http(raw: socket.socket) -> None:
    raw.recv(65536)
    raw.sendall(OK + b"Content-Length: 0\r\n\r\n")


def half_a_record(raw: socket.socket) -> None:
    raw.sendall(RECORD + b"\x40\x00" + b"x" * 100)
    time.sleep(20)


def dripping_record(raw: socket.socket) -> None:
    raw.sendall(RECORD + b"\x40\x00")
    while True:
        raw.sendall(b"x")
        time.sleep(0.05)


def garbled_record(raw: socket.socket) -> None:
    raw.sendall(RECORD + b"\x00\x40" + b"x" * 64)
    time.sleep(20)


def empty_records_for_ever(raw: socket.socket) -> None:
    while True:
        raw.sendall(b"\x15\x03\x03\x00\x02\x01\x5a" * 1000)


HANDSHAKES: list[Act] = [silent, closed, reset, stopped_in_the_hello, dripping_hello, plain_http]
MIDDLES: list[Act] = [silent, closed, reset, half_a_record, dripping_record, garbled_record, empty_records_for_ever]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("tls"), "127.0.0.1")


@contextmanager
def stopping(authority: Path, *, handshake: Act | None = None, middle: Act | None = None) -> Iterator[str]:
    """Lets everybody in over TLS; then connections, or answers, are acted on below it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.with_name("server.pem"))
    armed = threading.Event()
    greeted: list[int] = []

    def serve(plain: socket.socket) -> None:
        with suppress(OSError), plain:
            if armed.is_set() and handshake is not None:
                handshake(plain)
                return
            with context.wrap_socket(plain, server_side=True) as wrapped:
                while request := _request(wrapped):
                    greeted.extend([1] * (b"/data/auth" in request))  # at the login, and by the test itself
                    last = handshake is not None and len(greeted) > 1
                    if last:
                        armed.set()  # before the answer: who has it may knock again at once
                    if not _lets_in(request, wrapped, last=last):
                        if middle is not None:
                            with socket.socket(fileno=os.dup(wrapped.fileno())) as raw:
                                middle(raw)
                        return
                    if last:
                        return

    with listening(serve) as port:
        yield f"https://127.0.0.1:{port}"


def _lets_in(request: bytes, wrapped: ssl.SSLSocket, *, last: bool) -> bool:
    ends = b"Connection: close\r\n" if last else b""
    if b"/data/JSESSION" in request:
        wrapped.sendall(OK + b"Set-Cookie: JSESSIONID=S1\r\nContent-Length: 2\r\n\r\nS1")
        return True
    if b"/data/auth" in request:
        said = b"User 'u' is logged in"
        wrapped.sendall(OK + ends + b"Content-Length: %d\r\n\r\n%s" % (len(said), said))
        return True
    return False


def ended(url: str, authority: Path, method: str) -> XnatsyncError:
    """Gives the error with which a method ended, in time and with no answer left open."""
    server = XnatServer(url, "u", "p", server_name="x", verify=str(authority), timeouts=TIMES, retries=ONCE, pool=1)
    with _sockets_of_python(), watchdog(3 * BOUND_S):
        let_in(server)
        found = judged(lambda: METHODS[method](server), seconds=BOUND_S)
        left_open = server.client.exchanges.streams
        server.close()
        assert isinstance(found, XnatsyncError)
        assert left_open == 0
        _let_go_of(found)
    return found


@contextmanager
def _sockets_of_python() -> Iterator[None]:
    """Say nothing of what `ssl` itself leaves open, on either side, when the peer is gone before the handshake.

    CPython 3.11: `SSLSocket._create` raises what `recv` raised on a socket that is not connected, and closes nothing.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "unclosed <ssl.SSLSocket", ResourceWarning)
        yield


def _let_go_of(error: BaseException) -> None:
    one: BaseException | None = error
    while one is not None:
        one.__traceback__ = None
        one = one.__cause__ or one.__context__
    gc.collect()


@pytest.mark.parametrize("act", HANDSHAKES, ids=lambda act: act.__name__)
@pytest.mark.parametrize("method", METHODS)
def test_a_handshake_that_does_not_end_is_no_connection(authority: Path, method: str, act: Act) -> None:
    """Nothing was asked, so nothing can have happened: a write is as certain of it as a read."""
    with stopping(authority, handshake=act) as url:
        assert isinstance(ended(url, authority, method), ServerUnreachable)


def test_who_says_nothing_in_a_handshake_is_not_asked_again_at_once() -> None:
    """A server of plain http waits for more of the request: each try would take the whole time for a connection."""
    asked: list[int] = []

    def mute(plain: socket.socket) -> None:
        with suppress(OSError), plain:
            asked.append(1)
            plain.settimeout(5.0)
            while plain.recv(65536):
                pass

    with listening(mute) as port:
        times = replace(TIMES, connect_s=0.3)
        server = XnatServer(
            f"https://127.0.0.1:{port}",
            "u",
            "p",
            server_name="x",
            verify=False,
            timeouts=times,
            retries=Retries(),
            pool=1,
        )
        with _sockets_of_python(), watchdog(BOUND_S):
            found = judged(server.whoami, seconds=BOUND_S)
            server.close()
            assert isinstance(found, ServerUnreachable)
            assert "does that port speak https?" in str(found)
            assert len(asked) == 1
            _let_go_of(found)


@pytest.mark.parametrize("act", MIDDLES, ids=lambda act: act.__name__)
@pytest.mark.parametrize("method", METHODS)
def test_a_record_that_does_not_end_is_an_answer_that_never_came(authority: Path, method: str, act: Act) -> None:
    """It may have happened: of a write nobody knows."""
    with stopping(authority, middle=act) as url:
        found = ended(url, authority, method)
    assert isinstance(found, OutcomeUnknown) is (method in WRITES)
