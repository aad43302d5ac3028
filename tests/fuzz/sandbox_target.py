"""The stand-in server under fire: real bytes into its real socket."""

from __future__ import annotations

import base64
import contextlib
import logging
import shutil
import socket
from pathlib import Path

from fuzz.targets import demand, scratch
from hostile.oracle import Caught, judged
from xnatsync.sandbox.http.server import SandboxServer
from xnatsync.sandbox.model.creation import create_project
from xnatsync.sandbox.model.site import Site

AUTH = "Basic " + base64.b64encode(b"agent:secret").decode()
_LIFE = 300  # inputs, then a fresh server: what one left must not slow down the next for ever


class Stand:
    """A server with project P1 and a session E1 in it, and what its threads could not handle."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.site = Site.on_disk(root)
        create_project(self.site, "P1", self.site.accounts.add("agent", "secret", admin=True))
        self.server = SandboxServer(self.site, folder=root)
        self.server.start()
        self.used = 0
        self.broken = _Broken()
        logging.getLogger("xnatsync.sandbox.http.server").addHandler(self.broken)
        experiment = "/data/projects/P1/subjects/S1/experiments/E1?xsiType=xnat:mrSessionData"
        demand(b" 201 " in self.ask(head("PUT", experiment, b"")), "the session could not be made")

    def close(self) -> None:
        logging.getLogger("xnatsync.sandbox.http.server").removeHandler(self.broken)
        self.server.stop()
        self.site.close()
        shutil.rmtree(self.root, ignore_errors=True)

    def ask(self, sent: bytes) -> bytes:
        """Sends, says that nothing follows, and reads to the end."""
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=8) as connection:
            with contextlib.suppress(ConnectionError):  # it may hang up before it has read everything
                connection.sendall(sent)
                connection.shutdown(socket.SHUT_WR)
            answer = bytearray()
            with contextlib.suppress(ConnectionError):
                while piece := connection.recv(1 << 16):
                    answer += piece
            return bytes(answer)


class _Broken(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg == "connection broke" or "MemoryError" in str(record.exc_info):
            self.found.append(f"{record.getMessage()}: {record.exc_info}")


def head(method: str, target: str, body: bytes, kind: str = "application/octet-stream") -> bytes:
    """A request as a client writes it."""
    lines = [f"{method} {target} HTTP/1.1", "Host: x", f"Authorization: {AUTH}", f"Content-Type: {kind}"]
    lines += [f"Content-Length: {len(body)}", "Connection: close"]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


_IMPORT = "/data/services/import?import-handler={}&inbody=true&PROJECT_ID=P1&SUBJECT_ID=S1&EXPT_LABEL=S1_1"
_FILES = "/data/projects/P1/subjects/S1/experiments/E1/resources/R/files"
_FORM = "multipart/form-data; boundary=B"


def requests(data: bytes) -> bytes:
    """The first byte says where in a request the rest stands."""
    rest = data[1:]
    line = rest.decode("latin-1").translate({code: f"%{code:02X}" for code in [*range(33), *range(127, 256)]})
    shapes = [
        lambda: rest,
        lambda: head("POST", _IMPORT.format("DICOM-zip"), rest, "application/zip"),
        lambda: head("POST", _IMPORT.format("DICOM-zip"), rest, "application/x-tar"),
        lambda: head("POST", _IMPORT.format("gradual-DICOM"), rest, "application/dicom"),
        lambda: head("POST", _IMPORT.format("XAR"), rest, "application/xar"),
        lambda: head("POST", "/data/services/import?import-handler=DICOM-zip", rest, _FORM),
        lambda: head("PUT", f"{_FILES}/x.zip?extract=true&inbody=true", rest),
        lambda: head("PUT", f"{_FILES}/{line[:4000]}?inbody=true", b"x"),
        lambda: head("PUT", f"/data/projects/P1/subjects/S1/experiments/{line[:4000]}", b""),
        lambda: head("PUT", "/data/projects/P1/subjects/S1/experiments/E1", rest, "text/xml"),
        lambda: head("POST", "/data/search", rest, "text/xml"),
        lambda: head("GET", f"/data/{line[:4000]}", b""),
        lambda: head("POST", "/xapi/siteConfig", rest, "application/json"),
        lambda: b"POST /data/JSESSION HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + rest,
    ]
    return shapes[data[0] % len(shapes)]() if data else b""


_stand: list[Stand] = []


def stand() -> Stand:
    """The server of this process."""
    if _stand and _stand[0].used >= _LIFE:
        _stand.pop().close()
    if not _stand:
        root = scratch() / "sandbox"
        shutil.rmtree(root, ignore_errors=True)
        _stand.append(Stand(root))
    _stand[0].used += 1
    return _stand[0]


def finish() -> None:
    """Stops the server of this process."""
    while _stand:
        _stand.pop().close()


def exchange(data: bytes) -> None:
    """Sends one request; it is answered or refused, soon, and nothing is written elsewhere."""
    here = stand()
    try:
        answer = judged(lambda: here.ask(requests(data)), root=here.root, all_threads=True)
    except Caught as error:
        finish()
        raise Caught(str(error).replace("bare TimeoutError", "hang of the server")) from error
    demand(isinstance(answer, bytes) and (not answer or answer.startswith(b"HTTP/1.1 ")), "that is no answer")
    if here.broken.found:
        found = here.broken.found[0]
        finish()
        raise Caught(found)
