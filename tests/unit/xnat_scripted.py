"""A server that says exactly what a test wants: real sockets, scripted answers, every request kept."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from xnatsync.xnat.client import Retries
from xnatsync.xnat.pace import Timeouts
from xnatsync.xnat.server import XnatServer

LOGIN_PAGE = (
    b'<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0"><html><!-- BEGIN xnat-templates/screens/Login.vm --></html>'
)
QUICK = Retries(tries=4, first_s=0.001, most_s=0.002, retry_after_most_s=2.0)


def page(words: str) -> bytes:
    """Writes Restlet's status page."""
    head = "<html>\n<head>\n   <title>Status page</title>\n</head>\n"
    return f"{head}<body>\n<h3>{words}</h3><p>You can get technical details…</p></body></html>".encode()


@dataclass
class Asked:
    """A request as it came in."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    complete: bool = True


@dataclass
class Answer:
    """What is said.

    `cut`: only so many bytes of the body, then the connection breaks; `early`: before the body was read; `silent`: the
    connection ends without an answer; `chunked`: without a length.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    early: bool = False
    silent: bool = False
    chunked: bool = False
    wait_for: threading.Event | None = None


Script = Answer | Callable[[Asked], Answer]


class Scripted:
    """The scripts by method and path; each answer is given once, the last one for ever."""

    def __init__(self, user: str = "jdoe", password: str = "secret") -> None:
        self.user, self.password = user, password
        self.asked: list[Asked] = []
        self.logins = 0
        self.alive: set[str] = set()
        self.scripts: dict[tuple[str, str], list[Script]] = {}
        self.known_as = user
        self.lock = threading.Lock()
        self.url = ""
        self.on("POST", "/data/JSESSION", self.sign_in)
        self.on("GET", "/data/auth", self.who)
        self.on("DELETE", "/data/JSESSION", Answer())

    def on(self, method: str, path: str, *answers: Script) -> None:
        self.scripts[method, path] = list(answers)

    def sign_in(self, asked: Asked) -> Answer:
        credentials = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        with self.lock:
            self.logins += 1
            if asked.headers.get("authorization") != f"Basic {credentials}":
                return Answer(401, b"Your login attempt failed")
            session = f"S{self.logins:04d}"
            self.alive.add(session)
        cookies = {"Set-Cookie": f"JSESSIONID={session}; Path=/; HttpOnly"}
        return Answer(200, session.encode(), cookies)

    def who(self, asked: Asked) -> Answer:
        return self.guarded(Answer(200, f"User '{self.known_as}' is logged in".encode()))(asked)

    def guarded(self, *answers: Script) -> Callable[[Asked], Answer]:
        """Answers 401 to whoever has no live session."""
        left = list(answers)

        def answer(asked: Asked) -> Answer:
            if asked.headers.get("cookie", "").removeprefix("JSESSIONID=") not in self.alive:
                return Answer(401, b"<!doctype html><html><h1>HTTP Status 401</h1></html>")
            script = left.pop(0) if len(left) > 1 else left[0]
            return script(asked) if callable(script) else script

        return answer

    def requests(self, method: str, path: str) -> list[Asked]:
        return [asked for asked in self.asked if (asked.method, asked.path) == (method, path)]

    def answer(self, asked: Asked) -> Answer:
        with self.lock:
            scripts = self.scripts.get((asked.method, asked.path))
            if not scripts:
                return Answer(404, page("Unable to find the specified experiment."))
            script = scripts.pop(0) if len(scripts) > 1 else scripts[0]
        return script(asked) if callable(script) else script

    def peek(self, method: str, path: str) -> Answer | None:
        """Gives the next answer when it is one that does not wait for the body."""
        scripts = self.scripts.get((method, path))
        if scripts and isinstance(scripts[0], Answer) and scripts[0].early:
            return scripts.pop(0) if len(scripts) > 1 else scripts[0]
        return None


@contextmanager
def scripted() -> Iterator[Scripted]:
    script = Scripted()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except (ConnectionError, BrokenPipeError):
                self.close_connection = True

        def do(self) -> None:
            parts = urlsplit(self.path)
            early = script.peek(self.command, parts.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = b"" if early else self.rfile.read(length)
            asked = Asked(
                self.command,
                parts.path,
                dict(parse_qsl(parts.query, keep_blank_values=True)),
                {key.lower(): value for key, value in self.headers.items()},
                body,
                complete=len(body) == length,
            )
            script.asked.append(asked)
            self.say(early or script.answer(asked))

        do_GET = do_POST = do_PUT = do_DELETE = do

        def say(self, answer: Answer) -> None:
            if answer.wait_for is not None:
                answer.wait_for.wait(30)
            if answer.silent:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for key, value in answer.headers.items():
                self.send_header(key, value)
            if answer.chunked:
                self.send_header("Transfer-Encoding", "chunked")
            else:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            body = answer.body if answer.cut is None else answer.body[: answer.cut]
            if answer.chunked:
                for at in range(0, len(body), 1000):
                    piece = body[at : at + 1000]
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                if answer.cut is None:
                    self.wfile.write(b"0\r\n\r\n")
            else:
                self.wfile.write(body)
            if answer.cut is not None or answer.early:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            return

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False
        request_queue_size = 64

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def connected(script: Scripted, **options: object) -> Iterator[XnatServer]:
    """Opens the client under test, impatient."""
    given = {
        "retries": QUICK,
        "timeouts": Timeouts(connect_s=5, pool_s=3, read_s=10, send_s=10, import_s=10, work_s=10),
    } | options
    user, password = str(given.pop("user", script.user)), str(given.pop("password", script.password))
    with XnatServer(script.url, user, password, server_name="test", **given) as server:  # type: ignore[arg-type]
        yield server
