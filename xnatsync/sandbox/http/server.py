"""The sandbox on a real socket: threads, keep-alive, the request log, faults, a clean end."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import socket
import threading
import time
import uuid
from dataclasses import dataclass
from email.utils import formatdate
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl

from xnatsync.sandbox.http.app import build_routes
from xnatsync.sandbox.http.exchange import Refusal, Request, Response
from xnatsync.sandbox.http.faults import Fault, Faults
from xnatsync.sandbox.http.gate import LOGIN_PAGE, Gate, Visitor, expiration_cookie, forged
from xnatsync.sandbox.http.parameters import check_parameters
from xnatsync.sandbox.http.router import Found
from xnatsync.sandbox.http.status_page import reason, status_page
from xnatsync.sandbox.http.wire import BadRequestError, Head, Incoming, read_head, reset, write_answer
from xnatsync.sandbox.model.rebuilder import Rebuilder
from xnatsync.sandbox.model.site import Site

_LOG = logging.getLogger(__name__)
_SWALLOW = 2 << 20  # what Tomcat reads of an unwanted body before it gives up the connection
_IDLE = 60.0  # seconds a kept-alive connection may be silent
_STALL = 600.0  # seconds a request's body may stand still


@dataclass(slots=True)
class _Outcome:
    response: Response
    user: str
    cut: int | None = None
    lost: bool = False


@dataclass(slots=True)
class _Record:
    """What the request log will say."""

    head: Head
    body: Incoming
    began: float
    user: str = ""
    status: int = 0  # the client got no answer
    sent: int = 0


class SandboxServer:
    """A stand-in XNAT on loopback; `with SandboxServer(site) as server:` serves until the block ends.

    `log` holds one entry per request, in the order of their ends; with a `folder`, each is also a line of
    `requests.log` there, and `faults.json` there is obeyed.
    """

    def __init__(self, site: Site, port: int = 0, folder: Path | None = None) -> None:
        self.site = site
        self.log: list[dict[str, object]] = []
        self.faults = Faults(folder / "faults.json" if folder else None)
        self.routes = build_routes(site)
        self.gate = Gate(site)
        self.rebuilder = Rebuilder(site)
        self._listener = socket.create_server(("127.0.0.1", port), backlog=256)
        self.port = int(self._listener.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        if re.fullmatch(r"http://127\.0\.0\.1(:\d+)?", site.settings.text("siteUrl")):  # also that of an earlier run
            site.settings.values["siteUrl"] = self.url
        self._log_file = (folder / "requests.log").open("a", encoding="utf-8") if folder else None
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, bool] = {}  # True while a request is being answered
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._workers: set[threading.Thread] = set()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to answer; the port is open and logins work when this returns."""
        self.rebuilder.start()
        self._thread = threading.Thread(target=self._accept, name="sandbox-accept", daemon=True)
        self._thread.start()

    def stop(self, patience: float = 10.0) -> None:
        """Take no more requests, let those under way finish (at most `patience` seconds) and write the state."""
        with self._lock:
            self._stopping = True
            idle = [connection for connection, busy in self._connections.items() if not busy]
            workers = list(self._workers)
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if self._thread is not None:
            self._thread.join()
        for connection in idle:
            _hang_up(connection)
        deadline = time.monotonic() + patience
        for worker in workers:
            worker.join(max(0.0, deadline - time.monotonic()))
        with self._lock:
            stuck = list(self._connections)
        for connection in stuck:
            _hang_up(connection)
        for worker in workers:
            worker.join(2.0)
        if self._log_file is not None:
            self._log_file.close()
        self.rebuilder.stop()
        self.site.documents.flush()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            worker = threading.Thread(target=self._serve, args=(connection,), name="sandbox-request", daemon=True)
            with self._lock:
                if self._stopping:
                    connection.close()
                    return
                self._connections[connection] = False
                self._workers.add(worker)
            worker.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection.makefile("rb", buffering=1 << 17) as stream:
                assert isinstance(stream, BufferedReader)
                while self._one(connection, stream):
                    pass
        except (OSError, ValueError) as error:
            _LOG.debug("connection ended: %s", error)
        except Exception:
            _LOG.exception("connection broke")
        finally:
            with self._lock:
                self._connections.pop(connection, None)
                self._workers.discard(threading.current_thread())
            connection.close()

    def _one(self, connection: socket.socket, stream: BufferedReader) -> bool:
        """Serve one request; say whether the connection goes on."""
        connection.settimeout(_IDLE)
        if not stream.peek(1):
            return False
        with self._lock:
            if self._stopping:
                return False
            self._connections[connection] = True
        connection.settimeout(_STALL)
        go_on = self._exchange(connection, stream)
        with self._lock:  # from here on stop() hangs up on this connection; before, nobody else would
            self._connections[connection] = False
            return go_on and not self._stopping

    def _exchange(self, connection: socket.socket, stream: BufferedReader) -> bool:
        try:
            head = read_head(stream)
            body = Incoming(stream, connection, head.headers) if head is not None else None
        except BadRequestError as error:
            page = f"<!doctype html><html><head><title>HTTP Status 400</title></head><body><p>{error}</p></body></html>"
            refusal = Response(400, {"Content-Type": "text/html;charset=utf-8"}, page.encode())
            write_answer(connection, refusal, [], method="GET", keep=False)
            return False
        if head is None or body is None:
            return False
        struck = self.faults.strike(head.method, f"{head.path}?{head.query}" if head.query else head.path)
        cut = next((fault.bytes for fault in struck if fault.kind == "cut_request"), None)
        body.cut = cut
        record = _Record(head, body, time.monotonic())
        try:
            if cut is None:
                return self._reply(connection, record, struck)
            if not body.done:  # what came until then is worked on, as a real server does; the answer reaches nobody
                self._answer(head, body, struck)
            reset(connection)
        except ConnectionAbortedError:
            reset(connection)
        finally:
            self._note(record)
        return False

    def _reply(self, connection: socket.socket, record: _Record, struck: list[Fault]) -> bool:
        head, body = record.head, record.body
        outcome = self._answer(head, body, struck)
        record.user = outcome.user
        if outcome.lost:
            reset(connection)
            return False
        record.status = outcome.response.status
        keep = head.keep_alive and not self._stopping and body.swallow(_SWALLOW)
        record.sent = write_answer(
            connection, outcome.response, self._always(head), method=head.method, keep=keep, cut=outcome.cut
        )
        if not keep and not body.done:
            _linger(connection)
        return keep

    def _answer(self, head: Head, body: Incoming, struck: list[Fault]) -> _Outcome:
        visitor = self.gate.admit(head.path, head.headers)
        outcome = _Outcome(Response(), visitor.user.login)
        for fault in struck:
            if fault.kind == "delay":
                time.sleep(fault.seconds)
        request = Request(
            head.method,
            head.path,
            parse_qsl(head.query, keep_blank_values=True),
            head.headers,
            body,
            body.length,
            visitor.user,
            visitor.login.id if visitor.login else "",
        )
        answer = _instead(request, struck) or visitor.answer or self._handle(request, visitor)
        for fault in struck:
            if fault.kind == "call" and fault.after_call is not None:
                answer = fault.after_call(request, answer) or answer
            elif fault.kind == "body":
                kind = {"Content-Type": answer.headers.get("Content-Type", "text/plain")}
                answer = Response(answer.status, {**kind, **fault.headers}, fault.body.encode())
            elif fault.kind == "cut_response":
                outcome.cut = fault.bytes or -1
            elif fault.kind == "lost_reply":
                outcome.lost = True
        answer.cookies = [*visitor.cookies, *answer.cookies, expiration_cookie(self.site)]
        outcome.response = answer
        return outcome

    def _handle(self, request: Request, visitor: Visitor) -> Response:
        found: Found | None = None
        try:
            method = request.method
            if method == "POST" and request.param("method") in {"PUT", "DELETE"}:
                method = request.method = request.param("method")  # Restlet's tunnel (hierarchy.md §1.12)
            if forged(self.site, request, visitor.login):
                raise Refusal(500, "INVALID CSRF")  # noqa: TRY301
            found = self.routes.find(method, request.path)
            if found is None:
                raise Refusal(404)  # noqa: TRY301
            if found.handler is None:
                raise Refusal(405, headers={"Allow": ", ".join(sorted(found.methods))})  # noqa: TRY301
            check_parameters(request, found.handler.__module__.rpartition(".")[2])
            return found.handler(request, found.match)
        except Refusal as refusal:
            return refused(request, refusal)
        except (ConnectionError, TimeoutError):
            raise
        except Exception as error:  # XNAT's own habit: whatever nobody caught is a 500 (§1.14)
            _LOG.exception("%s %s", request.method, request.path)
            return refused(request, Refusal(500, f"{type(error).__name__}: {error}"))

    def _always(self, head: Head) -> list[str]:
        always = [
            f"Date: {formatdate(self.site.clock(), usegmt=True)}",
            "X-Frame-Options: SAMEORIGIN",
            "Content-Security-Policy: frame-ancestors 'self'",
        ]
        if head.path.startswith(("/data", "/REST")):
            always += ["Server: Noelios-Restlet-Engine/1.1.10", "Accept-Ranges: bytes"]
        return always

    def _note(self, record: _Record) -> None:
        head = record.head
        entry: dict[str, object] = {
            "at": self.site.clock(),
            "method": head.method,
            "path": head.path,
            "query": head.query,
            "status": record.status,
            "user": record.user,
            "bytes_in": record.body.count,
            "bytes_out": record.sent,
            "ms": round((time.monotonic() - record.began) * 1000, 3),
            "request_id": head.headers.get("x-request-id") or uuid.uuid4().hex,
        }
        with self._lock:
            self.log.append(entry)
            if self._log_file is not None and not self._log_file.closed:
                self._log_file.write(json.dumps(entry) + "\n")
                self._log_file.flush()


