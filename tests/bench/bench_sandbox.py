"""Is the sandbox fast enough to measure others with?  Its rates beside those of plain stdlib servers, asked by curl.

    python tests/bench/bench_sandbox.py [--megabytes 1024] [--parallel 4] [--rounds 3] [--json]

Receiving: `PUT` of a file into a resource, against a sink that only writes the body to disk.  Sending: `GET` of that
file, against `python -m http.server`.  Each once alone, and with several curls at a time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from bench_upload import machine
from processes import PASSWORD, USER, Sandbox, sandbox

LOGIN = ("-u", f"{USER}:{PASSWORD}")
SINK = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Sink(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_PUT(self):
        left = int(self.headers["Content-Length"])
        with open(self.path.strip("/"), "wb", buffering=0) as file:
            while left:
                piece = self.rfile.read(min(left, 1 << 20))
                file.write(piece)
                left -= len(piece)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *words):
        pass
server = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
print(server.server_port, flush=True)
server.serve_forever()
"""
FILES = """
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass
server = ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
print(server.server_port, flush=True)
server.serve_forever()
"""


@contextmanager
def plain(script: str, folder: Path) -> Iterator[str]:
    """Serves a folder by the standard library; gives the URL."""
    folder.mkdir(exist_ok=True)
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=folder)
    assert child.stdout is not None
    try:
        yield f"http://127.0.0.1:{child.stdout.readline().strip()}"
    finally:
        child.terminate()
        child.wait(30)
        child.stdout.close()


def rate(megabytes: float, commands: list[list[str]]) -> float:
    """MB per second of several curls at a time; RuntimeError when one fails."""
    start = time.perf_counter()
    running = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for command in commands]
    codes = [child.wait() for child in running]
    if any(codes):
        raise RuntimeError(f"curl ended with {codes}: {' '.join(commands[0])}")
    return megabytes * len(commands) / (time.perf_counter() - start)


def measure(root: Path, megabytes: int, parallel: int, rounds: int) -> dict[str, Any]:
    """All rates, the two servers in turn."""
    size = megabytes * (1 << 20) // parallel // (1 << 16) * (1 << 16)
    source = root / "content"
    block = os.urandom(1 << 16)
    with source.open("wb") as file:
        for _ in range(size // len(block)):
            file.write(block)
    found: dict[str, list[float]] = {}
    with (
        sandbox(root / "site") as server,
        plain(SINK, root / "sink") as sink,
        plain(FILES, root / "files") as files,
    ):
        resources = _resources(server, parallel)
        for n in range(parallel):
            (root / "files" / f"{n}.bin").hardlink_to(source)

        def put(url: str) -> Callable[[int], list[str]]:
            kind = ["-H", "Expect:", "-H", "Content-Type: application/octet-stream"]
            return lambda n: ["curl", "-sS", "--fail", *LOGIN, *kind, "-T", str(source), url.format(n)]

        def get(url: str) -> Callable[[int], list[str]]:
            return lambda n: ["curl", "-sS", "--fail", *LOGIN, "-o", os.devnull, url.format(n)]

        contestants = {
            "receive, plain server": put(sink + "/{}.bin"),
            "receive, sandbox": put(resources + "F{0}/files/{0}.bin?inbody=true&overwrite=true"),
            "receive, sandbox without checksums": put(resources + "F{0}/files/{0}.bin?inbody=true&overwrite=true"),
            "send, plain server": get(files + "/{}.bin"),
            "send, sandbox": get(resources + "F{0}/files/{0}.bin"),
        }
        for turn in range(rounds + 1):
            for name, command in contestants.items():
                _checksums(server, wanted="without checksums" not in name)
                for count in (parallel, 1):
                    reached = rate(size / 1e6, [command(n) for n in range(count)])
                    if turn:  # the first is the warm-up
                        found.setdefault(f"{name}, {count} at a time", []).append(reached)
    return {name: round(statistics.median(rates)) for name, rates in sorted(found.items())}


def _resources(server: Sandbox, count: int) -> str:
    """Makes a resource for each transfer, because XNAT takes one file at a time into the catalogue of a resource."""
    path = "/data/projects/BENCH/resources/"
    server.ask("PUT", "/data/projects/BENCH")
    for n in range(count):
        server.ask("PUT", f"{path}F{n}")
    return server.url + path


def _checksums(server: Sandbox, *, wanted: bool) -> None:
    """Sets whether the server digests what it stores (MD5, as XNAT does by default)."""
    command = ["curl", "-sS", "--fail", *LOGIN, "-X", "POST", "-H", "Content-Type: application/json"]
    subprocess.run([*command, "-d", json.dumps({"checksums": wanted}), f"{server.url}/xapi/siteConfig"], check=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--megabytes", type=int, default=1024, help="of all transfers of one kind together")
    arguments.add_argument("--parallel", type=int, default=4)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--folder", type=Path, help="where to work; the default is the system's temporary folder")
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="xnatsync-bench-", dir=given.folder) as folder:
        rates = measure(Path(folder), given.megabytes, given.parallel, given.rounds)
    if given.json:
        print(json.dumps({"machine": machine(), "mb_per_s": rates}, indent=2))
        return
    print(machine())
    for name, reached in rates.items():
        print(f"  {name:40} {reached:6d} MB/s")


if __name__ == "__main__":
    main()
