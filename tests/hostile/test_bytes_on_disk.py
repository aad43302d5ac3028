"""A server that sends more than it listed fills no disk: what is written is bounded by what was announced."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli_world import World
from hostile.oracle import watchdog
from hostile.test_odd_rows_everywhere import ALWAYS, LABEL
from hostile.test_slow_servers import member
from xnatsync.core.streams import SLACK_BYTES
from xnatsync.sandbox.http.exchange import Request, Response
from xnatsync.sandbox.http.faults import Fault

PIECE = os.urandom(1 << 18)  # that no disk packs
FILES = 4
ALLOWED = FILES * (SLACK_BYTES + len(PIECE)) + (4 << 20)  # of four files of 3 kB, and a ledger


def endless(_: str) -> Iterator[bytes]:
    """A file that has no end."""
    while True:
        yield PIECE


def member_without_end(name: str) -> Iterator[bytes]:
    """A zip whose first member says 64 GB, and brings them."""
    head = bytearray(member(name, b""))
    head[18:26] = b"\xfe\xff\xff\xff" * 2
    yield bytes(head)
    yield from endless(name)


def members_that_nobody_listed(name: str) -> Iterator[bytes]:
    """A zip of 50 MB of them."""
    folder = name.rpartition("/")[0]
    for number in range(200):
        yield member(f"{folder}/{number}", PIECE)


def longer_members(name: str) -> Iterator[bytes]:
    """The file that was asked for, much longer than listed, and well formed."""
    yield member(name, PIECE * 200)


BODIES = [endless, member_without_end, members_that_nobody_listed, longer_members]
COMMANDS: dict[str, tuple[str, ...]] = {
    "download as zips": ("session", "download", "-P", "DEMO", "-E", LABEL, "--out", "got"),
    "download": ("session", "download", "-P", "DEMO", "-E", LABEL, "--out", "got", "--unzip"),
    "download with threads": ("session", "download", "-P", "DEMO", "-E", LABEL, "--out", "got", "--unzip", "-w", "3"),
    "mirror": ("sync", "mine", "--patience", "1s"),
    "verify": ("verify", "scanner", "--level", "bytes"),
}


def sending(body: Callable[[str], Iterator[bytes]], name: str) -> Fault:
    """Sends that instead of a file or a zip of files."""

    def change(request: Request, response: Response) -> Response | None:
        if "json" in response.headers.get("Content-Type", "") or response.status != 200:
            return None
        kept = {key: value for key, value in response.headers.items() if key.lower() != "content-length"}
        return Response(200, kept, body(name), response.cookies)

    return Fault("GET", "/files", "call", times=ALWAYS, after_call=change)


@contextmanager
def watched(root: Path, most: list[int]) -> Iterator[None]:
    """Notes again and again how many bytes lie below a folder, apart from the server's own."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            most.append(sum(_size(path) for path in root.rglob("*") if "xnat" not in path.relative_to(root).parts[:1]))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.__name__)
@pytest.mark.parametrize("command", COMMANDS)
def test_no_more_is_written_than_was_announced(
    box: World, command: str, body: Callable[[str], Iterator[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At no moment of a run, nor of the next one; it ends, and says so."""
    monkeypatch.chdir(box.root)
    box.study("exam")
    assert box.run("sync").code == 0
    (box.root / "tree").mkdir()
    box.configure(
        route=f'[routes.mine]\nkind = "mirror"\nfolder = "{box.root / "tree"}"\nserver = "box"\nproject = "DEMO"\n'
    )
    (session,) = box.server.site.experiments.values()
    resource = session.scans["1"].resources["DICOM"]
    name = f"{LABEL}/scans/1-T1_head/resources/DICOM/files/{next(iter(resource.entries))}"
    fault = box.server.faults.add(sending(body, name))
    before = sum(path.stat().st_size for path in box.drop.rglob("*") if path.is_file())
    for _ in range(2):
        most: list[int] = []
        with watchdog(60), watched(box.root, most):
            ran = box.run(*COMMANDS[command])
        assert fault.hits
        assert ran.code in {3, 4, 5}, ran
        assert "XS-BUG" not in ran.out + ran.err, ran
        assert max(most, default=0) < before + ALLOWED