def refused(request: Request, refusal: Refusal) -> Response:
    """Turn a refusal into what XNAT shows: Restlet's page below /data, plain text below /xapi (hierarchy.md §10)."""
    if request.path.startswith("/xapi"):
        body = b"" if refusal.status in {401, 403} else (refusal.message or reason(refusal.status)).encode()
        return Response(refusal.status, {"Content-Type": "text/plain;charset=UTF-8", **refusal.headers}, body)
    return status_page(refusal)


def _instead(request: Request, struck: list[Fault]) -> Response | None:
    """Return the answer of a fault that keeps the handler from running at all."""
    for fault in struck:
        if fault.kind == "status":
            if fault.body:
                return Response(
                    fault.status, {"Content-Type": "text/html;charset=UTF-8", **fault.headers}, fault.body.encode()
                )
            return refused(request, Refusal(fault.status, headers=fault.headers))
        if fault.kind == "login_page":
            return Response(200, {"Content-Type": "text/html;charset=UTF-8"}, LOGIN_PAGE.encode())
        if fault.kind == "call" and fault.before is not None and (answer := fault.before(request)) is not None:
            return answer
    return None


def _linger(connection: socket.socket) -> None:
    """Return a client that is still sending the chance to read the answer before the connection goes."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(1.0)
        limit = time.monotonic() + 2.0
        while time.monotonic() < limit and connection.recv(1 << 20):
            pass


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
