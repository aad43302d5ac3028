"""HTTP/1.1 on a socket: reading heads and bodies, writing answers."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from io import BufferedReader
from itertools import chain

from xnatsync.sandbox.http.exchange import FileBody, Response
from xnatsync.sandbox.http.status_page import reason

MOST_HEAD = 1 << 16
_PIECE = 1 << 20
_WORTH_CUTTING = 4096


class BadRequestError(Exception):
    """What Tomcat refuses before XNAT sees it."""


class Head:
    """A request line and its headers."""

    __slots__ = ("headers", "method", "path", "query", "version")

    def __init__(self, line: bytes, headers: dict[str, str]) -> None:
        parts = line.decode("latin-1").rstrip("\r\n").split(" ")
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            raise BadRequestError("Invalid request line")
        self.method, target, self.version = parts
        self.headers = headers
        if target.startswith("http://"):
            target = "/" + target[7:].partition("/")[2]
        self.path, _, self.query = target.partition("?")
        # Tomcat answers these itself, XNAT never sees them (hierarchy.md §6.4)
        if not self.path.startswith("/") or re.search(r'[\[\]{}|\\^`"<>\x00-\x20\x7f-\xff]', self.path):
            raise BadRequestError("Invalid character found in the request target")

    @property
    def keep_alive(self) -> bool:
        """Return whether the client wants to go on."""
        wish = self.headers.get("connection", "").lower()
        return "close" not in wish and (self.version != "HTTP/1.0" or "keep-alive" in wish)


def read_head(stream: BufferedReader) -> Head | None:
    """Read a head; None when the client has closed."""
    line = stream.readline(MOST_HEAD)
    while line in {b"\r\n", b"\n"}:
        line = stream.readline(MOST_HEAD)
    if not line.endswith(b"\n"):
        return None
    headers: dict[str, str] = {}
    total = len(line)
    while True:
        raw = stream.readline(MOST_HEAD)
        total += len(raw)
        if not raw.endswith(b"\n"):
            return None
        if total > MOST_HEAD:
            raise BadRequestError("Request header is too large")
        if raw in {b"\r\n", b"\n"}:
            return Head(line, headers)
        name, _, value = raw.decode("latin-1").partition(":")
        name = name.strip().lower()
        value = value.strip()
        joint = "; " if name == "cookie" else ", "
        headers[name] = f"{headers[name]}{joint}{value}" if name in headers else value


class Incoming:
    """A request's body as it comes from the socket.  The first read answers `Expect: 100-continue`."""

    def __init__(self, stream: BufferedReader, connection: socket.socket, headers: Mapping[str, str]) -> None:
        self._stream = stream
        self._connection = connection
        self._chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        self._left = 0 if self._chunked else _length(headers)
        self.length: int | None = None if self._chunked else self._left
        self.expects = headers.get("expect", "").lower() == "100-continue"
        self.done = not self._chunked and self._left == 0
        self._broken = False  # nobody can tell where the next request would begin
        self.count = 0
        self.cut: int | None = None  # a fault breaks the connection after so many bytes

    def read(self, size: int = -1, /) -> bytes:
        """Read up to `size` bytes, all of the rest when negative; raise ConnectionError when the peer is gone."""
        if size < 0:
            return b"".join(iter(lambda: self.read(_PIECE), b""))
        if self.done:
            return b""
        self._continue()
        if self.cut is not None:
            size = min(size, self.cut - self.count)
            if size <= 0:
                raise ConnectionAbortedError("cut by a fault")
        data = self._chunk(size) if self._chunked else self._plain(size)
        self.count += len(data)
        return data

    def swallow(self, most: int) -> bool:
        """Read what nobody wanted, up to a limit; say whether the end was reached."""
        if self._broken or (self.expects and not self.done):
            return False  # never asked for: the client may or may not send it, so the connection cannot go on
        start = self.count
        try:
            while self.count - start < most and self.read(_PIECE >> 2):
                pass
        except (ConnectionError, TimeoutError, BadRequestError):
            return False
        return self.done

    def _continue(self) -> None:
        if self.expects:
            self.expects = False
            self._connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _plain(self, size: int) -> bytes:
        data = self._stream.read(min(size, self._left))
        if not data:
            raise ConnectionResetError("the client left in the middle of its body")
        self._left -= len(data)
        self.done = self._left == 0
        return data

    def _chunk(self, size: int) -> bytes:
        if self._left == 0 and not self._next_chunk():
            return b""
        data = self._stream.read(min(size, self._left))
        if not data:
            raise ConnectionResetError("the client left in the middle of its body")
        self._left -= len(data)
        if self._left == 0:
            self._stream.readline(4)  # the line end behind the chunk
        return data

    def _next_chunk(self) -> bool:
        line = self._stream.readline(1024)
        if not line.endswith(b"\n"):
            raise ConnectionResetError("the client left between chunks")
        size = line.partition(b";")[0].strip()
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,15}", size):  # `int` alone takes -1, which would read to the end
            self._broken = True
            raise BadRequestError("Invalid chunk header")
        self._left = int(size, 16)
        if self._left:
            return True
        while self._stream.readline(MOST_HEAD) not in {b"\r\n", b"\n", b""}:
            pass  # trailers
        self.done = True
        return False


