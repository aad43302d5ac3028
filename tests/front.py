"""A server before the stand-in XNAT, on a real socket: it puts it below a path, and changes cookies, as proxies do."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}


@dataclass(slots=True)
class Front:
    """What the server does; `seen` are the requests, with the headers that may hold a secret."""

    behind: int
    prefix: str = ""
    marks_secure: bool = False  # the session's cookie is for https alone
    drops_secure: bool = False  # and so is not passed on from http
    port: int = 0
    seen: list[tuple[str, str, str, str]] = field(default_factory=list)  # method, path, Cookie, Authorization

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.prefix}"


@contextmanager
def front(behind: int, prefix: str = "", *, marks_secure: bool = False, drops_secure: bool = False) -> Iterator[Front]:
    """Serve until the block ends."""
    found = Front(behind, prefix, marks_secure, drops_secure)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            found.seen.append(
                (self.command, self.path, self.headers.get("Cookie", ""), self.headers.get("Authorization", ""))
            )
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if not self.path.startswith(f"{found.prefix}/"):
                self.answer(404, [("Content-Type", "text/html")], b"<!doctype html><html>HTTP Status 404</html>")
                return
            dropped = {"cookie"} if found.drops_secure else set()
            headers = {key: value for key, value in self.headers.items() if key.lower() not in _HOP | dropped}
            there = http.client.HTTPConnection("127.0.0.1", found.behind, timeout=30)
            try:
                there.request(self.command, self.path.removeprefix(found.prefix), body or None, headers)
                reply = there.getresponse()
                self.answer(reply.status, list(map(self.changed, reply.getheaders())), reply.read())
            finally:
                there.close()

        def changed(self, header: tuple[str, str]) -> tuple[str, str]:
            name, value = header
            if found.marks_secure and name.lower() == "set-cookie" and value.startswith("JSESSIONID="):
                return name, f"{value}; Secure"
            return header

        def answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() not in _HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = pass_on

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
