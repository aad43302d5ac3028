"""A ledger, a configuration with targets, a clock, and targets on real sockets: what notifications are tested in."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from xnatsync.app.causes import OfAgent
from xnatsync.app.messages import Message, Sender, send
from xnatsync.app.telling import Teller
from xnatsync.config.load import load
from xnatsync.core.errors import NotifyFailed, XnatsyncError
from xnatsync.core.hold import Hold
from xnatsync.core.moment import later
from xnatsync.ledger.open import open_ledger

BEGIN = "2026-03-02T08:00:00.000Z"  # a Monday


class Web:
    """A webhook, or whatever else takes HTTP: what it was sent, and what it answers."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.status = 200
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                web.got.append({"path": self.path, "body": body.decode()})
                self.answer()

            def do_GET(self) -> None:
                web.got.append({"path": self.path, "body": ""})
                self.answer()

            def answer(self) -> None:
                self.send_response(web.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Nothing is printed."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(part["body"]) for part in self.got]


@contextmanager
def web() -> Iterator[Web]:
    found = Web()
    try:
        yield found
    finally:
        found.close()


class NoticesWorld:
    """One drop route `scanner`, one mirror `nightly`, a server, a job, and a target called `ops`."""

    def __init__(self, root: Path, **target: str) -> None:
        self.root = root
        self.time = BEGIN
        self.agent = OfAgent()
        self.out: list[Message] = []
        self.down = False
        self.sender: Sender = self._take
        self._ids = itertools.count(1)
        self.configure(**target)
        self.ledger = open_ledger(root / "ledger.db")
        self.run_id = self.ledger.start_run("watch", 1, "boot", "1", self.time)
        for name, kind in (("scanner", "drop"), ("nightly", "mirror")):
            self.ledger.remember_route(name, kind, "", self.time)

    def configure(self, **target: str) -> None:
        lines = "".join(f"{key} = {value}\n" for key, value in target.items())
        (self.root / "ops.url").touch(mode=0o600)
        (self.root / "ops.url").write_text("json://127.0.0.1:9")
        (self.root / "xnatsync.toml").write_text(
            f'[ledger]\npath = "{self.root}/ledger.db"\n[servers.prod]\nurl = "https://xnat.example.org"\n'
            f'[routes.scanner]\nkind = "drop"\nfolder = "{self.root}/in"\nserver = "prod"\nproject = "P"\n'
            f'[routes.nightly]\nkind = "mirror"\nfolder = "{self.root}/tree"\nserver = "prod"\nproject = "P"\n'
            '[jobs.weekly]\nrun = "verify"\nschedule = "every 7d"\n'
            f'[notify.ops]\nurl_file = "{self.root}/ops.url"\n{lines}'
        )
        self.config = load(self.root / "xnatsync.toml")

    def _take(self, address: str, message: Message) -> None:
        if self.down:
            raise NotifyFailed("it could not be reached")
        self.out.append(message)

    def address(self, text: str, name: str = "ops") -> None:
        """Has real messages sent there."""
        (self.root / f"{name}.url").write_text(text)
        self.sender = send

    def teller(self, **more: Any) -> Teller:
        return Teller(
            self.config, self.ledger, lambda: self.time, lambda: f"xs-{next(self._ids):04}", sender=self.sender,
            agent=lambda: self.agent, **more,
        )  # fmt: skip

    def pass_time(self, seconds: float, step_s: float = 60.0, each: Callable[[], object] | None = None) -> None:
        """Looks once a step, as the agent does more often."""
        each = each or self.teller().step
        end = later(self.time, seconds)
        while self.time < end:
            self.time = min(later(self.time, step_s), end)
            each()

    def held(self, code: type[XnatsyncError], words: str = "", name: str = "") -> int:
        """Something was dropped and waits for a person."""
        number = self.ledger.new_item("scanner", "drop", name or f"exam{next(self._ids)}", "f", 1, 1, self.time).id
        self.ledger.hold_item(number, Hold.for_person(code(words or code.code)))
        return number

    def close(self) -> None:
        self.ledger.close()