def _length(headers: Mapping[str, str]) -> int:
    text = headers.get("content-length", "0")
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise BadRequestError("Invalid content length")
    return int(text)


class SocketOutput:
    """Sends to the client, counting; with `budget` the connection breaks after so many bytes of body."""

    def __init__(self, connection: socket.socket, budget: int | None = None) -> None:
        self._connection = connection
        self._budget = budget
        self.count = 0

    def send(self, data: bytes) -> None:
        """Send some bytes of body."""
        if self._budget is not None and self.count + len(data) > self._budget:
            self._connection.sendall(data[: self._budget - self.count])
            self.count = self._budget
            raise ConnectionAbortedError("cut by a fault")
        self._connection.sendall(data)
        self.count += len(data)

    def send_chunk(self, piece: bytes | FileBody) -> None:
        """Send one chunk of a body of unknown length."""
        if isinstance(piece, FileBody):
            if piece.length:
                self._connection.sendall(b"%x\r\n" % piece.length)
                self.send_file(piece)
                self._connection.sendall(b"\r\n")
            return
        self._connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.count += len(piece)

    def send_file(self, body: FileBody) -> None:
        """Send from disk without copying."""
        length = body.length if self._budget is None else min(body.length, self._budget)
        sent = 0
        with open(body.path, "rb") as file:  # noqa: PTH123
            if length:
                sent = self._connection.sendfile(file, body.offset, length)
        self.count += sent
        if sent < body.length:
            raise ConnectionAbortedError("cut by a fault, or the file became shorter")


def write_answer(
    connection: socket.socket,
    response: Response,
    always: Iterable[str],
    *,
    method: str,
    keep: bool,
    cut: int | None = None,
) -> int:
    """Send an answer; return the number of bytes of body.  `cut` breaks it after so many bytes (-1: after half)."""
    body = response.body
    bodiless = method == "HEAD" or response.status in {204, 304}
    lines = [f"HTTP/1.1 {response.status} {reason(response.status)}", *always]
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    lines += [f"Set-Cookie: {value}" for value in response.cookies]
    size = len(body) if isinstance(body, bytes) else body.length if isinstance(body, FileBody) else None
    if response.status not in {204, 304}:
        if size is not None:
            lines.append(f"Content-Length: {size}")
        else:
            lines.append("Transfer-Encoding: chunked")
    if not keep:
        lines.append("Connection: close")
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "replace")
    if bodiless:
        connection.sendall(head)
        _close(body)
        return 0
    budget = None if cut is None or size is None else cut if cut >= 0 else size // 2
    output = SocketOutput(connection, budget)
    if isinstance(body, bytes):
        if budget is None:
            connection.sendall(head + body)
            return len(body)
        connection.sendall(head)
        output.send(body)
    elif isinstance(body, FileBody):
        connection.sendall(head)
        output.send_file(body)
    else:
        connection.sendall(head)
        _send_chunks(connection, output, body, cut)
    return output.count


def _send_chunks(
    connection: socket.socket, output: SocketOutput, body: Iterable[bytes | FileBody], cut: int | None
) -> None:
    pieces = (piece for piece in body if piece != b"")
    try:
        for piece in pieces if cut is None else _broken(pieces, connection, output, cut):
            output.send_chunk(piece)
    finally:
        _close(body)
    connection.sendall(b"0\r\n\r\n")


def _broken(
    pieces: Iterator[bytes | FileBody], connection: socket.socket, output: SocketOutput, cut: int
) -> Iterator[bytes | FileBody]:
    """Let chunks through until the cut: after so many bytes, or, as "half" of an unknown length, in the middle of the
    first chunk worth it."""  # noqa: D205, D209
    for piece in pieces:
        size = piece.length if isinstance(piece, FileBody) else len(piece)
        if cut < 0 and size < _WORTH_CUTTING and (following := next(pieces, None)) is not None:
            yield piece
            pieces = chain([following], pieces)
            yield from _broken(pieces, connection, output, cut)
            return
        left = size // 2 if cut < 0 else cut - output.count
        if left < size:
            connection.sendall(b"%x\r\n" % size)
            output.send(_start(piece, left))
            raise ConnectionAbortedError("cut by a fault")
        yield piece


def _start(piece: bytes | FileBody, length: int) -> bytes:
    if isinstance(piece, bytes):
        return piece[:length]
    with open(piece.path, "rb") as file:  # noqa: PTH123
        file.seek(piece.offset)
        return file.read(length)


def _close(body: object) -> None:
    close = getattr(body, "close", None)
    if close is not None:
        close()


def reset(connection: socket.socket) -> None:
    """Make the following close a reset, as a crashed server or a broken line does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
